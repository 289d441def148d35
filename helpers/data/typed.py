"""Typing: a raw table's columns under the contract's names and types, with what could not be typed kept visible."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import ibis

from helpers.data import dialects
from helpers.data.contract import TABLES, ColumnType, TableSpec
from helpers.data.sources import CANCELLED, ROW
from helpers.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from helpers.params import TableSource

# Prefix of the columns that hold what the source said, for messages and quarantine.
SAID = "said_"
OFFSET_OF = "vb_offset"
BLANKS = " \t\n\r\v\f"
# Whole numbers below it are told apart by a double, and are written without an exponent.
EXACT = 1e15


def typed(raw: ir.Table, name: str, source: TableSource, *, timezone: str, worded: bool = True) -> ir.Table:
    """The raw table with the contract's columns typed, and what the source said of each in `said_<column>`.

    A value that cannot be typed becomes NULL beside its `said_` text; `checks` counts and quarantines it.

    Args:
        raw: Rows from `read_source`.
        name: Contract table.
        source: Its params.
        timezone: Zone of the client: naive times are taken as local, times with an offset are moved to it.
        worded: Whether `said_` columns are texts. Otherwise they are as the source has them, which tells just as well
            where a value is missing, and spares the engine from writing every number out.

    Raises:
        DataError: A mapped or required column is not in the source.
    """
    spec = TABLES[name]
    columns: dict[str, ir.Value] = {ROW: raw[ROW], CANCELLED: raw[CANCELLED]}
    for column, said in _mapping(raw, name, source, spec).items():
        kind = spec.columns.get(column)
        text = _text(raw[said])
        columns[column] = _typed_value(raw[said], text, kind, source, (name, column), timezone) if kind else raw[said]
        if kind and kind != "string":
            columns[SAID + column] = text if worded else _present(raw[said], text)
        if column == spec.moment and raw[said].type().is_string() and column not in source.formats:
            columns[OFFSET_OF] = dialects.offset_of(text)
    for column, rule in source.generate.items():
        columns[column] = ibis.literal(rule) if column == "experiment" else _generated(raw, rule, columns)
    return raw.select(**columns)


def _mapping(raw: ir.Table, name: str, source: TableSource, spec: TableSpec) -> dict[str, str]:
    """Source column by contract column; columns that already have the contract's name need no mapping."""
    there = [column for column in raw.columns if column not in {ROW, CANCELLED}]
    mapping = {column: column for column in spec.columns if column in there} | source.columns
    if spec.free:
        taken = set(mapping.values()) | set(mapping)
        mapping |= {column: column for column in there if column not in taken}
    for column, said in mapping.items():
        if said not in there:
            close = difflib.get_close_matches(said, there, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(there[:20])}"
            raise DataError(f"data.tables.{name}.columns.{column}: {source.source} has no column {said!r}; {hint}")
    missing = [column for column in spec.required if column not in mapping and column not in source.generate]
    if missing:
        raise DataError(
            f"data.tables.{name}.columns: {source.source} has no {', '.join(missing)}; map each to one of "
            f"{', '.join(there[:20])}" + (", or say generate: {order_id: row}" if "order_id" in missing else "")
        )
    return mapping


def _text(value: ir.Value) -> ir.StringValue:
    """What the source said, trimmed; blank and not-a-number are NULL and the number 17850.0 is '17850'."""
    if value.type().is_string():
        return _trimmed(value)
    text = value.cast("string")
    if not value.type().is_floating():
        return text
    whole = ibis.ifelse(value.abs() < EXACT, value, None).cast("int64")
    return ibis.cases((value.isnan(), None), (value == whole, whole.cast("string")), else_=text)


def _trimmed(text: ir.StringValue, *, whole: bool = False) -> ir.StringValue:
    """A text without blanks at its ends, NULL where nothing is left; `whole` also takes 17850.0 for 17850.

    Both are dear, and few texts need them: the others are passed through by a look at their ends.
    """
    ends = ibis.literal(BLANKS)
    loose = ends.contains(text.left(1)) | ends.contains(text.right(1))
    tidy = text.strip().nullif("")
    if whole:
        loose |= text.endswith(".0")
        tidy = ibis.ifelse(tidy.re_search(r"^[0-9]+\.0$"), tidy.left(tidy.length() - 2), tidy)
    return ibis.ifelse(loose, tidy, text)


def _present(value: ir.Value, text: ir.StringValue) -> ir.Value:
    """The source's own value, NULL where its text would be."""
    if value.type().is_floating():
        return ibis.ifelse(value.isnan(), None, value)
    return text if value.type().is_string() else value


def _typed_value(
    value: ir.Value, text: ir.StringValue, kind: ColumnType, source: TableSource, place: tuple[str, str], timezone: str
) -> ir.Value:
    name, column = place
    if kind == "string":
        if not column.endswith("_id") or value.type().is_integer():
            return text
        return _trimmed(value if value.type().is_string() else text, whole=True)
    if kind == "float64":
        if value.type().is_floating():
            return ibis.ifelse(value.isinf() | value.isnan(), None, value.cast("float64"))
        if value.type().is_numeric():
            return value.cast("float64")
        plain = text.replace(".", "").replace(",", ".") if source.decimal == "," else text
        number = dialects.number(plain)
        return ibis.ifelse(number.isinf() | number.isnan(), None, number)
    if form := source.formats.get(column):
        moment = dialects.formatted(text, form, key=f"data.tables.{name}.formats.{column}")
    else:
        moment = _moment(value, text, timezone)
    return moment.date() if kind == "date" else moment


def as_moment(value: ir.Value, *, timezone: str) -> ir.TimestampValue:
    """A column that the contract does not name, as the contract's moments are; NULL where it holds no moment.

    Args:
        value: The source's column.
        timezone: Zone of the client: naive times are taken as local, times with an offset are moved to it.
    """
    return _moment(value, _text(value), timezone)


def _moment(value: ir.Value, text: ir.StringValue, timezone: str) -> ir.TimestampValue:
    if value.type().is_timestamp():
        zoned = value.type().timezone
        return dialects.local_time(value, zone=timezone) if zoned else value.cast("timestamp")
    if value.type().is_date():
        return value.cast("timestamp")
    return dialects.moment(text, zone=timezone)


def _generated(raw: ir.Table, rule: str, columns: dict[str, ir.Value]) -> ir.Value:
    """An id for rows that have none: one a row, or for orders one a customer and day."""
    if rule == "row":
        return raw[ROW].cast("string")
    day = columns["ordered_at"].date().cast("string")
    return columns["customer_id"].fill_null("guest").concat("@", day)

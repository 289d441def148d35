"""Dialects: what engines call differently, or do not have, said once for each of them.

DuckDB casts a text that fits no type to NULL by itself, and quickly. Elsewhere a text is held against a pattern first,
so that a cast never meets a text that it would stop at (PostgreSQL) or read more into (Spark takes '1d' for a number).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import ibis

from helpers.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

# Engines differ in what else they take for a number (1_000, 1.5f, Infinity): the pattern lets through what all of them read,
# and no more digits than a double has room for.
NUMBER = r"^\s*[+-]?([0-9]{1,150}\.?[0-9]{0,150}|\.[0-9]{1,150})([eE][+-]?[0-9]{1,2})?\s*$"
_LEAP = r"([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_DAY = (
    r"([0-9]{4}[-/](0?[13578]|1[02])[-/](0?[1-9]|[12][0-9]|3[01])"
    r"|[0-9]{4}[-/](0?[469]|11)[-/](0?[1-9]|[12][0-9]|30)"
    r"|[0-9]{4}[-/]0?2[-/](0?[1-9]|1[0-9]|2[0-8])"
    rf"|{_LEAP}[-/]0?2[-/]29)"
)
_TIME = r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
# Names of zones differ between engines, but for those of no offset.
_ZERO = ("UTC", "GMT")
_OFFSET = rf"(Z|{'|'.join(_ZERO)}|[+-][0-9]{{2}}(:?[0-9]{{2}})?)"
# A day of the calendar, with or without a time and its offset from UTC.
MOMENT = rf"^{_DAY}([ T]{_TIME}\s*{_OFFSET}?)?$"
# The end of a time of day that has an offset; and of one that something follows.
OFFSET = rf":[0-9]{{2}}(?:\.[0-9]+)?\s*{_OFFSET}$"
FOLLOWED = r":[0-9.:]*[^0-9.:]"
# What a format's directives stand for: pattern and place in YYYY-MM-DD HH:MM:SS.ffffff.
DIRECTIVES = {
    "Y": r"([0-9]{4})",
    "y": r"([0-9]{2})",
    "m": r"([0-9]{1,2})",
    "d": r"([0-9]{1,2})",
    "H": r"([0-9]{1,2})",
    "M": r"([0-9]{1,2})",
    "S": r"([0-9]{1,2})",
    "f": r"([0-9]{1,6})",
}
# Engines on which rows are numbered where they lie, each partition by itself.
SCATTERED = ("pyspark", "databricks")


@ibis.udf.scalar.builtin(signature=(("string", "string"), "timestamp"))
def try_strptime(text: Any, form: Any) -> Any:
    """DuckDB: a text as a timestamp by a format, or NULL."""


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp('UTC')"), "timestamp"))
def _timezone(zone: Any, moment: Any) -> Any:
    """DuckDB and PostgreSQL: a moment as the naive time that clocks of a zone show."""


@ibis.udf.scalar.builtin(signature=(("timestamp('UTC')", "string"), "timestamp"))
def from_utc_timestamp(moment: Any, zone: Any) -> Any:
    """Spark and Databricks: the same."""


@ibis.udf.scalar.builtin(name="datetime", signature=(("timestamp('UTC')", "string"), "timestamp"))
def _datetime(moment: Any, zone: Any) -> Any:
    """BigQuery: the same."""


@ibis.udf.scalar.builtin(signature=(("string", "timestamp('UTC')"), "timestamp('UTC')"))
def convert_timezone(zone: Any, moment: Any) -> Any:
    """Snowflake: a moment with the offset of a zone, whose naive time is that of the zone's clocks."""


@ibis.udf.scalar.builtin(signature=((), "int64"))
def monotonically_increasing_id() -> Any:
    """Spark: a number that no other row of the query has, without bringing all rows to one place."""


@ibis.udf.agg.builtin(name="arg_min", signature=(("float64", "date"), "float64"))
def _first_number(value: Any, by: Any) -> Any:
    """DuckDB: the number beside the smallest date."""


@ibis.udf.agg.builtin(name="arg_min", signature=(("string", "date"), "string"))
def _first_text(value: Any, by: Any) -> Any:
    """DuckDB: the text beside the smallest date."""


def engine_of(expression: ir.Expr) -> str:
    """Name of the backend that an expression's tables are in; empty for a table of none, whose SQL alone is wanted."""
    try:
        return str(expression.get_backend().name)
    except ibis.IbisError:
        return ""


def number(text: ir.StringValue) -> ir.FloatingValue:
    """A text as a number, NULL where it is none."""
    return (text if engine_of(text) == "duckdb" else _fitting(text, NUMBER)).try_cast("float64")


def as_number(value: ir.Value) -> ir.FloatingValue:
    """A client's column as a float: text is parsed, and what is no number has no value; true and false are 1 and 0.

    Unlike `number`, it takes the same texts on every engine, also those that DuckDB reads more into.
    """
    if value.type().is_string():
        return _fitting(value, NUMBER).cast("float64")
    # No engine refuses the way over whole numbers, and some refuse the direct one.
    return (value.cast("int32") if value.type().is_boolean() else value).cast("float64")


def moment(text: ir.StringValue, *, zone: str, naive: bool = False) -> ir.TimestampValue:
    """A text as the naive time of a zone, NULL where it is no moment.

    What follows a time of day must be an offset from UTC. DuckDB by itself reads over anything else, such as a zone's name or PM.

    Args:
        text: An ISO day, with or without a time and its offset from UTC.
        zone: Times with an offset are moved to it; others are taken as its own.
        naive: Whether it is known that no text has an offset.
    """
    if engine_of(text) != "duckdb":
        text = _fitting(text, MOMENT).replace("/", "-")
    own = text.try_cast("timestamp")
    if naive:
        return own
    moved = local_time(_closed(text).try_cast("timestamp('UTC')"), zone=zone)
    if engine_of(text) == "duckdb":
        own = ibis.ifelse(text.re_search(FOLLOWED), ibis.null("timestamp"), own)
    return ibis.ifelse(text.re_search(OFFSET), moved, own)


def offset_of(text: ir.StringValue) -> ir.StringValue:
    """The offset from UTC that a moment's text ends in."""
    return text.re_extract(OFFSET, 1)


def _closed(text: ir.StringValue) -> ir.StringValue:
    """A moment's text with its offset right behind its time and UTC as Z, as every engine reads them."""
    for name in _ZERO:
        text = text.replace(name, "Z")
    for first in "Z+-":
        text = text.replace(f" {first}", first)
    return text


def formatted(text: ir.StringValue, form: str, *, key: str) -> ir.TimestampValue:
    """A text as a timestamp by a format, NULL where it does not have it.

    Raises:
        DataError: The format has a directive that only the embedded engine knows; the message begins with `key`.
    """
    if engine_of(text) == "duckdb":
        return try_strptime(text, ibis.literal(form))
    pattern = "^"
    places: list[str] = []
    for plain, directive in re.findall(r"([^%]+)|%(.)", form):
        if directive and directive not in DIRECTIVES:
            raise DataError(f"{key}: {form!r} has %{directive}; tables of a server know %{', %'.join(DIRECTIVES)}")
        pattern += re.escape(plain) if plain else DIRECTIVES[directive]
        places += directive or []
    if not {"m", "d"} <= set(places) or not {"Y", "y"} & set(places):
        raise DataError(f"{key}: {form!r} must name year, month and day")
    whole = _fitting(text, pattern + "$")
    part = {place: whole.re_extract(pattern + "$", number) for number, place in enumerate(places, start=1)}
    year = part["Y"] if "Y" in part else _century(part["y"]).concat(part["y"])
    day = year.concat("-", part["m"], "-", part["d"])
    time = part.get("H", ibis.literal("0")).concat(":", part.get("M", ibis.literal("00")).lpad(2, "0"))
    time = time.concat(":", part.get("S", ibis.literal("00")).lpad(2, "0"), ".", part.get("f", ibis.literal("0")))
    return moment(day.concat(" ", time), zone="", naive=True)


def _century(year: ir.StringValue) -> ir.StringValue:
    """As C and DuckDB have it: 69 to 99 are of the last century."""
    return ibis.ifelse(year >= "69", "19", "20")


def local_time(instant: ir.TimestampValue, *, zone: str) -> ir.TimestampValue:
    """A moment as the naive time that clocks of a zone show."""
    engine, named = engine_of(instant), ibis.literal(zone)
    if engine in {"pyspark", "databricks"}:
        return from_utc_timestamp(instant, named)
    if engine == "bigquery":
        return _datetime(instant, named)
    if engine == "snowflake":
        return convert_timezone(named, instant).cast("timestamp")
    return _timezone(named, instant)


def row_numbers(table: ir.Table) -> ir.IntegerValue:
    """A number for each row of a server's table, which has no order; another one whenever it is asked again."""
    return monotonically_increasing_id() + 1 if engine_of(table) in SCATTERED else ibis.row_number() + 1


def fingerprint(column: ir.Value) -> ir.IntegerValue:
    """A number that equal values share; elsewhere than in DuckDB made of texts, which every engine can hash."""
    plain = engine_of(column) == "duckdb" or column.type().is_string()
    return (column if plain else column.cast("string")).hash()


def beside_first(value: ir.Value, by: ir.DateColumn) -> ir.Value:
    """The value beside the smallest date of a group.

    Ibis has DuckDB sort each group's rows for that, which holds them all; its own aggregate holds one.
    """
    if engine_of(by) != "duckdb":
        return value.argmin(by)
    return _first_number(value, by) if value.type().is_floating() else _first_text(value, by)


def _fitting(text: ir.StringValue, pattern: str) -> ir.StringValue:
    """A text that has a pattern, else NULL: a cast of it is safe in whatever order an engine works."""
    return ibis.ifelse(text.re_search(pattern), text, ibis.null("string"))

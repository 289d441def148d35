"""Data health: every row of a source is kept or quarantined under a named rule, and the two add up to what came in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import ibis

from helpers.data.contract import TABLES
from helpers.data.duplicates import AGAIN, COPY, duplicates
from helpers.data.sources import CANCELLED, ROW
from helpers.data.typed import OFFSET_OF, SAID
from helpers.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from helpers.data.sources import Source

FAULT = "vb_fault"
OFFENDERS = 5
# A return is a row with a negative quantity; these statuses say that an order never was one.
CANCELLED_STATUSES = ("cancelled", "canceled", "void", "voided", "failed")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One rule that rows broke.

    Attributes:
        rule: Such as `order_lines.quantity.type`.
        rows: Rows it put into quarantine.
        value: Their value in the client's currency, as far as it can be computed; `None` for tables without money.
        offenders: The first rows, as text: row number and what stood there.
    """

    rule: str
    rows: int
    value: float | None
    offenders: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something a reader of the data should know that put no row into quarantine."""

    id: str
    rows: int
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class TableHealth:
    """What came in, what was kept and what was put aside, for one table."""

    table: str
    source: str
    rows_in: int
    rows_kept: int
    value_in: float | None
    value_kept: float | None
    faults: tuple[Fault, ...]
    notes: tuple[Note, ...]
    quarantine: pd.DataFrame

    @property
    def rows_quarantined(self) -> int:
        """Rows put aside under any rule."""
        return sum(fault.rows for fault in self.faults)

    @property
    def share_quarantined(self) -> float:
        """Share of the rows that came in."""
        return self.rows_quarantined / self.rows_in if self.rows_in else 0.0


def judge(said: ir.Table, name: str, *, currency: str, now: datetime) -> ir.Table:
    """Typed rows, each with the place of the first rule that it breaks by itself (`vb_fault`, NULL for none).

    Args:
        said: From `typed`.
        name: Contract table.
        currency: The client's; rows in another one are put aside.
        now: Local time of the run; later rows are put aside.

    Returns:
        The rows without what the source said, which only the few rows put aside are asked for again.
    """
    faults = _rules(said, name, currency=currency, now=now)
    kept = [column for column in said.columns if not column.startswith(SAID)]
    no = ibis.literal(value=False)
    cases = ((condition.fill_null(no), ibis.literal(place, "int16")) for place, condition in enumerate(faults.values()))
    return said.select(*kept, **{FAULT: ibis.cases(*cases, else_=ibis.null("int16"))})


def check_table(
    con: Any, held: ir.Table, said: ir.Table, name: str, source: Source, *, label: str, keep_duplicates: bool
) -> tuple[ir.Table, TableHealth]:
    """Sort a typed table's rows into kept ones and quarantine.

    Args:
        con: The backend that holds the table.
        held: From `judge`, held by the engine (the caller materialises it).
        said: The same rows from `typed`.
        name: Contract table.
        source: Where it came from.
        label: The source as a reader knows it.
        keep_duplicates: Whether exact copies of a row are genuine.

    Returns:
        The kept rows under the contract's columns (with `vb_cancelled`), and the table's health.

    Raises:
        DataError: The table is empty.
    """
    key = TABLES[name].key
    own = list(_rules(said, name, currency="", now=datetime.min))  # noqa: DTZ901 - only the rules' names are wanted
    names = [*own, "row.duplicate", f"{'_'.join(key)}.duplicate"]
    repeated = None if keep_duplicates else duplicates(con, name, held=held, said=said, key=key)
    marked = held if repeated is None else _with_duplicates(held, repeated, place=len(own))
    judged = marked.select(fault=marked[FAULT].fill_null(-1), value=_value(marked, name))
    summary = judged.group_by("fault").agg(rows=judged.count(), value=judged.value.sum()).execute()
    summary.index = ["" if place < 0 else names[place] for place in summary["fault"]]
    # A sum over rows whose value cannot be computed is nothing, which counts as zero.
    summary["value"] = summary["value"].astype(float).fillna(0.0)
    rows_in = int(summary["rows"].sum())
    if not rows_in:
        raise DataError(f"data.tables.{name}: {label} has no rows")
    money = name in {"orders", "order_lines"}
    quarantine = _put_aside(marked, said, names, some=int(summary["rows"].get("", 0)) < rows_in)
    broken = tuple(
        Fault(
            rule=f"{name}.{rule}",
            rows=int(summary.loc[rule, "rows"]),
            value=float(summary.loc[rule, "value"]) if money else None,
            offenders=_offenders(quarantine[quarantine[FAULT] == rule], rule),
        )
        for rule in names
        if rule in summary.index
    )
    health = TableHealth(
        table=name,
        source=label,
        rows_in=rows_in,
        rows_kept=int(summary["rows"].get("", 0)),
        value_in=float(summary["value"].sum()) if money else None,
        value_kept=float(summary["value"].get("", 0.0)) if money else None,
        faults=broken,
        notes=_notes(held, name, source),
        quarantine=_quarantined(quarantine, name),
    )
    kept = marked.filter(marked[FAULT].isnull()) if broken else marked
    return kept.drop(*(column for column in kept.columns if column in {ROW, FAULT, OFFSET_OF})), health


def _with_duplicates(held: ir.Table, repeated: ir.Table, *, place: int) -> ir.Table:
    """Rows with their fault, where a rule that a row breaks by itself comes before its being a duplicate."""
    joined = held.left_join(repeated, ROW)
    fault = ibis.cases(
        (joined[FAULT].notnull(), joined[FAULT]),
        (joined[COPY].fill_null(False), ibis.literal(place, "int16")),  # noqa: FBT003
        (joined[AGAIN].fill_null(False), ibis.literal(place + 1, "int16")),  # noqa: FBT003
        else_=ibis.null("int16"),
    )
    return joined.mutate(**{FAULT: fault}).select(*held.columns)


def _put_aside(marked: ir.Table, said: ir.Table, names: list[str], *, some: bool) -> pd.DataFrame:
    """The rows put aside, in the source's order, each with its rule's name and what the source said."""
    if not some:
        import pandas as pd

        return pd.DataFrame(columns=[*said.columns, FAULT])
    aside = marked.filter(marked[FAULT].notnull()).select(ROW, FAULT)
    frame = said.join(aside, ROW).order_by(ROW).execute()
    frame[FAULT] = frame[FAULT].map(lambda place: names[int(place)]).astype("string")
    return frame


def _rules(table: ir.Table, name: str, *, currency: str, now: datetime) -> dict[str, ir.BooleanValue]:
    """Conditions that a row must not meet by itself, by rule, in the order in which a row is judged."""
    spec = TABLES[name]
    rules: dict[str, ir.BooleanValue] = {}
    for column in table.columns:
        if column.startswith(SAID):
            typed_column = column.removeprefix(SAID)
            rules[f"{typed_column}.type"] = table[column].notnull() & table[typed_column].isnull()
    for column in spec.filled:
        said = table[SAID + column] if SAID + column in table.columns else table[column]
        rules[f"{column}.missing"] = said.isnull()
    if spec.moment:
        rules[f"{spec.moment}.future"] = table[spec.moment] > (
            ibis.literal(now.date()) if spec.columns[spec.moment] == "date" else ibis.literal(now)
        )
    if "currency" in table.columns:
        rules["currency.mixed"] = table.currency.upper() != currency
    if "unit_price" in table.columns:
        rules["unit_price.negative"] = table.unit_price < 0
    return rules


def _value(table: ir.Table, name: str) -> ir.NumericValue:
    if name == "order_lines":
        return table.quantity * table.unit_price
    return table.revenue if name == "orders" else ibis.null("float64")


def _offenders(rows: pd.DataFrame, rule: str) -> tuple[str, ...]:
    column = rule.rsplit(".", 1)[0]
    told = SAID + column if SAID + column in rows.columns else column
    if told not in rows.columns:
        told = next((c for c in ("order_id", "customer_id") if c in rows.columns), ROW)
    first = rows.head(OFFENDERS)
    return tuple(f"{number}: {value}" for number, value in zip(first[ROW], first[told], strict=True))


def _quarantined(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows put aside, each with its rule and what the source said."""
    shown = rows.rename(columns={FAULT: "rule", ROW: "row"}).drop(columns=[CANCELLED])
    for column in [c for c in shown.columns if c.startswith(SAID)]:
        shown[column.removeprefix(SAID)] = shown.pop(column)
    shown = shown.drop(columns=[OFFSET_OF], errors="ignore").astype("string")
    shown.insert(0, "table", name)
    return shown[["table", "row", "rule", *[c for c in shown.columns if c not in {"table", "row", "rule"}]]]


def _notes(table: ir.Table, name: str, source: Source) -> tuple[Note, ...]:
    """What the rows that came in hold that is unusual but legitimate."""
    counts: dict[str, ir.Value] = {"cancelled": table[CANCELLED].sum()}
    if name in {"orders", "order_lines"}:
        counts["guests"] = table.customer_id.isnull().sum()
    if name == "order_lines":
        counts["returns"] = ((table.quantity < 0) & ~table[CANCELLED]).sum()
        counts["free"] = (table.unit_price == 0).sum()
    if "status" in table.columns:
        counts["status_cancelled"] = table.status.lower().isin(CANCELLED_STATUSES).sum()
    row = table.agg(**counts).execute().iloc[0]
    notes = [Note(id=key, rows=int(row[key])) for key in counts if row[key] == row[key] and row[key]]
    if source.recoded:
        notes.append(Note(id="encoding", rows=source.recoded[0], detail=str(source.recoded[1])))
    if OFFSET_OF in table.columns and "customer_id" in table.columns:
        zones = table.filter(table[OFFSET_OF].nullif("").notnull() & table.customer_id.notnull())
        zones = zones.group_by("customer_id").agg(zones=zones[OFFSET_OF].nunique(), rows=zones.count())
        mixed = zones.filter(zones.zones > 1).order_by("customer_id").execute()
        if len(mixed):
            notes.append(
                Note(
                    id="time_zones",
                    rows=int(mixed["rows"].sum()),
                    detail=", ".join(mixed["customer_id"].head(OFFENDERS)),
                )
            )
    if name == "order_lines":
        notes += _split_orders(table)
    return tuple(notes)


def _split_orders(lines: ir.Table) -> list[Note]:
    lines = lines.filter(lines.order_id.notnull())
    orders = lines.group_by("order_id").agg(
        one=lines.customer_id.min(), other=lines.customer_id.max(), rows=lines.count()
    )
    shared = orders.filter(orders.one != orders.other).order_by("order_id").execute()
    if not len(shared):
        return []
    detail = ", ".join(shared["order_id"].head(OFFENDERS))
    return [Note(id="shared_orders", rows=int(shared["rows"].sum()), detail=detail)]

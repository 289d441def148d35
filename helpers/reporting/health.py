"""Data health as a reader sees it: what came in, what was put aside and why, and that the two add up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, foreign, language, money, number, percent
from helpers.stats.rounding import room_for_rounding

if TYPE_CHECKING:
    from helpers.data.checks import Fault, Note, TableHealth
    from helpers.periods import Period


@dataclass(frozen=True, kw_only=True)
class DataHealth(Result):
    """Health of the tables that a study read.

    Attributes:
        tables_read: One `TableHealth` a table.
        period: The study's period.
        complete: Whether the data cover the whole period.
        through: Last day of the data, as text.
    """

    tables_read: tuple[TableHealth, ...]
    period: Period
    complete: bool
    through: str

    def numbers(self) -> dict[str, Number]:
        """Rows and value that came in, were kept and were put aside, by table."""
        found: dict[str, Number] = {}
        for health in self.tables_read:
            rows = {
                "rows_in": health.rows_in,
                "rows_kept": health.rows_kept,
                "rows_quarantined": health.rows_quarantined,
            }
            for key, value in rows.items():
                found[f"data.{health.table}.{key}"] = Number(
                    value=value, unit="lines", n=health.rows_in, definition=f"data.{key}"
                )
            if health.value_in is not None and health.value_kept is not None:
                aside = sum(fault.value or 0 for fault in health.faults)
                values = {"value_in": health.value_in, "value_kept": health.value_kept, "value_quarantined": aside}
                found |= {
                    f"data.{health.table}.{key}": Number(
                        value=amount, unit=language().currency, n=health.rows_in, definition=f"data.{key}"
                    )
                    for key, amount in values.items()
                }
        return found

    def definitions(self) -> dict[str, Definition]:
        """What is counted."""
        return {
            "data.rows_in": Definition(name=_("Rows that came in"), text=_("All rows of the source.")),
            "data.rows_kept": Definition(
                name=_("Rows kept"), text=_("Rows that meet every rule of the data contract.")
            ),
            "data.rows_quarantined": Definition(
                name=_("Rows in quarantine"), text=_("Rows that break a rule; none is dropped, each is in the file.")
            ),
            "data.value_in": Definition(name=_("Value that came in"), text=_("Net value of all rows that came in.")),
            "data.value_kept": Definition(name=_("Value kept"), text=_("Net value of the rows kept.")),
            "data.value_quarantined": Definition(
                name=_("Value in quarantine"),
                text=_("Net value of the rows in quarantine, as far as it can be computed."),
            ),
        }

    def checks(self) -> list[Check]:
        """Whether the rows add up, how many were put aside, and whether the period is complete."""
        return [*(check for health in self.tables_read for check in _table_checks(health)), self._complete()]

    def _complete(self) -> Check:
        if self.complete:
            message = _("The data cover the whole period.")
        else:
            message = _(
                "The period is not fully covered: the data end on {day}. Totals are partial and changes against "
                "full periods say little."
            ).format(day=self.through)
        return Check(id="data.period_complete", status="pass" if self.complete else "warn", message=message)

    def table(self) -> Table:
        """Every rule that rows broke, and what else is unusual, with the first offenders."""
        rows = []
        for health in self.tables_read:
            rows.append(
                _row(
                    _("{table}: came in").format(table=foreign(health.table)),
                    health.rows_in,
                    health.value_in,
                    health.source,
                    total=True,
                )
            )
            rows += [_row(rule(f), f.rows, f.value, "; ".join(f.offenders)) for f in health.faults]
            rows.append(
                _row(
                    _("{table}: kept").format(table=foreign(health.table)),
                    health.rows_kept,
                    health.value_kept,
                    "",
                    total=True,
                )
            )
            rows += [_row(note(n), n.rows, None, n.detail) for n in health.notes]
        frame = pd.DataFrame(rows)
        columns = {
            "what": Column(label=_("What")),
            "rows": Column(label=_("Rows"), kind="number"),
            "value": Column(label=_("Value"), kind="money"),
            "detail": Column(label=_("First rows: what stood there")),
        }
        strong = [place for place, total in enumerate(frame.pop("total")) if total]
        foot = _(
            "Rows that came in are the rows kept plus those in quarantine. Notes count rows that came in and put none aside."
        )
        return table(frame, columns, title=_("Data health"), foot=foot, rows=len(frame), strong=strong)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _row(what: str, rows: int, value: float | None, detail: str, *, total: bool = False) -> dict[str, object]:
    return {"what": what, "total": total, "rows": rows, "value": math.nan if value is None else value, "detail": detail}


def _table_checks(health: TableHealth) -> list[Check]:
    aside = sum(fault.value or 0 for fault in health.faults)
    rows_add_up = health.rows_in == health.rows_kept + health.rows_quarantined
    values = [health.value_in or 0.0, health.value_kept or 0.0, *(fault.value or 0.0 for fault in health.faults)]
    rest = (health.value_in or 0.0) - (health.value_kept or 0.0) - aside
    cents_add_up = health.value_in is None or abs(rest) < room_for_rounding(values)
    adds_up = Check(
        id=f"data.{health.table}.adds_up",
        status="pass" if rows_add_up and cents_add_up else "fail",
        value=health.rows_in - health.rows_kept - health.rows_quarantined,
        threshold="0",
        message=_("{table}: rows and value kept and in quarantine add up to what came in.").format(table=health.table)
        if rows_add_up and cents_add_up
        else _("{table}: rows or value kept and in quarantine do not add up to what came in.").format(
            table=health.table
        ),
    )
    lost = Check(
        id=f"data.{health.table}.quarantine",
        status="warn" if health.rows_quarantined else "pass",
        value=health.share_quarantined,
        message=(
            _("{table}: {rows} of {all} rows ({share}) are in quarantine.")
            if health.value_in is None
            else _("{table}: {rows} of {all} rows ({share}) are in quarantine, worth {value}.")
        ).format(
            table=foreign(health.table),
            rows=number(health.rows_quarantined),
            all=number(health.rows_in),
            share=percent(health.share_quarantined),
            value=money(aside),
        ),
    )
    return [adds_up, lost]


def rule(fault: Fault) -> str:
    """A rule in words."""
    __, column, kind = fault.rule.split(".", 2)
    if fault.rule.endswith("row.duplicate"):
        return _("In quarantine: exact copy of an earlier row")
    words = {
        "type": _("In quarantine: {column} is not of its type"),
        "missing": _("In quarantine: {column} is missing"),
        "future": _("In quarantine: {column} is in the future"),
        "mixed": _("In quarantine: {column} is not the client’s"),
        "negative": _("In quarantine: {column} is below zero"),
        "duplicate": _("In quarantine: {column} stands twice"),
    }
    return words[kind].format(column=foreign(column))


def note(item: Note) -> str:
    """A note in words."""
    words = {
        "cancelled": _("Note: cancellations"),
        "guests": _("Note: no customer id (guests, shown apart)"),
        "returns": _("Note: returns (negative quantity)"),
        "free": _("Note: price of zero"),
        "status_cancelled": _("Note: cancelled by status"),
        "encoding": _("Note: lines that were not UTF-8, read as Windows-1252 (the first one is shown)"),
        "time_zones": _("Note: customers whose times have several offsets from UTC"),
        "shared_orders": _("Note: orders that several customers share"),
    }
    return words[item.id]

"""Loading: a client's declared tables, typed, checked and held by the engine."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from helpers.data.ahead import lent
from helpers.data.checks import TableHealth, check_table, judge
from helpers.data.contract import TABLES
from helpers.data.engine import connect, told_when_full, unordered
from helpers.data.held import keep, let_go
from helpers.data.orders import orders_from_lines, orders_from_orders
from helpers.data.sources import read_source
from helpers.data.typed import typed
from helpers.errors import DataError

# Tables of which topics read sums only: the order of their rows says nothing.
SUMMED = ("orders", "order_lines", "events", "touches")

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import ibis.expr.types as ir


@dataclass(frozen=True, kw_only=True)
class Tables:
    """A client's tables as the engine holds them.

    Attributes:
        kept: Checked rows by contract table; `orders` is always among them when orders or lines came in.
        health: Health by contract table that came in.
        sha256: Hash by contract table that came from files.
        first: Day of the first order (of any kind); without orders, of the first contract.
        last: Day of the last one; without orders, the last day on which a contract began or ended.
        dated: Whether the tables hold any date; where none does, both days are that of the reading.
    """

    kept: Mapping[str, ir.Table]
    health: Mapping[str, TableHealth]
    sha256: Mapping[str, str]
    first: date
    last: date
    dated: bool = True


def load_tables(params: Any, *, names: tuple[str, ...] | None, expand: Callable[..., Path]) -> Tables:
    """Read, type and check a client's tables.

    Args:
        params: From `helpers.params.load_params`.
        names: Contract tables that are wanted; `None` for all that the params declare. `orders` stands for
            `order_lines` where only those are declared.
        expand: Fills `${VAR}` in paths.

    Raises:
        DataError: A source is missing, unreadable, empty or too dirty.
    """
    data = params.data
    if data.demo:
        _make_demo(data.demo, expand)
    con = connect(data, expand=expand)
    wanted = set(data.tables) if names is None else {_bearer(name, data.tables) for name in names} & set(data.tables)
    now = datetime.now(ZoneInfo(params.timezone)).replace(tzinfo=None)
    if read := lent(params):
        kept = read.attach(con, wanted | ({"orders"} if "order_lines" in wanted else set()))
        return _tables(kept, wanted, health=read.health, sha256=read.sha256, now=now)
    kept = {}
    health: dict[str, TableHealth] = {}
    hashes: dict[str, str] = {}
    for name in (table for table in TABLES if table in wanted):
        with told_when_full(f"data.tables.{name}"):
            kept[name], health[name], sha256 = _checked(con, name, params, now=now, expand=expand)
        if sha256:
            hashes[name] = sha256
        _stop_if_too_dirty(health[name], limit=data.limits.quarantine_share)
    if "order_lines" in kept and "orders" not in kept:
        with told_when_full("data.tables.order_lines"), unordered(con):
            kept["orders"] = keep(con, "vb_orders_derived", orders_from_lines(kept["order_lines"]))
    elif "orders" in kept:
        kept["orders"] = orders_from_orders(kept["orders"])
    return _tables(kept, wanted, health=health, sha256=hashes, now=now)


def _tables(
    kept: dict[str, ir.Table],
    wanted: set[str],
    *,
    health: Mapping[str, TableHealth],
    sha256: Mapping[str, str],
    now: datetime,
) -> Tables:
    """The wanted tables with their health, and the days that they cover."""
    first, last, dated = _days_without_orders(kept, now=now) or (*_days(kept, now=now), True)
    return Tables(
        kept=kept,
        health={name: found for name, found in health.items() if name in wanted},
        sha256={name: digest for name, digest in sha256.items() if name in wanted},
        first=first,
        last=last,
        dated=dated,
    )


def _checked(
    con: Any, name: str, params: Any, *, now: datetime, expand: Callable[..., Path]
) -> tuple[ir.Table, TableHealth, str | None]:
    """One table's kept rows, its health and its hash."""
    source = params.data.tables[name]
    raw = read_source(con, name, source, data=params.data, expand=expand)
    said = typed(raw.table, name, source, timezone=params.timezone)
    if raw.repeatable:
        plain = typed(raw.table, name, source, timezone=params.timezone, worded=False)
    else:
        plain = said = keep(con, f"vb_{name}_said", said)
    # The engine keeps the typed rows, so that text is parsed once however many questions are asked.
    with unordered(con) if name in SUMMED else nullcontext():
        held = keep(con, f"vb_{name}", judge(plain, name, currency=params.currency, now=now))
    kept, health = check_table(
        con,
        held,
        said,
        name,
        raw,
        label=source.source,
        keep_duplicates=source.duplicates == "keep" or bool(source.generate),
    )
    let_go(con, *raw.held, *(() if raw.repeatable else (f"vb_{name}_said",)))
    return kept, health, raw.sha256


def _bearer(name: str, tables: Mapping[str, Any]) -> str:
    """The declared table that brings a wanted one."""
    return "order_lines" if name == "orders" and "orders" not in tables else name


def _days_without_orders(kept: Mapping[str, ir.Table], *, now: datetime) -> tuple[date, date, bool] | None:
    """Days of a client who brought tests or offers alone, and whether they are known; `None` where orders or contracts tell them.

    A file of a test's outcomes may hold no date at all. Then all that is known is when it was read.
    """
    moments = {"experiments": ("assigned_at", "exposed_at"), "offers": ("offered_at",)}
    if {"orders", "subscriptions"} & kept.keys() or not moments.keys() & kept.keys():
        return None
    found: list[datetime] = []
    for name, columns in moments.items():
        for column in columns if name in kept else ():
            if column in kept[name].columns:
                row = kept[name].agg(first=kept[name][column].min(), last=kept[name][column].max()).execute().iloc[0]
                found += [moment for moment in row if moment == moment and moment is not None]  # noqa: PLR0124 - NaT
    return (min(found).date(), max(found).date(), True) if found else (now.date(), now.date(), False)


def _make_demo(demo: Any, expand: Callable[..., Path]) -> None:
    from helpers.data.demo import make_abroad, make_demo

    home = make_demo(expand("data/demo", key="data.demo"), seed=demo.seed, customers=demo.customers)
    if demo.language != "en":
        make_abroad(home, expand(f"data/demo_{demo.language}", key="data.demo"), language=demo.language)


def _stop_if_too_dirty(health: TableHealth, *, limit: float) -> None:
    if health.share_quarantined <= limit:
        return
    worst = sorted(health.faults, key=lambda fault: -fault.rows)[:5]
    listed = "; ".join(f"{fault.rule} {fault.rows} rows (row {', row '.join(fault.offenders[:3])})" for fault in worst)
    raise DataError(
        f"data.tables.{health.table}: {health.rows_quarantined} of {health.rows_in} rows of {health.source} break the "
        f"contract, a share of {health.share_quarantined:.3f} where data.limits.quarantine_share is {limit}: {listed}"
    )


def _days(kept: Mapping[str, ir.Table], *, now: datetime) -> tuple[date, date]:
    if "orders" in kept:
        orders = kept["orders"]
        row = orders.agg(first=orders.ordered_at.min(), last=orders.ordered_at.max()).execute().iloc[0]
        return row["first"].date(), row["last"].date()
    if "subscriptions" not in kept:
        raise DataError("data.tables: none of orders, order_lines or subscriptions was asked for")
    contracts = kept["subscriptions"]
    known: dict[str, Any] = {"last": contracts.started_at.max()}
    if "ended_at" in contracts.columns:
        # An end may be set in advance; what lies ahead was not observed.
        known["ended"] = contracts.ended_at.max(where=contracts.ended_at <= now)
    row = contracts.agg(first=contracts.started_at.min(), **known).execute().iloc[0]
    moments = [row[name] for name in known if row[name] is not None and row[name] == row[name]]
    return row["first"].date(), max(moments).date()

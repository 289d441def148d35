"""Reading: an experiment's rows as one table of units, with outcomes, covariates, segments and days under names of our own.

Nothing is computed here; all of it is one Ibis expression that the engine runs when moments are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ibis

from helpers.ab_test.clock import Clock, clock_of, moment_of
from helpers.ab_test.registration import Covariate, Metric, Test
from helpers.data.dialects import as_number
from helpers.data.held import keep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import ibis.expr.types as ir

CONTRACT = ("experiment", "unit_id", "variant", "assigned_at", "exposed_at")
CONTROLS = ("control", "none", "holdout", "baseline", "a", "old", "no")
MONEY = ("revenue", "spend", "sales", "amount", "profit", "margin", "value")
MOST_PROPOSED = 8
NO_LOGARITHM = -1.0
# Column of the moment in each log.
MOMENTS = {"orders": "ordered_at", "events": "occurred_at"}


@dataclass(frozen=True, kw_only=True)
class Units:
    """One test's units.

    Attributes:
        test: As registered, or as proposed.
        rows: Every row of the experiment: `unit`, `variant`, `arm` (the variant before any were pooled), `group` (unit, or the
            cluster that was randomised), `at`, `exposed`, and `since`: from when its outcomes of a log count.
        table: The same with `m<i>` (and `d<i>`, a ratio's denominator) of metric i, `x<j>` of covariate j, `g<k>` of segment k,
            and `day`, where rows are dated.
        variants: The control first.
        arms: What `variants` are made of: the variants as the table has them, before any were pooled.
        dated: Whether rows are.
        moments: Which of assigned_at and exposed_at the table has.
        clock: From when outcomes of a log are counted.
    """

    test: Test
    rows: ir.Table
    table: ir.Table
    variants: tuple[str, ...]
    arms: tuple[str, ...]
    dated: bool
    moments: tuple[str, ...] = ()
    clock: Clock = field(default_factory=Clock)

    @property
    def covariates(self) -> list[str]:
        """Columns of the covariates."""
        return [f"x{place}" for place in range(len(self.test.covariates))]

    def columns(self, place: int) -> tuple[str, ...]:
        """Columns of a metric: what is measured, and for a ratio what it is divided by."""
        return (f"m{place}", f"d{place}") if self.test.metrics[place].type == "ratio" else (f"m{place}",)


def registered(settings: Any, experiments: ir.Table) -> tuple[Test, ...]:
    """The registered tests, or a proposal for each experiment of the table, marked as not registered."""
    if settings.tests:
        return tuple(settings.tests)
    names = experiments.select("experiment").distinct().order_by("experiment").to_pyarrow()["experiment"].to_pylist()
    return tuple(
        test for name in names if (test := _proposed(experiments.filter(experiments.experiment == name), name))
    )


def units(
    test: Test,
    experiments: ir.Table,
    *,
    orders: ir.Table | None = None,
    events: ir.Table | None = None,
    until: datetime | None = None,
    observed_until: datetime | None = None,
    timezone: str = "UTC",
) -> Units:
    """The units of one test.

    Args:
        test: The test.
        experiments: Kept rows of the contract's table.
        orders: Kept orders, for outcomes that are computed from them.
        events: Kept events.
        until: Units, exposures, orders and events that came later are left out: the test as it stood then.
        observed_until: First moment that orders and events do not reach.
        timezone: Zone of the client, in which assignment is told.

    Raises:
        DataError: A column with the moments of outcomes holds something else.
    """
    rows = experiments.filter(experiments.experiment == test.name_in_table)
    known = {name: rows[name] for name in ("assigned_at", "exposed_at") if name in rows.columns}
    at = known.get("assigned_at", known.get("exposed_at"))
    if at is not None and until is not None:
        rows = rows.filter((at < ibis.literal(until)) | at.isnull())
    made: dict[str, Any] = {"unit": rows[test.unit].cast("string"), "arm": rows["variant"]}
    names = {arm: name for name, members in test.pool.items() for arm in members}
    made["variant"] = rows["variant"].substitute(names) if names else rows["variant"]
    made["group"] = rows[test.cluster].cast("string") if test.cluster else made["unit"]
    if at is not None:
        made["at"] = at
        exposed = known.get("exposed_at", at)
        made["exposed"] = exposed if until is None else (exposed < ibis.literal(until)).ifelse(exposed, None)
        made["day"] = at.date()
    made |= {f"x{place}": as_number(rows[name]) for place, name in enumerate(test.covariates) if isinstance(name, str)}
    made |= {f"g{place}": rows[name].cast("string") for place, name in enumerate(test.segments)}
    for place, metric in enumerate(test.metrics):
        if metric.at:
            key = f"ab_test {test.id}, metric {metric.name}"
            made[f"o{place}"] = moment_of(rows, metric.at, timezone=timezone, key=key)
        if metric.source == "experiments":
            made |= dict(zip(_names(place, metric), (as_number(rows[name]) for name in metric.columns), strict=True))
    arms = _arms(test, rows)
    table = rows.select(**made)
    table = table.filter(table["arm"].isin(arms))
    clock = Clock()
    if any(metric.source != "experiments" for metric in test.metrics):
        clock = clock_of(table) if len(known) > 1 and len(arms) > 1 else clock
        table = table.mutate(since=table["at"] if clock.from_assignment else table["exposed"].coalesce(table["at"]))
    logs = {"orders": orders, "events": events}
    if until is not None:
        logs = {name: _before_moment(log, name, until) for name, log in logs.items()}
        observed_until = until if observed_until is None else min(until, observed_until)
    table = _computed(test, table, logs, observed_until)
    return Units(
        test=test,
        rows=table,
        table=table,
        variants=tuple(dict.fromkeys(test.pooled(name) for name in arms)),
        arms=arms,
        dated=bool(known),
        moments=tuple(known),
        clock=clock,
    )


def one_row_each(found: Units) -> ir.Table:
    """The table without units that are in more than one variant, or more than once."""
    per_unit = found.table.group_by("unit").aggregate(times=found.table.count())
    once = per_unit.filter(per_unit["times"] == 1)
    return found.table.semi_join(once, "unit")


def is_money(metric: Metric) -> bool:
    """Whether a metric is printed in the client's currency."""
    if metric.unit or metric.type in {"proportion", "count"}:
        return metric.unit == "money"
    return metric.counts is not None or any(word in metric.columns[0].lower() for word in MONEY)


def _names(place: int, metric: Metric) -> tuple[str, ...]:
    return (f"m{place}", f"d{place}")[: len(metric.columns)]


def _computed(
    test: Test, table: ir.Table, logs: Mapping[str, ir.Table | None], observed_until: datetime | None
) -> ir.Table:
    """The table with covariates and outcomes from the logs, and logarithms where a metric is on that scale."""
    for place, covariate in enumerate(test.covariates):
        if isinstance(covariate, Covariate):
            table = _before(table, place, covariate, _log(logs, covariate))
    for place, metric in enumerate(test.metrics):
        if metric.source != "experiments":
            table = _afterwards(table, place, metric, _log(logs, metric), observed_until)
        if metric.scale == "log":
            value = table[f"m{place}"]
            # A value below zero has no place on this scale, and -1 is no logarithm that any other gets.
            logarithm = ibis.cases((value >= 0, (value.abs() + 1).ln()), (value < 0, NO_LOGARITHM))
            table = table.mutate(**{f"m{place}": logarithm})
    joined = any(isinstance(one, Covariate) for one in test.covariates)
    if not joined and all(metric.source == "experiments" for metric in test.metrics):
        return table
    # Gates, moments, days and segments all read it: joins with a log are made once. The engine drops it with the connection.
    return keep(table.get_backend(), ibis.util.gen_name("units"), table)


def _arms(test: Test, rows: ir.Table) -> tuple[str, ...]:
    """The control and what is compared to it, as the table calls them."""
    there = rows.select("variant").distinct().order_by("variant").to_pyarrow()["variant"].to_pylist()
    wanted = test.variants or tuple(test.shares) or tuple(there)
    pooled = tuple(name for members in test.pool.values() for name in members)
    return (test.control, *dict.fromkeys(name for name in (*wanted, *pooled) if name != test.control))


def _before_moment(log: ir.Table | None, name: str, until: datetime) -> ir.Table | None:
    """What a log held at a moment."""
    return None if log is None else log.filter(log[MOMENTS[name]] < ibis.literal(until))


def _log(logs: Mapping[str, ir.Table | None], measured: Metric | Covariate) -> ir.Table:
    log = logs[measured.source]
    if log is None:
        raise ValueError(f"{measured.name} is computed from {measured.source}, which was not given")
    return log


def _joined(table: ir.Table, log: ir.Table, measured: Metric | Covariate, *, since: str) -> ir.Table:
    """Each unit's rows of the log, with the moment that its window is counted from."""
    log = log.filter(log["customer_id"].notnull())
    log = log.select(unit=log["customer_id"], moment=log[MOMENTS[measured.source]], **_measured(measured, log))
    return table.select("unit", since=table[since]).distinct().inner_join(log, "unit")


def _summed(table: ir.Table, joined: ir.Table, names: Sequence[str]) -> ir.Table:
    """The table with the sums of each unit's rows; units without any have no value."""
    sums = joined.group_by("unit").aggregate(**{name: joined[f"v{i}"].sum() for i, name in enumerate(names)})
    wide = table.left_join(sums, "unit", rname="{name}__log")
    return wide.drop(*(name for name in wide.columns if name.endswith("__log")))


def _before(table: ir.Table, place: int, covariate: Covariate, log: ir.Table) -> ir.Table:
    """The table with what each unit did before its assignment; one that did nothing has zero, one without a date no value."""
    joined = _joined(table, log, covariate, since="at")
    inside = joined["moment"] < joined["since"]
    if covariate.window_days:
        inside &= joined["moment"] >= joined["since"] - ibis.interval(days=covariate.window_days)
    name = f"x{place}"
    wide = _summed(table, joined.filter(inside), [name])
    return wide.mutate(**{name: wide["at"].notnull().ifelse(wide[name].fill_null(0.0), None)})


def _afterwards(
    table: ir.Table, place: int, metric: Metric, log: ir.Table, observed_until: datetime | None
) -> ir.Table:
    """The table with what each unit did from the clock's moment on, within the metric's window.

    A unit without any order did nothing, which counts as zero; one whose window is not over yet, or of whom nobody knows
    when it began, has no value.
    """
    joined = _joined(table, log, metric, since="since")
    inside = joined["moment"] >= joined["since"]
    if metric.window_days:
        inside &= joined["moment"] < joined["since"] + ibis.interval(days=metric.window_days)
    names = _names(place, metric)
    wide = _summed(table, joined.filter(inside), names)
    known = wide["since"].notnull()
    if metric.window_days and observed_until is not None:
        known &= wide["since"] + ibis.interval(days=metric.window_days) <= ibis.literal(observed_until)
    values = {name: wide[name].fill_null(0.0) for name in names}
    if metric.type == "proportion":
        values = {name: as_number(value > 0) for name, value in values.items()}
    return wide.mutate(**{name: known.ifelse(value, None) for name, value in values.items()})


def _measured(measured: Metric | Covariate, log: ir.Table) -> dict[str, Any]:
    """What one row of the log adds to each of the columns."""
    if measured.source == "orders":
        parts = {"orders": as_number(log["kind"] == "order"), "revenue": log["revenue"]}
        return {f"v{i}": parts[column] for i, column in enumerate(measured.columns)}
    return {
        f"v{i}": as_number(log["value"]) if column == "value" else as_number(log["event"] == column)
        for i, column in enumerate(measured.columns)
    }


def _proposed(rows: ir.Table, name: str) -> Test | None:
    """A test as its columns suggest it; `None` where nothing was measured."""
    columns = [column for column in rows.columns if column not in CONTRACT and not column.startswith("vb_")]
    asked: dict[str, Any] = {"n": rows.count()}
    for place, column in enumerate(columns):
        value = rows[column]
        if value.type().is_numeric() or value.type().is_boolean() or value.type().is_string():
            number = as_number(value)
            asked |= {f"n{place}": number.count(), f"said{place}": value.count()}
            asked |= {f"other{place}": (~number.isin([0.0, 1.0])).sum()}
    row = rows.aggregate(**asked).to_pyarrow().to_pylist()[0]
    arms = rows.select("variant").distinct().order_by("variant").to_pyarrow()["variant"].to_pylist()
    metrics: list[Metric] = []
    before: list[str] = []
    for place, column in enumerate(columns):
        if not row.get(f"n{place}") or row[f"n{place}"] < row[f"said{place}"]:
            continue
        if column.startswith("pre_"):
            before.append(column)
        elif len(metrics) < MOST_PROPOSED:
            kind = "mean" if row[f"other{place}"] else "proportion"
            metrics.append(Metric(name=_plain(column), type=kind, column=column, role="information"))
    if not metrics:
        return None
    return Test(
        id=_plain(name),
        experiment=name,
        control=_control(arms),
        metrics=tuple(metrics),
        covariates=tuple(before),
        registered=False,
    )


def _control(arms: Sequence[str]) -> str:
    """The variant whose name says that it is the control; else the first."""
    for word in CONTROLS:
        for arm in arms:
            if arm.lower() == word or (len(word) > 1 and arm.lower().startswith(word)):
                return arm
    return arms[0]


def _plain(name: str) -> str:
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in name)
    return kept.lstrip("_-") or "unnamed"


def counted(table: ir.Table, by: Sequence[str]) -> Mapping[Any, int]:
    """Rows by one column, or several."""
    found = table.group_by(list(by)).aggregate(n__=table.count()).order_by(list(by)).to_pyarrow().to_pylist()
    return {row[by[0]] if len(by) == 1 else tuple(row[name] for name in by): row["n__"] for row in found}

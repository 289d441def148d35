"""The past as a test that nobody ran: what the client's customers did in a window, as one arm to plan a first test from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np

from helpers.ab_test import arms
from helpers.ab_test.cuped import adjusted
from helpers.ab_test.measure import caps_of, gathered
from helpers.ab_test.read import units
from helpers.ab_test.registration import Ahead, Metric, Test
from helpers.reporting.words import _

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    from numpy.typing import NDArray

    from helpers.ab_test.arms import Arm
    from helpers.ab_test.read import Units

NAME = "past"
MOST_DAYS = 84


@dataclass(frozen=True, kw_only=True)
class Past:
    """Customers as they came and what they did, without any test.

    Attributes:
        ahead: The plan.
        measured: Each metric with its value in one arm, and the share of its variance that the covariates leave.
        units: Customers in it.
        arrivals: New ones of each day, shape (days,); empty where all are there at once.
        first: Day from which they are taken.
        last: Last day of it.
        window: Days that outcomes of the slowest metric take.
    """

    ahead: Ahead
    measured: tuple[tuple[Metric, Arm, float], ...]
    units: int
    arrivals: NDArray
    first: Any
    last: Any
    window: int


def past(
    ahead: Ahead, *, orders: ir.Table | None, events: ir.Table | None = None, until: datetime, since: datetime
) -> Past | None:
    """What a test would have been made of, had there been one just before `until`; `None` where there is nothing.

    Args:
        ahead: Section `ab_test.plan` of the params.
        orders: Kept orders.
        events: Kept events.
        until: First moment after the data, or the period.
        since: First moment of the data.
    """
    logs = {"orders": orders, "events": events}
    metrics = tuple(
        metric if metric.window_days else metric.model_copy(update={"window_days": ahead.window_days})
        for metric in ahead.metrics or _usual()
    )
    needed = {metric.source for metric in metrics} | {covariate.source for covariate in ahead.covariates}
    needed.add("orders" if ahead.traffic == "base" else ahead.traffic)
    if any(logs[name] is None for name in needed):
        return None
    window = max(int(metric.window_days or 0) for metric in metrics)
    end = until - timedelta(days=window)
    start = max(since, end - timedelta(days=ahead.base_days if ahead.traffic == "base" else MOST_DAYS))
    if start >= end:
        return None
    came = _came(ahead, logs, start=start, end=end)
    test = Test(id=NAME, control=NAME, metrics=metrics, covariates=ahead.covariates)
    read = units(test, came, orders=orders, events=events, observed_until=until)
    found = tuple(_measured(read, place) for place in range(len(metrics)))
    days = _arrivals(came, start=start, end=end) if ahead.traffic != "base" else np.zeros(0)
    return Past(
        ahead=ahead,
        measured=found,
        units=int(came.count().to_pyarrow().as_py()),
        arrivals=days,
        first=start.date(),
        last=(end - timedelta(days=1)).date(),
        window=window,
    )


def _usual() -> tuple[Metric, ...]:
    """What most first tests are about."""
    log = {"from": "orders"}
    return (
        Metric(name="conversion", type="proportion", column="orders", role="success", **log),
        Metric(name="orders", type="count", column="orders", label=_("Orders a customer"), **log),
        Metric(name="revenue", type="mean", column="revenue", label=_("Revenue a customer"), **log),
        Metric(
            name="aov", type="ratio", numerator="revenue", denominator="orders", label=_("Average order value"), **log
        ),
    )


def _came(ahead: Ahead, logs: dict[str, Any], *, start: datetime, end: datetime) -> ir.Table:
    """One row a customer, as an experiment of one arm: assigned at the end of the base, or at their first coming."""
    orders = ahead.traffic != "events"
    log = logs["orders" if orders else "events"]
    log = log.filter(log["kind"] == "order") if orders else log
    log = log.select(customer_id=log["customer_id"], moment=log["ordered_at" if orders else "occurred_at"])
    inside = log["customer_id"].notnull() & (log["moment"] >= ibis.literal(start)) & (log["moment"] < ibis.literal(end))
    seen = log.filter(inside).group_by("customer_id").aggregate(first=lambda rows: rows["moment"].min())
    at = ibis.literal(end).cast("timestamp") if ahead.traffic == "base" else seen["first"]
    # The order that brings a customer in is no outcome of what they are shown after it.
    exposed = at + ibis.interval(seconds=1) if ahead.traffic == "orders" else at
    return seen.select(
        experiment=ibis.literal(NAME),
        unit_id=seen["customer_id"],
        variant=ibis.literal(NAME),
        assigned_at=at,
        exposed_at=exposed,
    )


def _arrivals(came: ir.Table, *, start: datetime, end: datetime) -> NDArray:
    counted = (
        came.group_by(day=came["assigned_at"].date()).aggregate(n=lambda rows: rows.count()).to_pyarrow().to_pylist()
    )
    found = np.zeros((end - start).days)
    for row in counted:
        found[min((row["day"] - start.date()).days, len(found) - 1)] += row["n"]
    return found


def _measured(read: Units, place: int) -> tuple[Metric, Arm, float]:
    """A metric's value in the one arm, and the variance that the covariates leave of it."""
    metric = read.test.metrics[place]
    if metric.type == "quantile":
        values = read.table.select(value=read.table[f"m{place}"]).to_pandas()["value"]
        return metric, arms.quantile(values, metric.p), 1.0
    caps = {name: ends for name, ends in caps_of(read).items() if name == f"m{place}"}
    sums = gathered(read, [place], caps=caps).get(NAME)
    if sums is None:
        return metric, arms.unusable("too_few_units", n=0), 1.0
    column, *bottom = read.columns(place)
    column = f"{column}__capped" if caps else column
    arm = arms.ratio(sums, numerator=column, denominator=bottom[0]) if bottom else arms.mean(sums, column)
    extra = [name for name in sums.columns if name.startswith("x")]
    # Two arms like this one: what the adjustment leaves of their difference's variance it leaves of each.
    fitted = adjusted(sums, sums, column, covariates=extra, denominator=bottom[0] if bottom else None)
    return metric, arm, fitted.variance_ratio if extra else 1.0

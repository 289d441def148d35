"""Activity: what each customer did in each period, counted in the engine in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

Window = tuple[datetime, datetime]
FIRST_YEAR = timedelta(days=365)


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Customers' activity in up to three periods.

    Attributes:
        customers: One row an identified customer seen before the period's end: `orders_<w>`, `revenue_<w>` (net, with
            refunds) and `tenure_<w>` (`new`, `first year` or `established` at the window's start) for each window w of
            `now`, `last` and `year`; `zero_now`, orders of no revenue in the period; `registered`, whether there is any order
            or refund beside cancelled orders; `lifetime_orders`, `first_at`, `second_at` and `latest_at`, all up to the end.
        windows: Half-open bounds by name.
        guests: `orders` and `revenue` of orders without a customer id, in the period.
        refunds: Net revenue of refunds and cancellations in the period, identified customers and guests.
        order_values: `customer_id` and `revenue` of each identified order in the period.
        observed_until: First moment that the data do not reach.
    """

    customers: pd.DataFrame
    windows: dict[str, Window]
    guests: dict[str, float]
    refunds: float
    order_values: pd.DataFrame
    observed_until: datetime


def activity(
    orders: ir.Table, *, now: Window, last: Window | None, year: Window | None, observed_until: datetime
) -> Activity:
    """Count each customer's orders and net revenue, period by period.

    Args:
        orders: One row an order or refund.
        now: The period under study.
        last: The one before, where it is covered.
        year: The same one a year earlier, where it is covered.
        observed_until: First moment that the data do not reach.
    """
    windows = {name: window for name, window in (("now", now), ("last", last), ("year", year)) if window}
    seen = orders.filter(orders.ordered_at < now[1])
    known = seen.filter(seen.customer_id.notnull())
    is_order = known.kind == "order"
    sums: dict[str, ir.Value] = {
        "registered": (known.kind != "cancelled").any(),
        "lifetime_orders": is_order.sum(),
        "first_at": known.ordered_at.min(where=is_order),
        "latest_at": known.ordered_at.max(where=is_order),
    }
    for name, (start, end) in windows.items():
        within = (known.ordered_at >= start) & (known.ordered_at < end)
        sums[f"orders_{name}"] = (within & is_order).sum()
        sums[f"revenue_{name}"] = known.revenue.sum(where=within).fill_null(0.0)
    in_period = known.ordered_at >= now[0]
    sums["zero_now"] = (in_period & is_order & (known.revenue == 0)).sum()
    customers = known.group_by("customer_id").agg(**sums)
    ranked = known.filter(is_order).mutate(
        place=ibis.row_number().over(group_by="customer_id", order_by=["ordered_at", "order_id"])
    )
    second = ranked.filter(ranked.place == 1).select("customer_id", second_at="ordered_at")
    frame = customers.left_join(second, "customer_id").drop("customer_id_right").order_by("customer_id").execute()
    for name, (start, _) in windows.items():
        frame[f"tenure_{name}"] = _tenure(frame["first_at"], start)
    period = seen.filter(seen.ordered_at >= now[0])
    guests = period.filter(period.customer_id.isnull())
    facts = period.agg(
        guest_orders=(period.customer_id.isnull() & (period.kind == "order")).sum(),
        refunds=period.revenue.sum(where=period.kind != "order"),
    ).execute()
    guest_revenue = guests.revenue.sum().execute()
    values = period.filter((period.kind == "order") & period.customer_id.notnull())
    return Activity(
        customers=frame,
        windows=windows,
        guests={"orders": _number(facts["guest_orders"].iat[0]), "revenue": _number(guest_revenue)},
        refunds=_number(facts["refunds"].iat[0]),
        order_values=values.select("customer_id", "revenue").execute(),
        observed_until=observed_until,
    )


def _tenure(first_at: pd.Series, start: datetime) -> pd.Series:
    """How long a customer had been one when a window opened; a customer without orders is new."""
    import pandas as pd

    age = pd.Timestamp(start) - first_at
    tenure = pd.Series("new", index=first_at.index)
    tenure[age > pd.Timedelta(0)] = "first year"
    tenure[age > FIRST_YEAR] = "established"
    return tenure


def _number(value: object) -> float:
    """A sum over no rows is nothing, which counts as zero."""
    import pandas as pd

    return 0.0 if pd.isna(value) else float(value)  # type: ignore[arg-type]

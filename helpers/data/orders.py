"""Orders: one row an order, from the client's own table or from its lines, and one a day on which a part of it came back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from helpers.data.checks import CANCELLED_STATUSES
from helpers.data.sources import CANCELLED

if TYPE_CHECKING:
    import ibis.expr.types as ir

CARRIED = ("channel", "currency", "status")
RETURNED = "vb_returned"
FIRST = "vb_first"
LAST_BACK = "vb_last_back"
PARTLY = "vb_partly"


def orders_from_lines(lines: ir.Table) -> ir.Table:
    """Orders from order lines.

    Revenue is the sum of `quantity * unit_price`, an order's moment that of its first line. Lines with a negative quantity on
    a later day than the order's first are no part of it: those of a day are a refund of that day, whose id is the order's with
    the day behind it.

    Whether a line is cancelled is judged line by line. What cancelled lines would have brought together is no revenue, what
    they gave back is. `kind` is `cancelled` where all lines are, `refund` where nothing was bought (no positive quantity) or
    the sum is negative, and else `order`.

    Args:
        lines: Kept rows of `order_lines`.

    Returns:
        order_id, customer_id (NULL for a guest), ordered_at, revenue, kind and what else the lines carry.
    """
    whole = _summed(lines, "order_id")
    came_back = whole[LAST_BACK].date() > whole.ordered_at.date()
    # Few orders have such lines. Only theirs are looked at again, so that all others are grouped once.
    mixed = came_back.fill_null(False) | (whole[PARTLY] & ~whole[CANCELLED])  # noqa: FBT003
    again = whole.filter(mixed).select("order_id", **{FIRST: whole.ordered_at})
    parts = _summed(_sorted_out(lines.join(again, "order_id")), "order_id", RETURNED)
    name = parts.order_id.concat("@", parts[RETURNED].cast("string"))
    parts = parts.mutate(order_id=ibis.ifelse(parts[RETURNED].isnull(), parts.order_id, name))
    kept = [column for column in whole.columns if column not in {LAST_BACK, PARTLY}]
    return _with_kind(whole.filter(~mixed).select(kept).union(parts.select(kept)))


def orders_from_orders(orders: ir.Table) -> ir.Table:
    """The client's own orders with their `kind`; `revenue` below zero makes a refund."""
    return _with_kind(orders.mutate(**{CANCELLED: _cancelled(orders), "bought": ibis.literal(value=True)}))


def _summed(lines: ir.Table, *by: str) -> ir.Table:
    """Sums of lines, whether all of them are cancelled (and whether any is), and the last moment of a negative one."""
    cancelled = _cancelled(lines)
    sums: dict[str, ir.Value] = {
        "customer_id": lines.customer_id.min(),
        "ordered_at": lines.ordered_at.min(),
        "revenue": (lines.quantity * lines.unit_price).sum(),
        "bought": (lines.quantity > 0).any(),
        CANCELLED: cancelled.all(),
        PARTLY: cancelled.any(),
        LAST_BACK: lines.ordered_at.max(where=lines.quantity < 0),
    }
    if "unit_cost" in lines.columns:
        sums["cost"] = (lines.quantity * lines.unit_cost).sum()
    if "discount" in lines.columns:
        sums["discount"] = lines.discount.sum()
    sums |= {column: lines[column].min() for column in CARRIED if column in lines.columns}
    return lines.group_by(*by).agg(**sums)


def _sorted_out(lines: ir.Table) -> ir.Table:
    """Lines that count, with the day on which they came back, NULL where that is the day of the order's first line.

    Beside lines that are not cancelled, cancelled ones count where they gave something back, all together.
    """
    day = lines.ordered_at.date()
    back = (lines.quantity < 0) & (day > lines[FIRST].date())
    lines = lines.mutate(**{RETURNED: ibis.ifelse(back, day, ibis.null("date")), CANCELLED: _cancelled(lines)})
    own = ibis.window(group_by=["order_id", RETURNED])
    amount = ibis.ifelse(lines[CANCELLED], lines.quantity * lines.unit_price, 0.0)
    lines = lines.mutate(all_cancelled=lines[CANCELLED].all().over(own), given_back=amount.sum().over(own) < 0)
    counted = lines.filter(~lines[CANCELLED] | lines.all_cancelled | lines.given_back)
    if "status" not in counted.columns:
        return counted
    own_status = ~counted[CANCELLED] | counted.all_cancelled
    return counted.mutate(status=ibis.ifelse(own_status, counted.status, ibis.null("string")))


def _cancelled(rows: ir.Table) -> ir.BooleanValue:
    """Whether rows are cancelled, by the params' condition or by their status."""
    if "status" not in rows.columns:
        return rows[CANCELLED]
    return rows[CANCELLED] | rows.status.lower().isin(CANCELLED_STATUSES).fill_null(False)  # noqa: FBT003


def _with_kind(orders: ir.Table) -> ir.Table:
    """Orders with their kind; what a cancelled order would have brought is no revenue, what it gave back is."""
    cancelled = orders[CANCELLED]
    kind = ibis.cases(
        (cancelled, "cancelled"),
        ((orders.revenue < 0) | ~orders.bought, "refund"),
        else_="order",
    )
    revenue = ibis.ifelse(cancelled, ibis.least(orders.revenue, 0.0), orders.revenue)
    return orders.mutate(kind=kind, revenue=revenue).drop("bought", CANCELLED)

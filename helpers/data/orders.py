"""Orders: one row an order, from the client's own table or from its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from helpers.data.checks import CANCELLED_STATUSES
from helpers.data.sources import CANCELLED

if TYPE_CHECKING:
    import ibis.expr.types as ir

CARRIED = ("channel", "currency", "status")


def orders_from_lines(lines: ir.Table) -> ir.Table:
    """Orders from order lines.

    Revenue is the sum of `quantity * unit_price`, an order's moment that of its first line. Its `kind` is `cancelled`
    where its lines are marked as a cancellation, `refund` where nothing was bought (no positive quantity) or the sum is
    negative, and else `order`.

    Args:
        lines: Kept rows of `order_lines`.

    Returns:
        order_id, customer_id (NULL for a guest), ordered_at, revenue, kind and what else the lines carry.
    """
    sums: dict[str, ir.Value] = {
        "customer_id": lines.customer_id.min(),
        "ordered_at": lines.ordered_at.min(),
        "revenue": (lines.quantity * lines.unit_price).sum(),
        "bought": (lines.quantity > 0).any(),
        CANCELLED: lines[CANCELLED].any(),
    }
    if "unit_cost" in lines.columns:
        sums["cost"] = (lines.quantity * lines.unit_cost).sum()
    if "discount" in lines.columns:
        sums["discount"] = lines.discount.sum()
    sums |= {column: lines[column].min() for column in CARRIED if column in lines.columns}
    return _with_kind(lines.group_by("order_id").agg(**sums))


def orders_from_orders(orders: ir.Table) -> ir.Table:
    """The client's own orders with their `kind`; `revenue` below zero makes a refund."""
    return _with_kind(orders.mutate(bought=ibis.literal(value=True)))


def _with_kind(orders: ir.Table) -> ir.Table:
    """Orders with their kind; what a cancelled order would have brought is no revenue, what it gave back is."""
    cancelled = orders[CANCELLED]
    if "status" in orders.columns:
        cancelled = cancelled | orders.status.lower().isin(CANCELLED_STATUSES).fill_null(False)  # noqa: FBT003
    kind = ibis.cases(
        (cancelled, "cancelled"),
        ((orders.revenue < 0) | ~orders.bought, "refund"),
        else_="order",
    )
    revenue = ibis.ifelse(cancelled, ibis.least(orders.revenue, 0.0), orders.revenue)
    return orders.mutate(kind=kind, revenue=revenue).drop("bought", CANCELLED)

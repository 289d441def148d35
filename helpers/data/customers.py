"""Customers: from the order log to one row a customer, by group-bys alone, which the engine can run in parallel and spill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from helpers.data.dialects import beside_first

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir


def order_days(orders: ir.Table, *, as_of: datetime, since: datetime | None = None) -> ir.Table:
    """One row a customer and day with an order before `as_of`; guests have none.

    Args:
        orders: One row an order or refund, with its `kind`.
        as_of: First moment that does not count.
        since: First moment that counts, a midnight; without it, all before `as_of` do.

    Returns:
        customer_id, on, value (the day's revenue) and channel where the log has it.
    """
    bought = orders.filter(orders.customer_id.notnull() & (orders.ordered_at < as_of) & (orders.kind == "order"))
    if since is not None:
        bought = bought.filter(bought.ordered_at >= since)
    days = bought.mutate(on=bought.ordered_at.date())
    own: dict[str, Any] = {"channel": days.channel.min()} if "channel" in days.columns else {}
    return days.group_by(["customer_id", "on"]).agg(value=days.revenue.sum(), **own)


def customer_states(days: ir.Table, *, channel: bool = False) -> ir.Table:
    """Each customer's sums over order days.

    Args:
        days: From `order_days`.
        channel: Whether to tell the channel of the first day (NULL where the log does not say).

    Returns:
        customer_id, x (order days after the first), first_on, last_on, first_value (revenue of the first day), total,
        and channel where asked for.
    """
    # An engine may pass over NULL when it looks for the first day's channel: it gets an empty text instead.
    first = {"channel": beside_first(days.channel.fill_null(""), days.on).nullif("")} if channel else {}
    return days.group_by("customer_id").agg(
        x=days.count() - 1,
        first_on=days.on.min(),
        last_on=days.on.max(),
        first_value=beside_first(days.value, days.on),
        total=days.value.sum(),
        **first,
    )


def merged_states(stored: ir.Table, newer: ir.Table) -> ir.Table:
    """Stored states and those of the days since, as one: what the whole log would give, without reading the old days again.

    Both come from `customer_states`, the newer ones from orders at or after the midnight at which the stored ones stop,
    so that no day is in both. An order that arrives late, dated before that midnight, needs the whole log.

    Args:
        stored: States up to a midnight.
        newer: States from that midnight on; the same columns.
    """
    # A file may have stored days as moments.
    parts = newer.union(stored.select(*newer.columns).cast(newer.schema()))
    first: dict[str, ir.Value] = {}
    if "channel" in parts.columns:
        first["channel"] = beside_first(parts.channel.fill_null(""), parts.first_on).nullif("")
    return parts.group_by("customer_id").agg(
        x=(parts.x + 1).sum() - 1,
        first_value=beside_first(parts.first_value, parts.first_on),
        total=parts.total.sum(),
        first_on=parts.first_on.min(),
        last_on=parts.last_on.max(),
        **first,
    )


def with_exposure(states: ir.Table, *, as_of: datetime) -> ir.Table:
    """States with the columns of purchase models.

    Args:
        states: From `customer_states`.
        as_of: First moment that does not count.

    Returns:
        The states with t_x (days from the first order day to the last), T (days from the first order day to the last
        one that counts) and spend_total (revenue after the first order day).
    """
    cut = ibis.literal(as_of.date())
    return states.mutate(
        t_x=states.last_on.delta(states.first_on, unit="day"),
        T=cut.delta(states.first_on, unit="day") - 1,
        spend_total=states.total - states.first_value,
    )


def with_first_day(days: ir.Table) -> ir.Table:
    """Order days, each with its customer's `first`."""
    return days.join(days.group_by("customer_id").agg(first=days.on.min()), "customer_id")

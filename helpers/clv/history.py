"""Histories: from the order log to (x, t_x, T) and how many customers share each, computed by the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np

from helpers.clv.purchase import Rows
from helpers.errors import TopicSkippedError
from helpers.reporting.words import _, day

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Base:
    """The customer base as a purchase model sees it.

    An order is a day on which a customer ordered: several orders of one day are one.

    Attributes:
        customers: One row a customer: customer_id, group, history, x, t_x, T (days), spend_total (of orders after
            the first), first_value, total.
        histories: Distinct (group, x, t_x, T): place, those four and weight.
        groups: Names of the groups, in order.
        refunds: Share of gross revenue of identified customers that was given back.
        as_of: First moment that does not count.
    """

    customers: pd.DataFrame
    histories: pd.DataFrame
    groups: tuple[str, ...]
    refunds: float
    as_of: datetime

    @property
    def n(self) -> int:
        """Customers."""
        return len(self.customers)

    def rows(self, *, pooled: bool) -> Rows:
        """The distinct histories, for the likelihood."""
        part = self.histories
        if not pooled:
            part = part.groupby(["x", "t_x", "T"], as_index=False)["weight"].sum()
        return Rows.of(
            part["x"], part["t_x"], part["T"], weight=part["weight"], group=part["group"] if pooled else None
        )


def histories(orders: ir.Table, *, as_of: datetime, by: str = "cohort") -> Base:
    """The base's histories up to a moment.

    Args:
        orders: One row an order or refund, with its `kind`.
        as_of: First moment that does not count.
        by: `cohort` (quarter of the first order; year where that makes more than twelve), or `channel` (of the first order).

    Raises:
        TopicSkippedError: Nobody ordered before that moment.
    """
    known = orders.filter(orders.customer_id.notnull() & (orders.ordered_at < as_of))
    bought = known.filter(known.kind == "order")
    money = known.agg(gross=bought_sum(known), net=known.revenue.sum()).execute().iloc[0]
    cut = ibis.literal(as_of.date())
    with_channel = by == "channel" and "channel" in bought.columns
    days = bought.mutate(on=bought.ordered_at.date())
    extra: dict[str, Any] = {"channel": days.channel.min()} if with_channel else {}
    daily = days.group_by(["customer_id", "on"]).agg(value=days.revenue.sum(), **extra)
    first = daily.group_by("customer_id").mutate(first=daily.on.min())
    own: dict[str, Any] = {"channel": first.channel.min(where=first.on == first["first"])} if with_channel else {}
    customers = first.group_by("customer_id").agg(
        x=first.count() - 1,
        first_on=first.on.min(),
        last_on=first.on.max(),
        first_value=first.value.sum(where=first.on == first["first"]),
        total=first.value.sum(),
        **own,
    )
    customers = customers.mutate(
        t_x=customers.last_on.delta(customers.first_on, unit="day"),
        T=cut.delta(customers.first_on, unit="day") - 1,
        group=customers.channel.fill_null("")
        if with_channel
        else customers.first_on.year().cast("string") + "-Q" + customers.first_on.quarter().cast("string"),
    )
    customers = customers.mutate(spend_total=customers.total - customers.first_value)
    names = customers.group_by("group").agg(n=customers.count()).order_by("group").execute()["group"].tolist()
    if len(names) > 12 and not with_channel:  # noqa: PLR2004 - more rows than a reader takes in
        customers = customers.mutate(group=customers.first_on.year().cast("string"))
        names = sorted({name[:4] for name in names})
    if not names:
        raise TopicSkippedError(_("No customer ordered before {day}.").format(day=day(as_of.date())))
    place = ibis.dense_rank().over(order_by=[customers.group, customers.x, customers.t_x, customers.T])
    held = customers.mutate(history=place).drop("first_on", "last_on")
    shared = held.group_by(["history", "group", "x", "t_x", "T"]).agg(weight=held.count()).order_by("history").execute()
    frame = held.order_by("customer_id").execute()
    codes = {name: code for code, name in enumerate(names)}
    shared["group"] = shared["group"].map(codes).astype(np.int64)
    frame["group"] = frame["group"].map(codes).astype(np.int64)
    gross = float(money["gross"] or 0.0)
    return Base(
        customers=frame,
        histories=shared,
        groups=tuple(name or _("not known") for name in names),
        refunds=1 - float(money["net"]) / gross if gross > 0 else 0.0,
        as_of=as_of,
    )


def bought_sum(orders: ir.Table) -> ir.Value:
    """Revenue of orders, refunds and cancellations left out."""
    return orders.revenue.sum(where=orders.kind == "order")

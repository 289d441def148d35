"""Histories: from the order log to (x, t_x, T) and how many customers share each, computed by the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np

from helpers.clv.purchase import Rows
from helpers.clv.topic import check_by
from helpers.data.customers import customer_states, order_days, with_exposure
from helpers.data.held import held
from helpers.errors import TopicSkippedError
from helpers.reporting.findings import where_given
from helpers.reporting.words import _, day

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    import pandas as pd
    from numpy.typing import NDArray

# More groups than a reader takes in.
MOST_GROUPS = 12
# Digits of a sum that hold whatever order the engine adds up in.
DIGITS = 12


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


@where_given
def histories(orders: ir.Table, *, as_of: datetime, by: str = "cohort", attributes: ir.Table | None = None) -> Base:
    """The base's histories up to a moment.

    Args:
        orders: One row an order or refund, with its `kind`.
        as_of: First moment that does not count.
        by: `cohort` (quarter of the first order; year where that makes more than twelve), `channel` (of the first order),
            or an attribute: a column of `attributes`. Of more than twelve values the smallest are taken together.
        attributes: One row a customer, with `customer_id`.

    Raises:
        TopicSkippedError: Nobody ordered before that moment.
        ParamsError: `by` names what is not there.
    """
    daily = order_days(orders, as_of=as_of)
    known = orders.filter(orders.customer_id.notnull() & (orders.ordered_at < as_of))
    money = known.agg(gross=known.revenue.sum(where=known.kind == "order"), net=known.revenue.sum()).execute().iloc[0]
    check_by(by, orders=daily.columns, customers=attributes.columns if attributes is not None else ())
    gross = float(money["gross"] or 0.0)
    # Asked several times: the engine keeps the customers, so that the orders are read once.
    with held(customer_states(daily, channel=by == "channel")) as states:
        return _base(
            states,
            as_of=as_of,
            by=by,
            attributes=attributes,
            refunds=1 - float(money["net"]) / gross if gross > 0 else 0.0,
        )


def stored_histories(
    states: ir.Table, *, as_of: datetime, refunds: float, by: str = "cohort", attributes: ir.Table | None = None
) -> Base:
    """The base's histories from states that were stored, without the orders.

    Args:
        states: From `customer_states` or `helpers.states.States.table`, of all orders before `as_of`.
        as_of: First moment that does not count; not before the midnight at which the states stop.
        refunds: Share of gross revenue of identified customers that was given back.
        by: As for `histories`.
        attributes: As for `histories`.

    Raises:
        TopicSkippedError: There is no customer.
        ParamsError: `by` names what is not there.
    """
    check_by(by, orders=states.columns, customers=attributes.columns if attributes is not None else ())
    return _base(states, as_of=as_of, by=by, attributes=attributes, refunds=refunds)


def _base(states: ir.Table, *, as_of: datetime, by: str, attributes: ir.Table | None, refunds: float) -> Base:
    customers, names = _grouped(with_exposure(states, as_of=as_of), by=by, attributes=attributes)
    if not names:
        raise TopicSkippedError(_("No customer ordered before {day}.").format(day=day(as_of.date())))
    frame = (
        customers.select("customer_id", "group", "x", "t_x", "T", "spend_total", "first_value", "total")
        .order_by("customer_id")
        .execute()
    )
    frame["group"] = frame["group"].map({name: code for code, name in enumerate(names)}).astype(np.int64)
    for column in ("spend_total", "first_value", "total"):
        frame[column] = settled(frame[column].to_numpy())
    alike = frame.groupby(["group", "x", "t_x", "T"])
    frame.insert(2, "history", alike.ngroup())
    shared = alike.size().rename("weight").reset_index()
    shared.insert(0, "history", np.arange(len(shared)))
    return Base(
        customers=frame,
        histories=shared,
        groups=tuple(name or _("not known") for name in names),
        refunds=float(settled(refunds)),
        as_of=as_of,
    )


def settled(sums: Any) -> NDArray:
    """Sums rounded to twelve digits, which say the same whatever order the engine added up in.

    The last bits of a sum change from run to run. A draw that is taken or left by them changes all draws after it, and with
    them the digits of an interval that a reader sees.
    """
    sums = np.asarray(sums, dtype=float)
    known = np.isfinite(sums) & (sums != 0)
    places = DIGITS - 1 - np.floor(np.log10(np.abs(sums, where=known, out=np.ones_like(sums))))
    # Divided by a power of ten, a decimal comes out as it is written; multiplied by its inverse, it might not.
    unit = 10.0 ** np.abs(places)
    rounded = np.where(places >= 0, np.round(sums * unit) / unit, np.round(sums / unit) * unit)
    return np.where(known, rounded, sums)


def _grouped(customers: ir.Table, *, by: str, attributes: ir.Table | None) -> tuple[ir.Table, list[str]]:
    """Customers with their `group`, and the groups' names in order."""
    if by == "cohort":
        year = customers.first_on.year().cast("string")
        quarters = customers.mutate(group=year + "-Q" + customers.first_on.quarter().cast("string"))
        names = _names(quarters)
        if len(names) <= MOST_GROUPS:
            return quarters, names
        return customers.mutate(group=year), sorted({name[:4] for name in names})
    if by == "channel":
        named = customers.mutate(group=customers.channel.fill_null(""))
    else:
        assert attributes is not None  # noqa: S101 - check_by has seen its column
        own = attributes.select("customer_id", group=attributes[by].cast("string").fill_null(""))
        joined = customers.left_join(own, "customer_id")
        named = joined.drop("customer_id_right").mutate(group=joined.group.fill_null(""))
    names = _names(named)
    if len(names) <= MOST_GROUPS:
        return named, names
    sizes = named.group_by("group").agg(n=named.count())
    largest = sizes.order_by([ibis.desc("n"), "group"]).limit(MOST_GROUPS - 1).execute()["group"].tolist()
    rest = _("all others")
    lumped = named.mutate(group=named.group.isin(largest).ifelse(named.group, rest))
    return lumped, [*sorted(largest), rest]


def _names(customers: ir.Table) -> list[str]:
    return sorted(customers.select("group").distinct().execute()["group"].tolist())

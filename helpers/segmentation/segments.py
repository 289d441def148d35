"""Segments: each customer in exactly one, with what the segment is worth, to the cent of the ledger."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, language, listing, money, number, percent, quantity
from helpers.segmentation.rfm import Thresholds, customer_table, scored, thresholds
from helpers.segmentation.schemes import RFM, prove_scheme
from helpers.segmentation.segments_figure import segments_figure
from helpers.segmentation.summary import summarise
from helpers.stats.rounding import CENT, room_for_rounding

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    import pandas as pd

    from helpers.reporting.figures import Figure
    from helpers.segmentation.topic import Edges

MONTH = 365.25 / 12


@dataclass(frozen=True, kw_only=True)
class Segmentation(Result):
    """Customers by segment.

    Attributes:
        customers: One row a customer who ordered: scores, `code` and `segment`.
        summary: One row a segment: `segment`, `customers`, `share_customers`, `share_low`, `share_high`, `revenue`,
            `share_revenue`, `revenue_low`, `revenue_high`, `median_recency`, `mean_frequency`, `aov`.
        apart: Net revenue of guests and of customers with refunds only, by name, which are in no segment.
        ledger: Net revenue of the window in the order table.
        edges: Thresholds of the scores.
        level: Coverage of the intervals.
        months: Length of the window; `None` where all of the past counts.
    """

    customers: pd.DataFrame
    summary: pd.DataFrame
    apart: dict[str, float]
    ledger: float
    edges: Thresholds
    level: float
    months: int | None = None

    @property
    def best(self) -> pd.Series:
        """The segment with the largest revenue."""
        return self.summary.iloc[0]

    @property
    def shared(self) -> bool:
        """Whether there is a net revenue of which segments can have shares."""
        return float(self.summary["revenue"].sum()) > 0

    def headline(self) -> str:
        """Who carries the revenue."""
        if self.summary.empty:
            return _("No identified customer ordered in the window, so there is nothing to segment.")
        if not self.shared:
            return _(
                "Net revenue of the customers in segments is not positive ({revenue}), so no segment has a share of it."
            ).format(revenue=money(float(self.summary["revenue"].sum())))
        best = self.best
        return _("{segment} are {customers} of customers and carry {revenue} of net revenue ({low} to {high}).").format(
            segment=_(best["segment"]),
            customers=percent(best["share_customers"]),
            revenue=percent(best["share_revenue"]),
            low=percent(best["revenue_low"]),
            high=percent(best["revenue_high"]),
        )

    def cards(self) -> tuple[str, ...]:
        """The base, and the segment that carries most."""
        if self.summary.empty:
            return ()
        if not self.shared:
            return ("segments.customers", "segments.revenue")
        best = slug(self.best["segment"])
        return ("segments.customers", "segments.revenue", f"segment.{best}.customers", f"segment.{best}.share_revenue")

    def numbers(self) -> dict[str, Number]:
        """Customers, revenue and shares of each segment."""
        n, unit = len(self.customers), language().currency
        found = {
            "segments.customers": Number(value=n, unit="customers", n=n, definition="segments.customers"),
            "segments.revenue": Number(
                value=float(self.summary["revenue"].sum()), unit=unit, n=n, definition="segments.revenue"
            ),
        }
        for row in self.summary.itertuples():
            key = f"segment.{slug(row.segment)}"
            found[f"{key}.customers"] = Number(
                value=row.customers, unit="customers", n=n, definition=f"{key}.customers"
            )
            found[f"{key}.revenue"] = Number(
                value=row.revenue, unit=unit, n=row.customers, definition="segment.revenue"
            )
            shares = {
                "share_customers": (row.share_customers, row.share_low, row.share_high),
                "share_revenue": (row.share_revenue, row.revenue_low, row.revenue_high)
                if np.isfinite(row.share_revenue)
                else (None, None, None),
            }
            for share, (value, low, high) in shares.items():
                found[f"{key}.{share}"] = Number(
                    value=value, low=low, high=high, level=self.level, unit="share", n=n, definition=f"{key}.{share}"
                )
        return found

    def definitions(self) -> dict[str, Definition]:
        """What is counted."""
        name, who = _("Their net revenue"), _("Identified customers with an order up to the period’s end.")
        what = _("Net revenue up to the period’s end, refunds taken off when they happened.")
        if self.months is not None:
            # Beside numbers of the period alone, a reader must see that these reach further back.
            name = _("Their net revenue, {months} months")
            who = _("Identified customers with an order in the {months} months up to the period’s end.")
            what = _("Net revenue in the {months} months up to the period’s end, refunds taken off when they happened.")
        name, who, what = (text.format(months=number(self.months)) for text in (name, who, what))
        found = {
            "segments.customers": Definition(name=_("Customers in segments"), text=who),
            "segments.revenue": Definition(name=name, text=what),
            "segment.revenue": Definition(name=_("Net revenue of a segment"), text=_("Sum over its customers.")),
        }
        for segment in self.summary["segment"]:
            key, name = f"segment.{slug(segment)}", _(segment)
            found[f"{key}.customers"] = Definition(
                name=name, text=_("Customers of the segment {segment}.").format(segment=name)
            )
            found[f"{key}.share_customers"] = Definition(
                name=_("{segment}, share of customers").format(segment=name),
                text=_("Its customers / customers in segments (Wilson)."),
            )
            found[f"{key}.share_revenue"] = Definition(
                name=_("{segment}, share of net revenue").format(segment=name),
                text=_("Its net revenue / that of all segments (customers drawn)."),
            )
        return found

    def checks(self) -> list[Check]:
        """Whether segments and what is apart from them add up to the ledger."""
        parts = [*self.summary["revenue"], *self.apart.values()]
        rest = self.ledger - float(sum(parts))
        limit = room_for_rounding(parts)
        holds = abs(rest) < limit
        if abs(rest) < CENT:
            message = _("Segments, guests and refunds without an order add up to the ledger, to the cent.")
        elif holds:
            message = _(
                "Segments, guests and refunds without an order add up to the ledger, but for rounding of its sums."
            )
        else:
            message = _("Segments, guests and refunds without an order miss the ledger by {rest}.").format(
                rest=money(rest)
            )
        return [
            Check(
                id="segments.add_up",
                status="pass" if holds else "fail",
                value=rest,
                threshold=f"< {limit:.3f}",
                message=message,
            )
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The summary, the thresholds, and the list of customers with their segment."""
        return {"segments": self.summary, "thresholds": self.edges.to_frame(), "customers": self.customers}

    def table(self) -> Table:
        """Segments by revenue, with what is apart and the total."""
        names = self.summary.assign(name=[_(segment) for segment in self.summary["segment"]])
        columns = {
            "name": Column(label=_("Segment")),
            "customers": Column(label=_("Customers"), kind="number"),
            "share_customers": Column(label=_("Share of customers"), kind="share", low="share_low", high="share_high"),
            "revenue": Column(label=_("Net revenue, {currency}").format(currency=language().currency), kind="money"),
            "share_revenue": Column(
                label=_("Share of net revenue"), kind="share", low="revenue_low", high="revenue_high"
            ),
            "median_recency": Column(label=_("Median days since last order"), kind="number"),
            "mean_frequency": Column(label=_("Orders each"), kind="decimal"),
        }
        apart = listing(
            (f"{name} {quantity(value, language().currency)}" for name, value in self.apart.items()), style="unit"
        )
        foot = _("Intervals at {level}. In no segment: {apart}. Together they are the ledger’s {ledger}.").format(
            level=percent(self.level, digits=0), apart=apart, ledger=money(self.ledger)
        )
        return table(names, columns, title=_("Segments"), foot=foot, rows=len(names), strong=(0,))

    def figure(self) -> Figure | Table:
        """Share of customers beside share of revenue, segment by segment; the table where there are no shares to draw."""
        if not self.shared:
            return self.table()
        return segments_figure(self)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def slug(segment: str) -> str:
    """A segment's name as part of a number's id."""
    return "".join(letter if letter.isalnum() else "_" for letter in re.sub("['’]", "", segment.lower()))


def rfm(
    orders: ir.Table,
    *,
    as_of: datetime,
    since: datetime | None,
    edges: Edges | None,
    scheme: dict[str, tuple[str, ...]] | None,
    level: float,
    seed: int,
    replicates: int,
) -> Segmentation:
    """Segment customers by recency, frequency and monetary value.

    Args:
        orders: One row an order or refund.
        as_of: First moment that no longer counts.
        since: First moment of the window; `None` for all of the past.
        edges: Given thresholds, or `None` for quantiles.
        scheme: Codes by segment, or `None` for the kit's own partition.
        level: Coverage of the intervals.
        seed: Of the bootstrap.
        replicates: Of the bootstrap.
    """
    everyone = customer_table(orders, as_of=as_of, since=since)
    limits = thresholds(everyone, given=edges)
    names = scheme or RFM
    customers = scored(everyone, limits, prove_scheme(names))
    window = orders.filter(orders.ordered_at < as_of)
    if since is not None:
        window = window.filter(window.ordered_at >= since)
    facts = (
        window.agg(ledger=window.revenue.sum(), guests=window.revenue.sum(where=window.customer_id.isnull()))
        .execute()
        .fillna(0.0)
        .iloc[0]
    )
    apart = {
        _("guests"): float(facts["guests"]),
        _("customers with refunds only"): float(everyone.loc[everyone["frequency"] == 0, "monetary"].sum()),
    }
    summary = summarise(customers, list(names), level=level, seed=seed, replicates=replicates)
    return Segmentation(
        customers=customers,
        summary=summary,
        apart=apart,
        ledger=float(facts["ledger"]),
        edges=limits,
        level=level,
        months=None if since is None else round((as_of - since).days / MONTH),
    )

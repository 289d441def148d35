"""The chart of segments: share of customers beside share of revenue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.reporting.figures import Figure, Theme, figure, percent_axis
from helpers.reporting.words import _, listing, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.segmentation.segments import Segmentation


def segments_figure(found: Segmentation) -> Figure:
    """Share of customers beside share of revenue, segment by segment."""
    shown = found.summary.iloc[::-1]
    best = found.best["segment"]

    def draw(axes: Axes, theme: Theme) -> None:
        places = np.arange(len(shown))
        axes.barh(
            places + 0.2,
            shown["share_revenue"],
            height=0.38,
            color=[theme.accent if segment == best else theme.muted for segment in shown["segment"]],
        )
        axes.barh(places - 0.2, shown["share_customers"], height=0.38, color=theme.rule)
        low, high = (
            (shown["share_revenue"] - shown["revenue_low"]),
            (shown["revenue_high"] - shown["share_revenue"]),
        )
        axes.errorbar(
            shown["share_revenue"],
            places + 0.2,
            xerr=[low.clip(lower=0), high.clip(lower=0)],
            fmt="none",
            ecolor=theme.ink,
            elinewidth=1,
        )
        axes.set_yticks(places, [_(segment) for segment in shown["segment"]])
        percent_axis(axes.xaxis)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", visible=True)
        top = len(shown) - 1
        axes.annotate(
            _("net revenue"),
            (shown["revenue_high"].iloc[-1], top + 0.2),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=theme.ink,
        )
        axes.annotate(
            _("customers"),
            (shown["share_customers"].iloc[-1], top - 0.2),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=theme.muted,
        )

    return figure(
        draw,
        title=_("{segment}: {customers} of customers, {revenue} of net revenue").format(
            segment=_(best),
            customers=percent(found.best["share_customers"], digits=0),
            revenue=percent(found.best["share_revenue"], digits=0),
        ),
        subtitle=_("Each segment’s share of net revenue (upper bar) and of customers (lower bar)"),
        foot=_("n = {n} customers. Lines are {level} intervals of the share of net revenue, customers drawn.").format(
            n=number(len(found.customers)), level=percent(found.level, digits=0)
        ),
        alt=_("Bars: {parts}").format(
            parts=listing(
                (
                    _("{segment}: {customers} of customers, {revenue} of net revenue").format(
                        segment=_(row.segment),
                        customers=percent(row.share_customers),
                        revenue=percent(row.share_revenue),
                    )
                    for row in found.summary.itertuples()
                ),
                style="unit",
            )
        ),
        data=found.table(),
        height=1.0 + 0.42 * len(shown),
    )

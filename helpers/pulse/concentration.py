"""Concentration: how much of a period's revenue few customers carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.figures import Figure, Theme, figure, percent_axis
from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, interval, language, number, percent
from helpers.stats.intervals import gini

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.pulse.activity import Activity
    from helpers.stats.bootstrap import Estimate

TENTHS = 10
POINTS = 101


@dataclass(frozen=True, kw_only=True)
class Concentration(Result):
    """Revenue by customer decile, with the Gini coefficient.

    Attributes:
        deciles: `decile` (1 = the customers who brought most), `customers`, `revenue`, `share`, `cumulative`.
        lorenz: `customers` and `revenue`, both cumulative shares from the smallest customer up.
        top: Share of the top tenth by the Lorenz curve, which also tells it where a tenth is no whole number of customers;
            `None` where nobody brought anything.
        gini: Gini coefficient over customers with positive net revenue.
        n: Those customers.
        excluded: Customers with orders whose net revenue is not positive.
    """

    deciles: pd.DataFrame
    lorenz: pd.DataFrame
    top: float | None
    gini: Estimate
    n: int
    excluded: int

    def numbers(self) -> dict[str, Number]:
        """Gini coefficient and the share of the top tenth."""
        return {
            "concentration.gini": Number(
                value=self.gini.value,
                low=self.gini.low,
                high=self.gini.high,
                level=self.gini.level,
                unit="ratio",
                n=self.n,
                definition="concentration.gini",
            ),
            "concentration.top_decile": Number(
                value=self.top, unit="share", n=self.n, definition="concentration.top_decile"
            ),
        }

    def definitions(self) -> dict[str, Definition]:
        """What is counted, and who is left out."""
        return {
            "concentration.gini": Definition(
                name=_("Gini coefficient"),
                text=_("0 when all bring the same, near 1 when one brings all; customers with positive net revenue."),
            ),
            "concentration.top_decile": Definition(
                name=_("Share of the top tenth"),
                text=_(
                    "Net revenue of the tenth of customers who brought most in this period / that of all, a fact of the period."
                ),
            ),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Deciles."""
        return {"deciles": self.deciles}

    def table(self) -> Table:
        """Deciles, the largest first."""
        columns = {
            "decile": Column(label=_("Tenth of customers"), kind="number"),
            "customers": Column(label=_("Customers"), kind="number"),
            "revenue": Column(label=_("Net revenue, {currency}").format(currency=language().currency), kind="money"),
            "share": Column(label=_("Share"), kind="share"),
            "cumulative": Column(label=_("Share up to here"), kind="share"),
        }
        foot = _("{n} customers with positive net revenue; {excluded} with none or less are left out.").format(
            n=number(self.n), excluded=number(self.excluded)
        )
        if self.n % TENTHS:
            foot += " " + _("Rows hold whole customers, so that not each is a tenth exactly.")
        return table(self.deciles, columns, title=_("Net revenue by tenth of customers"), foot=foot, strong=(0,))

    def figure(self) -> Figure | Table:
        """Lorenz curve; the empty table where nobody brought anything."""
        if self.deciles.empty:
            return self.table()
        top = self.top or 0.0

        def draw(axes: Axes, theme: Theme) -> None:
            axes.plot([0, 1], [0, 1], color=theme.context, linewidth=1)
            axes.plot(self.lorenz["customers"], self.lorenz["revenue"], color=theme.accent)
            axes.fill_between(
                self.lorenz["customers"],
                self.lorenz["revenue"],
                self.lorenz["customers"],
                color=theme.accent,
                alpha=0.12,
                linewidth=0,
            )
            axes.axvline(0.9, color=theme.rule, linewidth=1)
            axes.annotate(
                _("top tenth: {share}").format(share=percent(top, digits=0)),
                (0.9, 0.02),
                xytext=(-6, 0),
                textcoords="offset points",
                ha="right",
                color=theme.ink,
            )
            axes.annotate(
                _("all equal"), (0.5, 0.5), xytext=(-8, 6), textcoords="offset points", ha="right", color=theme.muted
            )
            for axis in (axes.xaxis, axes.yaxis):
                percent_axis(axis)
            axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=_("Customers, from the smallest up"), ylabel=_("Net revenue"))

        told = interval(self.gini.low, self.gini.high, "ratio")
        return figure(
            draw,
            title=_("A tenth of customers carries {share} of net revenue").format(share=percent(top, digits=0)),
            subtitle=_("Lorenz curve: share of net revenue that the smallest customers bring together"),
            foot=_("n = {n}. Gini coefficient {gini} ({told}, {level} interval).").format(
                n=number(self.n),
                gini=number(self.gini.value, digits=2),
                told=told,
                level=percent(self.gini.level, digits=0),
            ),
            alt=_(
                "Lorenz curve; the top tenth of customers holds {share} of net revenue, Gini coefficient {gini}"
            ).format(share=percent(top), gini=number(self.gini.value, digits=2)),
            data=self.table(),
            width=6.2,
            height=4.2,
        )

    def _repr_html_(self) -> str:
        return self.figure()._repr_html_()


def concentration(seen: Activity, *, level: float, seed: int) -> Concentration:
    """Concentration of net revenue among the customers of the period `now`."""
    people = seen.customers[seen.customers["orders_now"] > 0]
    amounts = np.sort(people["revenue_now"].to_numpy(float))[::-1]
    positive = amounts[amounts > 0]
    n = len(positive)
    parts = [part for part in np.array_split(positive, TENTHS) if len(part)]
    total = positive.sum()
    deciles = pd.DataFrame(
        {
            "decile": range(1, len(parts) + 1),
            "customers": [len(part) for part in parts],
            "revenue": [float(part.sum()) for part in parts],
        }
    )
    deciles["share"] = deciles["revenue"] / total
    deciles["cumulative"] = deciles["share"].cumsum()
    upwards = np.concatenate([[0.0], np.cumsum(positive[::-1])])
    at = np.linspace(0, 1, POINTS)
    lorenz = pd.DataFrame(
        {"customers": at, "revenue": np.interp(at * n, np.arange(n + 1), upwards) / total if n else at * 0}
    )
    top = 1 - float(np.interp(n * (1 - 1 / TENTHS), np.arange(n + 1), upwards)) / float(total) if n else None
    return Concentration(
        deciles=deciles,
        lorenz=lorenz,
        top=top,
        gini=gini(positive, level=level, seed=seed),
        n=n,
        excluded=len(amounts) - n,
    )

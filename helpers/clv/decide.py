"""Decisions: what a new customer may cost, when that is earned back, and how many earn it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.clv.expect import MONTH, discount_factors
from helpers.clv.newcomers import expected_revenue, picked, share_above
from helpers.reporting.figures import Figure, Theme, figure, money_axis
from helpers.reporting.findings import Decision, Definition, Number, Result, where_given
from helpers.reporting.tables import Column, table
from helpers.reporting.words import _, language, money, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from helpers.clv.model import Model


@dataclass(frozen=True, kw_only=True)
class Economics(Result):
    """A new customer's value, and what it may cost.

    Attributes:
        curve: `month`, `value`, `low`, `high`: expected cumulative margin of a new customer, the first order in month 0,
            with its posterior interval.
        p_above_cac: Share of new customers whose own margin exceeds the CAC, with its posterior interval: value, low, high;
            `None` where the CAC is unknown.
        ceiling: Highest CAC that a new customer's mean margin exceeds with probability `confidence`.
        payback: First month in which the expected margin reaches the CAC; `None` where it does not.
        payback_ends: The same for the upper and lower end of the curve.
    """

    curve: pd.DataFrame
    p_above_cac: tuple[float, float, float] | None
    ceiling: float
    payback: int | None
    payback_ends: tuple[int | None, int | None]
    cac: float | None
    confidence: float
    level: float
    n: int
    horizon_months: int

    def numbers(self) -> dict[str, Number]:
        """Value of a new customer, ceiling, and share that earns its cost."""
        unit = language().currency
        end = self.curve.iloc[-1]
        found = {
            "clv.new_customer": Number(
                value=float(end["value"]),
                low=float(end["low"]),
                high=float(end["high"]),
                level=self.level,
                unit=unit,
                n=self.n,
                definition="clv.new_customer",
            ),
            "clv.cac_ceiling": Number(value=self.ceiling, unit=unit, n=self.n, definition="clv.cac_ceiling"),
        }
        if self.p_above_cac is not None:
            value, low, high = self.p_above_cac
            found["clv.p_above_cac"] = Number(
                value=value, low=low, high=high, level=self.level, unit="share", n=self.n, definition="clv.p_above_cac"
            )
        return found

    def definitions(self) -> dict[str, Definition]:
        """What each means."""
        return {
            "clv.new_customer": Definition(
                name=_("Value of a new customer"),
                text=_(
                    "Expected discounted margin of the first order and of {months} months after it, for a customer like those "
                    "of the log; acquisition cost is not taken off."
                ).format(months=number(self.horizon_months)),
            ),
            "clv.cac_ceiling": Definition(
                name=_("Ceiling for acquisition cost"),
                text=_("With probability {share}, the mean new customer brings more than this.").format(
                    share=percent(self.confidence, digits=0)
                ),
            ),
            "clv.p_above_cac": Definition(
                name=_("Earns back the acquisition cost"),
                text=_("Share of new customers whose own margin within the horizon exceeds the acquisition cost."),
            ),
        }

    def decisions(self) -> list[Decision]:
        """The ceiling."""
        return [
            Decision(
                id="cac_ceiling",
                text=_("Pay up to {ceiling} for a new customer like those so far. {payback}").format(
                    ceiling=money(self.ceiling), payback=self._payback_text()
                )
                if self.ceiling > 0
                else _("New customers like those so far do not earn their cost: pay nothing for them."),
                evidence="model",
                value={
                    "ceiling": self.ceiling,
                    "confidence": self.confidence,
                    "payback_month": self.payback,
                    "payback_between": list(self.payback_ends),
                },
            ),
        ]

    def _payback_text(self) -> str:
        if self.cac is None:
            return _("What they cost today is not known (economics.cac).")
        if self.payback is None:
            return _("Today’s cost of {cac} is not earned back within {months} months.").format(
                cac=money(self.cac), months=number(self.horizon_months)
            )
        if self.payback == 0:
            return _("Today’s cost of {cac} is earned back by the first order.").format(cac=money(self.cac))
        months = plural("{count} month", "{count} months", self.payback)
        return _("Today’s cost of {cac} is earned back after {months}.").format(cac=money(self.cac), months=months)

    def tables(self) -> dict[str, pd.DataFrame]:
        """The curve."""
        return {"new_customer": self.curve}

    def figure(self) -> Figure:
        """Cumulative margin of a new customer against the CAC."""
        shown = self.curve

        def draw(axes: Axes, theme: Theme) -> None:
            axes.fill_between(shown["month"], shown["low"], shown["high"], color=theme.accent, alpha=0.2, linewidth=0)
            axes.plot(shown["month"], shown["value"], color=theme.accent)
            if self.cac is not None:
                axes.axhline(self.cac, color=theme.ink, linewidth=1)
                axes.annotate(
                    _("cost of acquisition"),
                    (shown["month"].iloc[-1], self.cac),
                    xytext=(0, 4),
                    textcoords="offset points",
                    ha="right",
                    color=theme.ink,
                )
            money_axis(axes.yaxis)
            axes.set(xlim=(0, shown["month"].iloc[-1]), xlabel=_("Months since the first order"))

        columns = {
            "month": Column(label=_("Month"), kind="number"),
            "value": Column(label=_("Cumulative margin"), kind="money", low="low", high="high"),
        }
        end = shown.iloc[-1]
        return figure(
            draw,
            title=_("A new customer is expected to bring {value} within {months} months").format(
                value=money(end["value"]), months=number(self.horizon_months)
            ),
            subtitle=_("Expected cumulative margin of a new customer, discounted, the first order included"),
            foot=_("n = {n}. The band is the {level} posterior interval of the mean. {payback}").format(
                n=number(self.n), level=percent(self.level, digits=0), payback=self._payback_text()
            ),
            alt=_("A rising line that ends at {value}").format(value=money(end["value"])),
            data=table(shown, columns, title=_("Cumulative margin of a new customer"), rows=len(shown)),
        )

    def _repr_html_(self) -> str:
        return self.figure()._repr_html_()


@where_given
def economics(
    model: Model,
    *,
    horizon_months: int,
    margin: float,
    discount_rate: float,
    cac: float | None,
    confidence: float,
    seed: int,
) -> Economics:
    """A new customer's value against what it costs.

    Args:
        model: The fitted model.
        horizon_months: Months that count.
        margin: Share of net revenue.
        discount_rate: A year.
        cac: Cost of a new customer; `None` where unknown.
        confidence: With which a new customer's mean margin exceeds the ceiling.
        seed: Of all randomness.
    """
    base = model.base
    factors = discount_factors(horizon_months, discount_rate)
    net = margin * (1 - base.refunds)
    ahead = MONTH * np.arange(1, horizon_months + 1)
    first = float(base.customers["first_value"].mean())
    # The first order's mean is a fact of the log; its standard error joins the posterior as one more draw.
    error = float(base.customers["first_value"].std(ddof=1) / np.sqrt(base.n)) if base.n > 1 else abs(first)
    rng = np.random.default_rng(seed)
    draws = picked(model)
    curves = np.empty((len(draws), horizon_months + 1))
    for place, (orders, spend) in enumerate(draws):
        monthly = np.diff(expected_revenue(model, orders, spend, ahead=ahead), prepend=0.0)
        opening = first + error * rng.standard_normal()
        curves[place] = np.append(opening, opening + (monthly * factors).cumsum()) * net
    tail = (1 - model.level) / 2
    low, high = np.quantile(curves, [tail, 1 - tail], axis=0)
    value = curves.mean(axis=0)
    curve = pd.DataFrame({"month": np.arange(horizon_months + 1), "value": value, "low": low, "high": high})
    return Economics(
        curve=curve,
        p_above_cac=None if cac is None else share_above(model, net=net, discount=factors, cac=cac, seed=seed),
        ceiling=float(np.quantile(curves[:, -1], 1 - confidence)),
        payback=_reached(value, cac),
        payback_ends=(_reached(high, cac), _reached(low, cac)),
        cac=cac,
        confidence=confidence,
        level=model.level,
        n=base.n,
        horizon_months=horizon_months,
    )


def _reached(curve: NDArray, cac: float | None) -> int | None:
    if cac is None or not (curve >= cac).any():
        return None
    return int(np.argmax(curve >= cac))

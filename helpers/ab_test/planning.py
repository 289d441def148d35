"""The next test: units, days and the least effect that would be found, from what this client's control arms looked like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.ab_test import power
from helpers.ab_test.power import Design
from helpers.ab_test.shown import Shown
from helpers.ab_test.wording import shown_metric, shown_test
from helpers.reporting.figures import Figure, Theme, figure, label_end
from helpers.reporting.findings import Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.ab_test.analyse import Analysis

LIFTS = (0.02, 0.05, 0.10, 0.20)
WEEKS = 12
STEPS = 40
# Standard errors by which a control has to be away from zero.
CLEAR = 3.0


@dataclass(frozen=True, kw_only=True)
class Plan(Result):
    """What a test like one of the past would need.

    Attributes:
        analysis: The test that it is planned from.
        sizes: `metric`, `lift`, `n` (all variants), `days`.
        curve: `metric`, `n`, `weeks`, `mde`: least relative effect that is found with the wanted power.
        daily: Units a day; `None` where they are not dated.
        design: Level, power and split.
    """

    analysis: Analysis
    sizes: pd.DataFrame
    curve: pd.DataFrame
    daily: float | None
    design: Design

    @property
    def results(self) -> tuple[Plan, ...]:
        """What is published."""
        return (self,)

    def shown(self) -> Shown:
        """Picture and table."""
        return Shown(parts=(self.figure(), self.table()))

    def tables(self) -> dict[str, pd.DataFrame]:
        """Sizes and curve."""
        return {"plan": self.sizes, "plan_curve": self.curve}

    def figure(self) -> Figure:
        """Least effect against time, or units."""
        dated = self.daily is not None
        at = "weeks" if dated else "n"
        names = list(dict.fromkeys(self.curve["metric"]))

        def draw(axes: Axes, theme: Theme) -> None:
            for place, name in enumerate(names):
                part = self.curve[self.curve["metric"] == name]
                colour = theme.accent if place == 0 else theme.hues[place % len(theme.hues)]
                axes.plot(part[at], part["mde"], color=colour)
                label_end(axes, part[at].iloc[-1], part["mde"].iloc[-1], name, colour)
            top = float(self.curve.groupby("metric")["mde"].quantile(0.9).max())
            axes.set_ylim(0, top)
            axes.set_xlabel(_("weeks of traffic") if dated else _("units in all variants"))
            axes.yaxis.set_major_formatter(lambda value, _place: percent(value, digits=1))
            if not dated:
                axes.xaxis.set_major_formatter(lambda value, _place: number(value))

        first = self.curve[self.curve["metric"] == names[0]]
        middle = first.iloc[(first[at] - first[at].max() / 3).abs().argmin()]
        length = (
            _("{n} weeks").format(n=number(middle["weeks"])) if dated else _("{n} units").format(n=number(middle["n"]))
        )
        return figure(
            draw,
            title=_("{n} find a lift of {mde} in {metric}").format(
                n=length[:1].upper() + length[1:], mde=percent(middle["mde"]), metric=names[0].lower()
            ),
            subtitle=_("Least true lift that a test finds with {power} power at level {alpha}").format(
                power=percent(self.design.power, digits=0), alpha=percent(self.design.alpha, digits=0)
            ),
            foot=_("From the control arm of {test}, n = {n}; an even split; no interval, since this is a plan.").format(
                test=shown_test(self.analysis.test),
                n=number(self.analysis.profile.rows[self.analysis.units.variants[0]]),
            ),
            alt="; ".join(
                _("{metric}: {mde} at most").format(
                    metric=name, mde=percent(self.curve[self.curve["metric"] == name]["mde"].min())
                )
                for name in names
            ),
            data=table(
                self.curve.iloc[:: STEPS // 8],
                {
                    "metric": Column(label=_("Metric")),
                    "n": Column(label=_("Units"), kind="number"),
                    "mde": Column(label=_("Least lift found"), kind="share"),
                },
                title=_("Least lift by units"),
                rows=60,
            ),
        )

    def table(self) -> Table:
        """Units and days for a few lifts."""
        columns = {
            "metric": Column(label=_("Metric")),
            "lift": Column(label=_("True lift"), kind="signed_share"),
            "n": Column(label=_("Units in all variants"), kind="number"),
            "days": Column(label=_("Days, whole weeks"), kind="number"),
        }
        foot = (
            _("At {daily} new units a day, as in {test}.").format(
                daily=number(self.daily), test=shown_test(self.analysis.test)
            )
            if self.daily
            else _("Days are unknown: the test's rows hold no dates.")
        )
        return table(self.sizes, columns, title=_("What the next test needs"), foot=foot, rows=40)


@dataclass(frozen=True, kw_only=True)
class NoPlan:
    """Stands for a plan where there is nothing to plan from."""

    results: tuple[Plan, ...] = ()

    def shown(self) -> Sentence:
        """Why there is none."""
        return Sentence(text=_("There is no test to plan the next one from."))


def plan(
    analyses: tuple[Analysis, ...], *, lifts: tuple[float, ...] = LIFTS, power_wanted: float | None = None
) -> Plan | NoPlan:
    """A plan from the control arm of the latest test that may be read.

    Args:
        analyses: The tests.
        lifts: Relative effects to plan for.
        power_wanted: In place of the test's own.
    """
    usable = [one for one in analyses if one.sound and any(_plannable(own) for own in one.judged)]
    if not usable:
        return NoPlan()
    one = max(usable, key=lambda own: str(own.profile.last or ""))
    test = one.test
    inflation = 1.0
    if test.sequential in {"obrien_fleming", "pocock"}:
        looks = test.planned_looks if test.planned_looks and test.planned_looks[-1] == 1 else (0.2, 0.4, 0.6, 0.8, 1.0)
        inflation = power.sequential_inflation(looks, alpha=test.alpha, power=test.power, spending=test.sequential)
    design = Design(alpha=test.alpha, power=power_wanted or test.power, inflation=max(inflation, 1.0))
    daily = one.profile.units / one.profile.days if one.profile.days else None
    sizes, curve = [], []
    top = daily * 7 * WEEKS if daily else 2.0 * one.profile.units
    for own in one.judged:
        if own.cell.variant != one.units.variants[1] or not _plannable(own):
            continue
        spread = power.arm_spread(own.cell.pair.control)
        name = shown_metric(own.cell.metric)
        for lift in lifts:
            n = power.sample_size(lift * abs(spread.value), spread, design=design)
            sizes.append({"metric": name, "lift": lift, "n": n, "days": _days(n, daily)})
        for units in np.linspace(top / WEEKS, top, STEPS):
            mde = power.relative(power.mde(spread, n=float(units), design=design), spread)
            curve.append(
                {"metric": name, "n": float(units), "weeks": units / daily / 7 if daily else math.nan, "mde": mde}
            )
    return Plan(analysis=one, sizes=pd.DataFrame(sizes), curve=pd.DataFrame(curve), daily=daily, design=design)


def _plannable(own: Any) -> bool:
    pair = own.cell.pair
    if own.cell.metric.type == "quantile" or pair.reason or not pair.control.variance > 0:
        return False
    # A share of what may be zero is no lift that could be planned for.
    return bool(abs(pair.control.value) > CLEAR * math.sqrt(pair.control.variance))


def _days(n: int, daily: float | None) -> int | None:
    return None if daily is None else math.ceil(n / daily / 7) * 7

"""The next test, or the first: units, days and the least effect that would be found, as a table and pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.ab_test import power
from helpers.ab_test.basis import WEEK, Basis, effect, of_log, of_test
from helpers.ab_test.plan_shown import drawn
from helpers.ab_test.registration import Ahead
from helpers.ab_test.shown import Shown
from helpers.ab_test.wording import shown_metric, shown_test
from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Sentence
from helpers.reporting.words import _, day, number, percent

if TYPE_CHECKING:
    from helpers.ab_test.analyse import Analysis
    from helpers.ab_test.past import Past

LIFTS = (0.02, 0.05, 0.10, 0.20)
WEEKS = 12
STEPS = 40
# A chart of more lines tells nothing.
MOST_LINES = 4


@dataclass(frozen=True, kw_only=True)
class Plan(Result):
    """What a test would need.

    Attributes:
        basis: What it is planned from.
        sizes: `metric`, `lift` (of a guardrail its margin, negative), `n` (all variants), `days`.
        curve: `metric`, `n`, `weeks`, `mde`: least relative effect that is found with the wanted power.
        powers: `n`, `lift`, `power` of the main metric; empty where that is a guardrail.
        opens: Whether the report opens with it, since no test has been run.
    """

    basis: Basis
    sizes: pd.DataFrame
    curve: pd.DataFrame
    powers: pd.DataFrame
    opens: bool = False

    @property
    def _name(self) -> str:
        return "plan" if self.basis.analysis else "plan_from_log"

    def headline(self) -> str:
        """What the client's traffic can find, where there is no test to tell of."""
        return self.sentence().text if self.opens else ""

    def cards(self) -> tuple[str, ...]:
        """Least lifts."""
        return tuple(self.numbers())[:MOST_LINES] if self.opens else ()

    def numbers(self) -> dict[str, Number]:
        """Least lift that each metric's test finds with all of the traffic."""
        return {
            f"{self._name}.{metric.name}.least_lift": Number(
                value=self.basis.least(metric, spread, self.basis.most),
                unit="share",
                n=round(self.basis.most),
                definition=f"ab_test.{self._name}.{metric.name}",
            )
            for metric, spread in self.basis.metrics
        }

    def definitions(self) -> dict[str, Definition]:
        """What a least lift is."""
        return {
            f"ab_test.{self._name}.{metric.name}": Definition(
                name=_("Least lift found: {metric}").format(metric=shown_metric(metric)),
                text=_(
                    "True lift that a test of {n} units finds {power} of the time, false alarms held at {alpha}. {source}"
                ).format(
                    n=number(self.basis.most),
                    power=percent(self.basis.design_of(metric).power, digits=0),
                    alpha=percent(self.basis.design_of(metric).alpha, digits=1),
                    source=self.source(),
                ),
            )
            for metric, _spread in self.basis.metrics
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Sizes and curves."""
        return {self._name: self.sizes, f"{self._name}_curve": self.curve, f"{self._name}_power": self.powers}

    def shown(self) -> Shown:
        """Sentence, pictures and table."""
        return Shown(parts=(self.sentence(), *drawn(self)))

    def sentence(self) -> Sentence:
        """What the traffic can find in the first metric, and what the wanted lift takes."""
        basis, (metric, spread) = self.basis, self.basis.main
        lift = basis.past.ahead.lift if basis.past else LIFTS[1]
        n = basis.size(metric, spread, lift)
        days = basis.days(n)
        finds = (
            _("The next test, with {units}, would find a lift of {mde} or more in {metric}.")
            if basis.past is None
            else _(
                "No test has been run yet. The first one, with {units}, would find a lift of {mde} or more in {metric}."
            )
            if self.opens
            else _("A test planned from the order log, with {units}, would find a lift of {mde} or more in {metric}.")
        )
        takes = (
            _("A lift of {lift} takes {n} units and {days} days.")
            if days is not None
            else _("A lift of {lift} takes {n} units, more than there are.")
            if basis.dated or basis.at_once is not None
            else _("A lift of {lift} takes {n} units; how long is unknown, since units are not dated.")
        )
        first = finds.format(
            units=self._who(),
            mde=percent(basis.least(metric, spread, basis.most)),
            metric=shown_metric(metric).lower(),
        )
        second = takes.format(lift=percent(lift, digits=0), n=number(n), days=number(days))
        return Sentence(text=f"{first} {second}")

    def _who(self) -> str:
        """Who would be in it, and how many."""
        most = number(self.basis.most)
        if self.basis.at_once is not None and self.basis.past:
            text = _("{most} customers who ordered in the {days} days before")
            return text.format(most=most, days=number(self.basis.past.ahead.base_days))
        if not self.basis.dated:
            return _("{most} units, twice those of the last test").format(most=most)
        text = (
            _("{most} customers who come in {n} weeks") if self.basis.past else _("{most} units that come in {n} weeks")
        )
        return text.format(most=most, n=number(self.weeks))

    @property
    def weeks(self) -> float:
        """Weeks of traffic that are known."""
        return len(self.basis.arrivals) / WEEK

    def source(self) -> str:
        """What it was planned from."""
        if self.basis.analysis:
            one = self.basis.analysis
            return _("From the control arm of {test}, n = {n}.").format(
                test=shown_test(one.test), n=number(one.profile.rows[one.units.variants[0]])
            )
        found = self.basis.past
        assert found is not None  # noqa: S101 - a basis has one of the two
        return _("From {n} customers of {first} to {last} and what they did in the {window} days after.").format(
            n=number(found.units), first=day(found.first), last=day(found.last), window=number(found.window)
        )


@dataclass(frozen=True, kw_only=True)
class Plans(Result):
    """The plans that there are: from the latest test that may be read, from the log, or from neither."""

    each: tuple[Plan, ...]
    opens: bool

    @property
    def results(self) -> tuple[Result, ...]:
        """What is published."""
        return self.each or (self,)

    def headline(self) -> str:
        """That there is nothing, where there is nothing at all."""
        return self._nothing if self.opens and not self.each else ""

    @property
    def _nothing(self) -> str:
        return _("There is no test that may be read and too little in the log to plan one from.")

    def shown(self) -> Shown:
        """Every plan."""
        return Shown(parts=tuple(part for one in self.each for part in one.shown().parts), otherwise=self._nothing)


def plan(
    analyses: tuple[Analysis, ...],
    past: Past | None = None,
    *,
    lifts: tuple[float, ...] = LIFTS,
    power_wanted: float | None = None,
) -> Plans:
    """Plans from the control arm of the latest test that may be read, and from the log.

    The log speaks where no test does, or where its plan was written into the params.

    Args:
        analyses: The tests.
        past: What the client's customers did before any test.
        lifts: Relative effects to plan for.
        power_wanted: In place of the test's own.
    """
    found = []
    usable = [one for one in analyses if one.sound and one.judged]
    if usable:
        latest = max(usable, key=lambda own: str(own.profile.last or ""))
        found.append(_plan(of_test(latest, power_wanted=power_wanted, weeks=WEEKS), lifts))
    if past is not None and (past.ahead != Ahead() or not any(found)):
        found.append(_plan(of_log(past), tuple(sorted({*lifts, past.ahead.lift})), opens=not analyses))
    return Plans(each=tuple(one for one in found if one is not None), opens=not analyses)


def _plan(basis: Basis, lifts: tuple[float, ...], *, opens: bool = False) -> Plan | None:
    if not basis.metrics or basis.most < 2:  # noqa: PLR2004 - two arms
        return None
    sizes, curve, powers = [], [], []
    for metric, spread in basis.metrics:
        name = shown_metric(metric)
        for lift in (-abs(metric.margin or 0.0),) if metric.role == "guardrail" else lifts:
            n = basis.size(metric, spread, lift)
            sizes.append({"metric": name, "lift": lift, "n": n, "days": basis.days(n)})
        curve += [
            {"metric": name, "n": n, "weeks": weeks, "mde": basis.least(metric, spread, n)}
            for n, weeks in _reached(basis)
        ]
    metric, spread = basis.main
    design, top = basis.design_of(metric), 2 * basis.least(metric, spread, basis.most / 4)
    for part in (0.25, 0.5, 1.0) if metric.role != "guardrail" else ():
        units = part * basis.most
        for lift in np.linspace(top / STEPS, top, STEPS):
            chance = power.power(effect(metric, spread, lift), spread, n=units / basis.crowd, design=design)
            powers.append({"n": round(units), "lift": lift, "power": chance})
    frames = (
        pd.DataFrame(sizes).astype({"days": "float"}),
        pd.DataFrame(curve),
        pd.DataFrame(powers, columns=["n", "lift", "power"]),
    )
    return Plan(basis=basis, sizes=frames[0], curve=frames[1], powers=frames[2], opens=opens)


def _reached(basis: Basis) -> list[tuple[float, float]]:
    """Units and weeks along the curve."""
    if not basis.dated:
        return [(float(n), math.nan) for n in np.linspace(basis.most / WEEKS, basis.most, STEPS)]
    came = basis.arrivals.cumsum()
    days = np.unique(np.linspace(min(WEEK, len(came)), len(came), STEPS).astype(int))
    return [(float(came[at - 1]), at / WEEK) for at in days if came[at - 1] >= 2]  # noqa: PLR2004 - two arms

"""What a plan stands on: each metric's spread, the traffic, and the levels, from a past test or from the client's own log."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.ab_test import power
from helpers.ab_test.decide import error_levels
from helpers.ab_test.power import Design, Spread
from helpers.ab_test.registration import SPENDING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from helpers.ab_test.analyse import Analysis
    from helpers.ab_test.arms import Arm
    from helpers.ab_test.past import Past
    from helpers.ab_test.registration import Metric

WEEK = 7
EVEN_LOOKS = (0.2, 0.4, 0.6, 0.8, 1.0)
# Standard errors by which a value has to be away from zero: a share of what may be zero is no lift that could be planned for.
CLEAR = 3.0


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Metrics, traffic and levels.

    Attributes:
        metrics: Each metric with its variance a unit.
        left_out: Metrics that cannot be planned for.
        design: Level, power, split and the cost of early looks, of one metric by itself.
        variants: Variants that are compared with the control.
        crowd: All units over those of the two variants that are compared.
        arrivals: New units of each day, shape (days,); empty where they are not dated, or all there at once.
        at_once: Units that are all there on the first day; `None` where they come day by day.
        window: Days from a unit's assignment to its outcome.
        n: Units behind the spreads.
        analysis: The past test; `None` for the log.
        past: The log; `None` for a past test.
    """

    metrics: tuple[tuple[Metric, Spread], ...]
    left_out: tuple[Metric, ...]
    design: Design
    variants: int = 1
    crowd: float = 1.0
    arrivals: NDArray = field(default_factory=lambda: np.zeros(0))
    at_once: int | None = None
    window: int = 0
    n: int = 0
    analysis: Analysis | None = None
    past: Past | None = None

    @property
    def main(self) -> tuple[Metric, Spread]:
        """The first metric that is no guardrail, or the first of those."""
        return next((one for one in self.metrics if one[0].role != "guardrail"), self.metrics[0])

    @property
    def dated(self) -> bool:
        """Whether units come day by day."""
        return bool(len(self.arrivals))

    @property
    def most(self) -> float:
        """Units that the traffic brings, or twice those of a test without dates."""
        return float(self.arrivals.sum()) if self.dated else float(self.at_once or 2 * self.n)

    def days(self, n: float) -> int | None:
        """Days until `n` units have come and their outcomes too; `None` where that is unknown, or never."""
        if self.dated:
            came = power.duration(n, self.arrivals)
            return None if came is None else came + self.window
        return self.window if self.at_once is not None and n <= self.at_once else None

    def design_of(self, metric: Metric) -> Design:
        """Level and power of one metric, so that those of the decision hold.

        Success metrics share alpha; each guardrail has a one-sided test at half of it; beta is shared by all that must succeed.
        """
        roles = [one.role for one, _spread in self.metrics]
        shared = error_levels(
            alpha=self.design.alpha,
            beta=1 - self.design.power,
            success=roles.count("success") * self.variants,
            guardrails=roles.count("guardrail"),
            variants=self.variants,
        )
        if metric.role == "success":
            return replace(self.design, alpha=shared.success, power=1 - shared.beta)
        if metric.role == "guardrail":
            return replace(self.design, alpha=shared.guardrail, power=1 - shared.beta, two_sided=False)
        return self.design

    def size(self, metric: Metric, spread: Spread, lift: float) -> int:
        """Units of all variants that find a lift; for a guardrail, that show no loss beyond its margin where there is none."""
        design = self.design_of(metric)
        if metric.role == "guardrail":
            margin = effect(metric, spread, -abs(metric.margin or 0.0))
            return math.ceil(self.crowd * power.sample_size(0.0, spread, design=design, margin=margin))
        return math.ceil(self.crowd * power.sample_size(effect(metric, spread, lift), spread, design=design))

    def least(self, metric: Metric, spread: Spread, n: float) -> float:
        """Least true lift found with the wanted power; for a guardrail, the least margin that can be shown to hold."""
        found = power.mde(spread, n=n / self.crowd, design=self.design_of(metric))
        return math.expm1(found) if metric.scale == "log" else power.relative(found, spread)


def effect(metric: Metric, spread: Spread, lift: float) -> float:
    """A relative effect as a difference on the metric's scale."""
    return math.log1p(lift) if metric.scale == "log" else lift * abs(spread.value)


def of_test(one: Analysis, *, power_wanted: float | None = None, weeks: int = 0) -> Basis:
    """From the control arm of a past test; traffic goes on as it came on average.

    Where clusters were randomised, their variance is spread over their units: more units are more clusters like these.
    """
    test, names = one.test, one.units.variants
    first = [own for own in one.judged if own.cell.variant == names[1]]
    rows = one.profile.rows[names[0]]
    metrics, left = _plannable((own.cell.metric, replace(own.cell.pair.control, n=rows), 1.0) for own in first)
    pair, everyone = test.share(names[0]) + test.share(names[1]), sum(test.share(name) for name in names)
    daily = one.profile.units / one.profile.days if one.profile.days else 0.0
    return Basis(
        metrics=metrics,
        left_out=left,
        design=Design(
            alpha=test.alpha,
            power=power_wanted or test.power,
            share=test.share(names[1]) / pair,
            inflation=_inflation(test.sequential, test.planned_looks, alpha=test.alpha, wanted=test.power),
        ),
        variants=len(names) - 1,
        crowd=everyone / pair,
        arrivals=np.full(weeks * WEEK if daily else 0, daily),
        n=one.profile.units,
        analysis=one,
    )


def of_log(found: Past) -> Basis:
    """From what the client's customers did before any test."""
    ahead = found.ahead
    metrics, left = _plannable(found.measured)
    return Basis(
        metrics=metrics,
        left_out=left,
        design=Design(
            alpha=ahead.alpha,
            power=ahead.power,
            share=ahead.share,
            inflation=_inflation(ahead.sequential, ahead.planned_looks, alpha=ahead.alpha, wanted=ahead.power),
        ),
        arrivals=found.arrivals,
        at_once=None if len(found.arrivals) else found.units,
        window=found.window,
        n=found.units,
        past=found,
    )


def _plannable(
    measured: Iterable[tuple[Metric, Arm, float]],
) -> tuple[tuple[tuple[Metric, Spread], ...], tuple[Metric, ...]]:
    """Metrics with a spread and a level clear of zero, and the others."""
    kept, left = [], []
    for metric, arm, ratio in measured:
        clear = not arm.reason and arm.variance > 0 and abs(arm.value) > CLEAR * math.sqrt(arm.variance)
        if clear:
            kept.append((metric, power.arm_spread(arm).scaled(ratio)))
        else:
            left.append(metric)
    return tuple(kept), tuple(left)


def _inflation(sequential: Any, looks: Sequence[float], *, alpha: float, wanted: float) -> float:
    if sequential not in SPENDING:
        return 1.0
    planned = looks if looks and looks[-1] == 1 else EVEN_LOOKS
    return max(1.0, power.sequential_inflation(planned, alpha=alpha, power=wanted, spending=sequential))

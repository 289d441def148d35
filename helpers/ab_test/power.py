"""Planning: how many units, how long, and what effect can be found, before a test and halfway through it.

Every metric enters by its variance a unit: s^2 for a mean, p (1 - p) for a proportion, the linearised one for a ratio, with the
design effect of clusters and what CUPED takes off. From there on the arithmetic is one (Chow, Shao & Wang 2008, ch. 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from helpers.ab_test.sequential import Spending, boundary, crossing_probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from helpers.ab_test.arms import Arm

LARGEST_N = 1e13


@dataclass(frozen=True, kw_only=True)
class Design:
    """What a test is planned with.

    Attributes:
        alpha: Level.
        power: Wanted power.
        share: Share of units in the treatment.
        two_sided: Whether the test is; non-inferiority tests are not.
        inflation: Of the sample for looking early (`sequential_inflation`); 1 for a fixed test.
    """

    alpha: float = 0.05
    power: float = 0.8
    share: float = 0.5
    two_sided: bool = True
    inflation: float = 1.0

    def __post_init__(self) -> None:
        for name in ("alpha", "power", "share"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ValueError(f"{name} == {value}, must be within 0 and 1")
        if self.inflation < 1:
            raise ValueError(f"inflation == {self.inflation}, must be >= 1")

    @property
    def critical(self) -> float:
        """Critical value of z."""
        return -float(ndtri(self.alpha / 2 if self.two_sided else self.alpha))


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Variance a unit of a metric in each arm, and its level.

    Attributes:
        control: In the control.
        treatment: In the treatment.
        value: The control's value, for relative effects.
    """

    control: float
    treatment: float
    value: float

    def scaled(self, factor: float) -> Spread:
        """Both variances times a factor, such as a design effect or CUPED's 1 - R squared."""
        return Spread(control=self.control * factor, treatment=self.treatment * factor, value=self.value)


def mean_spread(*, sd: float, value: float) -> Spread:
    """Spread of a mean, the same in both arms."""
    return Spread(control=sd**2, treatment=sd**2, value=value)


def proportion_spread(*, control: float, treatment: float | None = None) -> Spread:
    """Spread of a proportion; the treatment's own where it is given."""
    other = control if treatment is None else treatment
    return Spread(control=control * (1 - control), treatment=other * (1 - other), value=control)


def arm_spread(arm: Arm) -> Spread:
    """Spread of any metric from data: a mean, a ratio (linearised), clusters' totals or a CUPED-adjusted arm."""
    return Spread(control=arm.variance * arm.n, treatment=arm.variance * arm.n, value=arm.value)


def design_effect(*, size: float, icc: float, size_cv: float = 0.0) -> float:
    """How much a variance grows where clusters were randomised (Eldridge, Ashby & Kerry 2006).

    Args:
        size: Mean units a cluster.
        icc: Intraclass correlation.
        size_cv: Coefficient of variation of cluster sizes.
    """
    return 1 + ((size_cv**2 + 1) * size - 1) * icc


def standard_error(spread: Spread, *, n: float, design: Design) -> float:
    """Of the difference, with `n` units in both arms together; early looks cost part of the information."""
    used = n / design.inflation
    return math.sqrt(spread.control / (used * (1 - design.share)) + spread.treatment / (used * design.share))


def power(effect: float, spread: Spread, *, n: float, design: Design, margin: float = 0.0) -> float:
    """Power with `n` units in both arms together.

    Args:
        effect: True difference.
        spread: Of the metric.
        n: Units in both arms.
        design: Level, sides and share.
        margin: What the test is against: 0, or minus the non-inferiority margin (one-sided: shown to be above it).
    """
    z = (effect - margin) / standard_error(spread, n=n, design=design)
    found = float(ndtr(z - design.critical))
    return found + float(ndtr(-z - design.critical)) if design.two_sided else found


def sample_size(effect: float, spread: Spread, *, design: Design, margin: float = 0.0) -> int:
    """Least number of units in both arms together that reaches the power.

    Raises:
        ValueError: The effect does not differ from the margin, or lies on its wrong side.
    """
    apart = effect - margin
    if apart == 0 or (not design.two_sided and apart < 0):
        raise ValueError(
            f"effect == {effect}, must differ from margin == {margin} (and lie above it in a one-sided test)"
        )

    def short(log_n: float) -> float:
        return power(effect, spread, n=math.exp(log_n), design=design, margin=margin) - design.power

    if short(0.0) >= 0:
        return 2
    return max(2, math.ceil(math.exp(float(brentq(short, 0.0, math.log(LARGEST_N), xtol=1e-12))) - 1e-6))


def mde(spread: Spread, *, n: float, design: Design) -> float:
    """Least true difference that is found with the wanted power (above the margin, for non-inferiority)."""
    error = standard_error(spread, n=n, design=design)

    def short(z: float) -> float:
        found = float(ndtr(z - design.critical)) + (float(ndtr(-z - design.critical)) if design.two_sided else 0.0)
        return found - design.power

    return float(brentq(short, 0.0, 80.0, xtol=1e-12)) * error


def relative(effect: float, spread: Spread) -> float:
    """A difference as a share of |control|; infinite where the control's value is zero."""
    return effect / abs(spread.value) if spread.value else math.inf


def sequential_inflation(
    fractions: Sequence[float], *, alpha: float = 0.05, power: float = 0.8, spending: Spending = "obrien_fleming"
) -> float:
    """Factor on the fixed sample that keeps the power with these looks.

    Args:
        fractions: Information fractions of the planned looks, the last one 1.
        alpha: Two-sided.
        power: Wanted.
        spending: The spending function.
    """
    found = boundary(fractions, alpha=alpha, spending=spending)
    plain = float(ndtri(1 - alpha / 2) + ndtri(power))
    drift = brentq(
        lambda x: float(crossing_probabilities(found, drift=x)[0].sum()) - power, plain / 2, plain * 2, xtol=1e-8
    )
    return float(drift / plain) ** 2


def expected_sample(
    fractions: Sequence[float], *, drift: float, alpha: float = 0.05, spending: Spending = "obrien_fleming"
) -> float:
    """Mean information fraction at which a sequential test ends."""
    found = boundary(fractions, alpha=alpha, spending=spending)
    above, under = crossing_probabilities(found, drift=drift)
    stops = above + under
    times = np.asarray(fractions, dtype=float)
    return float((stops[:-1] * times[:-1]).sum() + (1 - stops[:-1].sum()) * times[-1])


def duration(n: float, arrivals: Any, *, whole_weeks: bool = True) -> int | None:
    """Days until enough units have come; `None` where the arrivals given never reach that.

    Args:
        n: Units needed in both arms.
        arrivals: New units of each day, shape (days,): they wane, as regulars have all been seen.
        whole_weeks: Round up to whole weeks, so that each weekday counts the same.
    """
    reached = np.flatnonzero(np.cumsum(np.asarray(arrivals, dtype=float)) >= n)
    if not len(reached):
        return None
    days = int(reached[0]) + 1
    return math.ceil(days / 7) * 7 if whole_weeks else days


def conditional_power(statistic: float, fraction: float, *, drift: float, critical: float) -> float:
    """Chance of ending above the critical value, given where the test stands (Lan & Wittes 1988, B-values).

    Args:
        statistic: z now.
        fraction: Information now, over that of the end; below 1.
        drift: Expected z at the end: the planned effect's, or statistic / sqrt(fraction) for the trend so far.
        critical: Critical value at the end.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction == {fraction}, must be within 0 and 1")
    left = 1 - fraction
    return float(ndtr((statistic * math.sqrt(fraction) + drift * left - critical) / math.sqrt(left)))

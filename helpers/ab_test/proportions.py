"""Two proportions where counts are small: the score test and the sets it inverts to.

Difference and ratio have the same test at no effect, so one p serves both (Miettinen & Nurminen 1985; Koopman 1984). The search is
our own: statsmodels 0.15's `confint_proportions_2indep(method='score')` fails on a quarter of random tables, above all on empty cells,
and its restricted estimate of a difference is not the likelihood's maximum (tests/ab_test/test_adjustments.py).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from helpers.ab_test.arms import independent, unusable
from helpers.ab_test.estimate import Effect, critical_value, two_sided_p, untold
from helpers.ab_test.fieller import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 200
LARGEST_RATIO = 1e12


def proportions(
    *,
    control: int,
    n_control: int,
    treatment: int,
    n_treatment: int,
    alpha: float = 0.05,
    critical: float | None = None,
) -> Effect:
    """Difference and lift of two proportions by the score test, with the factor N / (N - 1) of Miettinen & Nurminen.

    Args:
        control: Successes in the control.
        n_control: Units in the control.
        treatment: Successes in the treatment.
        n_treatment: Units in the treatment.
        alpha: Two-sided level.
        critical: Critical value in place of the normal quantile; p stays the plain test's.

    Raises:
        ValueError: Successes are not within 0 and the units.
    """
    for name, count, n in (("control", control, n_control), ("treatment", treatment, n_treatment)):
        if not 0 <= count <= n:
            raise ValueError(f"{name} == {count}, must be within 0 and {n}")
    if min(n_control, n_treatment) < 1:
        sides = (unusable("too_few_units", n=n) for n in (n_control, n_treatment))
        return untold(independent(*sides, method=("score",)), reason="too_few_units", alpha=alpha)
    cells = (control, n_control, treatment, n_treatment)
    shares = control / n_control, treatment / n_treatment
    z = score_of_difference(0.0, *cells)
    edge = critical_value(alpha, math.inf) if critical is None else critical
    gap = shares[1] - shares[0]
    low = _end(lambda x: score_of_difference(x, *cells), edge, inner=gap, outer=-1.0, side=z > edge)
    high = _end(lambda x: -score_of_difference(x, *cells), edge, inner=gap, outer=1.0, side=z < -edge)
    error = abs(gap / z) if z else None
    return Effect(
        control=shares[0],
        treatment=shares[1],
        difference=Interval(value=gap, low=low, high=high),
        lift=(lift := _lift(cells, edge, z)),
        p=two_sided_p(z, math.inf),
        statistic=z,
        standard_error=error,
        df=math.inf,
        alpha=alpha,
        critical=edge,
        n_control=n_control,
        n_treatment=n_treatment,
        method=("score",),
        reason=None if lift.bounded else "control_near_zero",
    )


def score_of_difference(delta: float, control: int, n_control: int, treatment: int, n_treatment: int) -> float:
    """The z of the hypothesis that treatment less control is delta; variance at the restricted maximum likelihood."""
    total, n = control + treatment, n_control + n_treatment
    # The likelihood equation is a cubic with this root (Miettinen & Nurminen 1985, appendix 1).
    l2 = (n_treatment + 2 * n_control) * delta - n - total
    l1 = (n_control * delta - n - 2 * control) * delta + total
    l0 = control * delta * (1 - delta)
    third = l2 / (3 * n)
    q = third**3 - l1 * l2 / (6 * n * n) + l0 / (2 * n)
    size = math.copysign(math.sqrt(max(third * third - l1 / (3 * n), 0.0)), q)
    angle = (math.pi + math.acos(min(1.0, max(-1.0, q / size**3)))) / 3 if size else 0.0
    base = min(1.0, max(0.0, 2 * size * math.cos(angle) - third))
    other = min(1.0, max(0.0, base + delta))
    variance = base * (1 - base) / n_control + other * (1 - other) / n_treatment
    return _z(treatment / n_treatment - control / n_control - delta, variance, n)


def score_of_ratio(ratio: float, control: int, n_control: int, treatment: int, n_treatment: int) -> float:
    """The z of the hypothesis that treatment over control is a ratio; variance at the restricted maximum likelihood."""
    total, n = control + treatment, n_control + n_treatment
    a = n * ratio
    b = n_treatment * ratio + treatment + n_control + control * ratio
    base = min(1.0, 2 * total / (b + math.sqrt(max(b * b - 4 * a * total, 0.0))))
    other = min(1.0, ratio * base)
    variance = other * (1 - other) / n_treatment + ratio**2 * base * (1 - base) / n_control
    return _z(treatment / n_treatment - ratio * control / n_control, variance, n)


def _z(gap: float, variance: float, n: int) -> float:
    variance *= n / max(n - 1, 1)
    if variance <= 0 or abs(gap) < 1e-15:  # noqa: PLR2004 - rounding of shares
        return 0.0 if abs(gap) < 1e-15 else math.copysign(math.inf, gap)  # noqa: PLR2004
    return gap / math.sqrt(variance)


def _lift(cells: tuple[int, int, int, int], edge: float, z: float) -> Interval:
    control, n_control, treatment, n_treatment = cells
    if control == 0 and treatment == 0:
        return Interval(value=None, low=-1.0, high=math.inf, kind="ray")
    value = treatment / n_treatment * n_control / control - 1 if control else None

    def score(log_ratio: float) -> float:
        return score_of_ratio(math.exp(log_ratio), *cells)

    far = math.log(LARGEST_RATIO)
    inner = far if value is None else math.log1p(value) if value > -1 else -far
    low = _end(score, edge, inner=inner, outer=-far, side=z > edge)
    high = _end(lambda x: -score(x), edge, inner=inner, outer=far, side=z < -edge)
    bounded = control > 0 and high < far
    return Interval(
        value=value,
        low=-1.0 if low <= -far else math.expm1(low),
        high=math.expm1(high) if bounded else math.inf,
        kind="bounded" if bounded else "ray",
    )


def _end(score: Callable[[float], float], edge: float, *, inner: float, outer: float, side: bool) -> float:
    """Where the score reaches the critical value, between the estimate and the parameter's far end.

    The search starts at zero, on the side that the test at zero has decided: no rounding can put the end on the other.
    """
    between = min(inner, outer) < 0 < max(inner, outer)
    if side:
        near, far = inner, 0.0
    elif between:
        near, far = 0.0, outer
    else:
        near, far = inner, outer
    if score(far) <= edge:
        return far
    for _ in range(STEPS):
        middle = (near + far) / 2
        if middle in (near, far):
            break
        near, far = (middle, far) if score(middle) <= edge else (near, middle)
    return far if side else near

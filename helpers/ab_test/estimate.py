"""The effect: difference and lift with one verdict, whatever the metric.

One critical value serves the p-value, the difference's interval and the lift's (Fieller's) set. So a p below alpha and an
interval without zero never part. A sequential look hands in its own critical value and p, and nothing else changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scipy.special import ndtr, ndtri, stdtr, stdtrit

from helpers.ab_test.fieller import UNKNOWN, Interval, fieller

if TYPE_CHECKING:
    from helpers.ab_test.arms import Pair, Reason


SMALLEST_P = 1e-300
# Beyond it the exponential overflows.
LARGEST_LOG = 700.0


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a treatment did to a metric.

    Attributes:
        control: The control's value.
        treatment: The treatment's value.
        difference: Treatment less control.
        lift: The difference over |control|, by Fieller.
        p: Two-sided p-value of no difference; `None` where the data do not tell.
        statistic: Difference over its standard error.
        standard_error: Of the difference.
        df: Degrees of freedom; infinite for a normal reference.
        alpha: Two-sided level of both intervals.
        critical: Of the statistic, at that level.
        n_control: Units in the control.
        n_treatment: Units in the treatment.
        method: How the values and the test were made.
        reason: Why there is no answer, or no bounded lift; `None` where there is.
    """

    control: float
    treatment: float
    difference: Interval
    lift: Interval
    p: float | None
    statistic: float | None
    standard_error: float | None
    df: float | None
    alpha: float
    critical: float | None
    n_control: int
    n_treatment: int
    method: tuple[str, ...]
    reason: Reason | None

    @property
    def significant(self) -> bool:
        """Whether no effect is rejected: p below alpha, 0 outside both intervals."""
        return self.p is not None and self.difference.excludes_zero


def two_sided_p(statistic: float, df: float) -> float:
    """P-value of a t statistic; normal where df is infinite."""
    return 2 * float(ndtr(-abs(statistic)) if math.isinf(df) else stdtr(df, -abs(statistic)))


def critical_value(alpha: float, df: float) -> float:
    """Two-sided critical value of a t statistic; normal where df is infinite."""
    return -float(ndtri(alpha / 2) if math.isinf(df) else stdtrit(df, alpha / 2))


def compare(pair: Pair, *, alpha: float = 0.05, critical: float | None = None, p: float | None = None) -> Effect:
    """Difference and lift of two arms (Welch's test; Fieller's set).

    Args:
        pair: The arms.
        alpha: Two-sided level.
        critical: Critical value of a sequential or simultaneous procedure, in place of the t quantile.
        p: The p-value of that procedure, below alpha where the statistic is beyond `critical`.

    Raises:
        ValueError: `alpha` is not within 0 and 1, or only one of `critical` and `p` is given.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha == {alpha}, must be within 0 and 1")
    if (critical is None) != (p is None):
        raise ValueError("critical and p come from one procedure: give both or neither")
    control, treatment = pair.control, pair.treatment
    if pair.reason:
        return untold(pair, reason=pair.reason, alpha=alpha)
    df = pair.degrees
    error = math.sqrt(pair.variance)
    statistic = pair.difference / error
    if critical is None or p is None:
        critical, p = critical_value(alpha, df), two_sided_p(statistic, df)
    low, high = _ends(pair.difference, error, critical)
    difference = Interval(value=pair.difference, low=low, high=high)
    lift = (
        typical_lift(difference)
        if pair.log
        else fieller(
            control=control.value,
            treatment=treatment.value,
            variance_control=control.variance,
            variance_treatment=treatment.variance,
            covariance=pair.covariance,
            critical=critical,
        )
    )
    return Effect(
        control=math.expm1(control.value) if pair.log else control.value,
        treatment=math.expm1(treatment.value) if pair.log else treatment.value,
        difference=difference,
        lift=lift,
        p=p,
        statistic=statistic,
        standard_error=error,
        df=df,
        alpha=alpha,
        critical=critical,
        n_control=control.n,
        n_treatment=treatment.n,
        method=(*pair.method, "log" if pair.log else "fieller"),
        reason=None if lift.bounded else "control_zero" if lift.kind == "none" else "control_near_zero",
    )


def typical_lift(difference: Interval) -> Interval:
    """Lift of the geometric mean of 1 + x, from the interval of a difference of logs: the two exclude zero together."""
    low, value, high = (
        math.expm1(min(end, LARGEST_LOG)) for end in (difference.low, difference.value or 0.0, difference.high)
    )
    return Interval(value=value, low=low, high=high)


def untold(pair: Pair, *, reason: Reason, alpha: float) -> Effect:
    """The effect of two arms that cannot be compared: their values, and why."""
    known = math.isfinite(pair.difference)
    gap = Interval(value=pair.difference, low=-math.inf, high=math.inf, kind="none") if known else UNKNOWN
    return Effect(
        control=pair.control.value,
        treatment=pair.treatment.value,
        difference=gap,
        lift=UNKNOWN,
        p=None,
        statistic=None,
        standard_error=None,
        df=None,
        alpha=alpha,
        critical=None,
        n_control=pair.control.n,
        n_treatment=pair.treatment.n,
        method=pair.method,
        reason=reason,
    )


def unheld(pair: Pair, *, p: float, alpha: float) -> Effect:
    """The effect at a look so early that no value may be ruled out yet: its value without an interval."""
    plain = compare(pair, alpha=alpha)
    if pair.reason:
        return plain
    difference, lift = (
        Interval(value=part.value, low=-math.inf, high=math.inf, kind="everything")
        for part in (plain.difference, plain.lift)
    )
    return replace(plain, difference=difference, lift=lift, p=p, critical=math.inf, reason="early_look")


def z_of(pair: Pair) -> float:
    """The statistic on the normal scale, which sequential boundaries are for: same p, same sign."""
    effect = compare(pair)
    if effect.p is None or effect.statistic is None or effect.df is None:
        return 0.0
    # Far in the tails the p-value has run out of digits, and the two scales no longer differ in their verdict.
    if effect.p < SMALLEST_P:
        return effect.statistic
    return math.copysign(-float(ndtri(effect.p / 2)), effect.statistic)


def at_look(pair: Pair, *, critical: float, p: float, alpha: float) -> Effect:
    """The effect at a look of a sequential test: repeated confidence interval and repeated p-value.

    The look's z is translated to the pair's t by its nominal level (Jennison & Turnbull 2000, ch. 4.4).

    Args:
        pair: The arms.
        critical: Critical value of the look, for z.
        p: Repeated p-value of the look.
        alpha: Two-sided level of the whole test.
    """
    if math.isinf(critical):
        return unheld(pair, p=p, alpha=alpha)
    if pair.reason:
        return compare(pair, alpha=alpha)
    nominal = 2 * float(ndtr(-critical))
    own = critical_value(nominal, pair.degrees) if nominal > SMALLEST_P else critical
    return compare(pair, alpha=alpha, critical=own, p=p)


def _ends(difference: float, error: float, critical: float) -> tuple[float, float]:
    """Ends of the difference's interval; an end never lands on the other side of zero by rounding."""
    low, high = difference - critical * error, difference + critical * error
    beyond = abs(difference) / error > critical
    if beyond and low <= 0 <= high:
        tiny = math.ulp(0.0)
        low, high = (tiny, high) if difference > 0 else (low, -tiny)
    return low, high


@dataclass(frozen=True, kw_only=True)
class OneSided:
    """A one-sided question against a margin.

    Attributes:
        shown: Whether the claim is shown at `alpha`.
        p: One-sided p-value; `None` where the data do not tell, or where an interval was asked that brings none.
        margin: As it was asked, relative or absolute.
        bound: The confidence bound that is compared with the margin; it lies on the claim's side of it iff shown.
    """

    shown: bool
    p: float | None
    margin: float
    bound: float | None


def held_against(effect: Effect, *, margin: float, less_is_better: bool = False) -> OneSided:
    """Whether an effect's own interval lies clear of a margin, whatever test it is the inversion of.

    Args:
        effect: At two-sided 2 alpha, for a claim at one-sided alpha.
        margin: Of the lift where more is better: -.02 for a loss of 2 %. Where less is better, the lift's sign is turned.
        less_is_better: Whether it is.
    """
    lift = effect.lift
    if not lift.bounded:
        return OneSided(shown=False, p=None, margin=margin, bound=None)
    bound = -lift.high if less_is_better else lift.low
    return OneSided(shown=bound > margin, p=None, margin=margin, bound=bound)


def above(pair: Pair, *, margin: float, relative: bool, alpha: float, critical: float | None = None) -> OneSided:
    """Whether the effect is shown to be greater than a margin, at one-sided `alpha`.

    With the margin at -.02 and more being better, this is non-inferiority. The bound is the lower end of the interval
    at two-sided 2 alpha: test and interval are one inversion again.

    Args:
        pair: The arms.
        margin: Of the lift (relative) or of the difference.
        relative: Whether the margin is a share of |control|.
        alpha: One-sided level.
        critical: Critical value of a sequential procedure, in place of the t quantile; p is then `None`.
    """
    if pair.reason:
        return OneSided(shown=False, p=None, margin=margin, bound=None)
    effect = (
        compare(pair, alpha=2 * alpha) if critical is None else compare(pair, alpha=2 * alpha, critical=critical, p=1.0)
    )
    interval = effect.lift if relative else effect.difference
    if not interval.bounded:
        return OneSided(shown=False, p=None, margin=margin, bound=None)
    p = None
    if critical is None:
        at = math.log1p(margin) if pair.log and relative else margin
        relative = relative and not pair.log
        size = abs(pair.control.value) if relative else 0.0
        sign = math.copysign(1.0, pair.control.value)
        variance = pair.variance
        if relative:
            shared = sign * (pair.covariance - pair.control.variance)
            variance += margin**2 * pair.control.variance - 2 * margin * shared
            statistic = (pair.difference - margin * size) / math.sqrt(variance)
        else:
            statistic = (pair.difference - at) / math.sqrt(variance)
        p = float(ndtr(-statistic) if math.isinf(pair.degrees) else stdtr(pair.degrees, -statistic))
    return OneSided(shown=interval.low > margin, p=p, margin=margin, bound=interval.low)


def below(pair: Pair, *, margin: float, relative: bool, alpha: float, critical: float | None = None) -> OneSided:
    """Whether the effect is shown to be less than a margin: deterioration (margin 0), or a cost held down."""
    flipped = above(mirrored(pair), margin=-margin, relative=relative, alpha=alpha, critical=critical)
    bound = None if flipped.bound is None else -flipped.bound
    return OneSided(shown=flipped.shown, p=flipped.p, margin=margin, bound=bound)


def mirrored(pair: Pair) -> Pair:
    """The pair with both values' signs turned: less is more."""
    return replace(
        pair,
        control=replace(pair.control, value=-pair.control.value),
        treatment=replace(pair.treatment, value=-pair.treatment.value),
    )

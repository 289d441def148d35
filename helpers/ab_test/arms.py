"""What a metric is in one arm: a value with its sampling variance, whatever kind of metric it comes from.

Means, proportions and counts are means of units; ratios of sums are linearised (delta method: Deng, Knoblich & Lu 2018, Applying the
delta method in metric analytics); quantiles have the order statistics' variance (Woodruff 1952). From there on all go one way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from helpers.ab_test.moments import Moments

Reason = Literal[
    "too_few_units",
    "too_few_clusters",
    "no_variation",
    "zero_denominator",
    "empty_stratum",
    "missing_pair",
    "control_near_zero",
    "control_zero",
    "early_look",
    "tied_values",
]
LEAST = 2


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm's value of a metric.

    Attributes:
        value: Mean, ratio or quantile.
        variance: Of the value (the squared standard error).
        df: Degrees of freedom of that variance.
        n: Independent units behind it: those that were randomised.
        reason: Why there is no usable value; `None` where there is.
    """

    value: float
    variance: float
    df: float
    n: int
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two arms to compare.

    Attributes:
        control: The control's value.
        treatment: The treatment's value.
        covariance: Of the two values; not zero where both were adjusted by what they share.
        df: Degrees of freedom, where they are not Satterthwaite's.
        log: Whether values are means of log(1 + x), so that a lift is exp(difference) - 1.
        method: How the values were made.
    """

    control: Arm
    treatment: Arm
    covariance: float = 0.0
    df: float | None = None
    log: bool = False
    method: tuple[str, ...] = field(default=())

    @property
    def reason(self) -> Reason | None:
        """Why they cannot be compared; `None` where they can."""
        own = self.control.reason or self.treatment.reason
        if own or self.variance > 0:
            return own
        return "no_variation"

    @property
    def difference(self) -> float:
        """Treatment less control."""
        return self.treatment.value - self.control.value

    @property
    def variance(self) -> float:
        """Of the difference."""
        return self.control.variance + self.treatment.variance - 2 * self.covariance

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the difference (Welch 1947; Satterthwaite 1946)."""
        if self.df is not None:
            return self.df
        parts = [(arm.variance, arm.df) for arm in (self.control, self.treatment) if arm.variance > 0]
        top = max((variance for variance, _ in parts), default=0.0)
        if not top:
            return math.inf
        bottom = sum((variance / top) ** 2 / df for variance, df in parts)
        return sum(variance / top for variance, _ in parts) ** 2 / bottom


def unusable(reason: Reason, *, n: int, value: float = math.nan) -> Arm:
    """An arm that cannot be compared, with the reason."""
    return Arm(value=value, variance=math.nan, df=math.nan, n=n, reason=reason)


def mean(moments: Moments, column: str) -> Arm:
    """Mean of a column over units: amounts, counts, or a proportion of zeros and ones."""
    if moments.n < LEAST:
        return unusable("too_few_units", n=moments.n, value=moments.mean_of(column) if moments.n else math.nan)
    n = moments.n
    return Arm(value=moments.mean_of(column), variance=moments.variance(column) / n, df=n - 1, n=n)


def ratio(moments: Moments, *, numerator: str, denominator: str) -> Arm:
    """Ratio of two sums over units, such as revenue an order, by its linearisation (delta method)."""
    n = moments.n
    if n < LEAST:
        return unusable("too_few_units", n=n)
    bottom = moments.mean_of(denominator)
    if bottom == 0:
        return unusable("zero_denominator", n=n)
    value = moments.mean_of(numerator) / bottom
    spread = (
        moments.variance(numerator)
        - 2 * value * moments.covariance(numerator, denominator)
        + value**2 * moments.variance(denominator)
    )
    return Arm(value=value, variance=max(spread, 0.0) / bottom**2 / n, df=n - 1, n=n)


def quantile(values: Any, probability: float) -> Arm:
    """Quantile of a metric over units.

    Its standard error is half the width of Woodruff's interval over z: quantiles at p plus and minus z sqrt(p (1 - p) / n), which
    estimates the density at the quantile by the spacing of order statistics around it (Woodruff 1952; Deng et al. 2018).

    Where many units share a value near the quantile there is no such spacing: the quantile sits still, or jumps from one value to
    the next, and no standard error tells of that. So a value that holds more of the units than the quantile's share is known to,
    sqrt(p (1 - p) / n), leaves the quantile without an error.

    Args:
        values: Shape (n,), one a unit; NaN is left out.
        probability: Such as .5 or .95.
    """
    kept = np.asarray(values, dtype=float)
    kept = kept[~np.isnan(kept)]
    n = len(kept)
    if n < LEAST:
        return unusable("too_few_units", n=n)
    z = float(ndtri(0.975))
    reach = z * math.sqrt(probability * (1 - probability) / n)
    ends = [max(probability - reach, 0.0), probability, min(probability + reach, 1.0)]
    kept.sort()
    low, value, high = np.quantile(kept, ends)
    near = kept[math.floor(ends[0] * (n - 1)) : math.ceil(ends[2] * (n - 1)) + 1]
    near = near[np.concatenate([[True], near[1:] > near[:-1]])]
    shared = np.searchsorted(kept, near, "right") - np.searchsorted(kept, near, "left")
    if shared.max() > max(1.0, reach / z * n):
        return unusable("tied_values", n=n, value=float(value))
    return Arm(value=float(value), variance=float((high - low) / (2 * z)) ** 2, df=n - 1, n=n)


def stratified(
    control: Mapping[Any, Moments],
    treatment: Mapping[Any, Moments],
    column: str,
    *,
    weights: Mapping[Any, float] | None = None,
) -> Pair:
    """Post-stratified means: arms are compared as if both had the pooled mix of strata (Miratrix, Sekhon & Yu 2013).

    The strata's shares are a draw too. What both means owe to that draw is their covariance, and part of their variances:
    it cancels in the difference where the effect is the same in all strata, and not in the lift.

    Args:
        control: Moments by stratum.
        treatment: Moments by stratum.
        column: The metric.
        weights: Known shares of the strata; shares of the pooled units where `None`.
    """
    names = sorted({*control, *treatment}, key=repr)
    n_control, n_treatment = (sum(part.n for part in arm.values()) for arm in (control, treatment))
    if any(name not in arm or arm[name].n < LEAST for name in names for arm in (control, treatment)):
        arms = [unusable("empty_stratum", n=n) for n in (n_control, n_treatment)]
        return Pair(control=arms[0], treatment=arms[1], method=("stratified",))
    counts = np.array([control[name].n + treatment[name].n for name in names], dtype=float)
    drawn = weights is None
    share = counts / counts.sum() if weights is None else np.array([weights[name] for name in names], dtype=float)
    share = share / share.sum()
    levels = np.array([[arm[name].mean_of(column) for name in names] for arm in (control, treatment)])
    values = levels @ share
    mix = (share * (levels - values[:, None])) @ (levels - values[:, None]).T / counts.sum() * drawn
    made = []
    for place, arm in enumerate((control, treatment)):
        parts = np.array([share[i] ** 2 * arm[name].variance(column) / arm[name].n for i, name in enumerate(names)])
        freedom = np.array([arm[name].n - 1 for name in names], dtype=float)
        within = float(parts.sum())
        df = within**2 / float((parts**2 / freedom).sum()) if within else float(freedom.sum())
        made.append(
            Arm(
                value=float(values[place]),
                variance=within + float(mix[place, place]),
                df=df,
                n=(n_control, n_treatment)[place],
            )
        )
    return Pair(control=made[0], treatment=made[1], covariance=float(mix[0, 1]), method=("stratified",))


def independent(control: Arm, treatment: Arm, *, method: Sequence[str] = ()) -> Pair:
    """A pair of arms that share nothing."""
    return Pair(control=control, treatment=treatment, method=tuple(method))


def totals(values: NDArray, clusters: NDArray) -> tuple[NDArray, NDArray]:
    """Sum and count of units by cluster, in the clusters' order; shape (G,) each."""
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    return np.bincount(place, weights=np.asarray(values, dtype=float)), np.bincount(place).astype(float)

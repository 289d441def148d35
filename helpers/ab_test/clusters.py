"""Tests that were randomised by cluster (shop, household, block of time): the cluster is the unit, the rest is its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.ab_test.arms import Arm, Pair, unusable
from helpers.ab_test.cuped import levels
from helpers.ab_test.moments import total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from helpers.ab_test.moments import Moments

# Below three clusters an arm no variance estimate holds its level (tests/calibration/ab_test.csv).
LEAST_CLUSTERS = 3


def clustered(
    *,
    numerator_control: Any,
    denominator_control: Any,
    numerator_treatment: Any,
    denominator_treatment: Any,
    least: int = LEAST_CLUSTERS,
) -> Pair:
    """Mean a unit, or ratio, of both arms with the CRV3 (jackknife) variance and a t reference.

    CRV3 leaves out one cluster at a time; for a mean of units in an arm that needs the clusters' totals only. It is
    the least biased of the usual three where clusters are few (Cameron & Miller 2015; MacKinnon, Nielsen & Webb 2023).

    Arms of equally many clusters have G - 1 degrees of freedom. Where one has fewer, most of the variance is that of its few
    clusters, which is known no better than by their own degrees: Satterthwaite's (Imbens & Kolesár 2016). With G - 1, 3
    treated of 33 clusters find what is not there in 11 % of tests at 5 %, with Satterthwaite's in 5.4 %.

    Args:
        numerator_control: Shape (G_c,), the metric's sum in each control cluster.
        denominator_control: Shape (G_c,), the units in each, or the ratio's denominator.
        numerator_treatment: Shape (G_t,).
        denominator_treatment: Shape (G_t,).
        least: Clusters an arm below which no answer is given.
    """
    sides = [
        tuple(np.asarray(part, dtype=float) for part in side)
        for side in ((numerator_control, denominator_control), (numerator_treatment, denominator_treatment))
    ]
    counts = [len(top) for top, _ in sides]
    clusters = sum(counts)
    if min(counts) < max(least, 2):
        arms = [unusable("too_few_clusters", n=count) for count in counts]
    else:
        arms = [_arm(top, bottom, clusters) for top, bottom in sides]
    df = clusters - 1.0 if counts[0] == counts[1] else None
    return Pair(control=arms[0], treatment=arms[1], df=df, method=("crv3",))


def clustered_moments(
    control: Sequence[Moments],
    treatment: Sequence[Moments],
    column: str,
    *,
    denominator: str | None = None,
    covariates: Sequence[str] = (),
) -> Pair:
    """The same from each cluster's moments, adjusted for covariates where there are some.

    With covariates the difference is the coefficient of least squares on treatment and covariates over units, and its variance
    is CRV3 again: each cluster is left out in turn, and the regression with it.

    Args:
        control: One set of moments a cluster.
        treatment: The same of the other arm.
        column: The metric, or the ratio's numerator.
        denominator: The ratio's denominator.
        covariates: Columns from before assignment.
    """
    sides = [[part for part in side if part.n] for side in (control, treatment)]
    tops, bottoms = (
        [np.array([part.n * (part.mean_of(name) if name else 1.0) for part in side]) for side in sides]
        for name in (column, denominator)
    )
    plain = clustered(
        numerator_control=tops[0],
        denominator_control=bottoms[0],
        numerator_treatment=tops[1],
        denominator_treatment=bottoms[1],
    )
    if plain.reason or not covariates:
        return plain
    whole = [total(side) for side in sides]
    full = levels(whole[0], whole[1], column, covariates=covariates, denominator=denominator)
    left = [
        levels(whole[0] - part, whole[1], column, covariates=covariates, denominator=denominator) for part in sides[0]
    ]
    left += [
        levels(whole[0], whole[1] - part, column, covariates=covariates, denominator=denominator) for part in sides[1]
    ]
    moved = np.array(left) - full
    spread = (len(left) - 1) / len(left) * moved.T @ moved
    arms = [
        Arm(value=float(full[place]), variance=float(spread[place, place]), df=arm.df, n=arm.n)
        for place, arm in enumerate((plain.control, plain.treatment))
    ]
    return Pair(
        control=arms[0], treatment=arms[1], covariance=float(spread[0, 1]), df=plain.df, method=("crv3", "cuped")
    )


def _arm(top: NDArray, bottom: NDArray, clusters: int) -> Arm:
    n, whole = len(top), bottom.sum()
    without = whole - bottom
    if whole == 0 or (without == 0).any():
        return unusable("zero_denominator", n=n)
    value = top.sum() / whole
    moved = (top - value * bottom) / without
    return Arm(value=float(value), variance=float((clusters - 1) / clusters * (moved**2).sum()), df=n - 1.0, n=n)

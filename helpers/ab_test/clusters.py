"""Tests that were randomised by cluster (shop, household, region-week): the cluster is the unit, the rest is its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.ab_test.arms import Arm, Pair, unusable

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    """Mean a unit, or ratio, of both arms with the CRV3 (jackknife) variance and t with G - 1 degrees of freedom.

    CRV3 leaves out one cluster at a time; for a mean of units in an arm that needs the clusters' totals only. It is
    the least biased of the usual three where clusters are few (Cameron & Miller 2015; MacKinnon, Nielsen & Webb 2023).

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
    return Pair(control=arms[0], treatment=arms[1], df=clusters - 1.0, method=("crv3",))


def _arm(top: NDArray, bottom: NDArray, clusters: int) -> Arm:
    n, whole = len(top), bottom.sum()
    without = whole - bottom
    if whole == 0 or (without == 0).any():
        return unusable("zero_denominator", n=n)
    value = top.sum() / whole
    moved = (top - value * bottom) / without
    return Arm(value=float(value), variance=float((clusters - 1) / clusters * (moved**2).sum()), df=n - 1.0, n=n)

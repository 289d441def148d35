"""Closed-form intervals: shares, Net Promoter Score, medians over clusters and the Gini coefficient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from helpers.stats.bootstrap import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 2


def quantile(level: float) -> float:
    """Standard normal quantile for a two-sided interval."""
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def wilson(count: int, n: int, *, level: float) -> Estimate:
    """Share with Wilson's score interval (Wilson 1927; Brown, Cai & DasGupta 2001).

    Raises:
        ValueError: `count` is not within 0 and `n`.
    """
    if not 0 <= count <= n:
        raise ValueError(f"count == {count}, must be within 0 and n == {n}")
    if n == 0:
        return Estimate(value=None, low=None, high=None, level=level, n=0)
    z2 = quantile(level) ** 2
    share = count / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return Estimate(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half), level=level, n=n)


def net_promoter_score(promoters: int, passives: int, detractors: int, *, level: float) -> Estimate:
    """Net Promoter Score with the adjusted-Wald interval: n + 3, and 3/4 added to promoters and detractors each.

    Source: Rocks, B. (2016), Interval estimation for the 'Net Promoter Score', The American Statistician 70(4).
    """
    n = promoters + passives + detractors
    if n == 0:
        return Estimate(value=None, low=None, high=None, level=level, n=0)
    up, down = (promoters + 0.75) / (n + 3), (detractors + 0.75) / (n + 3)
    half = quantile(level) * math.sqrt((up + down - (up - down) ** 2) / (n + 3))
    centre = up - down
    value = (promoters - detractors) / n
    return Estimate(value=value, low=max(-1.0, centre - half), high=min(1.0, centre + half), level=level, n=n)


def clustered_median(values: NDArray, clusters: NDArray, *, level: float) -> Estimate:
    """Median of values that come in clusters, with Woodruff's interval (Woodruff 1952).

    The share of values at or below the median has a linearised standard error over clusters; its normal interval is
    read back through the empirical distribution. Where many values are the median, the share below it may vary more: nothing
    is above a median that is the top price, and the larger of both errors counts.

    Args:
        values: Shape (m,), such as one amount an order.
        clusters: Shape (m,), the customer of each.
        level: Coverage.

    Returns:
        The median; `n` is the number of clusters.
    """
    names, place = np.unique(clusters, return_inverse=True)
    n = len(names)
    if n == 0:
        return Estimate(value=None, low=None, high=None, level=level, n=0)
    middle = float(np.median(values))
    if n < LEAST:
        return Estimate(value=middle, low=None, high=None, level=level, n=n)
    half = quantile(level) * max(_share_error(below, place, n) for below in (values <= middle, values < middle))
    low, high = np.quantile(values, [max(0.0, 0.5 - half), min(1.0, 0.5 + half)])
    return Estimate(value=middle, low=float(low), high=float(high), level=level, n=n)


def _share_error(held: NDArray, place: NDArray, n: int) -> float:
    """Linearised standard error of the share of values for which something holds, over n clusters."""
    influence = np.bincount(place, weights=held - held.mean(), minlength=n) / len(held)
    return math.sqrt(n / (n - 1) * float((influence**2).sum()))


def gini_coefficient(amounts: NDArray) -> float:
    """Gini coefficient of amounts that are not negative (0 equal, towards 1 all in one hand)."""
    ordered = np.sort(amounts)
    n = len(ordered)
    return float(2 * (np.arange(1, n + 1) * ordered).sum() / (n * ordered.sum()) - (n + 1) / n)


def gini(amounts: NDArray, *, level: float, seed: int, replicates: int = 500) -> Estimate:
    """Gini coefficient with a bootstrap-t interval, studentised by Davidson's standard error.

    Source: Davidson, R. (2009), Reliable inference for the Gini index, Journal of Econometrics 150(1).

    Args:
        amounts: Shape (n,), positive.
        level: Coverage.
        seed: Of the draws.
        replicates: Number of draws.
    """
    n = len(amounts)
    if n == 0 or not amounts.sum() > 0:
        return Estimate(value=None, low=None, high=None, level=level, n=n)
    value = gini_coefficient(amounts)
    error = _gini_error(np.sort(amounts))
    if n < LEAST or not error > 0:
        return Estimate(value=value, low=None, high=None, level=level, n=n)
    rng = np.random.default_rng(seed)
    drawn_from = amounts if n <= LARGEST_GINI else rng.choice(amounts, LARGEST_GINI, replace=False)
    centre = value if n <= LARGEST_GINI else gini_coefficient(drawn_from)
    pivots = []
    for _ in range(replicates):
        sample = np.sort(drawn_from[rng.integers(0, len(drawn_from), len(drawn_from))])
        spread = _gini_error(sample)
        if spread > 0:
            pivots.append((gini_coefficient(sample) - centre) / spread)
    tail = (1 - level) / 2
    below, above = np.quantile(pivots, [tail, 1 - tail])
    return Estimate(
        value=value, low=max(0.0, value - above * error), high=min(1.0, value - below * error), level=level, n=n
    )


# Pivots of the Gini coefficient are taken from so many customers at most; its standard error from all.
LARGEST_GINI = 20_000


def _gini_error(ordered: NDArray) -> float:
    """Davidson's standard error from ordered amounts."""
    n = len(ordered)
    mean = ordered.mean()
    place = (2 * np.arange(1, n + 1) - 1) / (2 * n)
    level_of = (place * ordered).mean() / mean
    z = -2 * level_of * ordered + 2 * place * ordered - 2 * np.cumsum(ordered) / n
    return float(np.sqrt(((z - z.mean()) ** 2).sum()) / (n * mean))

"""RATE: what a ranking of customers is worth, from doubly robust scores of customers it was not learned from.

Of n customers in the order of a ranking, the targeting operator characteristic TOC(u) is the mean score of the first share u less
the mean of all. Then
    AUTOC = integral of TOC(u) du,         QINI = integral of u TOC(u) du      over u from 0 to 1
(Yadlowsky, Fleming, Shah, Brunskill & Wager 2025, JASA 120(549)). Both are 0 for a ranking that says nothing and negative for one
that puts the wrong customers first. Standard errors are by half-sample bootstrap, as theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.stats.intervals import quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPLICATES = 400
GRID = 100
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One ranking's worth.

    Attributes:
        value: AUTOC or QINI, in the outcome's units.
        se: Standard error.
        low: Lower end of the interval.
        high: Upper end.
        level: Its coverage.
        n: Customers.
    """

    value: float
    se: float
    low: float
    high: float
    level: float
    n: int

    @property
    def z(self) -> float:
        """Value over its standard error; 0 for a ranking without any difference."""
        return self.value / self.se if self.se > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """AUTOC and QINI of one ranking, and the curve of what is gained from the first share of it.

    Attributes:
        autoc: Stresses the first few.
        qini: Weighs by how many are reached.
        share: Grid of shares, shape (g,).
        gain: Gain a customer of all, from treating the first share: u x (mean score of the first share u); shape (g,).
        gain_se: Its standard error.
    """

    autoc: Rate
    qini: Rate
    share: NDArray
    gain: NDArray
    gain_se: NDArray


def ranking(
    gamma: NDArray,
    priority: NDArray,
    *,
    seed: int,
    level: float = 0.95,
    cluster: NDArray | None = None,
    replicates: int = REPLICATES,
) -> Ranking:
    """AUTOC, QINI and the gain curve of a ranking.

    Args:
        gamma: Doubly robust scores of the effect, shape (n,), of customers the ranking was not learned from.
        priority: Shape (n,); the highest come first, and equal ones share their places.
        seed: Of the half-samples.
        level: Coverage.
        cluster: Group of each, shape (n,): half of the groups are drawn.
        replicates: Number of half-samples.
    """
    order = np.argsort(-priority, kind="stable")
    ordered = gamma[order].astype(float)
    tie = np.concatenate([[0], np.cumsum(np.diff(priority[order]) != 0)])
    groups = np.arange(len(order)) if cluster is None else np.unique(cluster[order], return_inverse=True)[1]
    count = int(groups.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = np.empty((replicates, GRID + 2))
    for place in range(replicates):
        # Each customer is in the half by the toss of a coin, which costs far less than drawing exactly half of them; of groups, which
        # may be few, it is exactly half.
        half = rng.integers(0, 2, count, dtype=bool) if cluster is None else rng.permutation(count) < max(1, count // 2)
        inside = half[groups]
        drawn[place] = _statistics(ordered[inside], tie[inside])
    whole = _statistics(ordered, tie)
    # A half-sample without replacement varies about the whole as the whole does about the truth.
    se = drawn.std(axis=0, ddof=1)
    half_width = quantile(level) * se
    autoc, qini = (
        Rate(
            value=float(whole[place]),
            se=float(se[place]),
            low=float(whole[place] - half_width[place]),
            high=float(whole[place] + half_width[place]),
            level=level,
            n=len(gamma),
        )
        for place in (0, 1)
    )
    share = np.arange(1, GRID + 1) / GRID
    return Ranking(autoc=autoc, qini=qini, share=share, gain=whole[2:], gain_se=se[2:])


def _statistics(ordered: NDArray, tie: NDArray) -> NDArray:
    """AUTOC, QINI and the gain on the grid, shape (2 + grid,), of scores in the order of a ranking."""
    n = len(ordered)
    # Scores of customers with equal places are taken at their mean: any order among them is as good.
    start = np.flatnonzero(np.concatenate([[True], tie[1:] != tie[:-1]]))
    if len(start) < n:
        sizes = np.diff(np.append(start, n))
        ordered = np.repeat(np.add.reduceat(ordered, start) / sizes, sizes)
    sums = np.cumsum(ordered)
    first = np.arange(1, n + 1)
    toc = sums / first - sums[-1] / n
    # Where all places are equal nothing is left but the last digits of the sums.
    toc[np.abs(toc) <= ROUNDING * np.abs(ordered).max()] = 0.0
    at = np.ceil(np.arange(1, GRID + 1) / GRID * n).astype(int) - 1
    return np.concatenate([[toc.mean(), (toc * first).mean() / n], sums[at] / n])

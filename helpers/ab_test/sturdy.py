"""Where normal theory does not hold: a permutation test for heavy tails and uneven splits.

The studentised difference is compared with its own distribution under re-assignment (Janssen 1997; Chung & Romano 2013): exact where
the treatment does nothing, and of the right level for equal means however the variances differ, as the sample grows. Its
quantiles also serve as pivots of the intervals, each tail for itself, so that p and intervals are one inversion here too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.ab_test import arms
from helpers.ab_test.estimate import Effect, compare
from helpers.ab_test.fieller import Interval, fieller

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS = 4999


@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """Two arms and the distribution of their studentised difference under re-assignment: one shuffling serves every level.

    Attributes:
        pair: The arms.
        pivots: Welch's t of the re-assignments, in order, shape (draws,); empty where the arms cannot be compared.
    """

    pair: arms.Pair
    pivots: NDArray

    @property
    def p(self) -> float:
        """Twice the smaller tail, (1 + as extreme) / (1 + draws), so it is never zero."""
        statistic = compare(self.pair).statistic or 0.0
        # Ties count as extreme; sums in another order differ in their last digits.
        slack = 1e-9 * max(1.0, abs(statistic))
        above = 1 + int((self.pivots >= statistic - slack).sum())
        below = 1 + int((self.pivots <= statistic + slack).sum())
        return min(1.0, 2 * min(above, below) / (1 + len(self.pivots)))

    def rank(self, alpha: float) -> int:
        """Of the pivots that are the quantiles of the tails: the largest count that still rejects, 0 where none can."""
        return math.ceil(alpha * (1 + len(self.pivots)) / 2) - 1

    def effect(self, alpha: float) -> Effect:
        """Difference and lift at a two-sided level.

        Raises:
            ValueError: No re-assignment is rare enough for the level.
        """
        plain = compare(self.pair, alpha=alpha)
        if self.pair.reason:
            return plain
        draws, rank = len(self.pivots), self.rank(alpha)
        if rank < 1:
            raise ValueError(f"draws == {draws}, must be at least {math.ceil(2 / alpha)} for alpha == {alpha}")
        # Quantiles at the same ranks make p and interval agree.
        upper, lower = float(self.pivots[draws - rank]), float(self.pivots[rank - 1])
        return _effect(plain, self.pair, lower=lower, upper=upper, p=self.p, alpha=alpha)


def shuffled(control: Any, treatment: Any, *, draws: int = DRAWS, seed: int) -> Shuffled:
    """Re-assign units at random.

    Args:
        control: Shape (n_c,), one value a unit.
        treatment: Shape (n_t,).
        draws: Re-assignments.
        seed: Of the draws.
    """
    sides = [np.asarray(side, dtype=float) for side in (control, treatment)]
    pair = arms.independent(*(_arm(side) for side in sides), method=("permutation",))
    if pair.reason:
        return Shuffled(pair=pair, pivots=np.zeros(0))
    pivots = _pivots(np.concatenate(sides), len(sides[1]), draws=draws, rng=np.random.default_rng(seed))
    return Shuffled(pair=pair, pivots=np.sort(pivots))


def permutation(control: Any, treatment: Any, *, alpha: float = 0.05, draws: int = DRAWS, seed: int) -> Effect:
    """Difference and lift of two means by the studentised permutation test.

    Args:
        control: Shape (n_c,), one value a unit.
        treatment: Shape (n_t,).
        alpha: Two-sided level: half in each tail.
        draws: Re-assignments.
        seed: Of the draws.
    """
    return shuffled(control, treatment, draws=draws, seed=seed).effect(alpha)


def _effect(plain: Effect, pair: arms.Pair, *, lower: float, upper: float, p: float, alpha: float) -> Effect:
    """Intervals from the two tails' pivots; a rejection keeps zero outside, and none keeps it inside."""
    error, rejected = plain.standard_error or math.nan, p < alpha
    low, high = pair.difference - upper * error, pair.difference - lower * error
    low, high = _held(low, high, rejected=rejected, sign=pair.difference)

    def tail(pivot: float) -> Interval:
        return fieller(
            control=pair.control.value,
            treatment=pair.treatment.value,
            variance_control=pair.control.variance,
            variance_treatment=pair.treatment.variance,
            critical=abs(pivot),
        )

    first, second = tail(upper), tail(lower)
    bounded = first.bounded and second.bounded and upper > 0 > lower
    if bounded:
        ends = _held(first.low, second.high, rejected=rejected, sign=pair.difference)
        lift = Interval(value=first.value, low=ends[0], high=ends[1])
    else:
        lift = Interval(value=first.value, low=-math.inf, high=math.inf, kind="none")
    return replace(
        plain,
        difference=Interval(value=pair.difference, low=low, high=high),
        lift=lift,
        p=p,
        critical=max(abs(lower), abs(upper)),
        method=("permutation",),
        reason=None if bounded else "control_near_zero",
    )


def _held(low: float, high: float, *, rejected: bool, sign: float) -> tuple[float, float]:
    tiny = math.ulp(0.0)
    if rejected:
        return (max(low, tiny), high) if sign > 0 else (low, min(high, -tiny))
    return min(low, 0.0), max(high, 0.0)


def _arm(values: NDArray) -> arms.Arm:
    n = len(values)
    if n < arms.LEAST:
        return arms.unusable("too_few_units", n=n)
    return arms.Arm(value=float(values.mean()), variance=float(values.var(ddof=1)) / n, df=n - 1, n=n)


def _pivots(values: NDArray, n_treatment: int, *, draws: int, rng: np.random.Generator) -> NDArray:
    """Welch's t of random re-assignments, shape (draws,).

    Most units of a revenue metric hold zero: how many of the others fall to the treatment is hypergeometric, and only those
    are shuffled.
    """
    n, n_control = len(values), len(values) - n_treatment
    base = float(np.median(values))
    other = values[values != base] - base
    totals = np.array([other.sum(), (other**2).sum()])
    squares = np.column_stack([other, other**2])
    counts = rng.hypergeometric(len(other), n - len(other), n_treatment, draws) if len(other) else np.zeros(draws, int)
    sums = np.empty((draws, 2))
    for place, count in enumerate(counts):
        sums[place] = squares[_chosen(len(other), int(count), rng)].sum(axis=0)
    sizes = np.array([n_control, n_treatment], dtype=float)
    both = np.stack([totals - sums, sums], axis=1)
    mean = both[:, :, 0] / sizes
    variance = np.maximum(both[:, :, 1] / sizes - mean**2, 0) / (sizes - 1)
    error = np.sqrt(variance.sum(axis=1))
    gap = mean[:, 1] - mean[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, gap / error, np.where(gap == 0, 0.0, np.copysign(np.inf, gap)))


def _chosen(size: int, count: int, rng: np.random.Generator) -> NDArray:
    return rng.permutation(size)[:count] if size < 64 else rng.choice(size, count, replace=False, shuffle=False)  # noqa: PLR2004


def influence(values: Any, *, top: int = 10) -> tuple[int, float]:
    """How much of a sum the largest values hold: how many there are, and their share.

    Args:
        values: Shape (n,), one a unit, not negative.
        top: How many.
    """
    ordered = np.sort(np.asarray(values, dtype=float))[::-1]
    whole = ordered.sum()
    count = min(top, len(ordered))
    return count, float(ordered[:count].sum() / whole) if whole > 0 else 0.0

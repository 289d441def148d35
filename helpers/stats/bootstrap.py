"""Customer bootstrap: intervals for ratios of sums, with customers (not orders) as the units that are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

REPLICATES = 2000
# Above this many customers, they are drawn in so many random groups: the totals keep their variance, the cost stays.
LARGEST = 20_000
CHUNK = 4_000_000
# An interval that reaches beyond a thousandfold change says nothing and is not told.
LARGEST_LOG = 7.0


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its interval; both ends are `None` where the data do not tell."""

    value: float | None
    low: float | None
    high: float | None
    level: float
    n: int


def ratio(
    numerator: NDArray, denominator: NDArray, *, level: float, seed: int, replicates: int = REPLICATES
) -> Estimate:
    """Ratio of two sums over customers.

    The interval is bootstrap-t: each replicate is studentised by its own linearised standard error, which keeps
    coverage for skewed amounts (Efron & Tibshirani 1993, ch. 12; Hall 1992).

    Args:
        numerator: Shape (n,), one value a customer.
        denominator: Shape (n,).
        level: Coverage, such as .95.
        seed: Of the draws.
        replicates: Number of draws.
    """
    columns = np.column_stack([numerator, denominator]).astype(float)

    def gradient(totals: NDArray) -> NDArray:
        top, bottom = totals[..., 0], totals[..., 1]
        return np.stack([1 / bottom, -top / bottom**2], axis=-1)

    return _bootstrap_t(
        columns,
        lambda totals: totals[..., 0] / totals[..., 1],
        gradient,
        positive=(1,),
        level=level,
        seed=seed,
        replicates=replicates,
    )


def ratio_change(
    numerator: NDArray,
    denominator: NDArray,
    numerator_before: NDArray,
    denominator_before: NDArray,
    *,
    level: float,
    seed: int,
    replicates: int = REPLICATES,
) -> Estimate:
    """Relative change of a ratio of sums between two periods, over the same customers (rows are paired).

    Args:
        numerator: Shape (n,), this period.
        denominator: Shape (n,), this period.
        numerator_before: Shape (n,), the period before.
        denominator_before: Shape (n,), the period before.
        level: Coverage.
        seed: Of the draws.
        replicates: Number of draws.
    """
    columns = np.column_stack([numerator, denominator, numerator_before, denominator_before]).astype(float)
    return _relative(columns, np.array([1, -1, -1, 1]), level=level, seed=seed, replicates=replicates)


def total_change(now: NDArray, before: NDArray, *, level: float, seed: int, replicates: int = REPLICATES) -> Estimate:
    """Relative change of a sum over customers between two periods (rows are paired)."""
    columns = np.column_stack([now, before]).astype(float)
    return _relative(columns, np.array([1, -1]), level=level, seed=seed, replicates=replicates)


def _relative(columns: NDArray, powers: NDArray, *, level: float, seed: int, replicates: int) -> Estimate:
    """Product of powers of column sums, less one; taken on the log scale, where its distribution is more even.

    A sum that is not positive has no logarithm: the change is told without an interval, or not at all where it would
    divide by such a sum.
    """
    totals = columns.sum(axis=0)
    if len(columns) and (totals[powers < 0] > 0).all() and not (totals > 0).all():
        value = float(np.prod(totals**powers)) - 1
        return Estimate(value=value, low=None, high=None, level=level, n=len(columns))
    estimate = _bootstrap_t(
        columns,
        lambda totals: (np.log(totals) * powers).sum(axis=-1),
        lambda totals: powers / totals,
        positive=tuple(range(len(powers))),
        level=level,
        seed=seed,
        replicates=replicates,
    )
    if estimate.value is None:
        return estimate
    value = float(np.expm1(estimate.value))
    if estimate.low is None or estimate.high is None or estimate.high > LARGEST_LOG:
        return Estimate(value=value, low=None, high=None, level=level, n=estimate.n)
    low, high = (float(np.expm1(end)) for end in (estimate.low, estimate.high))
    return Estimate(value=value, low=low, high=high, level=level, n=estimate.n)


def percentile(
    columns: NDArray,
    statistic: Callable[[NDArray], NDArray],
    *,
    level: float,
    seed: int,
    replicates: int = REPLICATES,
) -> tuple[NDArray, NDArray]:
    """Percentile intervals of a vector of smooth functions of column sums.

    Args:
        columns: Shape (n, k), one row a customer.
        statistic: From sums of shape (b, k) to values of shape (b, m).
        level: Coverage.
        seed: Of the draws.
        replicates: Number of draws.

    Returns:
        Lower and upper ends, shape (m,) each.
    """
    rng = np.random.default_rng(seed)
    grouped = _grouped(columns.astype(float), rng)
    drawn = np.concatenate([weights @ grouped for weights in _weights(len(grouped), replicates, rng)])
    values = statistic(drawn)
    tail = (1 - level) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail], axis=0)
    return low, high


def _bootstrap_t(
    columns: NDArray,
    statistic: Callable[[NDArray], NDArray],
    gradient: Callable[[NDArray], NDArray],
    *,
    positive: tuple[int, ...],
    level: float,
    seed: int,
    replicates: int,
) -> Estimate:
    n = len(columns)
    totals = columns.sum(axis=0)
    if n == 0 or any(totals[place] <= 0 for place in positive):
        return Estimate(value=None, low=None, high=None, level=level, n=n)
    value = float(statistic(totals))
    nothing = Estimate(value=value, low=None, high=None, level=level, n=n)
    rng = np.random.default_rng(seed)
    grouped = _grouped(columns, rng)
    if len(grouped) < 2:  # noqa: PLR2004 - one unit has no spread
        return nothing
    # Scaled columns keep the cross-products well conditioned; totals are scaled back by the gradient's chain rule.
    scale = np.where((s := np.abs(grouped).mean(axis=0)) > 0, s, 1.0)
    scaled = grouped / scale
    k = scaled.shape[1]
    products = (scaled[:, :, None] * scaled[:, None, :]).reshape(len(scaled), k * k)
    error = _standard_error(scaled.sum(axis=0), products.sum(axis=0), gradient, scale, len(scaled))
    if not error > 0:
        return nothing
    studentised = []
    for weights in _weights(len(scaled), replicates, rng):
        drawn, crossed = weights @ scaled, weights @ products
        usable = (drawn[:, list(positive)] > 0).all(axis=1)
        drawn, crossed = drawn[usable], crossed[usable]
        errors = _standard_error(drawn, crossed, gradient, scale, len(scaled))
        known = errors > 0
        studentised.append((statistic(drawn[known] * scale) - value) / errors[known])
    pivots = np.concatenate(studentised)
    if len(pivots) < replicates / 2:
        return nothing
    tail = (1 - level) / 2
    below, above = np.quantile(pivots, [tail, 1 - tail])
    return Estimate(value=value, low=value - above * float(error), high=value - below * float(error), level=level, n=n)


def _standard_error(
    totals: NDArray, products: NDArray, gradient: Callable[[NDArray], NDArray], scale: NDArray, n: int
) -> NDArray:
    """Linearised standard error of a function of totals, from scaled totals and cross-products."""
    slope = gradient(totals * scale) * scale
    k = totals.shape[-1]
    crossed = products.reshape(*totals.shape[:-1], k, k) - totals[..., :, None] * totals[..., None, :] / n
    variance = np.einsum("...i,...ij,...j->...", slope, crossed, slope) * n / (n - 1)
    return np.sqrt(np.maximum(variance, 0))


def _grouped(columns: NDArray, rng: np.random.Generator) -> NDArray:
    """Sums over random groups of customers where there are many, else the rows themselves."""
    if len(columns) <= LARGEST:
        return columns
    group = rng.permutation(len(columns)) % LARGEST
    return np.stack([np.bincount(group, weights=column, minlength=LARGEST) for column in columns.T], axis=1)


def _weights(n: int, replicates: int, rng: np.random.Generator) -> Iterator[NDArray]:
    """Multinomial weights of the draws, a block of replicates at a time; shape (block, n)."""
    block = max(1, CHUNK // n)
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        picks = rng.integers(0, n, size=(size, n), dtype=np.int32) + np.arange(size, dtype=np.int64)[:, None] * n
        yield np.bincount(picks.ravel(), minlength=size * n).reshape(size, n).astype(float)

"""CUPED: what was known of a unit before the test explains part of its outcome, and that part is taken off.

The adjusted mean of an arm is y - theta' (x - x of both arms), with theta from the regression of y on x within arms, pooled
(Deng, Xu, Kohavi & Walker 2013). Several covariates, indicators of missing ones (`moments(..., fill=...)`) and ratios (linearised)
go one way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.ab_test import arms
from helpers.ab_test.arms import Arm, Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from helpers.ab_test.moments import Moments


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """A pair of adjusted arms, and what the adjustment did.

    Attributes:
        pair: The adjusted arms.
        covariates: In the order of `theta`.
        theta: Pooled regression coefficients; 0 for covariates that say nothing new.
        variance_ratio: Variance of the adjusted difference over the raw one's: 1 - R squared, or so.
    """

    pair: Pair
    covariates: tuple[str, ...]
    theta: tuple[float, ...]
    variance_ratio: float


def adjusted(
    control: Moments, treatment: Moments, column: str, *, covariates: Sequence[str], denominator: str | None = None
) -> Adjustment:
    """Means (or ratios, with a denominator) of both arms, adjusted for covariates known before assignment.

    The shift to the common mean of x moves both arms alike. It cancels in the difference, but not in the lift: its variance
    is kept as the arms' covariance, without which intervals of a relative effect are too short.

    Residual variances are scaled by (N - 2) / (N - 2 - k) for the k coefficients, so a covariate that says nothing costs that
    much and no more.

    Args:
        control: Moments with the column, the covariates and their cross-products.
        treatment: The same of the other arm.
        column: The metric, or the ratio's numerator.
        covariates: Columns from before assignment.
        denominator: The ratio's denominator.
    """
    raw = [
        arms.mean(side, column) if denominator is None else arms.ratio(side, numerator=column, denominator=denominator)
        for side in (control, treatment)
    ]
    plain = arms.independent(*raw, method=("cuped",))
    units, k = control.n + treatment.n, len(covariates)
    if plain.reason or units - 2 - k < 1 or not k:
        return Adjustment(pair=plain, covariates=tuple(covariates), theta=(0.0,) * k, variance_ratio=1.0)
    sides = (control, treatment)
    blocks = _blocks(sides, column, covariates=covariates, denominator=denominator)
    within = blocks[0][1:, 1:] + blocks[1][1:, 1:]
    theta = _regression(within, blocks[0][1:, 0] + blocks[1][1:, 0])
    inflate = (units - 2) / (units - 2 - int((theta != 0).sum()))
    known, common = _pasts(sides, covariates)
    shift = float(theta @ within @ theta) / max(units - 2, 1) / units
    residual = [
        max(float(block[0, 0] - 2 * theta @ block[1:, 0] + theta @ block[1:, 1:] @ theta), 0.0) / (side.n - 1) / side.n
        for side, block in zip(sides, blocks, strict=True)
    ]
    # One theta for both arms leaves some of x in each where their slopes differ, and that moves with the common mean too.
    moved = [
        float(theta @ (block[1:, 0] - block[1:, 1:] @ theta)) / (side.n - 1) / units
        for side, block in zip(sides, blocks, strict=True)
    ]
    made = [
        Arm(
            value=arm.value - float(theta @ (level - common)),
            variance=max(own * inflate + 2 * along + shift, 0.0),
            df=arm.df,
            n=arm.n,
        )
        for arm, level, own, along in zip(raw, known, residual, moved, strict=True)
    ]
    pair = Pair(
        control=made[0],
        treatment=made[1],
        covariance=shift + sum(moved),
        df=_degrees(made, residual),
        method=("cuped",),
    )
    return Adjustment(
        pair=pair,
        covariates=tuple(covariates),
        theta=tuple(float(value) for value in theta),
        variance_ratio=pair.variance / plain.variance if plain.variance else 1.0,
    )


def levels(
    control: Moments, treatment: Moments, column: str, *, covariates: Sequence[str], denominator: str | None = None
) -> NDArray:
    """Both arms' adjusted values alone, shape (2,): what a jackknife repeats. Arguments as in `adjusted`."""
    sides = (control, treatment)
    raw = [side.mean_of(column) / (side.mean_of(denominator) if denominator else 1.0) for side in sides]
    if not covariates:
        return np.array(raw)
    blocks = _blocks(sides, column, covariates=covariates, denominator=denominator)
    both = blocks[0] + blocks[1]
    known, common = _pasts(sides, covariates)
    return np.array(raw) - (known - common) @ _regression(both[1:, 1:], both[1:, 0])


def _pasts(sides: Sequence[Moments], covariates: Sequence[str]) -> tuple[NDArray, NDArray]:
    """Means of the covariates in each arm, and in both together."""
    known = np.array([side.mean[side.places(covariates)] for side in sides])
    n = np.array([side.n for side in sides], dtype=float)
    return known, n / n.sum() @ known


def _blocks(
    sides: Sequence[Moments], column: str, *, covariates: Sequence[str], denominator: str | None
) -> list[NDArray]:
    """Each arm's cross-products of the metric, linearised where it is a ratio, and the covariates."""
    if denominator is None:
        return [_block(side, column, covariates, 1.0) for side in sides]
    found = []
    for side in sides:
        bottom = side.mean_of(denominator)
        value = side.mean_of(column) / bottom
        linear = side.combined({column: 1.0, denominator: -value}, name="__linear")
        found.append(_block(linear, "__linear", covariates, 1 / bottom))
    return found


def _degrees(made: list[Arm], residual: list[float]) -> float:
    """Satterthwaite's, of the residual variances alone: what the arms share is not in the difference."""
    own = [Arm(value=0.0, variance=variance, df=arm.df, n=arm.n) for arm, variance in zip(made, residual, strict=True)]
    return Pair(control=own[0], treatment=own[1]).degrees


def _block(side: Moments, name: str, covariates: Sequence[str], factor: float) -> NDArray:
    """Centred cross-products of the metric (first) and the covariates."""
    block = side.block([name, *covariates])
    block[0] *= factor
    block[:, 0] *= factor
    return block


def _regression(within: NDArray, slope: NDArray) -> NDArray:
    """Least squares from cross-products; constant or repeated covariates get no weight of their own."""
    size = np.sqrt(np.diag(within))
    known = size > 0
    theta = np.zeros(len(size))
    if known.any():
        scaled = within[np.ix_(known, known)] / np.outer(size[known], size[known])
        theta[known] = np.linalg.lstsq(scaled, slope[known] / size[known], rcond=1e-10)[0] / size[known]
    return theta

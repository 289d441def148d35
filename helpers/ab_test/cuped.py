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
    sides = [control, treatment]
    raw = [
        arms.mean(side, column) if denominator is None else arms.ratio(side, numerator=column, denominator=denominator)
        for side in sides
    ]
    plain = arms.independent(*raw, method=("cuped",))
    units, k = control.n + treatment.n, len(covariates)
    if plain.reason or units - 2 - k < 1 or not k:
        return Adjustment(pair=plain, covariates=tuple(covariates), theta=(0.0,) * k, variance_ratio=1.0)
    if denominator is not None:
        sides = [
            side.combined({column: 1.0, denominator: -arm.value}, name="__linear")
            for side, arm in zip(sides, raw, strict=True)
        ]
    name = column if denominator is None else "__linear"
    scale = [1.0 if denominator is None else 1 / side.mean_of(denominator) for side in (control, treatment)]
    blocks = [_block(side, name, covariates, factor) for side, factor in zip(sides, scale, strict=True)]
    both = blocks[0] + blocks[1]
    within, slope = both[1:, 1:], both[1:, 0]
    theta = _regression(within, slope)
    inflate = (units - 2) / (units - 2 - int((theta != 0).sum()))
    levels = np.array([side.mean[side.places(covariates)] for side in (control, treatment)])
    share = np.array([control.n, treatment.n]) / units
    common = share @ levels
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
        for arm, level, own, along in zip(raw, levels, residual, moved, strict=True)
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

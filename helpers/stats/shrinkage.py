"""Shrinkage: effects of segments read together, each drawn towards what they share by as much as it is uncertain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = 400


@dataclass(frozen=True, kw_only=True)
class Heterogeneity:
    """Whether segments differ, and what each one's effect is, read together.

    Attributes:
        q: Cochran's Q.
        p: Of Q, chi-square with k - 1 degrees of freedom.
        i2: Share of variation beyond chance (Higgins & Thompson 2002), 0 to 1.
        tau: Posterior mean of the standard deviation between segments' true effects.
        mean: Common effect.
        mean_error: Its posterior standard deviation.
        value: Shrunk effects, shape (k,).
        low: Lower ends, shape (k,).
        high: Upper ends, shape (k,).
        level: Coverage of the ends.
    """

    q: float
    p: float
    i2: float
    tau: float
    mean: float
    mean_error: float
    value: NDArray
    low: NDArray
    high: NDArray
    level: float


def segments(effects: Any, errors: Any, *, level: float = 0.95) -> Heterogeneity:
    """Normal-normal shrinkage with tau integrated out: its uncertainty is in the intervals, as plain empirical Bayes lacks.

    y_i ~ N(theta_i, s_i^2), theta_i ~ N(mu, tau^2), flat on mu, and on tau up to ten times the effects' spread
    (Rubin 1981; Gelman 2006).

    Args:
        effects: Shape (k,), an estimate a segment.
        errors: Shape (k,), their standard errors, positive.
        level: Coverage of the intervals.

    Raises:
        ValueError: Fewer than two segments, or an error that is not positive.
    """
    from scipy.stats import chi2

    y, s = (np.asarray(part, dtype=float) for part in (effects, errors))
    if len(y) < 2 or not (s > 0).all():  # noqa: PLR2004
        raise ValueError(f"len(effects) == {len(y)} and errors == {s.tolist()}: two or more, with errors > 0")
    weight = 1 / s**2
    common = float((weight * y).sum() / weight.sum())
    q = float((weight * (y - common) ** 2).sum())
    k = len(y)
    tau, chance = _posterior_of_tau(y, s)
    spread = tau[:, None] ** 2 + s**2
    precision = (1 / spread).sum(axis=1)
    mu = (y / spread).sum(axis=1) / precision
    keep = tau[:, None] ** 2 / spread
    centre = mu[:, None] + keep * (y - mu[:, None])
    variance = keep * s**2 + (1 - keep) ** 2 / precision[:, None]
    value = chance @ centre
    low, high = _mixture_ends(centre, np.sqrt(variance), chance, level)
    mean = float(chance @ mu)
    return Heterogeneity(
        q=q,
        p=float(chi2.sf(q, k - 1)),
        i2=max(0.0, 1 - (k - 1) / q) if q > 0 else 0.0,
        tau=float(chance @ tau),
        mean=mean,
        mean_error=math.sqrt(float(chance @ (1 / precision + (mu - mean) ** 2))),
        value=value,
        low=low,
        high=high,
        level=level,
    )


def _posterior_of_tau(y: NDArray, s: NDArray) -> tuple[NDArray, NDArray]:
    """Grid of tau and its posterior weights, mu integrated out."""
    widest = 10 * max(float(np.ptp(y)), float(s.max()))
    # Square spacing: fine near zero, where the posterior has its mass.
    tau = widest * ((np.arange(GRID) + 0.5) / GRID) ** 2
    spread = tau[:, None] ** 2 + s**2
    precision = (1 / spread).sum(axis=1)
    mu = (y / spread).sum(axis=1) / precision
    log_weight = -0.5 * (np.log(spread).sum(axis=1) + np.log(precision) + ((y - mu[:, None]) ** 2 / spread).sum(axis=1))
    # The step of the grid grows like the square root of tau.
    chance = np.exp(log_weight - log_weight.max()) * np.sqrt(tau)
    return tau, chance / chance.sum()


def _mixture_ends(centre: NDArray, error: NDArray, chance: NDArray, level: float) -> tuple[NDArray, NDArray]:
    """Quantiles of a mixture of normals for each segment, by bisection."""
    from scipy.special import ndtr

    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        low, high = (centre - 40 * error).min(axis=0), (centre + 40 * error).max(axis=0)
        for _ in range(80):
            middle = (low + high) / 2
            below = chance @ ndtr((middle - centre) / error) < tail
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        ends.append((low + high) / 2)
    return ends[0], ends[1]

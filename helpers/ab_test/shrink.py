"""Shrinkage of a picked winner towards what tests like it turn out to be, and by how much winners exaggerate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri


@dataclass(frozen=True, kw_only=True)
class Shrunk:
    """An effect read in the light of a prior.

    Attributes:
        value: Posterior mean.
        error: Posterior standard deviation.
        low: Lower end.
        high: Upper end.
        level: Coverage of the ends.
        factor: What is left of the raw distance to the prior's mean, 0 to 1.
    """

    value: float
    error: float
    low: float
    high: float
    level: float
    factor: float


def winner(estimate: float, error: float, *, prior_mean: float = 0.0, prior_sd: float, level: float = 0.9) -> Shrunk:
    """Estimate of an effect that was picked because it looked good.

    A Bayesian posterior is not moved by the picking, as long as the prior is that of the effects picked from (Dawid 1994; Efron 2011).
    Take the prior from past tests (`bayes.learned_prior`).

    Args:
        estimate: The raw effect.
        error: Its standard error.
        prior_mean: Mean of true effects.
        prior_sd: Standard deviation of true effects.
        level: Coverage of the interval.
    """
    factor = prior_sd**2 / (prior_sd**2 + error**2)
    value = prior_mean + factor * (estimate - prior_mean)
    spread = math.sqrt(factor) * error
    half = float(ndtri((1 + level) / 2)) * spread
    return Shrunk(value=value, error=spread, low=value - half, high=value + half, level=level, factor=factor)


def exaggeration(power: float, *, alpha: float = 0.05) -> float:
    """Winner's curse: mean |estimate| / truth among significant results at a given power (Gelman & Carlin 2014, type M).

    Args:
        power: Of the two-sided test.
        alpha: Its level.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    z = float(ndtri(1 - alpha / 2))

    def reached(shift: float) -> float:
        return float(ndtr(shift - z) + ndtr(-shift - z))

    shift = float(brentq(lambda x: reached(x) - power, 1e-9, 40.0))
    density = np.exp(-0.5 * np.array([(z - shift) ** 2, (z + shift) ** 2])) / math.sqrt(2 * math.pi)
    total = density.sum() + shift * (float(ndtr(shift - z)) - float(ndtr(-shift - z)))
    return float(total / reached(shift) / shift)

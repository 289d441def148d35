"""The Bayesian reading beside the test: posterior of the effect under a stated prior, and what a wrong choice would cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    from helpers.ab_test.estimate import Effect

LEAST_TESTS = 5


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is believed of an effect before its test.

    Attributes:
        mean: Of true effects.
        sd: Of true effects; infinite for a flat prior.
        source: `stated`, `flat`, or `past_tests`.
        tests: How many past tests it was learned from.
    """

    mean: float = 0.0
    sd: float = math.inf
    source: str = "stated"
    tests: int = 0


FLAT = Prior(source="flat")


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Normal posterior of an effect.

    Attributes:
        mean: Posterior mean.
        sd: Posterior standard deviation.
        low: Lower end.
        high: Upper end.
        level: Coverage of the ends.
        p_better: Probability that the treatment is better.
        loss_ship: Expected loss of shipping: E[max(-effect, 0)], in the effect's unit.
        loss_keep: Expected loss of keeping the control: E[max(effect, 0)].
        prior: The prior.
    """

    mean: float
    sd: float
    low: float
    high: float
    level: float
    p_better: float
    loss_ship: float
    loss_keep: float
    prior: Prior


def posterior(
    estimate: float, error: float, *, prior: Prior = FLAT, level: float = 0.95, less_is_better: bool = False
) -> Posterior:
    """Posterior of an effect with a normal likelihood and prior.

    Args:
        estimate: Difference or lift.
        error: Its standard error, positive.
        prior: Of the same quantity.
        level: Coverage of the interval.
        less_is_better: Whether a negative effect is the good one.

    Raises:
        ValueError: A standard error that is not positive.
    """
    if not error > 0:
        raise ValueError(f"error == {error}, must be > 0")
    weight = 1.0 if math.isinf(prior.sd) else prior.sd**2 / (prior.sd**2 + error**2)
    mean = prior.mean * (1 - weight) + weight * estimate if weight < 1 else estimate
    sd = math.sqrt(weight) * error
    half = float(ndtri((1 + level) / 2)) * sd
    sign = -1.0 if less_is_better else 1.0
    z = sign * mean / sd if sd else math.copysign(math.inf, sign * mean)
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return Posterior(
        mean=mean,
        sd=sd,
        low=mean - half,
        high=mean + half,
        level=level,
        p_better=float(ndtr(z)),
        loss_ship=max(0.0, sd * (density - z * float(ndtr(-z)))) if sd else 0.0,
        loss_keep=max(0.0, sd * (density + z * float(ndtr(z)))) if sd else 0.0,
        prior=prior,
    )


def of_lift(
    effect: Effect, *, prior: Prior = FLAT, level: float = 0.95, less_is_better: bool = False
) -> Posterior | None:
    """Posterior of the lift: normal around it with the delta method's standard error; `None` where the lift has no ends.

    Args:
        effect: From `compare`.
        prior: Of the lift.
        level: Coverage of the interval.
        less_is_better: Whether a negative effect is the good one.
    """
    if not effect.lift.bounded or effect.lift.value is None or not effect.critical:
        return None
    # Half of Fieller's width over its critical value: the delta method's error where that is good, and wider where it is not.
    error = (effect.lift.high - effect.lift.low) / 2 / effect.critical
    if not error > 0:
        return None
    return posterior(effect.lift.value, error, prior=prior, level=level, less_is_better=less_is_better)


def learned_prior(effects: Any, errors: Any) -> Prior | None:
    """Prior from past tests, by maximum likelihood of the normal-normal model (empirical Bayes).

    Take all past tests of the metric, not the winners. Where the likelihood is highest at no spread at all, the prior keeps half a
    typical standard error over root k: few tests cannot show that there is no effect anywhere.

    Args:
        effects: Shape (k,), raw estimates in one unit.
        errors: Shape (k,), their standard errors.

    Returns:
        `None` where there are fewer than five tests.
    """
    from scipy.optimize import minimize_scalar

    y, s = (np.asarray(part, dtype=float) for part in (effects, errors))
    known = np.isfinite(y) & np.isfinite(s) & (s > 0)
    y, s = y[known], s[known]
    if len(y) < LEAST_TESTS:
        return None

    def fitted(tau: float) -> tuple[float, float]:
        spread = tau**2 + s**2
        mean = float((y / spread).sum() / (1 / spread).sum())
        # Restricted likelihood: the mean is estimated too.
        value = 0.5 * float((np.log(spread) + (y - mean) ** 2 / spread).sum() + math.log((1 / spread).sum()))
        return value, mean

    widest = 3 * float(np.std(y)) + float(s.max())
    best = minimize_scalar(lambda tau: fitted(tau)[0], bounds=(0.0, widest), method="bounded")
    tau = max(float(best.x), 0.5 * float(np.median(s)) / math.sqrt(len(y)))
    return Prior(mean=fitted(tau)[1], sd=tau, source="past_tests", tests=len(y))

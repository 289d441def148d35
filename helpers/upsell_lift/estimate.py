"""Average effects: the difference in means of what chance assigned, and doubly robust estimates (AIPW) where it did not.

With outcome models mu_a(x) and propensities e_a(x), the doubly robust score of arm a is
    Gamma_a = mu_a(x) + 1{A = a} (Y - mu_a(x)) / e_a(x),
and the effect of a against control c is the mean of Gamma_a - Gamma_c; it is right if either model is (Robins, Rotnitzky & Zhao 1994).
Its standard error is that of the mean of the scores (the influence function), summed within clusters where there are any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.errors import DataError
from helpers.stats.intervals import quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 2
# Learned propensities nearer to 0 are taken as this where they are divided by: a weight of more than a hundred is no comparison.
LEAST_PROPENSITY = 0.01


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One effect.

    Attributes:
        value: Of the arm against the control, a customer.
        se: Standard error.
        low: Lower end of the interval.
        high: Upper end.
        level: Its coverage.
        control: Mean of the control.
        treated: Mean of the arm.
        n_control: Customers in the control.
        n_treated: Customers in the arm.
        n: Customers whose outcomes or scores the value is a mean of.
        method: How it was made.
    """

    value: float
    se: float
    low: float
    high: float
    level: float
    control: float
    treated: float
    n_control: int
    n_treated: int
    n: int
    method: str

    @property
    def z(self) -> float:
        """Effect over its standard error; not a number without one."""
        return self.value / self.se if self.se > 0 else math.nan


def mean_error(values: NDArray, cluster: NDArray | None = None) -> tuple[float, float]:
    """Mean of scores and its standard error, over clusters where there are any.

    Args:
        values: Shape (n,).
        cluster: Shape (n,), numbers 0 to G - 1.
    """
    n = len(values)
    mean = float(values.mean())
    if cluster is None:
        return mean, float(values.std(ddof=1)) / math.sqrt(n) if n >= LEAST else math.nan
    sums = np.bincount(cluster, weights=values - mean)
    groups = len(np.unique(cluster))
    if groups < LEAST:
        return mean, math.nan
    return mean, math.sqrt(groups / (groups - 1) * float((sums**2).sum())) / n


def critical(level: float, cluster: NDArray | None = None) -> float:
    """Quantile of the interval: normal, or Student's t with one degree of freedom fewer than clusters."""
    if cluster is None:
        return quantile(level)
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, max(len(np.unique(cluster)) - 1, 1)))


def difference_in_means(
    y: NDArray, arm: NDArray, *, treated: int, control: int = 0, cluster: NDArray | None = None, level: float = 0.90
) -> Effect:
    """Difference of two arms' means with the standard error of unequal variances (Welch; Neyman 1923).

    Only the two named arms count: customers of any other arm are in neither mean.

    Args:
        y: Outcomes, shape (n,).
        arm: Arm of each, shape (n,).
        treated: The arm.
        control: The control's number.
        cluster: Group of each, shape (n,).
        level: Coverage.

    Raises:
        DataError: An arm is empty.
    """
    both = {name: y[arm == name] for name in (treated, control)}
    _filled(both[treated], both[control])
    if cluster is None:
        se = math.sqrt(
            sum(float(one.var(ddof=1)) / len(one) if len(one) >= LEAST else math.nan for one in both.values())
        )
        keep = None
    else:
        inside = (arm == treated) | (arm == control)
        keep = np.unique(cluster[inside], return_inverse=True)[1]
        now = arm[inside] == treated
        share = now.mean()
        centred = y[inside] - np.where(now, both[treated].mean(), both[control].mean())
        _mean, se = mean_error(centred * np.where(now, 1 / share, -1 / (1 - share)), keep)
    return _effect(both[treated], both[control], None, se, critical(level, keep), level, "difference")


def scores(y: NDArray, arm: NDArray, mu: NDArray, e: NDArray) -> NDArray:
    """Doubly robust score of every arm, shape (n, arms).

    Args:
        y: Outcomes, shape (n,).
        arm: Arm of each, 0 to arms - 1.
        mu: Expected outcome under each arm, shape (n, arms).
        e: Propensity of each arm, shape (n, arms).
    """
    found = np.array(mu, dtype=float)
    rows = np.arange(len(y))
    found[rows, arm] += (y - mu[rows, arm]) / kept_from_zero(e)[rows, arm]
    return found


def kept_from_zero(e: NDArray) -> NDArray:
    """Propensities that may be divided by, shape (n, arms).

    Where chance gave everyone the same ones they are known, however small; to change them would change the estimate's spread alone.
    """
    return e if not np.ptp(e, axis=0).any() else np.maximum(e, LEAST_PROPENSITY)


def aipw(
    y: NDArray,
    arm: NDArray,
    mu: NDArray,
    e: NDArray,
    *,
    treated: int,
    control: int = 0,
    cluster: NDArray | None = None,
    level: float = 0.90,
) -> Effect:
    """Average treatment effect on all customers (ATE) by AIPW.

    Args:
        y: Outcomes, shape (n,).
        arm: Arm of each.
        mu: Expected outcome under each arm, shape (n, arms).
        e: Propensity of each arm, shape (n, arms).
        treated: The arm.
        control: The control's number.
        cluster: Group of each.
        level: Coverage.

    Raises:
        DataError: An arm is empty.
    """
    gamma = scores(y, arm, mu, e)
    both = y[arm == treated], y[arm == control]
    _filled(*both)
    value, se = mean_error(gamma[:, treated] - gamma[:, control], cluster)
    return _effect(*both, value, se, critical(level, cluster), level, "aipw", n=len(y))


def aipw_treated(
    y: NDArray,
    arm: NDArray,
    mu: NDArray,
    e: NDArray,
    *,
    treated: int,
    control: int = 0,
    cluster: NDArray | None = None,
    keep: NDArray | None = None,
    normalised: bool = True,
    level: float = 0.90,
) -> Effect:
    """Average treatment effect on those who got the offer (ATT) by AIPW.

    The scores are 1{A = a}(Y - mu_c) - 1{A = c} e_a / e_c (Y - mu_c), over the share of a (Hahn 1998; Sant'Anna & Zhao 2020).

    Args:
        y: Outcomes, shape (n,).
        arm: Arm of each.
        mu: Expected outcome under each arm, shape (n, arms).
        e: Propensity of each arm, shape (n, arms).
        treated: The arm.
        control: The control's number.
        cluster: Group of each.
        keep: Customers that count, shape (n,); all unless given (trimming).
        normalised: Whether the control's weights are scaled to add up to the treated, as Hajek's: else a few heavy ones carry the
            level of the whole.
        level: Coverage.

    Raises:
        DataError: An arm is empty.
    """
    inside = ((arm == treated) | (arm == control)) & (np.ones(len(y), bool) if keep is None else keep)
    now = arm[inside] == treated
    _filled(y[inside][now], y[inside][~now])
    rest = y[inside] - mu[inside, control]
    weight = np.where(now, 1.0, -e[inside, treated] / kept_from_zero(e)[inside, control])
    if normalised:
        weight[~now] *= now.sum() / -weight[~now].sum()
    share = now.mean()
    value = float((weight * rest).sum() / now.sum())
    own = None if cluster is None else np.unique(cluster[inside], return_inverse=True)[1]
    # Scaled weights leave the level of the control's rest without a say, so it is taken off.
    level_of_control = float((weight * rest)[~now].sum() / -now.sum()) if normalised else 0.0
    influence = np.where(now, rest - level_of_control - value, weight * (rest - level_of_control)) / share
    se = mean_error(influence, own)[1]
    return _effect(y[inside][now], y[inside][~now], value, se, critical(level, own), level, "aipw_treated")


def _filled(treated: NDArray, control: NDArray) -> None:
    for name, part in (("offer", treated), ("control", control)):
        if not len(part):
            raise DataError(f"arm: the {name} has no customer, so there is nothing to compare")


def _effect(
    treated: NDArray,
    control: NDArray,
    value: float | None,
    se: float,
    half: float,
    level: float,
    method: str,
    *,
    n: int | None = None,
) -> Effect:
    value = float(treated.mean() - control.mean()) if value is None else value
    return Effect(
        value=value,
        se=se,
        low=value - half * se,
        high=value + half * se,
        level=level,
        control=float(control.mean()),
        treated=float(treated.mean()),
        n_control=len(control),
        n_treated=len(treated),
        n=len(treated) + len(control) if n is None else n,
        method=method,
    )

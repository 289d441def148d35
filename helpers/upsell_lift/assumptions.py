"""Assumptions: what must hold for a difference to be the offer's doing, and how far it does.

Balance is the standardised mean difference of each covariate before and after weighting (Austin 2009); overlap is what share of the
customers have a counterpart in the other arm; the effective sample size is Kish's; the E-value is how strong an unmeasured cause would
have to be (VanderWeele & Ding 2017); a placebo is the same estimate on what lies before the offer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.upsell_lift.estimate import Effect, aipw_treated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.upsell_lift.design import Design

TRIM = (0.1, 0.9)
THIN = 0.01
# Balance: at most this standardised difference after weighting; overlap: at least this share of the customers of both arms within
# the bounds of comparison, and weights that leave so many controls.
MOST_IMBALANCE = 0.1
LEAST_OVERLAP = 0.5
LEAST_EFFECTIVE = 50
# Odds of the offer against its average odds, within which a customer has a counterpart.
COUNTERPART = (0.05, 20.0)
CHINN = 0.91
# Chance that any of the levels looked at lacks an arm by chance alone.
EMPTY_BY_CHANCE = 0.001


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """How comparable an arm and the control are.

    Attributes:
        inside: Share of the customers of both whose odds of the offer are within a twentieth and twenty times the average.
        thin: Share of the control with a propensity below .01.
        effective: Effective number of controls after weighting them as the arm's customers.
        control: Controls.
        trimmed: Effect among those with a propensity between .1 and .9; `None` where too few are left.
        kept: Share of both that trimming keeps.
    """

    inside: float
    thin: float
    effective: float
    control: int
    trimmed: Effect | None
    kept: float

    @property
    def passed(self) -> bool:
        """Whether there is enough to compare with."""
        return self.inside >= LEAST_OVERLAP and self.effective >= min(LEAST_EFFECTIVE, self.control)


def weights_of_treated(arm: NDArray, e: NDArray, *, treated: int, control: int = 0) -> NDArray:
    """Weights that make the control look like an arm: 1 for the arm, odds of the offer for the control, 0 for other arms."""
    odds = e[:, treated] / e[:, control]
    return np.where(arm == treated, 1.0, np.where(arm == control, odds, 0.0))


def weights_of_all(arm: NDArray, e: NDArray, *, treated: int, control: int = 0) -> NDArray:
    """Weights that make an arm and the control look like all customers: one over the propensity of the own arm."""
    own = e[np.arange(len(arm)), arm]
    return np.where((arm == treated) | (arm == control), 1 / own, 0.0)


def effective_size(weight: NDArray) -> float:
    """Kish's effective sample size: (sum w)^2 / sum w^2."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def balance(design: Design, arm: NDArray, weight: NDArray, *, treated: int, control: int = 0) -> pd.DataFrame:
    """Standardised mean differences of every column, before and after weighting.

    The scale is the root of the mean of both arms' unweighted variances, the same before and after.

    Returns:
        `covariate`, `before`, `after`, the largest before first.
    """
    X, now, then = design.X, arm == treated, arm == control
    spread = np.sqrt((X[now].var(axis=0) + X[then].var(axis=0)) / 2)
    spread = np.where(spread > 0, spread, 1.0)
    before = (X[now].mean(axis=0) - X[then].mean(axis=0)) / spread
    means = [np.average(X[part], axis=0, weights=weight[part]) for part in (now, then)]
    frame = pd.DataFrame(
        {
            "covariate": [design.label(place) for place in range(X.shape[1])],
            "before": before,
            "after": (means[0] - means[1]) / spread,
        }
    )
    return frame.reindex(frame["before"].abs().sort_values(ascending=False, kind="stable").index).reset_index(drop=True)


def overlap(
    y: NDArray,
    arm: NDArray,
    mu: NDArray,
    e: NDArray,
    *,
    treated: int,
    control: int = 0,
    level: float,
    cluster: NDArray | None,
) -> Overlap:
    """How comparable an arm and the control are, and the effect among those who are.

    Args:
        y: Outcome for the trimmed estimate, shape (n,).
        arm: Arm of each.
        mu: Expected outcomes, shape (n, arms).
        e: Propensities, shape (n, arms).
        treated: The arm.
        control: The control's number.
        level: Coverage of the trimmed estimate.
        cluster: Group of each.
    """
    both = (arm == treated) | (arm == control)
    share = e[:, treated] / (e[:, treated] + e[:, control])
    average = float((arm[both] == treated).mean())
    ratio = (share / (1 - share)) / (average / (1 - average))
    low, high = COUNTERPART
    inside = min(float(((ratio > low) & (ratio < high))[arm == part].mean()) for part in (treated, control))
    keep = both & (share >= TRIM[0]) & (share <= TRIM[1])
    enough = all((keep & (arm == part)).sum() >= 10 for part in (treated, control))  # noqa: PLR2004 - a mean and its spread
    pair = np.column_stack([1 - share, share])
    index = np.where(arm == treated, 1, np.where(arm == control, 0, 2))
    trimmed = (
        aipw_treated(y, index, mu[:, [control, treated]], pair, treated=1, keep=keep, level=level, cluster=cluster)
        if enough
        else None
    )
    weight = weights_of_treated(arm, e, treated=treated, control=control)[arm == control]
    return Overlap(
        inside=inside,
        thin=float((share[arm == control] < THIN).mean()),
        effective=effective_size(weight),
        control=int((arm == control).sum()),
        trimmed=trimmed,
        kept=float(keep[both].mean()),
    )


def e_value(effect: Effect, *, binary: bool, spread: float) -> tuple[float, float]:
    """E-values of an estimate and of the end of its interval that is nearer to no effect; 1 where the interval holds it.

    A binary outcome's risk ratio is taken as it is; another outcome's standardised difference d stands for a risk ratio of
    exp(.91 d) (Chinn 2000; VanderWeele & Ding 2017).

    Args:
        effect: The estimate.
        binary: Whether the outcome is 0 or 1.
        spread: Standard deviation of the outcome in both arms.
    """

    def ratio(difference: float) -> float:
        if binary:
            base = effect.treated - effect.value
            return (base + difference) / base if base > 0 and base + difference > 0 else math.nan
        return math.exp(CHINN * difference / spread) if spread > 0 else math.nan

    def value(one: float) -> float:
        if not one > 0:
            return math.nan
        one = max(one, 1 / one)
        return one + math.sqrt(one * (one - 1))

    holds_none = effect.low <= 0 <= effect.high
    near = 1.0 if holds_none else value(ratio(effect.low if effect.value > 0 else effect.high))
    return value(ratio(effect.value)), near


def empty_strata(
    covariates: pd.DataFrame, arm: NDArray, arms: int, *, least: int = 30
) -> list[tuple[str, str, int, int]]:
    """Levels of categories in which an arm has no customer, though chance would have put some there: covariate, level, customers, arm.

    Args:
        covariates: One column a covariate.
        arm: Arm of each.
        arms: Number of arms.
        least: Levels of fewer customers are not looked at.
    """
    from helpers.upsell_lift.design import coarse

    found: list[tuple[str, str, int, int, float]] = []
    share, looked = np.bincount(arm, minlength=arms) / len(arm), 0
    for name in covariates.columns:
        values = covariates[name]
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > 2:  # noqa: PLR2004 - 0 and 1
            continue
        text = coarse(values)[0].to_numpy()
        for level in sorted(set(text)):
            inside = arm[text == level]
            if len(inside) < least:
                continue
            looked += arms
            found += [
                (name, level, len(inside), int(one), (1 - share[one]) ** len(inside))
                for one in np.flatnonzero(np.bincount(inside, minlength=arms) == 0)
            ]
    return [(name, level, n, one) for name, level, n, one, p in found if p * looked < EMPTY_BY_CHANCE]

"""Effects: every outcome of every arm, as chance assigned it or as models make it comparable, with what else is said of it beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.upsell_lift.assumptions import Overlap, e_value, overlap, weights_of_all, weights_of_treated
from helpers.upsell_lift.estimate import Effect, aipw, aipw_treated, difference_in_means
from helpers.upsell_lift.nuisance import cross_fitted, folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.upsell_lift.nuisance import Nuisances
    from helpers.upsell_lift.read import Campaign
    from helpers.upsell_lift.topic import Outcome

# Random splits over which an estimate that models decide is taken at its median (Chernozhukov et al. 2018).
SPLITS = 3


@dataclass(frozen=True, kw_only=True)
class ArmEffect:
    """One outcome of one arm.

    Attributes:
        outcome: The outcome.
        arm: Number of the arm.
        main: The estimate that the report stands on: the difference where chance assigned, else the one of the registered estimand.
        naive: The plain difference in means.
        adjusted: Doubly robust, on all customers (ATE).
        treated: Doubly robust, on those who got the offer (ATT); `None` where chance assigned.
        overlap: How comparable the arm and the control are, with the trimmed estimate; `None` where chance assigned.
        per_protocol: Takers of the arm against the control; `None` where takers are not known.
        takers: Effect on those who take the offer up because it is made: `main` over their share; `None` likewise.
        redemption: Share of the arm that took it up; `None` likewise.
        e_value: E-values of the estimate and of its interval's nearer end; `None` where chance assigned.
    """

    outcome: Outcome
    arm: int
    main: Effect
    naive: Effect
    adjusted: Effect
    treated: Effect | None
    overlap: Overlap | None
    per_protocol: Effect | None
    takers: Effect | None
    redemption: float | None
    e_value: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """All effects, and the weights that balance is shown under.

    Attributes:
        effects: By outcome and arm, in the params' order.
        weights: Weights of each customer by arm, shape (arms, n).
        placebos: Estimates on what the offer cannot have moved.
    """

    effects: tuple[ArmEffect, ...]
    weights: NDArray
    placebos: tuple[ArmEffect, ...]

    def of(self, outcome: str, arm: int) -> ArmEffect:
        """One of them."""
        return next(one for one in self.effects if one.outcome.name == outcome and one.arm == arm)


def estimates(campaign: Campaign, X: NDArray, columns: tuple[str, ...], *, seed: int) -> Estimates:
    """Effects of every arm.

    Args:
        campaign: Its customers.
        X: Design matrix, shape (n, p).
        columns: Covariate of each column, shape (p,).
        seed: Of the splits.
    """
    settings = campaign.settings
    shown = settings.with_role("profit", "success", "guardrail", "negative_control")
    Y = np.column_stack([campaign.outcomes[one.name] for one in shown])
    found = _nuisances(campaign, X, Y, seed=seed)
    effects = [
        _effect(campaign, one, arm, Y[:, place], [(nuisance.mu[:, :, place], nuisance.e) for nuisance in found])
        for place, one in enumerate(shown)
        for arm in range(1, len(campaign.arms))
    ]
    e = found[0].e
    weigh = weights_of_all if settings.estimand == "ATE" or campaign.randomised else weights_of_treated
    weights = np.stack([weigh(campaign.arm, e, treated=arm) for arm in range(len(campaign.arms))])
    placebos = [one for one in effects if one.outcome.role == "negative_control"]
    placebos += _placebos(campaign, X, columns, seed=seed)
    return Estimates(
        effects=tuple(one for one in effects if one.outcome.role != "negative_control"),
        weights=weights,
        placebos=tuple(placebos),
    )


def shares(campaign: Campaign) -> NDArray | None:
    """Propensities that chance gave, shape (arms,); `None` where they must be learned."""
    return campaign.counts / campaign.n if campaign.randomised else None


def _nuisances(campaign: Campaign, X: NDArray, Y: NDArray, *, seed: int) -> list[Nuisances]:
    turns = 1 if campaign.randomised else SPLITS
    return [
        cross_fitted(
            X, Y, campaign.arm, arms=len(campaign.arms), shares=shares(campaign),
            fold=folds(campaign.n, seed=seed + turn, cluster=campaign.cluster), seed=seed + turn,
        )
        for turn in range(turns)
    ]  # fmt: skip


def _placebos(campaign: Campaign, X: NDArray, columns: tuple[str, ...], *, seed: int) -> list[ArmEffect]:
    """The same estimates on what lies before the offer, without those very columns among the covariates."""
    from helpers.upsell_lift.topic import Outcome

    named = [(one, campaign.outcomes[one.name]) for one in campaign.settings.with_role("placebo")]
    if campaign.before is not None:
        named.append((Outcome(name="revenue_before", column="revenue", role="placebo"), campaign.before))
    found: list[ArmEffect] = []
    for outcome, y in named:
        rest = X[:, [name != outcome.column for name in columns]]
        nuisances = _nuisances(campaign, rest, y[:, None], seed=seed)
        pairs = [(one.mu[:, :, 0], one.e) for one in nuisances]
        found += [_effect(campaign, outcome, arm, y, pairs) for arm in range(1, len(campaign.arms))]
    return found


def _effect(
    campaign: Campaign, outcome: Outcome, arm: int, y: NDArray, models: list[tuple[NDArray, NDArray]]
) -> ArmEffect:
    settings, arms, cluster = campaign.settings, campaign.arm, campaign.cluster
    level = settings.level
    naive = difference_in_means(y, arms, treated=arm, cluster=cluster, level=level)
    adjusted = _median([aipw(y, arms, mu, e, treated=arm, cluster=cluster, level=level) for mu, e in models])
    treated, compared, main = None, None, naive
    if not campaign.randomised:
        treated = _median([aipw_treated(y, arms, mu, e, treated=arm, cluster=cluster, level=level) for mu, e in models])
        compared = overlap(y, arms, *models[0], treated=arm, level=level, cluster=cluster)
        main = treated if settings.estimand == "ATT" else adjusted
    per_protocol, takers, redemption = _taken(campaign, y, arm, main)
    both = (arms == arm) | (arms == 0)
    strength = (
        None if campaign.randomised else e_value(main, binary=outcome.type == "binary", spread=float(y[both].std()))
    )
    return ArmEffect(
        outcome=outcome,
        arm=arm,
        main=main,
        naive=naive,
        adjusted=adjusted,
        treated=treated,
        overlap=compared,
        per_protocol=per_protocol,
        takers=takers,
        redemption=redemption,
        e_value=strength,
    )


def _taken(campaign: Campaign, y: NDArray, arm: int, main: Effect) -> tuple[Effect | None, Effect | None, float | None]:
    """Takers against the control, the effect on takers, and their share."""
    if campaign.accepted is None:
        return None, None, None
    mine = campaign.arm == arm
    share = float(campaign.accepted[mine].mean())
    keep = (campaign.arm == 0) | (mine & (campaign.accepted > 0))
    if not (keep & mine).any() or (campaign.accepted[campaign.arm == 0] > 0).any():
        return None, None, share
    own = None if campaign.cluster is None else campaign.cluster[keep]
    compared = difference_in_means(y[keep], campaign.arm[keep], treated=arm, cluster=own, level=main.level)
    # Nobody in the control could take it up, so the whole effect falls on the takers (Bloom 1984).
    scaled = Effect(
        value=main.value / share, se=main.se / share, low=main.low / share, high=main.high / share, level=main.level,
        control=main.control, treated=main.treated, n_control=main.n_control, n_treated=main.n_treated, n=main.n,
        method="takers",
    )  # fmt: skip
    return compared, scaled, share


def _median(found: list[Effect]) -> Effect:
    """The median over splits; its standard error holds how far the splits lie apart."""
    if len(found) == 1:
        return found[0]
    value = float(np.median([one.value for one in found]))
    se = float(np.median([np.hypot(one.se, one.value - value) for one in found]))
    one = found[0]
    half = (one.high - one.low) / 2 / one.se if one.se > 0 else np.nan
    return Effect(
        value=value, se=se, low=value - half * se, high=value + half * se, level=one.level, control=one.control,
        treated=one.treated, n_control=one.n_control, n_treated=one.n_treated, n=one.n,
        method=one.method,
    )  # fmt: skip

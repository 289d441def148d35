"""Analysis: one campaign from its rows to what to do; money is spoken of only where the assumptions were passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from helpers.upsell_lift.allocate import allocate
from helpers.upsell_lift.completeness import completeness
from helpers.upsell_lift.design import Design, encode
from helpers.upsell_lift.economics import outcome_matrix
from helpers.upsell_lift.effects import Estimates, estimates, shares
from helpers.upsell_lift.gates import Gate, gates
from helpers.upsell_lift.heldout import doubly_robust, learner
from helpers.upsell_lift.nuisance import Linear
from helpers.upsell_lift.policy import Proof, Value, grow_rule, prove, value_of
from helpers.upsell_lift.read import Campaign, read
from helpers.upsell_lift.segments import segment_effects
from helpers.upsell_lift.target import TargetList, reasons, target_list

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import ibis.expr.types as ir
    from numpy.typing import NDArray

    from helpers.upsell_lift.topic import Params
    from helpers.upsell_lift.tree import Tree

Action = Literal["target", "all", "none", "test", "withheld"]
# Fewer customers than this teach nothing about who should be offered what.
LEAST_ARM, LEAST_CUSTOMERS = 100, 500


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One campaign, analysed.

    Attributes:
        campaign: Its customers.
        design: Their covariates.
        estimates: Average effects.
        gates: What was looked at, and how it came out.
        outcomes: Names of the outcomes that `gamma` holds: profit first, cost last.
        gamma: Doubly robust scores of all customers, shape (n, arms, outcomes); `None` where a gate holds money back.
        to_all: Incremental profit a customer of each arm for all, by arm.
        proof: The policy on held-out customers; `None` where there are too few to learn from.
        segments: Shrunk effects on profit by arm and segment.
        tree: The readable rule, learned on all.
        action: What to do.
        arm: The arm that `all` or `none` is about.
        target: The list.
        margin: Share of revenue that is profit.
        seed: Of everything random.
    """

    campaign: Campaign
    design: Design
    estimates: Estimates
    gates: tuple[Gate, ...]
    outcomes: tuple[str, ...]
    gamma: NDArray | None
    to_all: Mapping[int, Value]
    proof: Proof | None
    segments: pd.DataFrame
    tree: Tree | None
    action: Action
    arm: int
    target: TargetList
    margin: float
    seed: int

    @property
    def sound(self) -> bool:
        """Whether no gate failed: only then is a difference called an effect, and turned into money."""
        return all(gate.status != "fail" for gate in self.gates)

    @property
    def evidence(self) -> Literal["experiment", "causal", "association"]:
        """Grade of evidence."""
        if not self.sound:
            return "association"
        return "experiment" if self.campaign.randomised else "causal"

    @property
    def budget_share(self) -> float | None:
        """Budget a customer."""
        budget = self.campaign.settings.budget
        return None if budget is None else budget / self.campaign.n


def analyse(
    settings: Params,
    tables: Mapping[str, ir.Table | None],
    *,
    margin: float,
    start: datetime | None = None,
    end: datetime | None = None,
    observed_until: datetime | None = None,
    seed: int = 1,
) -> Analysis:
    """Analyse the campaign that the params register.

    Args:
        settings: Section `upsell_lift` of the params.
        tables: Kept tables by contract name.
        margin: Share of revenue that is profit (`economics.margin`).
        start: First moment of the period.
        end: First moment after it.
        observed_until: First moment that outcomes do not reach.
        seed: Of everything random.

    Raises:
        TopicSkippedError: No outcome is registered, or no offer is old enough to have one.
        ParamsError: The section names what the tables lack.
        DataError: There is no control, no offer or no customer.
    """
    campaign = read(settings, tables, start=start, end=end, observed_until=observed_until)
    design = encode(campaign.covariates)
    found = estimates(campaign, design.X, design.columns, seed=seed)
    looked = gates(campaign, design, found) + completeness(campaign, design)
    sound = all(gate.status != "fail" for gate in looked)
    Y, names = outcome_matrix(campaign, margin=margin)
    gamma, to_all, proof, tree = None, {}, None, None
    segments = pd.DataFrame()
    if sound:
        known: dict[str, Any] = {
            "arms": len(campaign.arms),
            "shares": shares(campaign),
            "seed": seed,
            "cluster": campaign.cluster,
        }
        gamma = doubly_robust(design.X, Y, campaign.arm, **known)
        # Of several offers the one that does best is spoken of: each interval is held to its share of the doubt (Bonferroni).
        each = 1 - (1 - settings.level) / (len(campaign.arms) - 1)
        level = settings.level
        to_all = {
            a: value_of(gamma[:, a, 0] - gamma[:, 0, 0], level=each, cluster=campaign.cluster)
            for a in range(1, len(campaign.arms))
        }
        segments = _segments(campaign, gamma, level=level)
        if enough(campaign) and design.X.shape[1]:
            limit = None if settings.budget is None else settings.budget / campaign.n
            ranked = tuple(place for place, name in enumerate(names) if name == "profit" or _is_success(settings, name))
            proof = prove(design.X, Y, campaign.arm, targets=ranked, budget_share=limit, level=level, **known)
            tree = grow_rule(design.X, gamma[:, :, 0], gamma[:, :, -1], limit, seed)
    action, arm = decide(sound=sound, to_all=to_all, proof=proof, reach=_reach(campaign, gamma))
    choice, profit = _chosen(campaign, design, gamma, to_all, action, arm, seed=seed)
    tested = None
    if action == "target" and proof is not None:
        choice, tested = as_tested(choice, profit, campaign.unit, share=proof.share), proof.value.value
        profit = np.where(choice > 0, profit, 0.0)
    return Analysis(
        campaign=campaign,
        design=design,
        estimates=found,
        gates=looked,
        outcomes=names,
        gamma=gamma,
        to_all=to_all,
        proof=proof,
        segments=segments,
        tree=tree,
        action=action,
        arm=arm,
        target=target_list(
            campaign.unit,
            choice,
            profit,
            labels=tuple(campaign.label(place) for place in range(len(campaign.arms))),
            arms=campaign.arms,
            reasons=reasons(design, campaign.covariates, profit),
            holdout=settings.holdout,
            salt=f"{campaign.name}\t{seed}",
            tested=tested,
        ),
        margin=margin,
        seed=seed,
    )


def enough(campaign: Campaign) -> bool:
    """Whether there are customers enough to learn who should be offered what."""
    return bool(campaign.n >= LEAST_CUSTOMERS and campaign.counts.min() >= LEAST_ARM)


def decide(
    *, sound: bool, to_all: Mapping[int, Value], proof: Proof | None, reach: Mapping[int, float]
) -> tuple[Action, int]:
    """What to do, and the arm it is about.

    Targeting needs its proof. Without it the arm that earns most is offered to all where it surely earns, to none where no arm can
    earn, and otherwise tested further.

    Args:
        sound: Whether every gate passed.
        to_all: Incremental profit a customer of each arm.
        proof: The policy on held-out customers.
        reach: Share of the customers to whom each arm can be offered within the budget.
    """
    if not sound:
        return "withheld", 0
    best = max(to_all, key=lambda arm: to_all[arm].value * reach[arm])
    if proof is not None and proof.proven:
        return "target", best
    surely = [arm for arm, one in to_all.items() if one.low > 0]
    if surely:
        return "all", max(surely, key=lambda arm: to_all[arm].value * reach[arm])
    if all(one.high < 0 for one in to_all.values()):
        return "none", best
    # What may be a gain is what is worth testing, though another arm of which a loss is sure may look better.
    return "test", max((arm for arm, one in to_all.items() if one.high >= 0), key=lambda arm: to_all[arm].value)


def _reach(campaign: Campaign, gamma: NDArray | None) -> dict[int, float]:
    """Share of the customers to whom each arm can be offered within the budget, by its expected cost."""
    arms, budget = range(1, len(campaign.arms)), campaign.settings.budget
    if gamma is None or budget is None:
        return dict.fromkeys(arms, 1.0)
    each = {arm: float(gamma[:, arm, -1].mean()) for arm in arms}
    return {arm: min(1.0, budget / (cost * campaign.n)) if cost > 0 else 1.0 for arm, cost in each.items()}


def as_tested(choice: NDArray, profit: NDArray, units: NDArray, *, share: float) -> NDArray:
    """A choice that goes no further than the tested one did, the most profit first, shape (n,).

    Models that saw every customer, those who took the offer among them, find a gain with more of them than models that were tested
    did; of those further ones nothing was shown.

    Args:
        choice: Offer of each, shape (n,); 0 for none.
        profit: Predicted profit of it, shape (n,).
        units: Customer ids, shape (n,), which break ties.
        share: Share of the customers to whom the tested choice offered something.
    """
    most = round(share * len(choice))
    chosen = np.flatnonzero(choice > 0)
    beyond = chosen[np.lexsort((units[chosen], -profit[chosen]))][most:]
    kept = choice.copy()
    kept[beyond] = 0
    return kept


def _is_success(settings: Params, name: str) -> bool:
    return any(one.name == name for one in settings.with_role("success"))


def _segments(campaign: Campaign, gamma: NDArray, *, level: float) -> pd.DataFrame:
    parts = [
        segment_effects(
            gamma[:, a, 0] - gamma[:, 0, 0], campaign.segments, level=level, cluster=campaign.cluster
        ).assign(arm=a)
        for a in range(1, len(campaign.arms))
    ]
    return pd.concat(parts, ignore_index=True)


def _chosen(
    campaign: Campaign,
    design: Design,
    gamma: NDArray | None,
    to_all: Mapping[int, Value],
    action: Action,
    arm: int,
    *,
    seed: int,
) -> tuple[NDArray, NDArray]:
    """Offer of each customer next time, and the profit expected of it."""
    nobody = np.zeros(campaign.n, dtype=int), np.zeros(campaign.n)
    if gamma is None or action not in {"target", "all"}:
        return nobody
    budget = campaign.settings.budget
    cost = np.column_stack(
        [
            np.maximum(Linear().fit(design.X, gamma[:, a, -1]).predict(design.X), 0.0)
            for a in range(1, len(campaign.arms))
        ]
    )
    if action == "all":
        choice = np.full(campaign.n, arm)
        if budget is not None:
            # Nothing says who should come first, so chance does.
            order = np.random.default_rng(seed).permutation(campaign.n)
            choice[order[np.cumsum(cost[order, arm - 1]) > budget]] = 0
        return choice, np.where(choice > 0, to_all[arm].value, 0.0)
    effect = np.column_stack(
        [
            learner(design.X, gamma[:, a, 0] - gamma[:, 0, 0], seed=seed)[0].predict(design.X)
            for a in range(1, len(campaign.arms))
        ]
    )
    choice = allocate(effect, cost, budget=budget).choice
    rows = np.arange(campaign.n)
    return choice, np.where(choice > 0, effect[rows, np.maximum(choice - 1, 0)], 0.0)

"""Policy: who gets which offer, what that earns on customers it was not learned from, and whether it is proven.

The value of a policy is the mean of the doubly robust scores of what it chooses (Athey & Wager 2021). It is held against offering
nothing, against each offer to all, and against as many customers picked at random; "target these" is said only where the lower end
of every one of these differences is above zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.upsell_lift.allocate import allocate
from helpers.upsell_lift.estimate import critical, mean_error
from helpers.upsell_lift.heldout import held_out, stages
from helpers.upsell_lift.rate import ranking
from helpers.upsell_lift.tree import grow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from helpers.upsell_lift.heldout import Stage
    from helpers.upsell_lift.rate import Ranking
    from helpers.upsell_lift.tree import Tree

RATE_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Value:
    """Incremental profit a customer.

    Attributes:
        value: Its estimate.
        se: Standard error.
        low: Lower end of the interval.
        high: Upper end.
        level: Its coverage.
        n: Customers it rests on.
    """

    value: float
    se: float
    low: float
    high: float
    level: float
    n: int

    @property
    def p_loss(self) -> float:
        """Probability that it is below zero, as far as chance goes."""
        from scipy.stats import norm

        if not self.se > 0:
            return float(self.value < 0)
        return float(norm.cdf(-self.value / self.se))


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A policy on customers it was not learned from.

    Attributes:
        rows: The held-out customers, shape (h,).
        gamma: Doubly robust scores, shape (h, arms, outcomes); the first outcome is profit.
        effect: Predicted effects, shape (h, arms - 1, targets); the first target is profit.
        choice: Offer that the policy makes, shape (h,): 0 for none.
        tree_choice: Offer that the readable rule makes, shape (h,).
        value: The policy's incremental profit.
        everyone: Incremental profit of each arm to all of the same customers, by arm.
        against: Its lead over offering nothing (`none`), over each arm to all (its number), over as many at random (`random`).
        tree: The readable rule's incremental profit.
        gives_up: The policy's lead over it.
        rankings: Ranking by arm and target.
        priority: Place of each in its stage, by the profit that its best offer is predicted to bring, shape (h,): 1 for the first.
        best: Each one's best offer as predicted, shape (h,), whether it brings profit or not.
        curve: What the best offer brings, to the first share of the customers in this order.
        learners: Base learners by how often they were chosen.
    """

    rows: NDArray
    gamma: NDArray
    effect: NDArray
    choice: NDArray
    tree_choice: NDArray
    value: Value
    everyone: Mapping[int, Value]
    against: Mapping[str, Value]
    tree: Value
    gives_up: Value
    rankings: Mapping[tuple[int, int], Ranking]
    priority: NDArray
    best: NDArray
    curve: Ranking
    learners: Mapping[str, int]

    @property
    def proven(self) -> bool:
        """Whether targeting beats all there is to beat."""
        return all(one.low > 0 for one in self.against.values())

    @property
    def share(self) -> float:
        """Share of the customers to whom the policy offers something."""
        return float((self.choice > 0).mean())


def prove(
    X: NDArray,
    Y: NDArray,
    arm: NDArray,
    *,
    arms: int,
    shares: NDArray | None,
    targets: tuple[int, ...],
    budget_share: float | None,
    level: float,
    seed: int,
    cluster: NDArray | None = None,
    test: NDArray | None = None,
) -> Proof:
    """Learn policies and rankings from some customers and hold them against others.

    Args:
        X: Covariates, shape (n, p).
        Y: Outcomes, shape (n, m): profit first, cost last.
        arm: Arm of each, 0 for the control.
        arms: Number of arms.
        shares: Known propensities; `None` to learn them.
        targets: Outcomes whose effects rank customers; the first must be 0, profit.
        budget_share: Budget a customer; `None` for no limit.
        level: Coverage of profits.
        seed: Of everything random.
        cluster: Group of each.
        test: Held-out customers, shape (n,), learned on all others in one stage; stages of sequential validation unless given.
    """
    parts = (
        stages(len(X), seed=seed, cluster=cluster) if test is None else [(np.flatnonzero(~test), np.flatnonzero(test))]
    )
    done: list[Stage] = []
    chosen, ruled = [], []
    for train, held in parts:
        stage = held_out(
            X, Y, arm, arms=arms, shares=shares, targets=targets, train=train, test=held, seed=seed, cluster=cluster
        )
        limit = None if budget_share is None else budget_share * len(held)
        cost = np.maximum(stage.mu[:, 1:, -1], 0.0)
        chosen.append(allocate(stage.effect[:, :, 0], cost, budget=limit).choice)
        ruled.append(
            grow_rule(X[train], stage.learned[:, :, 0], stage.learned[:, :, -1], budget_share, seed).choose(X[held])
        )
        done.append(stage)
    rows = np.concatenate([stage.test for stage in done])
    gamma = np.concatenate([stage.gamma for stage in done])
    choice, tree_choice = np.concatenate(chosen), np.concatenate(ruled)
    own = None if cluster is None else np.unique(cluster[rows], return_inverse=True)[1]
    gains = gamma[:, :, 0] - gamma[:, :1, 0]
    stage_of = np.repeat(np.arange(len(done)), [len(stage.test) for stage in done])

    def value(one: NDArray) -> Value:
        return value_of(one, level=level, cluster=own)

    earned = picked(gains, choice)
    by_tree = picked(gains, tree_choice)
    against = {"none": value(earned)}
    if budget_share is None:
        against |= {str(a): value(earned - gains[:, a]) for a in range(1, arms)}
    against["random"] = value(earned - at_random(gains, choice, stage_of))
    places = _places([stage.effect.reshape(len(stage.test), -1) for stage in done]).reshape(len(rows), arms - 1, -1)
    effect = np.concatenate([stage.effect for stage in done])
    priority = _places([stage.effect[:, :, :1].max(axis=1) for stage in done])[:, 0]
    best = effect[:, :, 0].argmax(axis=1) + 1
    return Proof(
        rows=rows,
        gamma=gamma,
        effect=effect,
        choice=choice,
        tree_choice=tree_choice,
        value=value(earned),
        everyone={a: value(gains[:, a]) for a in range(1, arms)},
        against=against,
        tree=value(by_tree),
        gives_up=value(earned - by_tree),
        rankings={
            (a, place): ranking(
                gamma[:, a, target] - gamma[:, 0, target],
                places[:, a - 1, place],
                seed=seed,
                level=RATE_LEVEL,
                cluster=own,
            )
            for a in range(1, arms)
            for place, target in enumerate(targets)
        },
        priority=priority,
        best=best,
        curve=ranking(picked(gains, best), priority, seed=seed, level=level, cluster=own),
        learners={
            name: sum(stage.learners.count(name) for stage in done)
            for name in sorted({n for s in done for n in s.learners})
        },
    )


def grow_rule(X: NDArray, profit: NDArray, cost: NDArray, budget_share: float | None, seed: int) -> Tree:
    """The readable rule: by profit, or under a budget by profit less what a pound of the budget is worth elsewhere.

    Args:
        X: Shape (n, p).
        profit: Doubly robust scores of profit by arm, shape (n, arms).
        cost: Doubly robust scores of cost by arm, shape (n, arms).
        budget_share: Budget a customer.
        seed: Of the customers looked at.
    """
    gains, dearer = profit[:, 1:] - profit[:, :1], cost[:, 1:] - cost[:, :1]
    tree = grow(X, gains, seed=seed)
    if budget_share is None or _spent(tree, X, dearer) <= budget_share:
        return tree
    low, high = 0.0, 1.0
    while _spent(grow(X, gains - high * dearer, seed=seed), X, dearer) > budget_share and high < 1e6:  # noqa: PLR2004 - no price is higher
        high *= 4
    for _step in range(12):
        middle = (low + high) / 2
        within = _spent(grow(X, gains - middle * dearer, seed=seed), X, dearer) <= budget_share
        low, high = (low, middle) if within else (middle, high)
    return grow(X, gains - high * dearer, seed=seed)


def _spent(tree: Tree, X: NDArray, cost: NDArray) -> float:
    return float(picked(np.column_stack([np.zeros(len(X)), cost]), tree.choose(X)).mean())


def picked(gains: NDArray, choice: NDArray) -> NDArray:
    """Gain of each customer's own choice, shape (n,), from gains of shape (n, arms), nothing for the first."""
    return gains[np.arange(len(choice)), choice]


def at_random(gains: NDArray, choice: NDArray, group: NDArray) -> NDArray:
    """Expected gain of each customer where as many of its group get each offer, but are picked at random, shape (n,)."""
    found = np.zeros(len(choice))
    for one in np.unique(group):
        inside = group == one
        shares = np.bincount(choice[inside], minlength=gains.shape[1]) / inside.sum()
        found[inside] = gains[inside] @ shares
    return found


def value_of(gains: NDArray, *, level: float, cluster: NDArray | None = None) -> Value:
    """Mean gain a customer with its interval."""
    mean, se = mean_error(gains, cluster)
    # Customers who all gain nothing, as by a policy that offers to none, have no spread and no doubt.
    se = 0.0 if not np.ptp(gains) > 0 else se
    half = critical(level, cluster) * se
    return Value(value=mean, se=se, low=mean - half, high=mean + half, level=level, n=len(gains))


def _places(parts: list[NDArray]) -> NDArray:
    """Place of each customer within its own stage, 0 to 1: models of different stages are not compared by their level."""
    from scipy.stats import rankdata

    return np.concatenate([rankdata(part, axis=0) / len(part) for part in parts])

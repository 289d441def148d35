"""Held-out predictions: customers whose effects are predicted by models that were learned from other customers only.

Predictions are made in stages: a first share of the customers is learned from and the next one predicted, then both are learned from,
and so on (sequential validation; Wager 2024). Ordinary cross-fitting would let two folds judge each other, which finds a ranking
where there is none more often than its level allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.upsell_lift.estimate import scores
from helpers.upsell_lift.nuisance import Boosted, Linear, Models, cross_fitted, folds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from helpers.upsell_lift.nuisance import Regressor

# Shares of the customers: the first is only learned from.
STAGES = (0.4, 0.2, 0.2, 0.2)
VALIDATION = 3
PENALTIES = tuple(10.0**power for power in range(-4, 2))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage's held-out customers, and all that was learned without them.

    Attributes:
        train: Rows that were learned from.
        test: Rows that were predicted, shape (t,).
        learned: Doubly robust scores of the rows learned from, shape (rows, arms, outcomes).
        gamma: Doubly robust scores of the held-out rows, shape (t, arms, outcomes).
        mu: Their expected outcomes, shape (t, arms, outcomes).
        effect: Predicted effect of each arm against the control, shape (t, arms - 1, targets).
        learners: Base learner of each prediction.
    """

    train: NDArray
    test: NDArray
    learned: NDArray
    gamma: NDArray
    mu: NDArray
    effect: NDArray
    learners: tuple[str, ...]


def stages(n: int, *, seed: int, cluster: NDArray | None = None) -> Iterator[tuple[NDArray, NDArray]]:
    """Rows to learn from and rows to predict, a stage at a time; a cluster's customers stay together."""
    fold = folds(n, k=round(1 / STAGES[-1]), seed=seed, cluster=cluster)
    first = round(STAGES[0] / STAGES[-1])
    for k in range(first, fold.max() + 1):
        yield np.flatnonzero(fold < k), np.flatnonzero(fold == k)


def held_out(
    X: NDArray,
    Y: NDArray,
    arm: NDArray,
    *,
    arms: int,
    shares: NDArray | None,
    targets: tuple[int, ...],
    train: NDArray,
    test: NDArray,
    seed: int,
    cluster: NDArray | None = None,
) -> Stage:
    """One stage.

    Args:
        X: Covariates, shape (n, p).
        Y: Outcomes, shape (n, m).
        arm: Arm of each.
        arms: Number of arms.
        shares: Known propensities, shape (arms,); `None` to learn them.
        targets: Outcomes whose effects are predicted.
        train: Rows to learn from.
        test: Rows to predict.
        seed: Of everything random.
        cluster: Group of each.
    """
    learned = doubly_robust(
        X[train], Y[train], arm[train], arms=arms, shares=shares, seed=seed, cluster=_of(cluster, train)
    )
    found = Models(arms=arms, shares=shares, seed=seed).fit(X[train], Y[train], arm[train]).predict(X[test])
    gamma = np.stack([scores(Y[test, m], arm[test], found.mu[:, :, m], found.e) for m in range(Y.shape[1])], axis=2)
    effect = np.empty((len(test), arms - 1, len(targets)))
    names: list[str] = []
    for place, target in enumerate(targets):
        for a in range(1, arms):
            model, name = learner(X[train], learned[:, a, target] - learned[:, 0, target], seed=seed)
            effect[:, a - 1, place] = model.predict(X[test])
            names.append(name)
    return Stage(
        train=train, test=test, learned=learned, gamma=gamma, mu=found.mu, effect=effect, learners=tuple(names)
    )


def doubly_robust(
    X: NDArray,
    Y: NDArray,
    arm: NDArray,
    *,
    arms: int,
    shares: NDArray | None,
    seed: int,
    cluster: NDArray | None = None,
) -> NDArray:
    """Cross-fitted doubly robust scores, shape (n, arms, outcomes)."""
    fold = folds(len(X), seed=seed, cluster=cluster)
    found = cross_fitted(X, Y, arm, arms=arms, shares=shares, fold=fold, seed=seed)
    return np.stack([scores(Y[:, m], arm, found.mu[:, :, m], found.e) for m in range(Y.shape[1])], axis=2)


def learner(X: NDArray, gamma: NDArray, *, seed: int) -> tuple[Regressor, str]:
    """DR-learner: a regression of doubly robust scores on covariates (Kennedy 2023).

    The base learner is the better of a penalised linear one and a boosted one on a third of the customers.

    Args:
        X: Shape (n, p).
        gamma: Scores of one arm's effect, shape (n,).
        seed: Of trees and validation.

    Returns:
        The learner, fitted on all, and its name.
    """
    candidates: dict[str, Callable[[], Regressor]] = {
        "linear": Ridge,
        "boosted": lambda: Boosted(n=len(gamma), seed=seed),
    }
    name = "linear"
    if X.shape[1] and len(gamma) >= 60 * VALIDATION and np.ptp(gamma) > 0:
        seen = np.random.default_rng(seed).permutation(len(gamma)) % VALIDATION == 0
        losses = {
            one: float(((make().fit(X[~seen], gamma[~seen]).predict(X[seen]) - gamma[seen]) ** 2).mean())
            for one, make in candidates.items()
        }
        name = min(losses, key=losses.__getitem__)
    return candidates[name]().fit(X, gamma), name


class Ridge(Linear):
    """Least squares with a penalty chosen by generalised cross-validation (Golub, Heath & Wahba 1979)."""

    def fit(self, X: NDArray, y: NDArray) -> Ridge:
        """Learn from X of shape (n, p) and y of shape (n,)."""
        n = len(y)
        self.centre = X.mean(axis=0)
        spread = X.std(axis=0)
        self.spread = np.where(spread > 0, spread, 1.0)
        self.level = y.mean(axis=0)
        Z = (X - self.centre) / self.spread
        values, vectors = np.linalg.eigh(Z.T @ Z)
        values = np.maximum(values, 0.0)
        along = vectors.T @ (Z.T @ (y - self.level))
        total = float(((y - self.level) ** 2).sum())
        best: tuple[float, NDArray] = (np.inf, np.zeros(len(along)))
        for penalty in (n * one for one in PENALTIES):
            slope = along / (values + penalty)
            rest = total - float((slope * (2 * along - values * slope)).sum())
            freedom = 1 + float((values / (values + penalty)).sum())
            score = rest / max(1 - freedom / n, 1e-9) ** 2
            if score < best[0]:
                best = (score, slope)
        self.slope = vectors @ best[1]
        return self


def _of(cluster: NDArray | None, rows: NDArray) -> NDArray | None:
    return None if cluster is None else np.unique(cluster[rows], return_inverse=True)[1]

"""Nuisances: expected outcomes under each arm and propensities, cross-fitted (Chernozhukov et al. 2018).

Where chance assigned the offers, propensities are the arms' shares and outcome models only make intervals narrower, so a linear
model is enough. Elsewhere both models decide, and each is the better of a linear and a boosted one on customers it has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FOLDS = 5
VALIDATION = 3
LEAST_LEARNED = 120


class Regressor(Protocol):
    """What predicts a number from covariates."""

    def fit(self, X: NDArray, y: NDArray) -> Any:
        """Learn."""

    def predict(self, X: NDArray) -> NDArray:
        """Predict, shape (n,)."""


@dataclass(frozen=True, kw_only=True)
class Nuisances:
    """Predictions for customers that the models had not seen.

    Attributes:
        mu: Expected outcomes under each arm, shape (n, arms, outcomes).
        e: Propensities, shape (n, arms).
    """

    mu: NDArray
    e: NDArray


class Linear:
    """Least squares of one or several outcomes, with a penalty of one customer's weight against columns that say the same."""

    def fit(self, X: NDArray, y: NDArray) -> Linear:
        """Learn from X of shape (n, p) and y of shape (n,) or (n, m)."""
        self.centre = X.mean(axis=0)
        spread = X.std(axis=0)
        self.spread = np.where(spread > 0, spread, 1.0)
        Z = (X - self.centre) / self.spread
        self.level = y.mean(axis=0)
        gram = Z.T @ Z
        gram[np.diag_indices_from(gram)] += 1.0
        self.slope = np.linalg.solve(gram, Z.T @ (y - self.level)) if X.shape[1] else np.zeros((0, *y.shape[1:]))
        return self

    def predict(self, X: NDArray) -> NDArray:
        """Predict."""
        return self.level + ((X - self.centre) / self.spread) @ self.slope


class Boosted:
    """Boosted trees, small enough that noise does not fill them.

    They are kept to one thread: on a busy machine, threads that wait for one another cost many times what they save.

    Args:
        n: Customers to be learned from.
        seed: Of the trees.
        classes: Whether arms are told apart rather than a number predicted.
    """

    def __init__(self, *, n: int, seed: int, classes: bool = False) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        self.model = kind(
            max_iter=80,
            learning_rate=0.08,
            max_leaf_nodes=8,
            min_samples_leaf=max(20, n // 200),
            early_stopping=False,
            random_state=seed,
        )

    def fit(self, X: NDArray, y: NDArray) -> Boosted:
        """Learn."""
        with _one_thread():
            self.model.fit(X, y)
        return self

    def predict(self, X: NDArray) -> NDArray:
        """Predict a number."""
        with _one_thread():
            return self.model.predict(X)

    def predict_proba(self, X: NDArray) -> NDArray:
        """Predict the probability of each arm."""
        with _one_thread():
            return self.model.predict_proba(X)


def _one_thread() -> Any:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="openmp")


def folds(n: int, *, k: int = FOLDS, seed: int, cluster: NDArray | None = None) -> NDArray:
    """Fold of each customer, 0 to k - 1; a cluster is in one."""
    rng = np.random.default_rng(seed)
    if cluster is None:
        return rng.permutation(n) % k
    groups, place = np.unique(cluster, return_inverse=True)
    return (rng.permutation(len(groups)) % k)[place]


def splits(fold: NDArray) -> Iterator[tuple[NDArray, NDArray]]:
    """Rows to learn from and rows to predict, a fold at a time."""
    for k in np.unique(fold):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)


class Models:
    """Outcome models of every arm and a propensity model.

    Args:
        shares: Arms' shares, where chance assigned them; otherwise propensities are learned.
        seed: Of boosted trees and validation.
    """

    def __init__(self, *, arms: int, shares: NDArray | None, seed: int) -> None:
        self.arms, self.shares, self.seed = arms, shares, seed

    def fit(self, X: NDArray, Y: NDArray, arm: NDArray) -> Models:
        """Learn from X (n, p), outcomes Y (n, m) and arms (n,)."""
        self.outcomes: list[list[Regressor]] = []
        for a in range(self.arms):
            own = np.flatnonzero(arm == a)
            self.outcomes.append(self._outcome_models(X[own], Y[own]))
        self.propensity = None if self.shares is not None else self._propensity(X, arm)
        return self

    def predict(self, X: NDArray) -> Nuisances:
        """Nuisances of customers that were not learned from."""
        mu = np.stack([self._predict_arm(models, X) for models in self.outcomes], axis=1)
        if self.shares is not None:
            return Nuisances(mu=mu, e=np.broadcast_to(self.shares, (len(X), self.arms)))
        return Nuisances(mu=mu, e=self.propensity.predict_proba(X))  # type: ignore[union-attr]

    def _outcome_models(self, X: NDArray, Y: NDArray) -> list[Regressor]:
        if self.shares is not None:
            return [Linear().fit(X, Y)]
        return [better_regressor(X, Y[:, m], seed=self.seed) for m in range(Y.shape[1])]

    def _predict_arm(self, models: list[Regressor], X: NDArray) -> NDArray:
        if self.shares is not None:
            return models[0].predict(X)
        return np.column_stack([model.predict(X) for model in models])

    def _propensity(self, X: NDArray, arm: NDArray) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        candidates = (
            lambda: make_pipeline(StandardScaler(), LogisticRegression(C=100.0, max_iter=2000)),
            lambda: Boosted(n=len(arm), seed=self.seed, classes=True),
        )
        seen = _validation(len(X), self.seed)
        if len(arm) < LEAST_LEARNED or min(np.bincount(arm[~seen], minlength=self.arms)) == 0:
            return candidates[0]().fit(X, arm)
        labels = np.arange(self.arms)
        losses = [
            log_loss(arm[seen], one().fit(X[~seen], arm[~seen]).predict_proba(X[seen]), labels=labels)
            for one in candidates
        ]
        return candidates[int(np.argmin(losses))]().fit(X, arm)


def cross_fitted(
    X: NDArray, Y: NDArray, arm: NDArray, *, arms: int, shares: NDArray | None, fold: NDArray, seed: int
) -> Nuisances:
    """Nuisances of every customer from models that were fitted without its fold.

    Args:
        X: Shape (n, p).
        Y: Shape (n, m).
        arm: Shape (n,), 0 to arms - 1.
        arms: Number of arms.
        shares: Known propensities, shape (arms,); `None` to learn them.
        fold: Shape (n,), from `folds`.
        seed: Of everything random.
    """
    mu = np.empty((len(X), arms, Y.shape[1]))
    e = np.empty((len(X), arms))
    for train, test in splits(fold):
        found = Models(arms=arms, shares=shares, seed=seed).fit(X[train], Y[train], arm[train]).predict(X[test])
        mu[test], e[test] = found.mu, found.e
    return Nuisances(mu=mu, e=e)


def better_regressor(X: NDArray, y: NDArray, *, seed: int) -> Regressor:
    """The linear or the boosted learner, whichever predicts a third of the customers better from the rest, fitted on all."""
    candidates = (Linear, lambda: Boosted(n=len(y), seed=seed))
    if len(y) < LEAST_LEARNED or not X.shape[1] or np.ptp(y) == 0:
        return Linear().fit(X, y)
    seen = _validation(len(y), seed)
    losses = [float(((one().fit(X[~seen], y[~seen]).predict(X[seen]) - y[seen]) ** 2).mean()) for one in candidates]
    return candidates[int(np.argmin(losses))]().fit(X, y)


def _validation(n: int, seed: int) -> NDArray:
    """Every third customer in a random order."""
    return np.random.default_rng(seed).permutation(n) % VALIDATION == 0

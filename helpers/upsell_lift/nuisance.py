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
LEARNERS = ("linear", "boosted")


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


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """Which learner each model is: of outcomes by arm and outcome, and of the propensities; `None` where those are known."""

    outcomes: tuple[tuple[str, ...], ...]
    propensity: str | None


class Models:
    """Outcome models of every arm and a propensity model.

    Args:
        arms: Number of arms.
        shares: Arms' shares, where chance assigned them; otherwise propensities are learned.
        seed: Of boosted trees and validation.
        kinds: Learners, where they have been chosen already.
    """

    def __init__(self, *, arms: int, shares: NDArray | None, seed: int, kinds: Kinds | None = None) -> None:
        self.arms, self.shares, self.seed, self.kinds = arms, shares, seed, kinds

    def fit(self, X: NDArray, Y: NDArray, arm: NDArray) -> Models:
        """Learn from X (n, p), outcomes Y (n, m) and arms (n,)."""
        # Where none of an arm's few customers is among these, all customers stand in; such an arm never gets past its gate.
        own = [rows if len(rows := np.flatnonzero(arm == a)) else np.arange(len(arm)) for a in range(self.arms)]
        if self.shares is not None:
            self.linear = [Linear().fit(X[rows], Y[rows]) for rows in own]
            return self
        kinds = self.kinds or choose(X, Y, arm, arms=self.arms, seed=self.seed)
        self.outcomes = [
            [_outcome(name, len(rows), self.seed).fit(X[rows], Y[rows, m]) for m, name in enumerate(names)]
            for rows, names in zip(own, kinds.outcomes, strict=True)
        ]
        self.propensity = _propensity(str(kinds.propensity), len(X), self.seed).fit(X, arm)
        self.propensity_arms = np.unique(arm)
        return self

    def predict(self, X: NDArray) -> Nuisances:
        """Nuisances of customers that were not learned from."""
        if self.shares is not None:
            mu = np.stack([model.predict(X) for model in self.linear], axis=1)
            return Nuisances(mu=mu, e=np.broadcast_to(self.shares, (len(X), self.arms)))
        mu = np.stack([np.column_stack([one.predict(X) for one in models]) for models in self.outcomes], axis=1)
        # An arm of few customers may be missing among those learned from.
        e = np.zeros((len(X), self.arms))
        e[:, self.propensity_arms] = self.propensity.predict_proba(X)
        return Nuisances(mu=mu, e=e)


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
    # Linear or boosted is chosen once for all folds; what either has learned of a fold's customers plays no part in its predictions.
    kinds = None if shares is not None else choose(X, Y, arm, arms=arms, seed=seed)
    for train, test in splits(fold):
        models = Models(arms=arms, shares=shares, seed=seed, kinds=kinds).fit(X[train], Y[train], arm[train])
        found = models.predict(X[test])
        mu[test], e[test] = found.mu, found.e
    return Nuisances(mu=mu, e=e)


def choose(X: NDArray, Y: NDArray, arm: NDArray, *, arms: int, seed: int) -> Kinds:
    """For each model the linear or the boosted learner, whichever predicts a third of the customers better from the rest."""
    outcomes = []
    for a in range(arms):
        rows = np.flatnonzero(arm == a)
        outcomes.append(tuple(better_outcome(X[rows], Y[rows, m], seed=seed) for m in range(Y.shape[1])))
    return Kinds(outcomes=tuple(outcomes), propensity=_better_propensity(X, arm, arms=arms, seed=seed))


def better_outcome(X: NDArray, y: NDArray, *, seed: int) -> str:
    """The better learner of one outcome: `linear` or `boosted`."""
    if len(y) < LEAST_LEARNED or not X.shape[1] or not np.ptp(y) > 0:
        return "linear"
    seen = _validation(len(y), seed)
    losses = {
        name: float(((_outcome(name, len(y), seed).fit(X[~seen], y[~seen]).predict(X[seen]) - y[seen]) ** 2).mean())
        for name in LEARNERS
    }
    return min(losses, key=losses.__getitem__)


def _outcome(name: str, n: int, seed: int) -> Regressor:
    return Linear() if name == "linear" else Boosted(n=n, seed=seed)


def _propensity(name: str, n: int, seed: int) -> Any:
    if name == "boosted":
        return Boosted(n=n, seed=seed, classes=True)
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=100.0, max_iter=2000))


def _better_propensity(X: NDArray, arm: NDArray, *, arms: int, seed: int) -> str:
    from sklearn.metrics import log_loss

    seen = _validation(len(X), seed)
    if len(arm) < LEAST_LEARNED or min(np.bincount(arm[~seen], minlength=arms)) == 0:
        return "linear"
    losses = {
        name: log_loss(
            arm[seen],
            _propensity(name, len(X), seed).fit(X[~seen], arm[~seen]).predict_proba(X[seen]),
            labels=np.arange(arms),
        )
        for name in LEARNERS
    }
    return min(losses, key=losses.__getitem__)


def _validation(n: int, seed: int) -> NDArray:
    """Every third customer in a random order."""
    return np.random.default_rng(seed).permutation(n) % VALIDATION == 0

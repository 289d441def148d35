"""Policy tree: the best rule of at most two questions, found by looking at all of them (Zhou, Athey & Wager 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUTS = 7
MOST_QUESTIONS = 120
# A leaf holds at least this share of the customers.
LEAST_LEAF = 0.02
LARGEST = 200_000
BLOCK = 20_000


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question about one customer.

    Attributes:
        column: Column of the design.
        cut: Yes, where the column is above it.
    """

    column: int
    cut: float

    def asked(self, X: NDArray) -> NDArray:
        """Answers, shape (n,)."""
        return X[:, self.column] > self.cut


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A rule.

    Attributes:
        first: Asked of everyone; `None` where one offer, or none, is best for all.
        then: Asked of those who answer no, and of those who answer yes.
        leaves: Offers (0 for none) for no-no, no-yes, yes-no and yes-yes.
    """

    first: Question | None
    then: tuple[Question | None, Question | None]
    leaves: tuple[int, int, int, int]

    def choose(self, X: NDArray) -> NDArray:
        """Offer of each customer, shape (n,)."""
        if self.first is None:
            return np.full(len(X), self.leaves[0])
        side = self.first.asked(X).astype(int)
        second = [np.zeros(len(X), int) if one is None else one.asked(X).astype(int) for one in self.then]
        return np.array(self.leaves)[2 * side + np.where(side == 1, second[1], second[0])]


def questions(X: NDArray) -> list[Question]:
    """Candidates: every level of a category, and cuts of every number at its quantiles."""
    found: list[Question] = []
    cuts = max(1, min(CUTS, MOST_QUESTIONS // max(X.shape[1], 1)))
    for column in range(X.shape[1]):
        values = X[:, column]
        if not np.isin(values[:1000], (0.0, 1.0)).all():
            marks = np.unique(np.quantile(values, np.arange(1, cuts + 1) / (cuts + 1), method="lower"))
            found += [Question(column=column, cut=float(mark)) for mark in marks if mark < values.max()]
        else:
            found.append(Question(column=column, cut=0.5))
    return found[:MOST_QUESTIONS]


def grow(X: NDArray, gain: NDArray, *, seed: int) -> Tree:
    """The rule whose customers' gains add up to most.

    Args:
        X: Shape (n, p).
        gain: Doubly robust score of each offer's incremental profit, shape (n, offers); offering nothing gains 0.
        seed: Of the customers that are looked at, where there are very many.
    """
    if len(X) > LARGEST:
        picked = np.random.default_rng(seed).permutation(len(X))[:LARGEST]
        X, gain = X[picked], gain[picked]
    totals = np.concatenate([[0.0], gain.sum(axis=0)])
    nobody = Tree(first=None, then=(None, None), leaves=(int(totals.argmax()),) * 4)
    asked = questions(X)
    if not asked:
        return nobody
    both, size = _crossed(X, gain, asked)
    n, least = len(X), LEAST_LEAF * len(X)
    single = np.diagonal(both, axis1=1, axis2=2)
    total = gain.sum(axis=0)[:, None, None]
    # Rows are the first question, columns the second; sums of those who answer each way.
    sums = {
        "nn": total - single[:, :, None] - single[:, None, :] + both,
        "ny": single[:, None, :] - both,
        "yn": single[:, :, None] - both,
        "yy": both,
    }
    counted = np.diagonal(size)
    counts = {
        "nn": n - counted[:, None] - counted[None, :] + size,
        "ny": counted[None, :] - size,
        "yn": counted[:, None] - size,
        "yy": size,
    }
    best = {key: np.maximum(value.max(axis=0), 0.0) for key, value in sums.items()}
    chosen = []
    for side in ("n", "y"):
        pair = best[side + "n"] + best[side + "y"]
        allowed = (counts[side + "n"] >= least) & (counts[side + "y"] >= least)
        alone = np.diagonal(best["nn" if side == "n" else "yy"])
        pair = np.where(allowed, pair, -np.inf)
        second = pair.argmax(axis=1)
        value = np.maximum(pair.max(axis=1), alone)
        chosen.append((value, np.where(pair.max(axis=1) > alone + 1e-9, second, -1)))
    value = chosen[0][0] + chosen[1][0]
    value = np.where((counted >= least) & (n - counted >= least), value, -np.inf)
    at = int(value.argmax())
    if not value[at] > totals.max() + 1e-9:
        return nobody
    seconds = [int(one[1][at]) for one in chosen]
    leaves: list[int] = []
    for side, own_second in zip(("n", "y"), seconds, strict=True):
        for answer in ("n", "y"):
            place = (side + side, at, at) if own_second < 0 else (side + answer, at, own_second)
            own = sums[place[0]][:, place[1], place[2]]
            leaves.append(int(np.concatenate([[0.0], own]).argmax()))
    then = tuple(None if one < 0 else asked[one] for one in seconds)
    return Tree(first=asked[at], then=then, leaves=tuple(leaves))  # type: ignore[arg-type]


def _crossed(X: NDArray, gain: NDArray, asked: list[Question]) -> tuple[NDArray, NDArray]:
    """Sums of gains, shape (offers, q, q), and customers, (q, q), of those who answer yes to both of two questions."""
    both = np.zeros((gain.shape[1], len(asked), len(asked)))
    size = np.zeros((len(asked), len(asked)))
    for start in range(0, len(X), BLOCK):
        part = slice(start, start + BLOCK)
        yes = np.column_stack([one.asked(X[part]) for one in asked]).astype(float)
        size += yes.T @ yes
        for k in range(gain.shape[1]):
            both[k] += yes.T @ (yes * gain[part, k : k + 1])
    return both, size


def describe(tree: Tree, names: tuple[str, ...]) -> list[tuple[list[tuple[Question, bool]], str]]:
    """Leaves as the answers that lead to them and the offer's name; leaves that lead to one offer are one."""
    if tree.first is None:
        return [([], names[tree.leaves[0]])]
    found: list[tuple[list[tuple[Question, bool]], str]] = []
    for side in (1, 0):
        pair = tree.leaves[2 * side : 2 * side + 2]
        second = tree.then[side]
        head = [(tree.first, bool(side))]
        if second is None or pair[0] == pair[1]:
            found.append((head, names[pair[0]]))
        else:
            found += [([*head, (second, True)], names[pair[1]]), ([*head, (second, False)], names[pair[0]])]
    return found

"""Allocation: at most one offer a customer, so that expected profit is greatest within the budget.

It is a multiple-choice knapsack (Sinha & Zoltners 1979). Small ones are solved exactly as a mixed-integer programme. For large ones
each customer's offers are taken in the order of profit gained a unit of cost, over all customers, until the budget is spent: that is
the optimum but for the one customer at whom it runs out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT = 3000


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """Who gets which offer.

    Attributes:
        choice: Offer of each customer, shape (n,): 0 for none, k for the k-th column.
        profit: Expected profit of all.
        cost: Expected cost of all.
        gap: What the best possible allocation may earn more, at most.
    """

    choice: NDArray
    profit: float
    cost: float
    gap: float


def allocate(profit: NDArray, cost: NDArray, *, budget: float | None = None) -> Allocation:
    """The allocation of greatest expected profit.

    Args:
        profit: Expected incremental profit of each offer for each customer, its cost taken off; shape (n, offers).
        cost: Expected cost of each, not negative; shape (n, offers).
        budget: Most that all may cost.

    Raises:
        ValueError: A cost or the budget is negative.
    """
    if (cost < 0).any() or (budget is not None and budget < 0):
        raise ValueError("cost and budget must be >= 0")
    best = np.where(profit.max(axis=1) > 0, profit.argmax(axis=1) + 1, 0)
    if budget is None or _total(cost, best) <= budget:
        return _allocation(profit, cost, best, 0.0)
    if profit.size <= EXACT:
        return _allocation(profit, cost, _exact(profit, cost, budget), 0.0)
    choice, gap = _greedy(profit, cost, budget)
    return _allocation(profit, cost, choice, gap)


def _total(values: NDArray, choice: NDArray) -> float:
    rows = np.flatnonzero(choice)
    return float(values[rows, choice[rows] - 1].sum())


def _allocation(profit: NDArray, cost: NDArray, choice: NDArray, gap: float) -> Allocation:
    return Allocation(choice=choice, profit=_total(profit, choice), cost=_total(cost, choice), gap=gap)


def _exact(profit: NDArray, cost: NDArray, budget: float) -> NDArray:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    n, offers = profit.shape
    one_each = csr_array((np.ones(n * offers), (np.repeat(np.arange(n), offers), np.arange(n * offers))))
    solved = milp(
        -profit.ravel(),
        constraints=[LinearConstraint(one_each, ub=1), LinearConstraint(cost.reshape(1, -1), ub=budget)],
        integrality=np.ones(n * offers),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    if solved.x is None:
        raise RuntimeError(f"the allocation was not solved: {solved.message}")
    taken = solved.x.reshape(n, offers) > 0.5  # noqa: PLR2004 - a binary variable
    return np.where(taken.any(axis=1), taken.argmax(axis=1) + 1, 0)


def _greedy(profit: NDArray, cost: NDArray, budget: float) -> tuple[NDArray, float]:
    """Steps along each customer's concave frontier of profit over cost, best ratio first."""
    owner, offer, more, dearer = _frontier(profit, cost)
    ratio = np.divide(more, dearer, out=np.full_like(more, np.inf), where=dearer > 0)
    order = np.argsort(-ratio, kind="stable")
    spent = np.cumsum(dearer[order])
    fits = spent <= budget * (1 + 1e-12)
    stop = int(np.argmin(fits)) if not fits.all() else len(order)
    choice = np.zeros(len(profit), dtype=int)
    # Later steps of a customer have smaller ratios, so the last one taken is the one that stands.
    taken = order[:stop]
    choice[owner[taken]] = offer[taken] + 1
    gap = float(more[order[stop]]) if stop < len(order) else 0.0
    return choice, gap


def _frontier(profit: NDArray, cost: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Each customer's steps: owner, offer, profit gained and cost added; ratios fall along a customer's steps."""
    n = len(profit)
    at_profit, at_cost = np.zeros(n), np.zeros(n)
    steps: list[tuple[NDArray, NDArray, NDArray, NDArray]] = []
    for _step in range(profit.shape[1]):
        more = profit - at_profit[:, None]
        dearer = cost - at_cost[:, None]
        better = (more > 0) & (dearer >= 0)
        ratio = np.divide(more, dearer, out=np.full_like(more, np.inf), where=dearer > 0)
        # Of several free steps the most profitable counts.
        ratio = np.where(better, np.where(np.isinf(ratio), 1e300 * (1 + more / (1 + more.max())), ratio), -1.0)
        offer = ratio.argmax(axis=1)
        rows = np.flatnonzero(ratio.max(axis=1) > 0)
        if not len(rows):
            break
        steps.append((rows, offer[rows], more[rows, offer[rows]], dearer[rows, offer[rows]]))
        at_profit[rows], at_cost[rows] = profit[rows, offer[rows]], cost[rows, offer[rows]]
    if not steps:
        return tuple(np.empty(0, dtype=kind) for kind in (int, int, float, float))  # type: ignore[return-value]
    return tuple(np.concatenate([step[place] for step in steps]) for place in range(4))  # type: ignore[return-value]

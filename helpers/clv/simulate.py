"""Futures: orders, spend and drop-out of each customer, drawn together from the posterior.

Each future of a customer starts from one posterior draw of the parameters: alive or not, a rate, a drop-out, a level of
spend, then order after order until the customer stops or the horizon ends. Nothing is averaged before it is multiplied,
so intervals hold what they say. Futures are made customer by customer: memory does not grow with their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PILOT = 4_000
CELLS = 10_000_000
FEWEST, MOST = 100, 1000


@dataclass(frozen=True, kw_only=True)
class Futures:
    """What the futures of all customers say.

    Attributes:
        customers: Shape (n,) each: mean, 5 % and 95 % points (or those of `level`) of orders and value, chance of any order,
            `p_above` (value above the CAC), `p_top` (value among the top tenth of its draw).
        orders: Orders of the whole base, shape (draws, months).
        value: Discounted margin of each group, shape (draws, groups).
        draws: Futures a customer.
    """

    customers: dict[str, NDArray]
    orders: NDArray
    value: NDArray
    draws: int


def simulate(
    *,
    process: str,
    x: NDArray,
    t_x: NDArray,
    T: NDArray,
    spend_x: NDArray,
    spend_total: NDArray,
    rate: NDArray,
    purchase: dict[str, NDArray],
    spend: dict[str, NDArray],
    discount: NDArray,
    month: float,
    margin: float,
    cac: float | NDArray,
    group: NDArray,
    groups: int,
    level: float,
    seed: int,
    draws: int | None = None,
) -> Futures:
    """Draw every customer's futures.

    Args:
        process: The purchase process.
        x: Repeat orders, shape (n,).
        t_x: Days from first to last order, shape (n,).
        T: Days from first order to now, shape (n,).
        spend_x: Orders the mean spend is known from, shape (n,).
        spend_total: Their sum, shape (n,).
        rate: Centred log order rate, which spend goes with where the spend parameters have a `c`; shape (n,).
        purchase: Parameters, shape (s, groups or 1) each, times in days.
        spend: p, q, v and perhaps c, shape (s,) each.
        discount: Factor on what month k brings, shape (months,).
        month: Days in a month.
        margin: Share of revenue.
        cac: What `p_above` compares with, one for all or shape (n,).
        group: Place of each customer's group, shape (n,).
        groups: How many groups there are.
        level: Coverage of the intervals.
        seed: Of all randomness.
        draws: Futures a customer; chosen by size unless given.
    """
    from helpers.clv.futures import BG, MBG, PARETO, run_futures

    n = len(x)
    total = draws or int(np.clip(CELLS // max(n, 1), FEWEST, MOST))
    rng = np.random.default_rng(seed)
    names = ("r", "alpha", "s", "beta") if process == "pareto_nbd" else ("r", "alpha", "a", "b")
    picks = rng.permutation(np.resize(np.arange(len(purchase["r"])), total))
    theta = np.stack([np.broadcast_to(purchase[name], purchase["r"].shape)[picks] for name in names], axis=-1)
    places = rng.permutation(np.resize(np.arange(len(spend["p"])), total))
    money = np.stack([spend.get(name, np.zeros_like(spend["p"]))[places] for name in "pqvc"], axis=-1)
    kind = {"mbg_nbd": MBG, "bg_nbd": BG, "pareto_nbd": PARETO}[process]
    arrays = [np.ascontiguousarray(part, dtype=float) for part in (x, t_x, T, spend_x, spend_total, rate)]
    edges = np.ascontiguousarray(np.broadcast_to(cac, n), dtype=float)
    own = group.astype(np.int64) if theta.shape[1] > 1 else np.zeros(n, dtype=np.int64)
    tail = (1 - level) / 2
    place = np.array([tail, 1 - tail])

    def run(rows: NDArray, top: NDArray, *, keep: bool, offset: int) -> Any:
        return run_futures(
            kind,
            *(part[rows] for part in arrays),
            own[rows],
            group[rows].astype(np.int64),
            theta,
            money,
            discount * margin,
            month,
            edges[rows],
            place,
            top,
            seed + offset,
            n=len(rows),
            draws=total,
            months=len(discount),
            groups=groups,
            keep=keep,
        )

    edge = np.full(total, np.inf)
    if n <= PILOT:
        found, orders, value, values = run(np.arange(n), edge, keep=True, offset=0)
        found[:, -1] = (values > np.quantile(values, 0.9, axis=0)).mean(axis=1)
    else:
        # The top tenth of a draw is known from a sample before all customers go through.
        pilot = np.sort(rng.choice(n, PILOT, replace=False))
        edge = np.quantile(run(pilot, edge, keep=True, offset=7_919)[-1], 0.9, axis=0)
        found, orders, value, _ = run(np.arange(n), edge, keep=False, offset=0)
    labels = ("orders", "orders_low", "orders_high", "p_order", "value", "value_low", "value_high", "p_above", "p_top")
    return Futures(customers=dict(zip(labels, found.T, strict=True)), orders=orders, value=value, draws=total)

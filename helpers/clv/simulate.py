"""Futures: orders, spend and drop-out of each customer, drawn together from the posterior.

Each future of a customer starts from one posterior draw of the parameters: alive or not, a rate, a drop-out, a level of
spend, then order after order until the customer stops or the horizon ends. Nothing is averaged before it is multiplied,
so intervals hold what they say. Futures are made customer by customer: memory does not grow with their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.clv.purchase import NODES, REACH

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

BLOCK = 512
PILOT = 4_000
CELLS = 10_000_000
FEWEST, MOST = 100, 1000
ORDERS_AT_MOST = 100_000


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
    T: NDArray,  # noqa: N803 - the literature's letter
    spend_x: NDArray,
    spend_total: NDArray,
    rate: NDArray,
    purchase: dict[str, NDArray],
    spend: dict[str, NDArray],
    discount: NDArray,
    month: float,
    margin: float,
    cac: float,
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
        cac: What `p_above` compares with.
        group: Place of each customer's group, shape (n,).
        groups: How many groups there are.
        level: Coverage of the intervals.
        seed: Of all randomness.
        draws: Futures a customer; chosen by size unless given.
    """
    n = len(x)
    total = draws or int(np.clip(CELLS // max(n, 1), FEWEST, MOST))
    rng = np.random.default_rng(seed)
    names = ("r", "alpha", "s", "beta") if process == "pareto_nbd" else ("r", "alpha", "a", "b")
    picks = rng.permutation(np.resize(np.arange(len(purchase["r"])), total))
    theta = np.stack([np.broadcast_to(purchase[name], purchase["r"].shape)[picks] for name in names], axis=-1)
    places = rng.permutation(np.resize(np.arange(len(spend["p"])), total))
    money = np.stack([spend.get(name, np.zeros_like(spend["p"]))[places] for name in "pqvc"], axis=-1)
    kernel = _kernel()
    kind = {"mbg_nbd": 1, "bg_nbd": 0, "pareto_nbd": 2}[process]
    arrays = [np.ascontiguousarray(part, dtype=float) for part in (x, t_x, T, spend_x, spend_total, rate)]
    own = group.astype(np.int64) if theta.shape[1] > 1 else np.zeros(n, dtype=np.int64)
    tail = (1 - level) / 2
    place = np.array([tail, 1 - tail])

    def run(rows: NDArray, top: NDArray, keep: bool, offset: int) -> Any:  # noqa: FBT001
        return kernel(
            kind,
            *(part[rows] for part in arrays),
            own[rows],
            group[rows].astype(np.int64),
            groups,
            theta,
            money,
            discount * margin,
            month,
            float(cac),
            place,
            top,
            keep,
            seed + offset,
        )

    pilot = np.arange(n) if n <= PILOT else np.sort(rng.choice(n, PILOT, replace=False))
    edge = np.full(total, np.inf)
    values = run(pilot, edge, True, 7_919)[-1]
    edge = np.quantile(values, 0.9, axis=0)
    found, orders, value, _ = run(np.arange(n), edge, False, 0)
    labels = ("orders", "orders_low", "orders_high", "p_order", "value", "value_low", "value_high", "p_above", "p_top")
    return Futures(customers=dict(zip(labels, found.T, strict=True)), orders=orders, value=value, draws=total)


@cache
def _kernel() -> Callable[..., Any]:
    """The compiled loop over customers and draws."""
    from numba import njit, prange

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    nodes, weights = (nodes + 1) / 2, weights / 2

    @njit(cache=True)
    def p_alive_pareto(r, alpha, s, beta, x, t_x, T):  # noqa: ANN001, ANN202, N803
        """By the same quadrature as the likelihood's."""
        whole = np.log((alpha + T) / (alpha + t_x))
        reach = min(whole, REACH / (r + x))
        total = 0.0
        for k in range(len(nodes)):
            u = nodes[k] * reach
            moment = t_x + (alpha + t_x) * np.expm1(u)
            exponent = -(r + x - 1.0) * u - (s + 1.0) * np.log((beta + moment) / (beta + T)) + (r + x) * whole
            total += weights[k] * np.exp(min(exponent, 700.0))
        return 1.0 / (1.0 + s / (beta + T) * (alpha + t_x) * reach * total)

    @njit(cache=True)
    def future(kind, x, t_x, T, spend_x, spend_total, pace, theta, money, gain, length, by_month):  # noqa: ANN001, ANN202, N803
        """Orders and value of one future; adds its orders to `by_month`."""
        r, alpha, third, fourth = theta[0], theta[1], theta[2], theta[3]
        months = len(gain)
        if kind == 2:
            alive = p_alive_pareto(r, alpha, third, fourth, x, t_x, T)
        elif kind == 0 and x == 0:
            alive = 1.0
        else:
            chances = x + 1.0 if kind == 1 else x
            exponent = (r + x) * np.log((alpha + T) / (alpha + t_x))
            odds = np.log(third / (fourth + chances - 1.0)) + exponent
            alive = 1.0 / (1.0 + np.exp(min(odds, 700.0)))
        if np.random.random() >= alive:
            return 0, 0.0
        rate = np.random.gamma(r + x, 1.0) / (alpha + T)
        end = np.inf
        stop = 0.0
        if kind == 2:
            end = np.random.exponential(1.0) * (fourth + T) / max(np.random.gamma(third, 1.0), 1e-300)
        else:
            stop = np.random.beta(third, fourth + (x + 1.0 if kind == 1 else x))
        horizon = min(months * length, end)
        p, q, v = money[0], money[1], money[2]
        nu = np.random.gamma(p * spend_x + q, 1.0) / (v * np.exp(money[3] * pace) + spend_total)
        count, value, now = 0, 0.0, 0.0
        if rate <= 0.0:
            return 0, 0.0
        while count < ORDERS_AT_MOST:
            now += np.random.exponential(1.0) / rate
            if now >= horizon:
                break
            month = min(int(now / length), months - 1)
            count += 1
            by_month[month] += 1.0
            value += np.random.gamma(p, 1.0) / nu * gain[month]
            if kind != 2 and np.random.random() < stop:
                break
        return count, value

    @njit(cache=True, parallel=True)
    def run(
        kind,
        x,
        t_x,
        T,
        spend_x,
        spend_total,
        pace,
        own,
        group,
        groups,
        theta,
        money,
        gain,
        length,
        cac,
        place,
        top,
        keep,
        seed,
    ):
        n, draws, months = len(x), len(theta), len(gain)
        found = np.zeros((n, 9))
        blocks = (n + BLOCK - 1) // BLOCK
        threads = min(blocks, 8)
        orders = np.zeros((threads, draws, months))
        value = np.zeros((threads, draws, groups))
        kept = np.zeros((n if keep else 1, draws))
        for lane in prange(threads):
            counts, values = np.zeros(draws), np.zeros(draws)
            for block in range(lane, blocks, threads):
                np.random.seed((seed + block * 2_654_435) % 4_294_967_295)
                for i in range(block * BLOCK, min(n, (block + 1) * BLOCK)):
                    above, first = 0.0, 0.0
                    for s in range(draws):
                        count, worth = future(
                            kind, x[i], t_x[i], T[i], spend_x[i], spend_total[i], pace[i], theta[s, own[i]], money[s], gain, length,
                            orders[lane, s],
                        )  # fmt: skip
                        counts[s], values[s] = count, worth
                        value[lane, s, group[i]] += worth
                        above += worth > cac
                        first += worth > top[s]
                    if keep:
                        kept[i] = values
                    found[i, 0] = counts.mean()
                    found[i, 3] = (counts > 0).mean()
                    found[i, 4] = values.mean()
                    found[i, 7], found[i, 8] = above / draws, first / draws
                    counts.sort()
                    values.sort()
                    low, high = int(place[0] * draws), min(int(place[1] * draws), draws - 1)
                    found[i, 1], found[i, 2] = counts[low], counts[high]
                    found[i, 5], found[i, 6] = values[low], values[high]
        return found, orders.sum(axis=0), value.sum(axis=0), kept

    return run

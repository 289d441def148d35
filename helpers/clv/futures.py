"""The loop over customers and posterior draws, compiled by Numba: a textbook's story of one customer, told often.

Numba's compiled functions take positional arguments and its own seeded generator, one a thread.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from helpers.clv.purchase import NODES, REACH

if TYPE_CHECKING:
    from numpy.typing import NDArray

BG, MBG, PARETO = 0, 1, 2
BLOCK = 512
LANES = 8
ORDERS_AT_MOST = 100_000
PLACES, WEIGHTS = (
    (part + shift) / 2 for part, shift in zip(np.polynomial.legendre.leggauss(NODES), (1, 0), strict=True)
)


@njit(cache=True)
def p_alive_pareto(r, alpha, s, beta, x, t_x, T):
    """By the same quadrature as the likelihood's."""
    whole = np.log((alpha + T) / (alpha + t_x))
    reach = min(whole, REACH / (r + x))
    total = 0.0
    for k in range(len(PLACES)):
        u = PLACES[k] * reach
        moment = t_x + (alpha + t_x) * np.expm1(u)
        exponent = -(r + x - 1.0) * u - (s + 1.0) * np.log((beta + moment) / (beta + T)) + (r + x) * whole
        total += WEIGHTS[k] * np.exp(min(exponent, 700.0))
    return 1.0 / (1.0 + s / (beta + T) * (alpha + t_x) * reach * total)


@njit(cache=True)
def future(kind, x, t_x, T, spend_x, spend_total, pace, theta, money, gain, length, by_month):
    """Orders and value of one future; adds its orders to `by_month`."""
    r, alpha, third, fourth = theta[0], theta[1], theta[2], theta[3]
    months = len(gain)
    if kind == PARETO:
        alive = p_alive_pareto(r, alpha, third, fourth, x, t_x, T)
    elif kind == BG and x == 0:
        alive = 1.0
    else:
        chances = x + 1.0 if kind == MBG else x
        exponent = (r + x) * np.log((alpha + T) / (alpha + t_x))
        alive = 1.0 / (1.0 + third / (fourth + chances - 1.0) * np.exp(min(exponent, 700.0)))
    # One uniform number says whether the customer is alive, and if so what is left of it is uniform again.
    luck = np.random.random()
    if luck >= alive:
        return 0, 0.0
    horizon = months * length
    if kind == PARETO:
        end = np.random.exponential(1.0) * (fourth + T) / max(np.random.gamma(third, 1.0), 1e-300)
        horizon = min(horizon, end)
    # With its rate integrated out, the next order of one who is alive comes after a Lomax time. Most futures of most
    # bases hold no order: what only orders need is drawn once there is one.
    luck = max(luck / alive, 1e-300)
    now = (alpha + T) * np.expm1(-np.log(luck) / (r + x))
    if now >= horizon:
        return 0, 0.0
    rate = np.random.gamma(r + x + 1.0, 1.0) / (alpha + T + now)
    stop = 0.0
    if kind != PARETO:
        stop = np.random.beta(third, fourth + (x + 1.0 if kind == MBG else x))
    p, q, v = money[0], money[1], money[2]
    nu = np.random.gamma(p * spend_x + q, 1.0) / (v * np.exp(money[3] * pace) + spend_total)
    count, value = 0, 0.0
    while now < horizon and count < ORDERS_AT_MOST:
        month = min(int(now / length), months - 1)
        count += 1
        by_month[month] += 1.0
        value += np.random.gamma(p, 1.0) / nu * gain[month]
        if kind != PARETO and np.random.random() < stop:
            break
        now += np.random.exponential(1.0) / max(rate, 1e-300)
    return count, value


@njit(cache=True)
def order_statistic(drawn, draws, at):
    """Place `at` (from 0) in the order of `draws` numbers, of which all but the sorted `drawn` are 0 and these have one sign."""
    rest = draws - len(drawn)
    if len(drawn) and drawn[0] < 0:
        return drawn[at] if at < len(drawn) else 0.0
    return drawn[at - rest] if at >= rest else 0.0


@njit(cache=True, nogil=True)
def run_lane(
    lane,
    lanes,
    kind,
    x,
    t_x,
    T,
    spend_x,
    spend_total,
    pace,
    own,
    group,
    theta,
    money,
    gain,
    length,
    cac,
    place,
    top,
    seed,
    keep,
    found,
    orders,
    value,
    kept,
):
    """All futures of the customers of one lane: every `lanes`-th block from the `lane`-th on.

    Each block has a seed of its own, so the draws do not hang on the number of lanes or threads. Without the
    interpreter's lock, lanes run side by side. What they find goes into the last four: what is told of each customer (n, 9),
    the lane's orders (draws, months) and value (draws, groups), and each customer's values (n, draws) where `keep`.
    """
    n, draws = len(x), len(theta)
    blocks = (n + BLOCK - 1) // BLOCK
    counts, values = np.zeros(draws), np.zeros(draws)
    for block in range(lane, blocks, lanes):
        np.random.seed((seed + block * 2_654_435) % 4_294_967_295)
        for i in range(block * BLOCK, min(n, (block + 1) * BLOCK)):
            above, first, some = 0.0, 0.0, 0
            for s in range(draws):
                count, worth = future(
                    kind, x[i], t_x[i], T[i], spend_x[i], spend_total[i], pace[i], theta[s, own[i]], money[s], gain, length,
                    orders[s],
                )  # fmt: skip
                if count:
                    counts[some], values[some] = count, worth
                    some += 1
                    value[s, group[i]] += worth
                above += worth > cac[i]
                first += worth > top[s]
                if keep:
                    kept[i, s] = worth
            drawn_counts, drawn_values = np.sort(counts[:some]), np.sort(values[:some])
            found[i, 0] = drawn_counts.sum() / draws
            found[i, 3] = some / draws
            found[i, 4] = drawn_values.sum() / draws
            found[i, 7], found[i, 8] = above / draws, first / draws
            low, high = int(place[0] * draws), min(int(place[1] * draws), draws - 1)
            found[i, 1], found[i, 2] = (
                order_statistic(drawn_counts, draws, low),
                order_statistic(drawn_counts, draws, high),
            )
            found[i, 5], found[i, 6] = (
                order_statistic(drawn_values, draws, low),
                order_statistic(drawn_values, draws, high),
            )


def run_futures(*story: Any, n: int, draws: int, months: int, groups: int, keep: bool) -> tuple[NDArray, ...]:
    """All futures of all customers, on all cores.

    Args:
        story: What `run_lane` takes from `kind` to `seed`.
        n: Customers.
        draws: Futures of each.
        months: Of each future.
        groups: How many groups of customers there are.
        keep: Whether each customer's values are kept.

    Returns:
        Per customer (n, 9), orders (draws, months), value (draws, groups), and values (n, draws) where `keep`.
    """
    lanes = max(1, min((n + BLOCK - 1) // BLOCK, LANES))
    found, kept = np.zeros((n, 9)), np.zeros((n if keep else 1, draws))
    orders, value = np.zeros((lanes, draws, months)), np.zeros((lanes, draws, groups))

    kernel: Any = run_lane

    def run(lane: int) -> None:
        kernel(lane, lanes, *story, keep, found, orders[lane], value[lane], kept)

    with ThreadPoolExecutor(min(lanes, os.cpu_count() or 1)) as pool:
        deque(pool.map(run, range(lanes)), maxlen=0)
    return found, orders.sum(axis=0), value.sum(axis=0), kept

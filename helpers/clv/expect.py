"""Expectations in closed form or by quadrature: P(alive), expected orders by month, for each distinct history.

Given alive with drop-out p, the expected orders in the next t are E[(1 - exp(-lambda p t)) / p]. The rate integrates out in
closed form, (1 - (1 + p t / (alpha + T))^-(r + x)) / p; p ~ Beta(a, b + k) is taken by Gauss-Jacobi quadrature
(`helpers.clv.quadrature`) with as many nodes as t / (alpha + T) asks for, to about a millionth. Unlike the hypergeometric
form it does not fail at a = 1 or for hundreds of orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.clv.purchase import NODES, REACH

if TYPE_CHECKING:
    from numpy.typing import NDArray

# One calendar: a month is a twelfth of 365.25 days, whatever the unit of the log.
MONTH = 365.25 / 12
WORK = 2_000_000
# From which quantiles of posterior draws hold what they say.
ENOUGH_DRAWS = 200


def posterior_ends(draws: NDArray, *, level: float) -> NDArray:
    """Ends of the interval of a smooth sum over the base from its posterior draws: low and high, shape (2, ...).

    Quantiles of few draws lie too far in: of 16, the 5th and the 95th percentile hold 81 % and not 90. Sums over a base so
    wide that few draws are affordable are close to normal, so the ends are then those between which the next draw of a normal
    distribution lies (Student's t, with mean and deviation of the draws not known).

    Args:
        draws: Shape (draws, ...).
        level: Coverage.
    """
    tail, n = (1 - level) / 2, len(draws)
    if n >= ENOUGH_DRAWS:
        return np.quantile(draws, [tail, 1 - tail], axis=0)
    from scipy.special import stdtrit

    mean = draws.mean(axis=0)
    half = stdtrit(n - 1, 1 - tail) * np.sqrt(1 + 1 / n) * draws.std(axis=0, ddof=1)
    return np.stack([mean - half, mean + half])


def discount_factors(months: int, rate: float) -> NDArray:
    """Factor on what month 1, 2, ... brings, at an annual rate, paid at the month's end."""
    return (1 + rate) ** (-np.arange(1, months + 1) / 12)


def p_alive(process: str, parameters: dict[str, Any], *, x: NDArray, t_x: NDArray, T: NDArray) -> NDArray:
    """Probability of being alive at T, one parameter set (floats), shape (n,)."""
    r, alpha = parameters["r"], parameters["alpha"]
    if process == "pareto_nbd":
        s, beta = parameters["s"], parameters["beta"]
        whole = np.log((alpha + T) / (alpha + t_x))
        reach = np.minimum(whole, REACH / (r + x))
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        u = (nodes + 1) / 2 * reach[:, None]
        moment = t_x[:, None] + (alpha + t_x)[:, None] * np.expm1(u)
        exponent = -(r + x - 1)[:, None] * u - (s + 1) * np.log((beta + moment) / (beta + T)[:, None])
        inside = np.exp(np.minimum(exponent + ((r + x) * whole)[:, None], 700.0)) @ (weights / 2)
        return 1 / (1 + s / (beta + T) * (alpha + t_x) * reach * inside)
    a, b = parameters["a"], parameters["b"]
    chances = x + 1 if process == "mbg_nbd" else x
    with np.errstate(divide="ignore"):
        odds = np.log(a / np.maximum(b + chances - 1, 1e-300)) + (r + x) * np.log((alpha + T) / (alpha + t_x))
    found = 1 / (1 + np.exp(np.minimum(odds, 700.0)))
    return np.where((x == 0) & (process == "bg_nbd"), 1.0, found)


def expected_if_alive(
    process: str,
    parameters: dict[str, Any],
    *,
    x: NDArray,
    T: NDArray,
    ahead: NDArray,
    dropout: float = 1.0,
    faster: float = 1.0,
) -> NDArray:
    """Expected orders in the next `ahead` days of a customer who is alive at T; shape (n, len(ahead)).

    Args:
        process: The purchase process.
        parameters: One set, floats.
        x: Repeat orders, shape (n,).
        T: Days observed, shape (n,).
        ahead: Days, shape (t,).
        dropout: Factor on each customer's chance to stop after an order (Pareto/NBD: rate of stopping) from now on.
        faster: Factor on the order rate from now on.
    """
    r, alpha = parameters["r"], parameters["alpha"]
    if dropout == 0:
        return (faster * (r + x) / (alpha + T))[:, None] * ahead[None, :]
    if process == "pareto_nbd":
        s, beta = parameters["s"], parameters["beta"]
        rest = (beta + T) / dropout
        left = np.log1p(ahead[None, :] / rest[:, None])
        # (1 - e^{-(s-1) l}) / (s - 1), which is l at s = 1.
        lived = left if abs(s - 1) < 1e-9 else -np.expm1(-(s - 1) * left) / (s - 1)  # noqa: PLR2004
        return (faster * (r + x) / (alpha + T) * rest)[:, None] * lived
    from helpers.clv.quadrature import orders_while_alive

    counts, at = np.unique(x, return_inverse=True)
    chances = counts + 1 if process == "mbg_nbd" else counts
    # Numba compiles for the layout that it is given: always one, which a warm kernel has loaded.
    days = [np.ascontiguousarray(part, dtype=float) for part in (counts, chances, T, ahead)]
    a, b = float(parameters["a"]), float(parameters["b"])
    kernel: Any = orders_while_alive
    # With c p in place of p the integrand is that of c times the time, over c.
    found: NDArray = kernel(float(r), float(alpha), a, b, at, *days, float(faster * dropout))
    return found / dropout


def expected_new(process: str, parameters: dict[str, Any], *, ahead: Any) -> NDArray:
    """Expected repeat orders of a customer in the first `ahead` days after the first order; shape (len(ahead),)."""
    zero = np.zeros(1)
    ahead = np.atleast_1d(np.asarray(ahead, dtype=float))
    alive = p_alive(process, parameters, x=zero, t_x=zero, T=zero)
    return (alive[:, None] * expected_if_alive(process, parameters, x=zero, T=zero, ahead=ahead))[0]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Expectations by distinct history, and their posterior for groups.

    Attributes:
        p_alive: Posterior mean, shape (u,).
        orders: Expected orders within the horizon, posterior mean, shape (u,).
        discounted: The same, each month's orders times its discount factor, shape (u,).
        by_month: Expected orders of the base by month, shape (draws, months).
        alive: Expected customers alive, shape (draws,).
    """

    p_alive: NDArray
    orders: NDArray
    discounted: NDArray
    by_month: NDArray
    alive: NDArray


def expect(
    process: str,
    *,
    x: NDArray,
    t_x: NDArray,
    T: NDArray,
    weight: NDArray,
    group: NDArray,
    parameters: dict[str, NDArray],
    discount: NDArray,
    month: float,
) -> Expected:
    """Expectations over posterior draws, as many as the work allows (all where histories are few).

    Args:
        process: The purchase process.
        x: Repeat orders, shape (u,).
        t_x: Days, shape (u,).
        T: Days, shape (u,).
        weight: Customers a row, shape (u,).
        group: Place of the row's group in the parameters, shape (u,).
        parameters: Shape (s, groups) each.
        discount: Factor on month k's orders, shape (months,).
        month: Days in a month.
    """
    months = len(discount)
    draws = len(parameters["r"])
    # What a customer who is alive will order hangs on x and T alone, and far fewer of those pairs are distinct.
    group = group if parameters["r"].shape[1] > 1 else np.zeros(len(x), dtype=np.int64)
    pairs, at = np.unique(np.column_stack([group, x, T]), axis=0, return_inverse=True)
    own_group, own_x, own_T = pairs[:, 0].astype(np.int64), pairs[:, 1], pairs[:, 2]
    used = int(np.clip(WORK // (len(pairs) * months), 16, min(draws, 200)))
    picks = np.linspace(0, draws - 1, used).round().astype(int)
    ahead = month * np.arange(1, months + 1)
    # Sum by parts: what month k adds is E(k) - E(k - 1), so E(k) weighs discount_k - discount_{k+1}.
    weights = discount - np.append(discount[1:], 0.0)
    alive_mean, orders, discounted = np.zeros(len(x)), np.zeros(len(x)), np.zeros(len(x))
    by_month, alive_total = np.zeros((used, months)), np.zeros(used)
    for place, s in enumerate(picks):
        alive, lived = np.empty(len(x)), np.empty((len(pairs), months))
        for g in np.unique(own_group):
            mine, own_mine = group == g, own_group == g
            own = {name: float(values[s, g]) for name, values in parameters.items()}
            alive[mine] = p_alive(process, own, x=x[mine], t_x=t_x[mine], T=T[mine])
            lived[own_mine] = expected_if_alive(process, own, x=own_x[own_mine], T=own_T[own_mine], ahead=ahead)
        alive_mean += alive
        orders += alive * lived[at, -1]
        discounted += alive * (lived @ weights)[at]
        by_month[place] = np.diff(np.bincount(at, weights=weight * alive, minlength=len(pairs)) @ lived, prepend=0.0)
        alive_total[place] = weight @ alive
    return Expected(
        p_alive=alive_mean / used,
        orders=orders / used,
        discounted=discounted / used,
        by_month=by_month,
        alive=alive_total,
    )

"""Pace: what a customer's history says of the logarithm of the order rate, which spend may go with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.clv.expect import p_alive
from helpers.clv.purchase import NODES, REACH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.clv.history import Base


def log_rates(base: Base, process: str, parameters: dict[str, NDArray]) -> NDArray:
    """Expected log order rate (orders a day, while the customer stays) of each customer of a base.

    Args:
        base: The customers.
        process: The purchase process.
        parameters: Of each group, shape (groups,) each; one group where all share them.

    Returns:
        Shape (customers,).
    """
    shared = base.histories
    found = np.empty(len(shared))
    several = len(parameters["r"]) > 1
    for g in range(len(parameters["r"])):
        mine = shared["group"].to_numpy() == g if several else np.ones(len(shared), dtype=bool)
        own = {name: float(values[g]) for name, values in parameters.items()}
        columns = {name: shared[name].to_numpy(float)[mine] for name in ("x", "t_x", "T")}
        found[mine] = expected_log_rate(process, own, **columns)
    return found[np.searchsorted(shared["history"].to_numpy(), base.customers["history"].to_numpy())]


def expected_log_rate(process: str, parameters: dict[str, float], *, x: NDArray, t_x: NDArray, T: NDArray) -> NDArray:
    """E[log rate] given each history, shape (n,).

    Given that the customer stopped at t (or not, and t = T), the rate is Gamma(r + x, alpha + t), with an expected log of
    digamma(r + x) - log(alpha + t). Counting all of T to one who stopped long ago would take a frequent customer for a rare
    one, and what spend gains with the rate for less than it is.
    """
    from scipy.special import digamma

    r, alpha = parameters["r"], parameters["alpha"]
    alive = p_alive(process, parameters, x=x, t_x=t_x, T=T)
    longer = np.log((alpha + T) / (alpha + t_x))
    # The beta-geometric processes stop at the last order, Pareto/NBD at some moment after it.
    stopped = _mean_stop(parameters, x=x, t_x=t_x, T=T) if process == "pareto_nbd" else 0.0
    found: NDArray = digamma(r + x) - np.log(alpha + t_x) - alive * longer - (1 - alive) * stopped
    return found


def _mean_stop(parameters: dict[str, float], *, x: NDArray, t_x: NDArray, T: NDArray) -> NDArray:
    """E[log((alpha + t) / (alpha + t_x))] over the moment t of a Pareto/NBD stop between t_x and T, shape (n,).

    By the quadrature of the likelihood, `helpers.clv.purchase`.
    """
    r, alpha, s, beta = (parameters[name] for name in ("r", "alpha", "s", "beta"))
    reach = np.minimum(np.log((alpha + T) / (alpha + t_x)), REACH / (r + x))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    u = (nodes + 1) / 2 * reach[:, None]
    moment = t_x[:, None] + (alpha + t_x)[:, None] * np.expm1(u)
    density = weights * np.exp(-(r + x - 1)[:, None] * u - (s + 1) * np.log((beta + moment) / (beta + t_x[:, None])))
    found: NDArray = (density * u).sum(axis=1) / density.sum(axis=1)
    return found

"""Purchase processes: how often customers order, and when they stop.

Each process is a mixture over customers. While alive, a customer orders at a constant rate lambda ~ Gamma(r, alpha).

- MBG/NBD: after the first order and after each later one the customer stops with probability p ~ Beta(a, b)
  (Batislam, Denizel & Filiztekin 2007).
- BG/NBD: the same, but nobody stops before the first repeat order (Fader, Hardie & Lee 2005).
- Pareto/NBD: the customer stops at a constant rate mu ~ Gamma(s, beta) at any time (Schmittlein, Morrison & Colombo 1987).

A customer enters through (x, t_x, T): repeat orders, time of the last one, and time under observation, both counted from the
first order. Customers with equal rows are equal to the likelihood, so rows are grouped and weighted: nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Process = Literal["mbg_nbd", "bg_nbd", "pareto_nbd"]
NAMES = {"mbg_nbd": "MBG/NBD", "bg_nbd": "BG/NBD", "pareto_nbd": "Pareto/NBD"}
# Centre and standard deviation of the normal priors, in the coordinates of `to_parameters`. Times are in units of the
# median observation, so the priors are the same whatever the client's calendar: a customer orders about once in that
# time (95 %: a fiftieth to fifty times), and rates differ between customers about as much as an exponential's.
PRIORS = {
    "mbg_nbd": ((0.0, 2.0), (-0.4, 1.0), (-0.8, 1.5), (1.0, 1.0)),
    "bg_nbd": ((0.0, 2.0), (-0.4, 1.0), (-0.8, 1.5), (1.0, 1.0)),
    "pareto_nbd": ((0.0, 2.0), (-0.4, 1.0), (0.0, 1.5), (-0.4, 1.0)),
}
NODES = 48
REACH = 40.0
# Logarithm of odds that are none.
NEVER = 700.0


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Distinct histories and how many customers have each.

    Attributes:
        x: Repeat orders, shape (u,).
        t_x: Time of the last order since the first, shape (u,), in units of `scale`.
        T: Time observed since the first order, shape (u,), in units of `scale`.
        weight: Customers with this history, shape (u,).
        group: Place of the group each row belongs to, shape (u,); zeros where customers are pooled.
        scale: Days in one unit of time: the median observation.
    """

    x: NDArray
    t_x: NDArray
    T: NDArray
    weight: NDArray
    group: NDArray
    scale: float

    @property
    def customers(self) -> int:
        """How many customers the rows stand for."""
        return int(self.weight.sum())

    @classmethod
    def of(cls, x: Any, t_x: Any, T: Any, *, weight: Any = None, group: Any = None, scale: float | None = None) -> Rows:
        """Rows from arrays of days; `weight` and `group` default to ones and zeros.

        Raises:
            ValueError: A count below zero, a last order after the end, or nothing observed.
        """
        x, t_x, T = (np.asarray(part, dtype=float) for part in (x, t_x, T))
        if not len(x):
            raise ValueError("len(x) == 0, must be at least 1")
        if (x < 0).any() or (t_x < 0).any() or (t_x > T).any():
            raise ValueError("x, t_x and T must satisfy x >= 0 and 0 <= t_x <= T")
        weight = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float)
        group = np.zeros(len(x), dtype=np.int64) if group is None else np.asarray(group, dtype=np.int64)
        scale = scale or typical(T, weight)
        return cls(x=x, t_x=t_x / scale, T=T / scale, weight=weight, group=group, scale=scale)


def typical(values: NDArray, weight: NDArray) -> float:
    """Weighted median of what is positive, at least one: a scale that does not hang on few customers."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    return float(max(values[order][np.searchsorted(reached, reached[-1] / 2)], 1.0))


def to_parameters(theta: NDArray, process: Process, *, scale: float) -> dict[str, NDArray]:
    """Parameters on their own scale, times in days.

    Args:
        theta: Shape (..., 4): log of the mean order rate, log r, then for the beta-geometric processes the logit of the
            mean of p and log(a + b), for Pareto/NBD the log of the mean drop-out rate and log s.
        process: The purchase process.
        scale: Days in a unit of time.
    """
    first, r = theta[..., 0], np.exp(theta[..., 1])
    found = {"r": r, "alpha": r / np.exp(first) * scale}
    if process == "pareto_nbd":
        s = np.exp(theta[..., 3])
        return found | {"s": s, "beta": s / np.exp(theta[..., 2]) * scale}
    total = np.exp(theta[..., 3])
    share = 1 / (1 + np.exp(-theta[..., 2]))
    return found | {"a": share * total, "b": (1 - share) * total}


def to_theta(process: Process, *, scale: float, **parameters: float) -> NDArray:
    """The other way: coordinates from parameters with times in days."""
    r, alpha = parameters["r"], parameters["alpha"] / scale
    if process == "pareto_nbd":
        s, beta = parameters["s"], parameters["beta"] / scale
        return np.log([r / alpha, r, s / beta, s])
    a, b = parameters["a"], parameters["b"]
    return np.array([np.log(r / alpha), np.log(r), np.log(a / b), np.log(a + b)])


def compressed(rows: Rows) -> dict[str, NDArray]:
    """What the likelihood needs: distinct counts and times once, and for each row its places among them."""
    counts, at_x = np.unique(rows.x, return_inverse=True)
    times, at = np.unique(np.concatenate([rows.t_x, rows.T]), return_inverse=True)
    return {
        "counts": counts.astype(float),
        "times": times.astype(float),
        "at_x": at_x.astype(np.int64),
        "at_t_x": at[: len(rows.x)].astype(np.int64),
        "at_T": at[len(rows.x) :].astype(np.int64),
        "weight": rows.weight.astype(float),
        "group": rows.group.astype(np.int64),
    }


def log_likelihood(theta: Any, data: dict[str, Any], process: Process) -> Any:
    """Log-likelihood of each row, as a PyTensor expression.

    Args:
        theta: Shape (groups, 4).
        data: The symbolic counterparts of `compressed`.
        process: The purchase process.

    Returns:
        Shape (u,), unweighted.
    """
    import pytensor.tensor as pt

    # Tables of (group, distinct value) are small: gamma functions and logarithms are taken there, rows only look up.
    counts, times, group = data["counts"], data["times"], data["group"]
    rate, r = pt.exp(theta[:, 0])[:, None], pt.exp(theta[:, 1])[:, None]
    alpha = r / rate
    orders = pt.gammaln(r + counts) - pt.gammaln(r) + r * pt.log(alpha)
    log_time = pt.log(alpha + times)
    power = (r + counts)[group, data["at_x"]]
    at_end, at_last = log_time[group, data["at_T"]], log_time[group, data["at_t_x"]]
    known = orders[group, data["at_x"]]
    if process == "pareto_nbd":
        return known + _pareto(theta, data, power, at_end, at_last, alpha)
    total = pt.exp(theta[:, 3])[:, None]
    share = pt.sigmoid(theta[:, 2])[:, None]
    a, b = share * total, (1 - share) * total

    def log_beta(first: Any, second: Any) -> Any:
        return pt.gammaln(first) + pt.gammaln(second) - pt.gammaln(first + second)

    chances = counts + 1 if process == "mbg_nbd" else counts
    alive = log_beta(a, b + chances) - log_beta(a, b)
    # B(a + 1, b + k - 1) / B(a, b + k) = a / (b + k - 1): how the history ends in a stop rather than in silence.
    odds = pt.log(a) - pt.log(b + pt.maximum(chances - 1, 0 if process == "mbg_nbd" else 1e-300))
    if process == "bg_nbd":
        odds = pt.switch(pt.gt(counts, 0), odds, -NEVER)
    gone = odds[group, data["at_x"]] + power * (at_end - at_last)
    # log(1 + e^gone), written so that one exponential serves value and gradient of every row.
    ending = pt.maximum(gone, 0.0) + pt.log1p(pt.exp(-pt.abs(gone)))
    return known + alive[group, data["at_x"]] - power * at_end + ending


def _pareto(theta: Any, data: dict[str, Any], power: Any, at_end: Any, at_last: Any, alpha: Any) -> Any:
    """Both ends of a Pareto/NBD history: alive at T, or stopped somewhere between t_x and T.

    The second is an integral over the moment of stopping, taken by Gauss-Legendre in u = log((alpha + t) / (alpha + t_x)),
    where its main factor is exp(-(r + x) u). Hypergeometric functions cancel badly here, quadrature does not.
    """
    import pytensor.tensor as pt

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    nodes, weights = (nodes + 1) / 2, weights / 2
    group = data["group"]
    drop, s = pt.exp(theta[:, 2]), pt.exp(theta[:, 3])
    beta = (s / drop)[group]
    s, alpha = s[group], alpha[:, 0][group]
    t_x, T = data["times"][data["at_t_x"]], data["times"][data["at_T"]]
    reach = pt.minimum(at_end - at_last, REACH / power)
    u = nodes[None, :] * reach[:, None]
    moment = (alpha + t_x)[:, None] * pt.expm1(u) + t_x[:, None]
    inside = -(power - 1)[:, None] * u - (s + 1)[:, None] * pt.log(beta[:, None] + moment)
    stopped = (
        pt.log(s) + s * pt.log(beta) + (1 - power) * at_last + pt.log(reach + 1e-300)
        + pt.logsumexp(inside + np.log(weights)[None, :], axis=1)
    )  # fmt: skip
    alive = -power * at_end + s * (pt.log(beta) - pt.log(beta + T))
    return pt.logaddexp(alive, stopped)

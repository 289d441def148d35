"""Spend per order: Gamma-Gamma (Colombo & Jiang 1999; Fader & Hardie 2013), and one where spend may go with frequency.

An order of a customer is worth z ~ Gamma(p, nu), with nu ~ Gamma(q, gamma) between customers: the mean order of a customer
is p / nu. Gamma-Gamma takes that to be independent of how often the customer orders. The alternative lets
gamma = gamma_0 exp(c w), where w is the customer's centred log order rate: c is the elasticity of spend to frequency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Spend = Literal["gamma_gamma", "gamma_gamma_frequency"]
# Spend is in units of the median customer's mean order, so the priors know no currency: the mean order lies within a
# factor of seven of it; q > 1, without which the mean would not exist.
# Where all orders or all customers are alike (one price), the likelihood of p or q has no end. Neither 1 / p nor 1 / (q - 1)
# falls below this: an order's value is never known to better than a hundredth.
LEAST = 1e-4
PRIORS = {
    "gamma_gamma": ((0.0, 1.0), (1.0, 1.0), (1.0, 1.0)),
    "gamma_gamma_frequency": ((0.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.5)),
}


def compressed(x: Any, mean: Any, *, weight: Any = None, rate: Any = None, scale: float = 1.0) -> dict[str, NDArray]:
    """What the likelihood needs of repeat buyers.

    Args:
        x: Orders that `mean` is taken over, shape (n,), positive.
        mean: Mean spend, shape (n,), positive.
        weight: Customers a row; ones unless given.
        rate: Centred log order rate, shape (n,), for `gamma_gamma_frequency`.
        scale: Currency in a unit of spend.

    Raises:
        ValueError: A count or a mean that is not positive.
    """
    x, mean = np.asarray(x, dtype=float), np.asarray(mean, dtype=float) / scale
    if not (x > 0).all() or not (mean > 0).all():
        raise ValueError("x and mean must be positive")
    counts, at_x = np.unique(x, return_inverse=True)
    found = {
        "counts": counts,
        "at_x": at_x.astype(np.int64),
        "total": x * mean,
        "log_mean": np.log(mean),
        "weight": np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float),
    }
    return found if rate is None else found | {"rate": np.asarray(rate, dtype=float)}


def log_likelihood(theta: Any, data: dict[str, Any], family: Spend) -> Any:
    """Log-likelihood of each row as a PyTensor expression; `theta` has shape (1, 3 or 4)."""
    import pytensor.tensor as pt

    counts = data["counts"]
    p, q = 1 / (pt.exp(-theta[0, 1]) + LEAST), 1 + 1 / (pt.exp(-theta[0, 2]) + LEAST)
    gamma = pt.exp(theta[0, 0]) * (q - 1) / p
    if family == "gamma_gamma_frequency":
        gamma = gamma * pt.exp(theta[0, 3] * data["rate"])
    shape = p * counts
    table = pt.gammaln(shape + q) - pt.gammaln(shape) - pt.gammaln(q) + shape * pt.log(counts)
    shape = shape[data["at_x"]]
    return (
        table[data["at_x"]]
        + q * pt.log(gamma)
        + (shape - 1) * data["log_mean"]
        - (shape + q) * pt.log(gamma + data["total"])
    )


def to_parameters(theta: NDArray, family: Spend, *, scale: float) -> dict[str, NDArray]:
    """p, q and v (the literature's name for gamma, in the client's currency), and c where the family has it."""
    p, q = 1 / (np.exp(-theta[..., 1]) + LEAST), 1 + 1 / (np.exp(-theta[..., 2]) + LEAST)
    found = {"p": p, "q": q, "v": np.exp(theta[..., 0]) * (q - 1) / p * scale}
    return found | ({"c": theta[..., 3]} if family == "gamma_gamma_frequency" else {})


def expected_spend(parameters: dict[str, Any], *, x: Any, mean: Any, rate: Any = 0.0) -> Any:
    """A customer's expected mean order: p (v + x mean) / (p x + q - 1), the population's where x is 0."""
    p, q, v = (parameters[name] for name in ("p", "q", "v"))
    v = v * np.exp(parameters.get("c", 0.0) * rate)
    return p * (v + x * mean) / (p * x + q - 1)

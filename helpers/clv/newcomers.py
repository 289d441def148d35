"""New customers: what their orders are expected to bring.

Nothing is known of a new customer's order rate but its spread. Where spend goes with frequency, how often customers order and
how much hang on the same rate: their product is averaged over it, since the product of two averages lacks their covariance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.clv.expect import expected_new

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.clv.model import Model

RATES = 64
DRAWS = 200


def picked(model: Model) -> list[tuple[dict[str, NDArray], dict[str, float]]]:
    """Purchase parameters, shape (groups,) each, and spend parameters of some posterior draws."""
    orders, spends = model.parameters(), model.spend_parameters()
    draws = len(orders["r"])
    return [
        (
            {name: values[s] for name, values in orders.items()},
            {name: float(values[s % len(values)]) for name, values in spends.items()},
        )
        for s in np.linspace(0, draws - 1, min(draws, DRAWS)).round().astype(int)
    ]


def expected_revenue(model: Model, orders: dict[str, NDArray], spend: dict[str, float], *, ahead: NDArray) -> NDArray:
    """Expected revenue of a new customer's repeat orders in the first `ahead` days, groups averaged by their customers.

    Args:
        model: The fitted model.
        orders: One draw of the purchase parameters, shape (groups,) each.
        spend: One draw of the spend parameters.
        ahead: Days since the first order, shape (t,).

    Returns:
        Shape (t,).
    """
    found = np.zeros(len(ahead))
    for g, share in enumerate(model.shares):
        own = {name: float(values[g]) for name, values in orders.items()}
        factor = _spend_at_orders(model, own, spend["c"], ahead) if "c" in spend else 1.0
        found += share * expected_new(model.process, own, ahead=ahead) * factor
    return found * spend["p"] * spend["v"] / (spend["q"] - 1)


def _spend_at_orders(model: Model, own: dict[str, float], c: float, ahead: NDArray) -> NDArray:
    """E[orders x exp(c w)] / E[orders] over the order rate, for each `ahead`: who orders often weighs more."""
    from scipy.special import gammaincinv

    places, weights = np.polynomial.legendre.leggauss(RATES)
    rates = gammaincinv(own["r"], (places + 1) / 2) / own["alpha"]
    # Both averages over the same nodes, so that what these lack in one they lack in the other.
    weighed = weights[:, None] * _orders_by_rate(model.process, own, rates, ahead)
    found: NDArray = np.exp(c * model.pace(rates)) @ weighed / weighed.sum(axis=0)
    return found


def _orders_by_rate(process: str, own: dict[str, float], rates: NDArray, ahead: NDArray) -> NDArray:
    """Expected orders of customers with these rates, but for a factor that is the same for all rates, shape (rates, t)."""
    if process == "pareto_nbd":
        return np.repeat(rates[:, None], len(ahead), axis=1)
    from helpers.clv.quadrature import beta_nodes

    kernel: Any = beta_nodes
    stops, weights = kernel(own["a"], own["b"] + (1.0 if process == "mbg_nbd" else 0.0))
    found: NDArray = -np.expm1(-rates[:, None, None] * ahead[:, None] * stops) / stops @ weights
    return found

"""New customers: what their orders are expected to bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.clv.expect import expected_new

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.clv.model import Model

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
        found += share * expected_new(model.process, own, ahead=ahead)
    return found * spend["p"] * spend["v"] / (spend["q"] - 1)

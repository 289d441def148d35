"""New customers: what their orders are expected to bring, and lives of theirs drawn from the posterior.

Nothing is known of a new customer's order rate but its spread. Where spend goes with frequency, how often customers order and
how much hang on the same rate: their product is averaged over it, since the product of two averages lacks their covariance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.clv.expect import MONTH, expected_new

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.clv.model import Model

RATES = 64
# Chances to stop: of who orders daily over two years the mean is told within a thousandth.
STOPS = 32
DRAWS = 200
# What differs between batches of one draw is chance alone.
BATCHES, LIVES = 2, 1000
SMALLEST_STOP = 1e-12


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
    stops, weights = kernel(own["a"], own["b"] + (1.0 if process == "mbg_nbd" else 0.0), STOPS)
    found: NDArray = -np.expm1(-rates[:, None, None] * ahead[:, None] * stops) / stops @ weights
    return found


def lives(
    model: Model, orders: dict[str, NDArray], spend: dict[str, float], *, discount: NDArray, rng: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Revenue of new customers' first orders and, discounted, of their later ones, with one level of spend for both.

    Args:
        model: The fitted model.
        orders: Purchase parameters of each life, shape (n,) each.
        spend: One draw of the spend parameters.
        discount: Factor on what month k brings, shape (months,).
        rng: Source of all chance.

    Returns:
        Two arrays of shape (n,).
    """
    n = len(orders["r"])
    rate = rng.gamma(orders["r"]) / orders["alpha"]
    v = spend["v"] * (np.exp(spend["c"] * model.pace(rate)) if "c" in spend else 1.0)
    nu = rng.gamma(spend["q"], size=n) / v
    first, later = rng.gamma(spend["p"], size=n) / nu, np.zeros(n)
    end, left = np.full(n, np.inf), np.full(n, np.iinfo(np.int64).max)
    if model.process == "pareto_nbd":
        end = rng.exponential(size=n) * orders["beta"] / np.maximum(rng.gamma(orders["s"]), 1e-300)
    else:
        stop = np.maximum(rng.beta(orders["a"], orders["b"]), SMALLEST_STOP)
        # Repeat orders until the customer stops; under MBG/NBD the first order may have been the last.
        left = rng.geometric(stop) - (model.process == "mbg_nbd")
    going = np.flatnonzero(left > 0)
    for month, factor in enumerate(discount):
        # Given the rate, orders of a month are Poisson; and the sum of k orders is one gamma of k times the shape.
        present = np.clip(end[going] - month * MONTH, 0, MONTH)
        came = np.minimum(rng.poisson(rate[going] * present), left[going])
        left[going] -= came
        bought, count = going[came > 0], came[came > 0]
        later[bought] += factor * rng.gamma(spend["p"] * count) / nu[bought]
        going = going[(left[going] > 0) & (end[going] > (month + 1) * MONTH)]
    return first, later


def share_above(model: Model, *, net: float, discount: NDArray, cac: float, seed: int) -> tuple[float, float, float]:
    """Share of new customers whose own margin exceeds the CAC: posterior mean and interval.

    A life's first order has the place among the log's first orders that it has among the model's: their amounts are the
    log's, and who begins with a large one spends more later too, as far as the model says so.

    Args:
        model: The fitted model.
        net: Margin on what orders bring, refunds taken off.
        discount: Factor on what month k brings, shape (months,).
        cac: What a new customer costs.
        seed: Of all randomness.
    """
    opening = model.base.customers["first_value"].to_numpy(float)
    begun = np.quantile(opening, (np.arange(LIVES) + 0.5) / LIVES)
    rng = np.random.default_rng(seed)
    draws = picked(model)
    chance = np.empty((len(draws), BATCHES))
    for place, (orders, spend) in enumerate(draws):
        group = rng.choice(len(model.shares), BATCHES * LIVES, p=model.shares)
        first, later = lives(model, {name: v[group] for name, v in orders.items()}, spend, discount=discount, rng=rng)
        rank = first.reshape(BATCHES, LIVES).argsort(axis=1).argsort(axis=1)
        chance[place] = ((begun[rank] + later.reshape(BATCHES, LIVES)) * net > cac).mean(axis=1)
    share = chance.mean(axis=1)
    # The spread between draws holds the chance of a finite number of lives, which more of them would not have.
    total, noise = share.var(), chance.var(axis=1, ddof=1).mean() / BATCHES
    kept = np.sqrt(max(1 - noise / total, 0.0)) if total > 0 else 1.0
    # The first orders are a sample too: its share above any amount has the spread of a share of n.
    sampled = rng.standard_normal(len(share)) * np.sqrt(share * (1 - share) / model.base.n)
    drawn = share.mean() + (share - share.mean()) * kept + sampled
    tail = (1 - model.level) / 2
    low, high = np.clip(np.quantile(drawn, [tail, 1 - tail]), 0.0, 1.0)
    return float(share.mean()), float(low), float(high)

"""Simulation-based calibration of every CLV model (Talts et al. 2018): ranks of true parameters among posterior draws.

Parameters are drawn from the model's own prior, data from the model, and the posterior fitted by the kit's `auto` tier. If all
three agree, the rank of the truth is uniform. A chi-square test over ten bins says whether it is.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import stats

from helpers.clv import contractual, purchase, spend
from helpers.clv.density import families
from helpers.clv.fit import fit
from tests.calibration.record import write

CUSTOMERS = 300
DRAWS = 400
BINS = 10
RUNS = 400
# Priors reach bases in which nothing happens or thousands of orders do; those cost time and teach nothing more.
MOST_ORDERS = 3000
DAYS = 400.0


def simulated(family: str, theta: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray] | None:
    """Compressed data of one simulated base."""
    if family in purchase.PRIORS:
        return _purchases(family, theta, rng)
    if family in spend.PRIORS:
        own = spend.to_parameters(theta, family, scale=1.0)
        x = rng.integers(1, 8, CUSTOMERS).astype(float)
        rate = rng.normal(0, 1, CUSTOMERS)
        nu = rng.gamma(own["q"], 1 / (own["v"] * np.exp(own.get("c", 0.0) * rate)))
        mean = rng.gamma(own["p"] * x, 1 / nu) / x
        if not (mean > 0).all():
            return None
        tilt = {"rate": rate} if family == "gamma_gamma_frequency" else {}
        return spend.compressed(x, mean, **tilt)
    own = contractual.to_parameters(theta, family)
    watched = rng.integers(1, 13, CUSTOMERS)
    chance = rng.beta(own["alpha"], own["beta"], CUSTOMERS)
    power = float(own.get("c", 1.0))
    # The age at which the customer leaves, by inverting (1 - theta)^(t^c).
    with np.errstate(divide="ignore", over="ignore"):
        reached = np.log(rng.random(CUSTOMERS)) / np.log1p(-np.minimum(chance, 1 - 1e-12))
    leaves = np.ceil(np.minimum(reached, 1e9) ** (1 / power)).clip(1)
    return contractual.compressed(np.minimum(leaves, watched), leaves <= watched)


def _purchases(family: str, theta: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray] | None:
    own = purchase.to_parameters(theta, family, scale=DAYS)
    T = rng.uniform(DAYS / 2, DAYS * 1.5, CUSTOMERS)
    rate = rng.gamma(own["r"], 1 / own["alpha"], CUSTOMERS)
    end, stop = np.full(CUSTOMERS, np.inf), np.zeros(CUSTOMERS)
    if family == "pareto_nbd":
        with np.errstate(divide="ignore"):
            end = rng.exponential(1.0, CUSTOMERS) / rng.gamma(own["s"], 1 / own["beta"], CUSTOMERS)
    else:
        stop = rng.beta(own["a"], own["b"], CUSTOMERS)
    x, t_x, now = np.zeros(CUSTOMERS), np.zeros(CUSTOMERS), np.zeros(CUSTOMERS)
    alive = rng.random(CUSTOMERS) >= stop if family == "mbg_nbd" else np.ones(CUSTOMERS, dtype=bool)
    while alive.any():
        with np.errstate(divide="ignore"):
            now = np.where(alive, now + rng.exponential(1.0, CUSTOMERS) / rate, now)
        alive &= now <= np.minimum(T, end)
        x += alive
        # A rule on the data alone leaves the posterior given the data, and so the ranks, as they were.
        if x.max() > MOST_ORDERS:
            return None
        t_x = np.where(alive, now, t_x)
        alive &= rng.random(CUSTOMERS) >= stop
    rows = purchase.Rows.of(x, t_x, T, scale=DAYS)
    return purchase.compressed(rows)


def ranks(family: str, *, runs: int, seed: int) -> tuple[np.ndarray, int, int]:
    """Ranks (runs, coordinates) of the truth among `DRAWS` draws, how many runs used NUTS, and how many were redrawn."""
    centre, spread = (np.array(part) for part in zip(*families()[family][0], strict=True))
    rng = np.random.default_rng(seed)
    found, nuts, again = [], 0, 0
    while len(found) < runs:
        theta = rng.normal(centre, spread)
        data = simulated(family, theta, rng)
        if data is None:
            again += 1
            continue
        posterior = fit(family, data, draws=DRAWS, seed=int(rng.integers(1 << 30)))
        nuts += posterior.tier == "full"
        draws = posterior.theta[:, 0, :]
        thin = draws[np.linspace(0, len(draws) - 1, BINS * 10 - 1).astype(int)]
        found.append((thin < theta).sum(axis=0))
    return np.array(found), nuts, again


def calibrate(*, runs: int, seed: int, only: tuple[str, ...] = ()) -> list[dict[str, object]]:
    """One row a family and coordinate."""
    rows: list[dict[str, object]] = []
    for family in only or tuple(families()):
        placed, nuts, again = ranks(family, runs=runs, seed=seed)
        for coordinate in range(placed.shape[1]):
            counts = np.bincount(placed[:, coordinate] // BINS, minlength=BINS)
            inside = ((placed[:, coordinate] >= 5) & (placed[:, coordinate] < 95)).mean()
            rows.append(
                {
                    "family": family,
                    "coordinate": coordinate,
                    "runs": runs,
                    "p_uniform": stats.chisquare(counts).pvalue,
                    "coverage90": inside,
                    "nuts": nuts,
                    "redrawn": again,
                    "seed": seed,
                }
            )
    return rows


if __name__ == "__main__":
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    write("clv", calibrate(runs=round(RUNS * share), seed=20240229))

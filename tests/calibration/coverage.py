"""Coverage of every KPI's 95 % interval on simulated customers: `python -m tests.calibration.coverage`.

A large population with skewed counts and amounts stands for the truth; each run draws 500 customers from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from helpers.pulse.bridge import EFFECTS, split
from helpers.stats.bootstrap import Estimate, percentile, ratio, ratio_change, total_change
from helpers.stats.intervals import clustered_median, gini, gini_coefficient, net_promoter_score, wilson
from tests.calibration.record import write

N, LEVEL, POPULATION, REPLICATES = 500, 0.95, 400_000, 600
SEED, RUNS = 20_240_229, 1_000


class World:
    """Customers with orders and revenue in two periods: gamma-Poisson counts, gamma customer levels, log-normal orders."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.old = rng.random(POPULATION) < 0.6
        pace = rng.gamma(1.5, 1.2, POPULATION) * np.where(self.old, 1.3, 0.7)
        level_of = rng.gamma(4, 10, POPULATION) * np.where(self.old, 1.2, 0.8)
        self.orders = [rng.poisson(pace * trend) for trend in (1.0, np.where(self.old, 1.0, 1.5))]
        self.spend = [self._revenue(count, level_of, rng) for count in self.orders]
        self.value_of_order = level_of * rng.lognormal(-0.125, 0.5, POPULATION)
        self.answers = rng.choice(3, POPULATION, p=[0.5, 0.3, 0.2])

    @staticmethod
    def _revenue(count: NDArray, level_of: NDArray, rng: np.random.Generator) -> NDArray:
        owner = np.repeat(np.arange(POPULATION), count)
        return np.bincount(
            owner, weights=level_of[owner] * rng.lognormal(-0.125, 0.5, len(owner)), minlength=POPULATION
        )

    def columns(self, who: NDArray) -> dict[str, NDArray]:
        """Per-customer columns of some customers."""
        before, now = (count[who].astype(float) for count in self.orders)
        return {
            "orders": now,
            "orders_before": before,
            "revenue": self.spend[1][who],
            "revenue_before": self.spend[0][who],
            "active": (now > 0).astype(float),
            "active_before": (before > 0).astype(float),
            "old": self.old[who],
            "value": self.value_of_order[who],
            "answer": self.answers[who],
        }


Statistic = tuple[Callable[[dict[str, NDArray]], float], Callable[[dict[str, NDArray], int], Estimate]]


def statistics() -> Iterator[tuple[str, Statistic]]:
    """Each KPI: its value for given customers, and its estimate with interval."""
    options = {"level": LEVEL, "replicates": REPLICATES}
    for name, top, bottom in (
        ("arpu.active", "revenue", "active"),
        ("aov", "revenue", "orders"),
        ("frequency", "orders", "active"),
    ):
        yield (
            name,
            (
                lambda c, t=top, b=bottom: c[t].sum() / c[b].sum(),
                lambda c, s, t=top, b=bottom: ratio(c[t], c[b], seed=s, **options),
            ),
        )
        yield (
            f"{name}.change",
            (
                lambda c, t=top, b=bottom: (
                    c[t].sum() / c[b].sum() * c[f"{b}_before"].sum() / c[f"{t}_before"].sum() - 1
                ),
                lambda c, s, t=top, b=bottom: ratio_change(
                    c[t], c[b], c[f"{t}_before"], c[f"{b}_before"], seed=s, **options
                ),
            ),
        )
    for name in ("revenue", "orders", "active"):
        yield (
            f"{name}.change",
            (
                lambda c, k=name: c[k].sum() / c[f"{k}_before"].sum() - 1,
                lambda c, s, k=name: total_change(c[k], c[f"{k}_before"], seed=s, **options),
            ),
        )
    yield (
        "arpu.registered",
        (
            lambda c: c["revenue"].mean(),
            lambda c, s: ratio(c["revenue"], np.ones(len(c["revenue"])), seed=s, **options),
        ),
    )
    yield (
        "repeat_rate",
        (
            lambda c: (c["orders"] > 1).mean(),
            lambda c, s: wilson(int((c["orders"] > 1).sum()), len(c["orders"]), level=LEVEL),
        ),
    )
    yield (
        "aov.median",
        (
            lambda c: float(np.median(np.repeat(c["value"], c["orders"].astype(int)))),
            lambda c, s: clustered_median(
                np.repeat(c["value"], c["orders"].astype(int)),
                np.repeat(np.arange(len(c["value"])), c["orders"].astype(int)),
                level=LEVEL,
            ),
        ),
    )
    yield (
        "concentration.gini",
        (
            lambda c: gini_coefficient(c["revenue"][c["revenue"] > 0]),
            lambda c, s: gini(c["revenue"][c["revenue"] > 0], level=LEVEL, seed=s, replicates=400),
        ),
    )
    yield (
        "nps",
        (
            lambda c: (c["answer"] == 0).mean() - (c["answer"] == 2).mean(),
            lambda c, s: net_promoter_score(*(int((c["answer"] == place).sum()) for place in range(3)), level=LEVEL),
        ),
    )
    for place, effect in enumerate(EFFECTS[:3]):
        yield (
            f"bridge.{effect}",
            (
                lambda c, p=place: float(split(_bridge(c).sum(axis=0))[p]),
                lambda c, s, p=place: _bridge_estimate(c, s, p),
            ),
        )


def _bridge(c: dict[str, NDArray]) -> NDArray:
    """Columns of `split`, with two segments: old customers and new ones."""
    parts = []
    for ending in ("_before", ""):
        inside = [c[f"active{ending}"] * c["old"], c[f"active{ending}"] * ~c["old"], np.zeros(len(c["old"]))]
        for name in (None, "orders", "revenue"):
            parts += [member if name is None else member * c[f"{name}{ending}"] for member in inside]
        parts.append(np.zeros(len(c["old"])))
    return np.column_stack(parts)


def _bridge_estimate(c: dict[str, NDArray], seed: int, place: int) -> Estimate:
    columns = _bridge(c)
    low, high = percentile(columns, split, level=LEVEL, seed=seed, replicates=REPLICATES)
    value = float(split(columns.sum(axis=0))[place])
    return Estimate(value=value, low=float(low[place]), high=float(high[place]), level=LEVEL, n=len(columns))


def coverage(*, seed: int, runs: int) -> list[dict[str, object]]:
    """Share of runs whose interval holds the population's value, for each KPI."""
    world = World(seed)
    everyone = world.columns(np.arange(POPULATION))
    rng = np.random.default_rng(seed + 1)
    draws = [world.columns(rng.integers(0, POPULATION, N)) for _ in range(runs)]
    rows: list[dict[str, object]] = []
    for name, (value, estimate) in statistics():
        truth = value(everyone)
        found = [estimate(columns, run) for run, columns in enumerate(draws)]
        held = np.mean([one.low is not None and one.high is not None and one.low <= truth <= one.high for one in found])
        rows.append({"kpi": name, "n": N, "level": LEVEL, "runs": runs, "seed": seed, "truth": truth, "coverage": held})
    return rows


if __name__ == "__main__":
    write("coverage", coverage(seed=SEED, runs=RUNS))

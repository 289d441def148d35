"""Two experiments of the demo: one that works, and one whose random split was broken."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.random import Generator

# Regular visitors: their share of all units, and how many times as often as the average unit they convert.
REGULARS, KEENNESS = 0.15, 5.0
BEGUN = pd.Timestamp("2025-05-05")
DAYS = 28


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is planted in one experiment.

    Attributes:
        units: Visitors assigned, half of them (by a fair coin a visitor) to each arm.
        base: Expected conversion of the control arm.
        effect: Expected conversion of the treatment arm less `base`.
        lost_regulars: Share of the treatment arm's regular visitors whose rows are missing.
    """

    units: int
    base: float
    effect: float
    lost_regulars: float


EXPERIMENTS = {
    "checkout_2025": Experiment(units=20_000, base=0.10, effect=0.02, lost_regulars=0.0),
    "homepage_2025": Experiment(units=30_000, base=0.12, effect=0.0, lost_regulars=0.45),
}


def make_experiments(rng: Generator) -> pd.DataFrame:
    """One row a unit a test, with pre-period covariates and outcomes."""
    return pd.concat([_units(name, planted, rng) for name, planted in EXPERIMENTS.items()], ignore_index=True)


def _units(name: str, planted: Experiment, rng: Generator) -> pd.DataFrame:
    """Units whose pre-period revenue tells much of their outcome: few visitors are regulars and buy most.

    The treatment multiplies every unit's conversion by one factor, so that it also multiplies expected revenue by it
    and leaves revenue per order as it was.
    """
    n = planted.units
    regular = rng.random(n) < REGULARS
    treated = rng.random(n) < 0.5  # noqa: PLR2004 - a fair coin
    basket = rng.lognormal(3.2, 0.6, n)
    pre_orders = np.where(regular, 1 + rng.poisson(3, n), rng.poisson(0.15, n))
    others = (1 - REGULARS * KEENNESS) / (1 - REGULARS)
    factor = np.where(treated, 1 + planted.effect / planted.base, 1.0)
    converted = rng.random(n) < planted.base * np.where(regular, KEENNESS, others) * factor
    orders = converted * (1 + rng.poisson(0.3 * pre_orders))
    assigned = BEGUN + pd.to_timedelta(rng.integers(0, DAYS * 86_400, n), "s")
    frame = pd.DataFrame(
        {
            "experiment": name,
            "unit_id": [f"{name[:2].upper()}{number:06d}" for number in range(n)],
            "variant": np.where(treated, "treatment", "control"),
            "assigned_at": assigned,
            "exposed_at": assigned + pd.Timedelta(minutes=2),
            "pre_revenue": np.round(pre_orders * basket * rng.lognormal(-0.02, 0.2, n), 2),
            "pre_orders": pre_orders,
            "converted": converted.astype(int),
            "orders": orders,
            "revenue": np.round(orders * basket * rng.lognormal(-0.02, 0.2, n), 2),
        }
    )
    lost = treated & regular & (rng.random(n) < planted.lost_regulars)
    return frame[~lost]


def truths() -> dict[str, dict[str, Any]]:
    """What is planted, by experiment."""
    return {
        name: {
            "effect_on_conversion": planted.effect,
            "relative_effect_on_conversion": planted.effect / planted.base,
            "relative_effect_on_revenue_per_unit": planted.effect / planted.base,
            "relative_effect_on_aov": 0.0,
            "sample_ratio": "broken" if planted.lost_regulars else "sound",
            **asdict(planted),
        }
        for name, planted in EXPERIMENTS.items()
    }

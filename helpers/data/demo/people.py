"""Customers of the demo: planted types that differ in pace, basket, channel and discount, and how long they live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.random import Generator

START = pd.Timestamp("2023-01-01")
END = pd.Timestamp("2026-01-01")
DAYS = (END - START).days
MONTH = 365.25 / 12
CHANNELS = ("store", "web", "app")
# Relative trade by calendar month, January to December.
SEASON = np.array([0.86, 0.88, 0.94, 0.96, 1.0, 0.98, 0.94, 0.92, 0.98, 1.02, 1.22, 1.30])


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One planted type of customer.

    Attributes:
        share: Of all customers.
        pace: Mean orders a month while alive, after the first.
        spread: Shape of the gamma distribution of pace and spend over customers; larger is more alike.
        life: Mean months until the customer is gone (exponential); 0 where the first order is the last.
        basket: Mean value of an order before discount.
        channels: Probabilities of store, web and app.
        discount: Mean share taken off.
        categories: Product categories, most bought first.
    """

    share: float
    pace: float
    spread: float
    life: float
    basket: float
    channels: tuple[float, float, float]
    discount: float
    categories: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "one_off": Kind(
        share=0.46,
        pace=0.0,
        spread=4,
        life=0,
        basket=46,
        channels=(0.4, 0.45, 0.15),
        discount=0.08,
        categories=("home", "kitchen", "garden", "outdoor"),
    ),
    "regulars": Kind(
        share=0.19,
        pace=1.15,
        spread=25,
        life=16,
        basket=27,
        channels=(0.94, 0.04, 0.02),
        discount=0.03,
        categories=("kitchen", "home"),
    ),
    "bargain": Kind(
        share=0.15,
        pace=0.62,
        spread=25,
        life=13,
        basket=33,
        channels=(0.04, 0.93, 0.03),
        discount=0.36,
        categories=("home", "textiles"),
    ),
    "big_ticket": Kind(
        share=0.09,
        pace=0.34,
        spread=25,
        life=26,
        basket=310,
        channels=(0.46, 0.52, 0.02),
        discount=0.05,
        categories=("furniture", "garden"),
    ),
    "app_explorers": Kind(
        share=0.11,
        pace=1.0,
        spread=25,
        life=14,
        basket=78,
        channels=(0.03, 0.05, 0.92),
        discount=0.10,
        categories=("textiles", "kitchen", "outdoor", "home", "garden"),
    ),
}


def make_customers(n: int, rng: Generator) -> pd.DataFrame:
    """Customers with their truths: `kind`, `pace` (orders a month), `basket`, `acquired_at` and `lost_at`."""
    names = list(KINDS)
    kind = rng.choice(names, n, p=[KINDS[name].share for name in names])
    of = {key: np.array([getattr(KINDS[name], key) for name in kind]) for key in ("pace", "spread", "life", "basket")}
    days = np.arange(DAYS)
    weight = SEASON[(START + pd.to_timedelta(days, "D")).month - 1]
    day = rng.choice(days, n, p=weight / weight.sum())
    acquired = START + pd.to_timedelta(np.sort(day) + day_part(n, rng), "D")
    life = rng.exponential(of["life"] * MONTH)
    frame = pd.DataFrame(
        {
            "customer_id": [f"C{number:06d}" for number in range(1, n + 1)],
            "kind": kind,
            "pace": rng.gamma(of["spread"], 1, n) / of["spread"] * of["pace"],
            "basket": rng.gamma(of["spread"], 1, n) / of["spread"] * of["basket"],
            "acquired_at": acquired.floor("s"),
        }
    )
    frame["lost_at"] = (frame["acquired_at"] + pd.to_timedelta(life, "D")).dt.floor("s")
    frame["acquisition_channel"] = rng.choice(
        ["search", "social", "referral", "shop window"], n, p=[0.38, 0.3, 0.14, 0.18]
    )
    frame["region"] = rng.choice(
        ["North", "Midlands", "South", "Scotland", "Wales"], n, p=[0.24, 0.2, 0.36, 0.12, 0.08]
    )
    young = np.where(kind == "app_explorers", 0.62, 0.22)
    frame["age_band"] = np.where(rng.random(n) < young, "18-34", rng.choice(["35-54", "55+"], n))
    return frame


def day_part(n: int, rng: Generator) -> np.ndarray:
    """Shop hours as part of a day, busiest in the afternoon."""
    return (8 + 13 * rng.beta(2.2, 1.9, n)) / 24

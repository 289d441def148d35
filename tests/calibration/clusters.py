"""How often noise is called structure, and planted structure found: `python -m tests.calibration.clusters`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from helpers.segmentation.clusters import clusters
from tests.calibration.record import write

N, SEEDS = 300, 50
NOISE = ("normal", "correlated", "uniform", "lognormal")


def noise(kind: str, seed: int) -> pd.DataFrame:
    """Structureless features of one shape."""
    rng = np.random.default_rng(seed)
    made = {
        "normal": lambda: rng.normal(size=(N, 3)),
        "correlated": lambda: rng.multivariate_normal(np.zeros(3), 0.3 * np.eye(3) + 0.7, N),
        "uniform": lambda: rng.uniform(size=(N, 3)),
        "lognormal": lambda: rng.lognormal(0, 0.5, (N, 3)),
    }
    return pd.DataFrame(made[kind](), columns=["channel: a", "channel: b", "channel: c"])


def planted(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Three or four groups, 3.5 standard deviations apart or more."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(3, 5))
    centres = 3.5 * np.eye(4)[:k, :3] + (np.arange(k) == 3)[:, None] * np.array([3.5, 3.5, 3.5])
    label = rng.integers(0, k, N)
    points = centres[label] + rng.normal(0, 0.45, (N, 3))
    return pd.DataFrame(points, columns=["channel: a", "channel: b", "channel: c"]), label


def false_alarms(kind: str, seeds: range) -> dict[str, object]:
    """Share of seeds in which noise has no stable segments."""
    held = [not clusters(noise(kind, seed), share_customers=1.0, most=5, seed=seed).stable for seed in seeds]
    return {
        "data": kind,
        "n": N,
        "first_seed": seeds.start,
        "seeds": len(seeds),
        "right": float(np.mean(held)),
        "least_ari": np.nan,
    }


def recovery(seeds: range) -> dict[str, object]:
    """Share of seeds in which planted groups are found with an adjusted Rand index above .9, and the least index."""
    index = []
    for seed in seeds:
        points, label = planted(seed)
        index.append(adjusted_rand_score(label, clusters(points, share_customers=1.0, most=5, seed=seed).labels))
    right = float(np.mean(np.array(index) > 0.9))
    return {
        "data": "planted",
        "n": N,
        "first_seed": seeds.start,
        "seeds": len(seeds),
        "right": right,
        "least_ari": min(index),
    }


if __name__ == "__main__":
    write("clusters", [*(false_alarms(kind, range(SEEDS)) for kind in NOISE), recovery(range(SEEDS))])

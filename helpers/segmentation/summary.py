"""What each segment holds: customers, revenue and their shares, with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.stats.bootstrap import percentile
from helpers.stats.intervals import wilson


def summarise(customers: pd.DataFrame, names: list[str], *, level: float, seed: int, replicates: int) -> pd.DataFrame:
    """One row a segment that has customers, the largest revenue first; no shares of a revenue that is not positive.

    Args:
        customers: With `segment`, `monetary`, `frequency` and `recency_days`.
        names: All segments.
        level: Coverage of the intervals.
        seed: Of the bootstrap.
        replicates: Of the bootstrap.
    """
    found = [name for name in names if (customers["segment"] == name).any()]
    n, total = len(customers), float(customers["monetary"].sum())
    low = high = np.full(len(found), np.nan)
    if n > 1 and total > 0:
        money_in = np.column_stack(
            [np.where(customers["segment"] == name, customers["monetary"], 0.0) for name in found]
        )

        def shares(totals: np.ndarray) -> np.ndarray:
            return totals / totals.sum(axis=-1, keepdims=True)

        low, high = percentile(money_in, shares, level=level, seed=seed, replicates=replicates)
    rows = []
    for place, name in enumerate(found):
        part = customers[customers["segment"] == name]
        share = wilson(len(part), n, level=level)
        revenue = float(part["monetary"].sum())
        rows.append(
            {
                "segment": name,
                "customers": len(part),
                "share_customers": share.value,
                "share_low": share.low,
                "share_high": share.high,
                "revenue": revenue,
                "share_revenue": revenue / total if total > 0 else np.nan,
                "revenue_low": low[place],
                "revenue_high": high[place],
                "median_recency": float(part["recency_days"].median()),
                "mean_frequency": float(part["frequency"].mean()),
                "aov": revenue / float(part["frequency"].sum()),
            }
        )
    names_of = [
        "segment",
        "customers",
        "share_customers",
        "share_low",
        "share_high",
        "revenue",
        "share_revenue",
        "revenue_low",
        "revenue_high",
        "median_recency",
        "mean_frequency",
        "aov",
    ]
    frame = pd.DataFrame(rows, columns=names_of)
    return frame.sort_values("revenue", ascending=False, kind="stable", ignore_index=True)

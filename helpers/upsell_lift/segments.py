"""Segments: effects by group for people to read, each drawn towards all customers' by as much as it is uncertain.

The segments of one column are taken as draws about a common mean (`stats.shrinkage`), so that the luckiest of many small ones is not
taken for a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.stats.shrinkage import segments as read_together
from helpers.upsell_lift.design import coarse
from helpers.upsell_lift.estimate import mean_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_CUSTOMERS = 30
COLUMNS = ["by", "segment", "customers", "raw", "raw_se", "effect", "low", "high"]


def segment_effects(
    gamma: NDArray, segments: pd.DataFrame, *, level: float, cluster: NDArray | None = None
) -> pd.DataFrame:
    """Shrunk effects by segment.

    Args:
        gamma: Doubly robust scores of the effect, shape (n,).
        segments: One column a grouping, shape (n, k).
        level: Coverage.
        cluster: Group of each customer.

    Returns:
        `by`, `segment`, `customers`, `raw`, `raw_se`, `effect` (shrunk), `low`, `high`; groupings with one segment are left out.
    """
    rows: list[dict[str, object]] = []
    for by in segments.columns:
        text, _others = coarse(segments[by])
        plain = text.to_numpy()
        own = []
        for name in sorted(set(plain)):
            inside = plain == name
            if inside.sum() >= LEAST_CUSTOMERS:
                value, se = mean_error(gamma[inside], None if cluster is None else cluster[inside])
                own.append({"by": by, "segment": name, "customers": int(inside.sum()), "raw": value, "raw_se": se})
        own = [one for one in own if one["raw_se"] > 0]
        if len(own) < 2:  # noqa: PLR2004 - one segment is all customers
            continue
        effects, errors = (np.array([one[key] for one in own]) for key in ("raw", "raw_se"))
        found = read_together(effects, errors, level=level)
        for one, value, low, high in zip(own, found.value, found.low, found.high, strict=True):
            rows.append(one | {"effect": value, "low": low, "high": high})
    return pd.DataFrame(rows, columns=COLUMNS)

"""Segments: effects by group for people to read, each drawn towards all customers' by as much as it is uncertain.

The segments of one column are taken as draws about a common mean with variance tau^2 (normal-normal; Morris 1983), tau^2 by Paule &
Mandel (1982). The luckiest of many small segments is so not taken for a finding.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.stats.intervals import quantile
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
        shrunk, half = shrink(effects, errors, level=level)
        for one, value, width in zip(own, shrunk, half, strict=True):
            rows.append(one | {"effect": value, "low": value - width, "high": value + width})
    return pd.DataFrame(rows, columns=COLUMNS)


def shrink(effects: NDArray, errors: NDArray, *, level: float) -> tuple[NDArray, NDArray]:
    """Posterior means and half-widths under the normal-normal model, the common mean's own error counted.

    Args:
        effects: Shape (k,).
        errors: Standard errors, shape (k,).
        level: Coverage.
    """
    tau2 = paule_mandel(effects, errors)
    weight = 1 / (tau2 + errors**2)
    centre = float((weight * effects).sum() / weight.sum())
    keep = tau2 / (tau2 + errors**2)
    variance = keep * errors**2 + (1 - keep) ** 2 / weight.sum()
    return centre + keep * (effects - centre), quantile(level) * np.sqrt(variance)


def paule_mandel(effects: NDArray, errors: NDArray) -> float:
    """Variance between segments: where the weighted sum of squares is what chance would make it (k - 1); 0 where it is below."""

    def excess(tau2: float) -> float:
        weight = 1 / (tau2 + errors**2)
        centre = (weight * effects).sum() / weight.sum()
        return float((weight * (effects - centre) ** 2).sum()) - (len(effects) - 1)

    if excess(0.0) <= 0:
        return 0.0
    from scipy.optimize import brentq

    high = float(np.var(effects)) + float((errors**2).max())
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-12 * max(high, math.ulp(1.0))))

"""Moves between segments from one date to another, counted under thresholds frozen at the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.reporting.words import _
from helpers.segmentation.migration import Migration
from helpers.segmentation.rfm import Thresholds, customer_table, scored, thresholds
from helpers.segmentation.schemes import LAPSED, NEW, REACTIVATED, RFM, prove_scheme
from helpers.stats.bootstrap import percentile

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir


def migration(
    orders: ir.Table,
    *,
    start: datetime,
    end: datetime,
    window_months: int,
    edges: Thresholds | None,
    scheme: dict[str, tuple[str, ...]] | None,
    level: float,
    seed: int,
    replicates: int,
) -> Migration:
    """Moves between segments from `start` to `end`, each with the window of months before it.

    Where the log begins within the earlier window, both windows are as many whole months as it holds before `start`: a
    window that the log's beginning cuts holds less than one of the same length that it does not, so that revenue would
    seem to grow and nobody could lapse or come back.

    Args:
        orders: One row an order or refund.
        start: First date.
        end: Second date.
        window_months: Length of both windows, where the log reaches back so far.
        edges: Given thresholds; those of the customers at `start` where it is `None`.
        scheme: Codes by segment, or `None` for the kit's own partition.
        level: Coverage of the intervals.
        seed: Of the bootstrap.
        replicates: Of the bootstrap.
    """
    names = scheme or RFM
    segments = prove_scheme(names)
    listed = list(names)
    ever = customer_table(orders, as_of=start)
    months = min(window_months, whole_months(ever["first_at"].min(), start))
    told: dict[str, Any] = {
        "start": start,
        "end": end,
        "window_months": months,
        "months_asked": window_months,
        "thresholds_given": edges is not None,
        "level": level,
    }
    if months == 0:
        return _nothing(told)
    window = pd.DateOffset(months=months)
    earlier = customer_table(orders, as_of=start, since=(pd.Timestamp(start) - window).to_pydatetime())
    later = customer_table(orders, as_of=end, since=(pd.Timestamp(end) - window).to_pydatetime())
    known = set(ever.loc[ever["frequency"] > 0, "customer_id"])
    frozen = edges or thresholds(earlier)
    before = scored(earlier, frozen, segments).set_index("customer_id")
    after = scored(later, frozen, segments).set_index("customer_id")
    if before.empty:
        return _nothing(told)
    again = scored(later, thresholds(later), segments)
    sizes = pd.DataFrame(
        {
            "segment": listed,
            "before": [int((before["segment"] == name).sum()) for name in listed],
            "frozen": [int((after["segment"] == name).sum()) for name in listed],
            "requantiled": [int((again["segment"] == name).sum()) for name in listed],
        }
    )
    everyone = before.index.union(after.index)
    origin = before["segment"].reindex(everyone)
    origin = origin.where(origin.notna(), [REACTIVATED if customer in known else NEW for customer in everyone])
    target = after["segment"].reindex(everyone).fillna(LAPSED)
    counts = pd.crosstab(origin, target)
    rows = [name for name in [*listed, NEW, REACTIVATED] if name in counts.index]
    columns = [name for name in [*listed, LAPSED] if name in counts.columns]
    spent = later.set_index("customer_id")["monetary"]
    revenue = _moved_revenue(before, spent, listed, level=level, seed=seed, replicates=replicates)
    return Migration(counts=counts.loc[rows, columns], revenue=revenue, sizes=sizes, **told)


def whole_months(first: pd.Timestamp, start: datetime) -> int:
    """How many whole months lie between the day of the first order and a later date.

    Args:
        first: The first order of any identified customer; not a time where there is none.
        start: The later date.
    """
    if pd.isna(first):
        return 0
    date = pd.Timestamp(start)
    months = 12 * (date.year - first.year) + date.month - first.month
    return months if date - pd.DateOffset(months=months) >= first.normalize() else months - 1


def _nothing(told: dict[str, Any]) -> Migration:
    """No migration, since nobody was in a segment at the first date."""
    revenue = pd.DataFrame(columns=["segment", "customers", "before", "after", "moved", "low", "high"])
    sizes = pd.DataFrame(columns=["segment", "before", "frozen", "requantiled"])
    return Migration(counts=pd.DataFrame(), revenue=revenue, sizes=sizes, **told)


def _moved_revenue(
    before: pd.DataFrame, spent: pd.Series, listed: list[str], *, level: float, seed: int, replicates: int
) -> pd.DataFrame:
    """Net revenue of the same customers in both windows, by their segment at the first date."""
    then = before["monetary"].to_numpy(float)
    now = spent.reindex(before.index).fillna(0.0).to_numpy(float)
    names = [name for name in listed if (before["segment"] == name).any()]
    members = [np.ones(len(before), bool), *((before["segment"] == name).to_numpy() for name in names)]
    moved = np.column_stack([np.where(member, now - then, 0.0) for member in members])
    low, high = percentile(moved, lambda totals: totals, level=level, seed=seed, replicates=replicates)
    rows = [
        {
            "segment": name,
            "customers": int(member.sum()),
            "before": float(then[member].sum()),
            "after": float(now[member].sum()),
            "moved": float((now - then)[member].sum()),
            "low": float(low[place]),
            "high": float(high[place]),
        }
        for place, (name, member) in enumerate(zip([_("All who were there"), *names], members, strict=True))
    ]
    return pd.DataFrame([*rows[1:], rows[0]])

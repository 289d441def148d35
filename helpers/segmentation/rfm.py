"""RFM: recency, frequency and monetary value of each customer, scored by thresholds that can be seen and frozen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import MISSING, _, money, number

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import ibis.expr.types as ir
    from numpy.typing import NDArray

    from helpers.segmentation.topic import Edges

SCORES = 5
QUANTILES = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Edges between scores 1 to 5; a value on an edge belongs below it (for recency: to the better score).

    Attributes:
        recency: Four rising edges in days since the last order.
        frequency: Four rising edges in orders.
        monetary: Four rising edges in net revenue.
    """

    recency: tuple[float, float, float, float]
    frequency: tuple[float, float, float, float]
    monetary: tuple[float, float, float, float]

    def to_frame(self) -> pd.DataFrame:
        """One row a score and measure: `measure`, `score`, `above`, `up_to`."""
        rows = []
        for measure, edges in asdict(self).items():
            ends = [-np.inf, *edges, np.inf]
            for place in range(SCORES):
                score = SCORES - place if measure == "recency" else place + 1
                rows.append((measure, score, ends[place], ends[place + 1]))
        return pd.DataFrame(rows, columns=["measure", "score", "above", "up_to"])

    def table(self) -> Table:
        """What each score means."""
        spans = {"recency": _days, "frequency": _orders, "monetary": _amounts}
        frame = self.to_frame()
        wide: dict[str, list[Any]] = {"score": list(range(SCORES, 0, -1))}
        for measure, span in spans.items():
            part = frame[frame["measure"] == measure].set_index("score").loc[wide["score"]]
            wide[measure] = [
                MISSING if low == high else span(low, high)
                for low, high in zip(part["above"], part["up_to"], strict=True)
            ]
        columns = {
            "score": Column(label=_("Score"), kind="number"),
            "recency": Column(label=_("Days since last order")),
            "frequency": Column(label=_("Orders")),
            "monetary": Column(label=_("Net revenue")),
        }
        foot = _(
            "An empty span means that no value can have the score. Thresholds are kept and applied to later periods."
        )
        return table(pd.DataFrame(wide), columns, title=_("What the scores mean"), foot=foot)


def customer_table(orders: ir.Table, *, as_of: datetime, since: datetime | None = None) -> pd.DataFrame:
    """One row an identified customer with any order or refund in the window, counted in the engine.

    Args:
        orders: One row an order or refund.
        as_of: First moment that no longer counts.
        since: First moment that counts; all of the past where it is `None`.

    Returns:
        customer_id, frequency (orders), monetary (net revenue with refunds), first_at, last_at, recency_days (NaN for a
        customer with refunds only) and aov, ordered by customer_id.
    """
    window = orders.filter((orders.ordered_at < as_of) & orders.customer_id.notnull())
    if since is not None:
        window = window.filter(window.ordered_at >= since)
    is_order = window.kind == "order"
    frame = (
        window.group_by("customer_id")
        .agg(
            frequency=is_order.sum(),
            monetary=window.revenue.sum(),
            first_at=window.ordered_at.min(where=is_order),
            last_at=window.ordered_at.max(where=is_order),
        )
        .order_by("customer_id")
        .execute()
    )
    frame["recency_days"] = (pd.Timestamp(as_of) - frame["last_at"]) / pd.Timedelta(days=1)
    frame["aov"] = frame["monetary"] / frame["frequency"].where(frame["frequency"] > 0)
    return frame


def thresholds(customers: pd.DataFrame, *, given: Edges | None = None) -> Thresholds:
    """Thresholds from the quintiles of the customers who ordered, or as given.

    Recency and monetary value take plain quintiles. Most customers of a shop buy once, which would put several
    quintiles of frequency on one order: all who bought once score 1, and the quartiles of those who bought again
    separate the scores above. Edges are values, not ranks, so equal customers have equal scores in any order.

    Args:
        customers: From `customer_table`.
        given: Edges of the params.
    """
    if given is not None:
        return Thresholds(recency=given.recency, frequency=given.frequency, monetary=given.monetary)
    bought = customers[customers["frequency"] > 0]
    again = bought.loc[bought["frequency"] > 1, "frequency"]
    return Thresholds(
        recency=_edges(bought["recency_days"], QUANTILES),
        frequency=(1.0, *_edges(again, (0.25, 0.5, 0.75))) if len(again) else (1.0, 1.0, 1.0, 1.0),
        monetary=_edges(bought["monetary"], QUANTILES),
    )


def scored(customers: pd.DataFrame, edges: Thresholds, segments: dict[str, str]) -> pd.DataFrame:
    """Customers who ordered, with scores `r`, `f`, `m` and `fm` (1 to 5), `code` and `segment`.

    Args:
        customers: From `customer_table`.
        edges: Thresholds.
        segments: Segment by code, from `prove_scheme`.
    """
    frame = customers[customers["frequency"] > 0].reset_index(drop=True)
    recency = _score(frame["recency_days"].to_numpy(float), edges.recency)
    frame["r"] = SCORES + 1 - recency
    frame["f"] = _score(frame["frequency"].to_numpy(float), edges.frequency)
    frame["m"] = _score(frame["monetary"].to_numpy(float), edges.monetary)
    # Rounded half up: NumPy's own rounding takes 2.5 down to 2.
    frame["fm"] = (frame["f"] + frame["m"] + 1) // 2
    frame["code"] = frame["r"].astype(str) + frame["fm"].astype(str)
    frame["segment"] = frame["code"].map(segments)
    return frame


def _days(low: float, high: float) -> str:
    return _between(low, high, lambda value: number(value, digits=1))


def _amounts(low: float, high: float) -> str:
    return _between(low, high, money)


def _between(low: float, high: float, told: Callable[[float], str]) -> str:
    """Values above one edge, up to and with the next."""
    if np.isinf(low):
        return _("up to {high}").format(high=told(high))
    if np.isinf(high):
        return _("over {low}").format(low=told(low))
    return _("over {low} up to {high}").format(low=told(low), high=told(high))


def _orders(low: float, high: float) -> str:
    """Whole orders between two edges, which may lie between them."""
    first = 1 if np.isinf(low) else int(np.floor(low)) + 1
    if np.isinf(high):
        return _("{orders} or more").format(orders=number(first))
    last = int(np.floor(high))
    if first > last:
        return MISSING
    return number(first) if first == last else _("{first} to {last}").format(first=number(first), last=number(last))


def _edges(values: pd.Series, at: tuple[float, ...]) -> Any:
    if values.empty:
        return tuple(0.0 for _ in at)
    return tuple(float(edge) for edge in np.quantile(values.to_numpy(float), at))


def _score(values: NDArray, edges: tuple[float, ...]) -> NDArray:
    """1 + how many edges a value is above."""
    return np.searchsorted(np.asarray(edges), values, side="left").astype(int) + 1

"""Back-test: the model is fitted on what was known at earlier dates and held against what came after."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.clv import purchase
from helpers.clv.expect import expect
from helpers.clv.fit import fit
from helpers.clv.history import histories
from helpers.clv.proof import LEVEL, Backtest
from helpers.clv.simulate import simulate
from helpers.reporting.findings import where_given
from helpers.reporting.words import _, number

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    from numpy.typing import NDArray

    from helpers.clv.history import Base
    from helpers.clv.topic import Params

LONGEST = 365
SHORTEST = 28
FEWEST = 30
PIECES = 13


@where_given
def backtest(
    orders: ir.Table,
    *,
    until: datetime,
    first: datetime,
    settings: Params,
    seed: int,
    attributes: ir.Table | None = None,
) -> Backtest:
    """Fit at earlier dates, predict, compare.

    The time ahead is half the log, a year at most; each further origin lies half of it earlier.

    Args:
        orders: One row an order or refund.
        until: First moment that does not count.
        first: Moment of the first order.
        settings: The model that is tested, how many origins at most, and the bias that is passed although the interval
            misses.
        seed: Of all randomness.
        attributes: One row a customer, for groups by attribute.
    """
    process, tolerated = settings.process, settings.bias
    observed = (until - first).days
    ahead = min(observed // 2, LONGEST)
    nothing = pd.DataFrame()
    if ahead < SHORTEST:
        reason = _("No back-test: the log covers {days} days, too few to hold some back.").format(days=number(observed))
        return Backtest(
            origins=nothing, track=nothing, deciles=nothing, process=process, tolerated=tolerated, reason=reason
        )
    rows, track, deciles = [], nothing, nothing
    for place in range(settings.origins):
        origin = until - timedelta(days=ahead + place * (ahead // 2))
        if (origin - first).days < max(SHORTEST, ahead // 2):
            break
        base = histories(orders, as_of=origin, by=settings.by, attributes=attributes)
        if base.n < FEWEST:
            break
        known = base.customers
        later = _later(orders, origin=origin, until=origin + timedelta(days=ahead))
        actual = later.groupby("customer_id").size().reindex(known["customer_id"]).fillna(0).to_numpy(float)
        row, curve, tenths = _one(base, actual, later, settings=settings, ahead=ahead, seed=seed + place)
        rows.append({"origin": origin.date(), "days": ahead, "customers": base.n, **row})
        if not place:
            track, deciles = curve, tenths
    if not rows:
        reason = _("No back-test: fewer than {n} customers had ordered by then.").format(n=number(FEWEST))
        return Backtest(
            origins=nothing, track=nothing, deciles=nothing, process=process, tolerated=tolerated, reason=reason
        )
    return Backtest(origins=pd.DataFrame(rows), track=track, deciles=deciles, process=process, tolerated=tolerated)


def _later(orders: ir.Table, *, origin: datetime, until: datetime) -> pd.DataFrame:
    """Order days after the origin of customers known by then: customer_id, day (since the origin)."""
    bought = orders.filter(orders.customer_id.notnull() & (orders.kind == "order") & (orders.ordered_at < until))
    known = bought.filter(bought.ordered_at < origin).select("customer_id").distinct()
    after = bought.filter(bought.ordered_at >= origin).semi_join(known, "customer_id")
    frame = after.select("customer_id", on=after.ordered_at.date()).distinct().execute()
    frame["day"] = (pd.to_datetime(frame["on"]) - pd.Timestamp(origin)).dt.days
    return frame


def _one(
    base: Base,
    actual: NDArray,
    later: pd.DataFrame,
    *,
    settings: Params,
    ahead: int,
    seed: int,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Figures, track and tenths of one origin."""
    known = base.customers
    process = settings.process
    split = settings.pooled and len(base.groups) > 1
    rows = base.rows(pooled=split)
    data = purchase.compressed(rows)
    posterior = fit(process, data, tier=settings.tier, draws=settings.draws, seed=seed, pooled=split)
    parameters = purchase.to_parameters(posterior.theta, process, scale=rows.scale)
    piece = ahead / PIECES
    columns = {name: base.histories[name].to_numpy(float) for name in ("x", "t_x", "T")}
    expected = expect(
        process,
        **columns,
        weight=base.histories["weight"].to_numpy(float),
        group=base.histories["group"].to_numpy(),
        parameters=parameters,
        discount=np.ones(PIECES),
        month=piece,
    )
    n = base.n
    zeros = np.zeros(n)
    futures = simulate(
        process=process,
        **{name: known[name].to_numpy(float) for name in ("x", "t_x", "T")},
        spend_x=zeros,
        spend_total=zeros,
        rate=zeros,
        purchase=parameters,
        spend={"p": np.ones(1), "q": np.full(1, 3.0), "v": np.ones(1)},
        discount=np.ones(PIECES),
        month=piece,
        margin=1.0,
        cac=0.0,
        group=known["group"].to_numpy(),
        groups=len(base.groups),
        level=LEVEL,
        seed=seed,
    )
    at = np.searchsorted(base.histories["history"].to_numpy(), known["history"].to_numpy())
    predicted = expected.orders[at]
    cumulative = futures.orders.cumsum(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(cumulative, [tail, 1 - tail], axis=0)
    total = actual.sum()
    naive = _naive(known, ahead)
    nbd = _nbd(known, ahead)

    def bias(values: NDArray) -> float:
        return float(values.sum() / total - 1) if total else float("nan")

    row = {
        "predicted": float(predicted.sum()),
        "low": float(low[-1]),
        "high": float(high[-1]),
        "actual": float(total),
        "bias": bias(predicted),
        "coverage90": float(
            ((actual >= futures.customers["orders_low"]) & (actual <= futures.customers["orders_high"])).mean()
        ),
        "gini": normalised_gini(actual, predicted),
        "mae": float(np.abs(predicted - actual).mean()),
        "naive_bias": bias(naive),
        "naive_gini": normalised_gini(actual, naive),
        "naive_mae": float(np.abs(naive - actual).mean()),
        "zero_mae": float(actual.mean()),
        "zero_bias": -1.0 if total else float("nan"),
        "nbd_mae": float(np.abs(nbd - actual).mean()),
        "nbd_bias": bias(nbd),
        "nbd_gini": normalised_gini(actual, nbd),
        "tier": posterior.tier,
    }
    days = np.round(piece * np.arange(1, PIECES + 1))
    happened = np.searchsorted(np.sort(later["day"].to_numpy()), days - 0.5)
    curve = pd.DataFrame(
        {
            "days": np.append(0, days),
            "predicted": np.append(0, expected.by_month.mean(axis=0).cumsum()),
            "low": np.append(0, low),
            "high": np.append(0, high),
            "actual": np.append(0, happened),
        }
    )
    order = np.argsort(-predicted, kind="stable")
    tenths = pd.DataFrame(
        [
            {
                "decile": place + 1,
                "customers": len(part),
                "predicted": predicted[part].mean(),
                "actual": actual[part].mean(),
            }
            for place, part in enumerate(np.array_split(order, 10))
            if len(part)
        ]
    )
    return row, curve, tenths


def _naive(known: pd.DataFrame, ahead: int) -> NDArray:
    """Each customer's own past rate, kept up."""
    return (known["x"] / known["T"].clip(lower=1) * ahead).to_numpy(float)


def _nbd(known: pd.DataFrame, ahead: int) -> NDArray:
    """Negative binomial without drop-out, by moments: rates shrunk to the base's, and nobody stops."""
    x, T = known["x"].to_numpy(float), known["T"].clip(lower=1).to_numpy(float)
    mean = x.sum() / T.sum()
    if mean == 0:
        return np.zeros(len(x))
    between = max((((x - mean * T) ** 2 - mean * T).sum() / (T**2).sum()), mean**2 / 100)
    r, alpha = mean**2 / between, mean / between
    return (r + x) / (alpha + T) * ahead


def normalised_gini(actual: NDArray, score: NDArray) -> float:
    """Gini of actual values ranked by a score, over that of a perfect ranking; ties in the score share their values."""
    if actual.sum() <= 0 or np.ptp(actual) == 0:
        return float("nan")

    def area(by: NDArray) -> float:
        frame = pd.DataFrame({"by": by, "value": actual}).groupby("by")["value"].agg(["sum", "size"])[::-1]
        people = np.append(0, frame["size"].cumsum()) / len(actual)
        held = np.append(0, frame["sum"].cumsum()) / actual.sum()
        return float(np.trapezoid(held, people) - 0.5)

    return area(score) / area(actual)

"""Back-test of contracts: the model is fitted on what was known at an earlier date and held against what came after."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from helpers.clv.backtest import FEWEST, LONGEST, SHORTEST
from helpers.clv.contract_fit import fit_contracts
from helpers.clv.contract_futures import expect_renewals, how_many, renew, schedule, units
from helpers.clv.contract_proof import KINDS, ContractBacktest
from helpers.clv.contracts import contracts, grace
from helpers.clv.expect import MONTH
from helpers.clv.proof import LEVEL
from helpers.reporting.findings import Absent, where_given
from helpers.reporting.words import _, day, number

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    from numpy.typing import NDArray

    from helpers.clv.contract_model import ContractModel
    from helpers.clv.fit import Tier


@where_given
def backtest_contracts(
    subscriptions: ir.Table,
    *,
    until: datetime,
    first: datetime,
    tier: Tier,
    draws: int,
    tolerated: float,
    seed: int,
) -> ContractBacktest:
    """Fit at an earlier date, predict who stays, compare.

    The time ahead is half the log, a year at most.

    Args:
        subscriptions: One row a contract.
        until: First moment that does not count.
        first: Moment at which the log begins; that of the first contract where that is later.
        tier: Of the fit.
        draws: Posterior draws.
        tolerated: Bias that is passed although the interval misses.
        seed: Of all randomness.
    """
    later = contracts(subscriptions, as_of=until, required=False)
    if isinstance(later, Absent):
        return cast("ContractBacktest", later)
    observed = min((until - first).days, later.observed_days)
    ahead = min(observed // 2, LONGEST)
    if ahead < SHORTEST:
        reason = _("No back-test of contracts: they cover {days} days, too few to hold some back.")
        return _none(reason.format(days=number(observed)), tolerated=tolerated)
    origin = until - timedelta(days=ahead)
    base = contracts(subscriptions, as_of=origin, required=False)
    if isinstance(base, Absent) or len(base.active) < FEWEST:
        reason = _("No back-test of contracts: fewer than {n} were active by then.")
        return _none(reason.format(n=number(FEWEST)), tolerated=tolerated)
    # Both moments see the same rows of contracts that began by the origin, in the same order.
    after = later.frame[later.frame["days"] > ahead].reset_index(drop=True)
    scheduled = schedule(base.active, as_of=origin, ahead=ahead)
    if not scheduled["steps"].any():
        reason = _("No back-test of contracts: none was due for renewal within the {days} days held back.")
        return _none(reason.format(days=number(ahead)), tolerated=tolerated)
    model = fit_contracts(base, tier=tier, draws=draws, level=LEVEL, seed=seed)
    if model.unmet:
        reason = _("No back-test of contracts: by {day} no renewal date had passed from which to tell who renews.")
        return _none(reason.format(day=day(origin.date())), tolerated=tolerated)
    actual = after[base.frame["active"].to_numpy()]
    edges = _edges(ahead)
    stayed, renewals, expected = _predicted(model, scheduled, edges, ahead=ahead, seed=seed)
    happened = _happened(scheduled, actual, spread=later.spread)
    n, tail = len(scheduled), (1 - LEVEL) / 2
    totals = pd.DataFrame(
        [
            _row(stayed[:, -1], float(actual["active"].sum()), float(stayed[:, -1].mean()), tail),
            _row(renewals, happened, expected, tail),
        ],
        index=list(KINDS),
    )
    low, high = np.quantile(stayed, [tail, 1 - tail], axis=0) / n
    gone = (actual["length"] - (actual["days"] - ahead)).to_numpy(float)
    track = pd.DataFrame(
        {
            "days": edges,
            "predicted": stayed.mean(axis=0) / n,
            "low": low,
            "high": high,
            # NaN, an end that has not come, is never before an edge.
            "actual": [1 - float((gone < edge).mean()) for edge in edges],
        }
    )
    return ContractBacktest(totals=totals, track=track, origin=origin.date(), days=ahead, n=n, tolerated=tolerated)


def _none(reason: str, *, tolerated: float) -> ContractBacktest:
    nothing = pd.DataFrame()
    return ContractBacktest(totals=nothing, track=nothing, origin=None, days=0, n=0, tolerated=tolerated, reason=reason)


def _edges(ahead: int) -> NDArray:
    """Days at which the curve is told: the start, the middle of each month, and the end.

    Where all contracts renew on one day of the month, as many bases do, dates of calendar months stray about those of mean
    months; half-way between them it does not matter.
    """
    middles = np.arange(MONTH / 2, ahead, MONTH).round()
    return np.concatenate([[0.0], middles[middles < ahead], [float(ahead)]])


def _row(drawn: NDArray, actual: float, predicted: float, tail: float) -> dict[str, float]:
    low, high = np.quantile(drawn, [tail, 1 - tail])
    bias = predicted / actual - 1 if actual else float("nan") if predicted else 0.0
    return {"predicted": predicted, "low": float(low), "high": float(high), "actual": actual, "bias": bias}


def _predicted(
    model: ContractModel, scheduled: pd.DataFrame, edges: NDArray, *, ahead: int, seed: int
) -> tuple[NDArray, NDArray, float]:
    """Draws of the contracts still active at each edge, shape (draws, edges), of all renewals, and the expected renewals."""
    parameters, group = model.parameters(), model.group[scheduled["plan"].to_numpy(int)]
    spread = model.base.spread
    expected = expect_renewals(parameters, scheduled, group=group, rate=0.0, level=LEVEL, spread=spread)
    shared = units(scheduled, group=group)
    draws = how_many(shared)
    steps, total = shared["steps"].to_numpy(int), shared["count"].to_numpy(float)
    due, period = shared["due"].to_numpy(float), shared["period"].to_numpy(float)
    gone, renewals = np.zeros((draws, len(edges))), np.zeros(draws)
    there = total
    for part, step, alive in renew(parameters, shared, draws=draws, seed=seed, spread=spread, ahead=ahead):
        if step == 1:
            there = np.broadcast_to(total, alive.shape)
        counted = steps >= step if step else np.ones(len(steps), dtype=bool)
        left = np.where(counted, there - alive, 0.0)
        # The last part is the days after a contract's last renewal.
        begun = due + (step - 2) * period if step else due + (steps - 1) * period
        ended = begun + period if step else np.full(len(steps), float(ahead))
        gone[part] += left @ _left_by(edges, begun=begun.clip(min=0.0), ended=ended, spread=spread if step else 1.0)
        if step:
            renewals[part] += (alive * counted).sum(axis=1)
        there = np.where(counted, alive, there)
    return total.sum() - gone, renewals, float(expected.renewals.sum())


def _left_by(edges: NDArray, *, begun: NDArray, ended: NDArray, spread: float) -> NDArray:
    """Share of those who leave between two days that are gone at each edge, shape (units, edges)."""
    # Who leaves at a renewal date is gone at the first edge after it, as an end on an edge is not known there yet.
    place = np.searchsorted(edges, ended, side="right").clip(max=len(edges) - 1)
    at_once = np.arange(len(edges)) >= place[:, None]
    length = np.maximum(ended - begun, 1e-9)[:, None]
    return (1 - spread) * at_once + spread * ((edges - begun[:, None]) / length).clip(0.0, 1.0)


def _happened(scheduled: pd.DataFrame, actual: pd.DataFrame, *, spread: float) -> float:
    """Renewals that came between the origin and the end, counted as in `contracts`."""
    seen, period = scheduled["age"].to_numpy(float), scheduled["period"].to_numpy(float)
    reached = seen + scheduled["steps"].to_numpy(float)
    at = np.maximum(np.ceil(actual["length"].to_numpy(float) / period - grace(period, spread=spread)), 1)
    made = np.where(actual["active"].to_numpy(), reached, np.minimum(at - 1, reached))
    return float(np.maximum(made - seen, 0).sum())

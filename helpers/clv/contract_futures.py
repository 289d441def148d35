"""Renewals to come: expected in closed form, and futures of contracts that face the same renewals, drawn together.

Given the parameters, a customer's own chance of leaving is Beta(alpha, beta + renewals seen) in sBG. Drawing it and then
renewal after renewal is the same as drawing how many of so many like customers renew, one binomial a renewal, with chance
S(t) / S(t - 1): the customer's chance is integrated out. BdW has no such customer's chance, and the same binomials.

Where contracts end on any day, whoever is still there has come through a part of the period already: the chance of the next
renewal is that of the rest of it (`contractual.next_chances`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.clv import contractual
from helpers.clv.contracts import renewals_seen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from numpy.typing import NDArray

DAYS_A_YEAR = 365.25
CELLS = 10_000_000
BLOCK = 1_000_000
FEWEST, MOST = 200, 1000
# Shares of a period between which expectations are interpolated by a cubic.
PASSED = np.array([0.0, 1 / 3, 2 / 3, 1.0])
MOST_UNITS = 20_000
MOST_PRICES = 10


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What contracts are expected to do, posterior mean and predictive points, shape (n,) each.

    Attributes:
        p_renew: Chance of the next renewal.
        renewals: Expected renewals within the horizon.
        renewals_low: Lower predictive point of their number.
        renewals_high: Upper one.
        factor: Expected discounted payments of 1 at each renewal within the horizon.
        factor_low: That of `renewals_low` renewals.
        factor_high: That of `renewals_high` renewals.
    """

    p_renew: NDArray
    renewals: NDArray
    renewals_low: NDArray
    renewals_high: NDArray
    factor: NDArray
    factor_low: NDArray
    factor_high: NDArray


def schedule(frame: pd.DataFrame, *, as_of: datetime, ahead: float) -> pd.DataFrame:
    """Contracts with `steps`, the renewals that fall due within `ahead` days, and `due`, the days until the first."""
    started, period = frame["started_on"].to_numpy(), frame["period"].to_numpy(float)
    seen = renewals_seen(started, period, at=as_of)
    return frame.assign(
        age=seen,
        steps=renewals_seen(started, period, at=as_of + timedelta(days=ahead)) - seen,
        # A renewal whose date is only just past is not known yet: it is due today.
        due=np.maximum((seen + 1) * period - frame["days"].to_numpy(float), 0.0),
    )


def passed(frame: pd.DataFrame) -> NDArray:
    """Share of the present period that is over, shape (n,)."""
    return (1 - frame["due"].to_numpy(float) / frame["period"].to_numpy(float)).clip(0.0, 1.0)


def discounts(due: NDArray, period: NDArray, step: int, rate: float) -> NDArray:
    """Factor on what is paid at the `step`-th renewal to come (from 1), at an annual rate."""
    return (1 + rate) ** (-(due + (step - 1) * period) / DAYS_A_YEAR)


def expect_renewals(
    parameters: dict[str, NDArray],
    scheduled: pd.DataFrame,
    *,
    group: NDArray,
    rate: float,
    level: float,
    spread: float,
) -> Ahead:
    """Expectations of scheduled contracts, each (group, age, steps) worked out once.

    Args:
        parameters: Shape (draws, groups) each.
        scheduled: From `schedule`.
        group: Place of each contract's group, shape (n,).
        rate: Of discount, a year.
        level: Coverage of the predictive points.
        spread: Share of ends that come on any day of a period.
    """
    n, tail = len(scheduled), (1 - level) / 2
    age, steps = scheduled["age"].to_numpy(int), scheduled["steps"].to_numpy(int)
    due, period = scheduled["due"].to_numpy(float), scheduled["period"].to_numpy(float)
    found = {name: np.zeros(n) for name in Ahead.__dataclass_fields__}
    kinds = pd.DataFrame({"group": group, "age": age, "steps": steps}).groupby(["group", "age", "steps"])
    logs: dict[int, NDArray] = {}
    # Where all ends come at renewal dates, how much of a period is over is of no account.
    near = _cubic(passed(scheduled)) if spread else np.ones((n, 1))
    for (g, seen, ahead), rows in kinds.indices.items():
        if g not in logs:
            upto = int((age + steps)[group == g].max()) + 1
            own = {name: values[:, g] for name, values in parameters.items()}
            chances = contractual.renewal_chances(own, upto=upto)
            logs[g] = np.vstack([np.zeros(chances.shape[1]), np.log(chances.clip(min=1e-300)).cumsum(axis=0)])
        # Chance of at least 1, 2, ... renewals, over the posterior.
        if spread:
            own = {name: values[:, g] for name, values in parameters.items()}
            first = contractual.next_chances(own, age=seen, start=PASSED[:, None], spread=spread)
        else:
            first = np.exp(logs[g][[seen + 1]] - logs[g][seen])
        later = np.exp(logs[g][seen + 1 : seen + 1 + max(ahead, 1)] - logs[g][seen + 1])
        least = near[rows] @ (first @ later.T / later.shape[1])
        found["p_renew"][rows] = least[:, 0]
        least = least[:, :ahead]
        found["renewals"][rows] = least.sum(axis=1)
        # The smallest number that is not exceeded with probability q: as many as are exceeded with more than 1 - q.
        low, high = ((least > 1 - q).sum(axis=1) for q in (tail, 1 - tail))
        found["renewals_low"][rows], found["renewals_high"][rows] = low, high
        for step in range(1, ahead + 1):
            paid = discounts(due[rows], period[rows], step, rate)
            found["factor"][rows] += paid * least[:, step - 1]
            found["factor_low"][rows] += paid * (step <= low)
            found["factor_high"][rows] += paid * (step <= high)
    return Ahead(**found)


def _cubic(at: NDArray) -> NDArray:
    """Weights of the values at `PASSED` (Lagrange), shape (n, 4)."""
    found = np.ones((len(at), len(PASSED)))
    for place, point in enumerate(PASSED):
        for other in np.delete(PASSED, place):
            found[:, place] *= (at - other) / (point - other)
    return found


def _next(parameters: dict[str, NDArray], *, age: NDArray, group: NDArray, start: NDArray, spread: float) -> NDArray:
    """Chance of the next renewal of each unit, shape (futures, units); each (group, age) is worked out once at `PASSED`."""
    kinds, at = np.unique(np.stack([group, age]), axis=1, return_inverse=True)
    own = {name: values[:, kinds[0], None] for name, values in parameters.items()}
    known = contractual.next_chances(own, age=kinds[1][:, None], start=PASSED, spread=spread)
    near, found = _cubic(start), np.zeros((len(known), len(age)))
    for place in range(len(PASSED)):
        found += known[:, at, place] * near[:, place]
    return found.clip(1e-12, 1.0)


def units(scheduled: pd.DataFrame, *, group: NDArray) -> pd.DataFrame:
    """Contracts that face the same renewals at the same price, so that futures are drawn once for all of them.

    Where a plan has many prices, each tenth of its contracts by price goes by its mean price; where there are many due dates,
    neighbouring ones go by their mean. Sums stay what they are.

    Returns:
        plan, group, age, steps, period, due, price and count, sorted by plan.
    """
    frame = scheduled.assign(group=group)
    prices = frame.groupby("plan")["price"]
    rank = (prices.rank(method="first") - 1) * MOST_PRICES // prices.transform("size")
    frame["bin"] = np.where(prices.transform("nunique") <= MOST_PRICES, frame["price"], rank)
    width = 1.0
    while True:
        frame["slot"] = frame["due"] // width
        keys = ["plan", "group", "age", "steps", "period", "bin", "slot"]
        found = frame.groupby(keys, as_index=False).agg(
            due=("due", "mean"), price=("price", "mean"), count=("price", "size")
        )
        if len(found) <= MOST_UNITS or width > frame["period"].max():
            return found.drop(columns=["bin", "slot"])
        width *= 2


def how_many(shared: pd.DataFrame) -> int:
    """Futures to draw: fewer where there are many units."""
    return int(np.clip(CELLS // max(int(shared["steps"].clip(lower=1).sum()), 1), FEWEST, MOST))


def renew(
    parameters: dict[str, NDArray],
    shared: pd.DataFrame,
    *,
    draws: int,
    seed: int,
    spread: float,
    ahead: float | None = None,
) -> Iterator[tuple[slice, int, NDArray]]:
    """Draw who renews, a block of futures and a renewal at a time.

    Args:
        parameters: Shape (s, groups) each; each future starts from one posterior draw.
        shared: From `units`.
        draws: Futures.
        seed: Of all randomness.
        spread: Share of ends that come on any day of a period.
        ahead: Days within which `steps` renewals fall due, where those who are there at their end are asked for.

    Yields:
        Which futures, the renewal to come (from 1) and how many contracts of each unit see it, shape (futures, units). The
        first renewal is drawn for all, later ones within a unit's `steps` only. With `ahead`, last of each block and as
        renewal 0, how many are there after so many days.
    """
    rng = np.random.default_rng(seed)
    picks = rng.permutation(np.resize(np.arange(len(parameters["alpha"])), draws))
    group, age = shared["group"].to_numpy(int), shared["age"].to_numpy(int)
    steps, count = shared["steps"].to_numpy(int), shared["count"].to_numpy(np.int64)
    last = max(int(steps.max()), 1)
    over, period = passed(shared), shared["period"].to_numpy(float)
    size = max(1, BLOCK // max(len(shared), (int(age.max()) + last) * parameters["alpha"].shape[1]))
    for start in range(0, draws, size):
        part = slice(start, min(start + size, draws))
        own = {name: values[picks[part]] for name, values in parameters.items()}
        chances = contractual.renewal_chances(own, upto=int(age.max()) + last)
        alive: NDArray = np.broadcast_to(count, (part.stop - start, len(count)))
        kept = alive
        for step in range(1, last + 1):
            reached = steps >= step if step > 1 else np.ones(len(steps), dtype=bool)
            after = np.zeros_like(alive)
            if step == 1 and spread:
                chance = _next(own, age=age, group=group, start=over, spread=spread)
            else:
                chance = chances[age[reached] + step - 1, :, group[reached]].T
            after[:, reached] = rng.binomial(alive[:, reached], chance)
            alive = after
            kept = np.where(steps >= step, alive, kept) if ahead is not None else kept
            yield part, step, alive
        if ahead is not None:
            if spread:
                # The period in which the days end may be the present one.
                begun = np.where(steps > 0, 0.0, over)
                ending = (1 - (shared["due"].to_numpy(float) + steps * period - ahead) / period).clip(begun, 1.0)
                # There at the end of the days, of those there at their start: both go on to the next renewal.
                renewing = [_next(own, age=age + steps, group=group, start=at, spread=spread) for at in (begun, ending)]
                kept = rng.binomial(kept, np.minimum(renewing[0] / renewing[1], 1.0))
            yield part, 0, kept

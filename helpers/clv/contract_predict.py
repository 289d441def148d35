"""Predicting contracts: expectations in closed form, intervals of sums from futures drawn together."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.clv import contractual
from helpers.clv.contract_futures import discounts, expect_renewals, how_many, renew, schedule, units
from helpers.clv.contract_value import ContractValue
from helpers.clv.contracts import renewals_seen
from helpers.clv.expect import MONTH
from helpers.reporting.findings import where_given

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.clv.contract_model import ContractModel

WORST = 0.05
# What the model says of an active contract.
TOLD = [
    *("p_renew", "renewals", "renewals_low", "renewals_high"),
    *("value", "value_low", "value_high", "at_stake", "expected_loss"),
]


@where_given
def predict_contracts(
    model: ContractModel, *, horizon_months: int, margin: float, discount_rate: float, seed: int
) -> ContractValue:
    """Predict what each active contract brings, and a new one.

    The next payment falls at the next renewal; what was paid at the last one is past.

    Args:
        model: The fitted model.
        horizon_months: Months that count.
        margin: Share of the price; may be negative.
        discount_rate: A year.
        seed: Of all randomness.

    Returns:
        Values; NaN for contracts and plans of whose renewals nothing is known.
    """
    base, parameters = model.base, model.parameters()
    tail = (1 - model.level) / 2
    horizon = horizon_months * MONTH
    scheduled = schedule(base.active, as_of=base.as_of, ahead=horizon)
    plan = scheduled["plan"].to_numpy(int)
    group = model.group[plan]
    ahead = expect_renewals(
        parameters, scheduled, group=group, rate=discount_rate, level=model.level, spread=base.spread
    )
    unit = scheduled["price"].to_numpy(float) * margin
    ends = np.sort([unit * ahead.factor_low, unit * ahead.factor_high], axis=0)
    value = unit * ahead.factor
    stake = np.divide(value, ahead.p_renew, out=np.zeros(len(value)), where=ahead.p_renew > 0)
    told = pd.DataFrame(
        {
            "customer_id": scheduled["customer_id"].to_numpy(),
            "plan": np.array(base.plans, dtype=object)[plan],
            "started_on": scheduled["started_on"].to_numpy(),
            "price": scheduled["price"].to_numpy(float),
            "seen": scheduled["age"].to_numpy(int),
            "due": scheduled["due"].to_numpy(float),
            "p_renew": ahead.p_renew,
            "renewals": ahead.renewals,
            "renewals_low": ahead.renewals_low,
            "renewals_high": ahead.renewals_high,
            "value": value,
            "value_low": ends[0],
            "value_high": ends[1],
            "at_stake": stake,
            "expected_loss": stake - value,
        }
    )
    known = model.met[model.group]
    told.loc[~known[plan], TOLD] = np.nan
    by_plan, renewals, retained = _futures(
        parameters,
        units(scheduled, group=group),
        plans=len(base.plans),
        margin=margin,
        rate=discount_rate,
        seed=seed,
        spread=base.spread,
    )
    new, share = _new(model, horizon=horizon, margin=margin, rate=discount_rate)
    places = np.arange(len(base.plans))
    grouped = told.groupby(plan)
    low, high, worst = np.quantile(by_plan, [tail, 1 - tail, WORST], axis=0)
    new_low, new_high = np.quantile(new, [tail, 1 - tail], axis=0)
    plans = pd.DataFrame(
        {
            "plan": list(base.plans),
            "contracts": grouped.size().reindex(places, fill_value=0).to_numpy(),
            "p_renew": grouped["p_renew"].mean().reindex(places).to_numpy(),
            "value": grouped["value"].sum().reindex(places, fill_value=0.0).to_numpy(),
            "low": low,
            "high": high,
            "new": new.mean(axis=0),
            "new_low": new_low,
            "new_high": new_high,
        }
    )
    plans["at_risk"] = (plans["value"] - worst).clip(lower=0)
    plans.loc[~known, ["value", "low", "high", "at_risk", "new", "new_low", "new_high"]] = np.nan
    told = told.sort_values(["value", "customer_id"], ascending=[False, True], kind="stable", ignore_index=True)
    told.insert(0, "rank", np.arange(1, len(told) + 1))
    return ContractValue(
        contracts=told,
        plans=plans,
        total=by_plan.sum(axis=1),
        renewals=renewals,
        retained=retained,
        new=new @ share,
        known=base.n,
        unmet=model.unmet,
        all_unmet=not model.met.any(),
        horizon_months=horizon_months,
        margin=margin,
        discount_rate=discount_rate,
        observed_days=base.observed_days,
        as_of=base.as_of,
        level=model.level,
    )


def _futures(
    parameters: dict[str, NDArray],
    shared: pd.DataFrame,
    *,
    plans: int,
    margin: float,
    rate: float,
    seed: int,
    spread: float,
) -> tuple[NDArray, NDArray, NDArray]:
    """Draws of each plan's value, shape (draws, plans), of all renewals, and of how many renew next time."""
    if shared.empty:
        return np.zeros((1, plans)), np.zeros(1), np.zeros(1)
    draws = how_many(shared)
    value, renewals, retained = np.zeros((draws, plans)), np.zeros(draws), np.zeros(draws)
    due, period = shared["due"].to_numpy(float), shared["period"].to_numpy(float)
    steps, unit = shared["steps"].to_numpy(int), shared["price"].to_numpy(float) * margin
    there, starts = np.unique(shared["plan"].to_numpy(int), return_index=True)
    for part, step, alive in renew(parameters, shared, draws=draws, seed=seed, spread=spread):
        counted = alive * (steps >= step)
        paid = counted * (unit * discounts(due, period, step, rate))
        value[part, there] += np.add.reduceat(paid, starts, axis=1)
        renewals[part] += counted.sum(axis=1)
        if step == 1:
            retained[part] = alive.sum(axis=1)
    return value, renewals, retained


def _new(model: ContractModel, *, horizon: float, margin: float, rate: float) -> tuple[NDArray, NDArray]:
    """Draws of the expected margin of a new contract of each plan, shape (draws, plans), and each plan's share of contracts."""
    base, parameters = model.base, model.parameters()
    sums = base.histories.groupby("plan")[["weight", "price"]].sum()
    price = (sums["price"] / sums["weight"]).to_numpy(float)
    steps = renewals_seen(base.as_of, base.periods, at=base.as_of + timedelta(days=horizon))
    found = np.empty((len(parameters["alpha"]), len(price)))
    for place, length in enumerate(base.periods):
        own = {name: values[:, model.group[place]] for name, values in parameters.items()}
        there = contractual.renewal_chances(own, upto=max(int(steps[place]), 1)).cumprod(axis=0)[: steps[place]]
        factors = np.array([discounts(length, length, step, rate) for step in range(1, steps[place] + 1)])
        found[:, place] = price[place] * margin * (1 + factors @ there)
    return found, (sums["weight"] / sums["weight"].sum()).to_numpy(float)

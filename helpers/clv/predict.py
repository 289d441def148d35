"""Predictions: expected and predictive orders and value, for each customer, group, month and the whole base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.clv.expect import MONTH, discount_factors, expect, posterior_ends
from helpers.clv.prediction import Prediction
from helpers.clv.simulate import simulate
from helpers.clv.spend import expected_spend
from helpers.reporting.findings import where_given

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.clv.model import Model


@where_given
def predict(
    model: Model,
    *,
    horizon_months: int,
    margin: float,
    discount_rate: float,
    cac: float | None,
    seed: int,
) -> Prediction:
    """Predict what each customer brings.

    Args:
        model: The fitted model.
        horizon_months: Months that count.
        margin: Share of net revenue; may be negative.
        discount_rate: A year.
        cac: What values are compared with; zero where it is unknown.
        seed: Of all randomness.
    """
    base = model.base
    frame, shared = base.customers, base.histories
    factors = discount_factors(horizon_months, discount_rate)
    net = margin * (1 - base.refunds)
    parameters = model.parameters()
    columns = {name: shared[name].to_numpy(float) for name in ("x", "t_x", "T")}
    ahead = expect(
        model.process,
        **columns,
        weight=shared["weight"].to_numpy(float),
        group=shared["group"].to_numpy(),
        parameters=parameters,
        discount=factors,
        month=MONTH,
    )
    at = np.searchsorted(shared["history"].to_numpy(), frame["history"].to_numpy())
    x, total = model.spend_history()
    spends = _mean_spend(model, x, total, tilted=None)
    money_by = model.spend_parameters()
    futures = simulate(
        process=model.process,
        **{name: frame[name].to_numpy(float) for name in ("x", "t_x", "T")},
        spend_x=x,
        spend_total=total,
        rate=model.rate,
        purchase=parameters,
        spend=money_by,
        discount=factors,
        month=MONTH,
        margin=net,
        cac=cac or 0.0,
        group=frame["group"].to_numpy(),
        groups=len(base.groups),
        level=model.level,
        seed=seed,
    )
    value = ahead.discounted[at] * spends * net
    told = pd.DataFrame(
        {
            "customer_id": frame["customer_id"].to_numpy(),
            "group": pd.Categorical.from_codes(frame["group"], list(base.groups)).astype(str),
            "p_alive": ahead.p_alive[at],
            "orders": ahead.orders[at],
            "orders_low": futures.customers["orders_low"],
            "orders_high": futures.customers["orders_high"],
            "spend": spends,
            "value": value,
            "value_low": futures.customers["value_low"],
            "value_high": futures.customers["value_high"],
            "p_order": futures.customers["p_order"],
            "p_above_cac": futures.customers["p_above"],
            "p_top_decile": futures.customers["p_top"],
        }
    )
    tail = (1 - model.level) / 2
    grouped = told.groupby(frame["group"].to_numpy())
    places = np.array(sorted(grouped.groups))
    low, high, worst = np.quantile(futures.value[:, places], [tail, 1 - tail, 0.05], axis=0)
    groups = pd.DataFrame(
        {
            "group": [base.groups[place] for place in places],
            "customers": grouped.size().to_numpy(),
            "value": grouped["value"].sum().to_numpy(),
            "low": low,
            "high": high,
            "p_alive": grouped["p_alive"].mean().to_numpy(),
        }
    )
    groups["at_risk"] = (groups["value"] - worst).clip(lower=0)
    monthly_low, monthly_high = posterior_ends(ahead.by_month, level=model.level).clip(min=0.0)
    told = told.sort_values(["value", "customer_id"], ascending=[False, True], ignore_index=True)
    told["rank"] = np.arange(1, len(told) + 1)
    independent = ahead.discounted[at] * _mean_spend(model, x, total, tilted=False) * net
    return Prediction(
        customers=told,
        groups=groups,
        months=pd.DataFrame(
            {
                "month": np.arange(1, horizon_months + 1),
                "orders": ahead.by_month.mean(axis=0),
                "low": monthly_low,
                "high": monthly_high,
            }
        ),
        total=futures.value.sum(axis=1),
        orders=futures.orders.sum(axis=1),
        alive=ahead.alive,
        independent_total=float(independent.sum()),
        horizon_months=horizon_months,
        margin=margin,
        discount_rate=discount_rate,
        refunds=base.refunds,
        observed_days=int(frame["T"].max()) + 1,
        cac=cac,
        level=model.level,
    )


def _mean_spend(model: Model, x: NDArray, total: NDArray, *, tilted: bool | None) -> NDArray:
    """Posterior mean of each customer's mean order, averaged over draws a block at a time."""
    parameters = model.spend_parameters(tilted=tilted)
    draws = len(parameters["p"])
    used = np.linspace(0, draws - 1, min(draws, max(8, 20_000_000 // max(len(x), 1)), 200)).round().astype(int)
    mean = total / np.maximum(x, 1)
    found: Any = np.zeros(len(x))
    for s in used:
        own = {name: float(values[s]) for name, values in parameters.items()}
        found += expected_spend(own, x=x, mean=mean, rate=model.rate)
    return found / len(used)

"""New customers: what they bring and how many earn their cost, where the truth is known in closed form or by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import digamma

from helpers import clv
from helpers.clv.pace import expected_log_rate
from helpers.clv.topic import Params
from tests.clv.simulated import LIVELY, START, order_log

BETA_GEOMETRIC = {"r": 0.8, "alpha": 60.0, "a": 0.9, "b": 3.0}
TRUTH = {
    "mbg_nbd": BETA_GEOMETRIC,
    "bg_nbd": BETA_GEOMETRIC,
    "pareto_nbd": {"r": 0.8, "alpha": 60.0, "s": 0.8, "beta": 200.0},
}
# One of twenty customers came by the second way, and orders fifteen times as often.
SLOW, FAST = ({"r": 1.0, "alpha": alpha, "a": 0.8, "b": 2.4} for alpha in (300.0, 20.0))
SIZES = (1900, 100)
COMMON = {"horizon_months": 24, "margin": 0.35, "discount_rate": 0.1, "confidence": 0.9, "seed": 1}
SCALE = 300.0


@pytest.mark.parametrize("process", TRUTH)
def test_the_expected_log_rate_of_a_history_is_that_of_the_customers_who_have_it(process):
    """Also of those who stopped long ago: regressed on it, the true log rate has slope 1 and intercept 0."""
    rng, n, days = np.random.default_rng(8), 20_000, 600.0
    truth = TRUTH[process]
    rate = np.maximum(rng.gamma(truth["r"], 1 / truth["alpha"], n), 1e-300)
    stop, end = np.zeros(n), np.full(n, days)
    if process == "pareto_nbd":
        end = np.minimum(days, rng.exponential(1 / rng.gamma(truth["s"], 1 / truth["beta"], n)))
    else:
        stop = rng.beta(truth["a"], truth["b"], n)
    x, t_x, now = np.zeros(n), np.zeros(n), np.zeros(n)
    going = np.flatnonzero(rng.random(n) >= stop * (process == "mbg_nbd"))
    while len(going):
        now[going] += rng.exponential(1 / rate[going])
        going = going[now[going] < end[going]]
        x[going], t_x[going] = x[going] + 1, now[going]
        going = going[rng.random(len(going)) >= stop[going]]
    told = expected_log_rate(process, truth, x=x, t_x=t_x, T=np.full(n, days))
    for some in (x >= 0, x > 0, (x > 0) & (t_x < days / 3)):
        slope, level = np.polyfit(told[some], np.log(rate[some]), 1)
        assert slope == pytest.approx(1.0, abs=0.03)
        assert np.log(rate[some]).mean() == pytest.approx(told[some].mean(), abs=0.03)
        assert np.isfinite(level)


def test_the_expected_log_rate_of_a_day_old_customer_is_the_populations():
    zero = np.zeros(1)
    for process, truth in TRUTH.items():
        told = expected_log_rate(process, truth, x=zero, t_x=zero, T=zero).item()
        assert told == pytest.approx(digamma(truth["r"]) - np.log(truth["alpha"]), abs=1e-9)


def test_the_elasticity_of_spend_is_found_where_customers_stop(ledger):
    """Simulated at .5; when all of T counts as time in which orders could have come, .33 is told."""
    truth = {name: LIVELY[name] for name in ("r", "alpha", "a", "b")}
    log = order_log(1500, days=730, truth=truth, seed=5, process="mbg_nbd", acquired=365, elasticity=0.5)
    rows = list(zip(log["customer_id"], log["ordered_at"], log["revenue"], strict=True))
    base = clv.histories(ledger(rows), as_of=START + pd.Timedelta(days=730))
    model = clv.fit_model(base, settings=Params(tier="fast"), seed=1)
    told = model.numbers()["spend.elasticity"]
    assert model.dependent
    assert told.low <= 0.5 <= told.high

"""New customers: what they bring and how many earn their cost, where the truth is known in closed form or by simulation."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from scipy.special import digamma, gammaln

from helpers import clv
from helpers.clv import purchase
from helpers.clv.expect import MONTH, discount_factors, expected_new
from helpers.clv.fit import Posterior
from helpers.clv.history import Base
from helpers.clv.model import Model
from helpers.clv.newcomers import DRAWS, expected_revenue, picked
from helpers.clv.pace import expected_log_rate
from helpers.clv.rhythm import track
from helpers.clv.topic import Params
from tests.clv.simulated import LIVELY, SPEND, START, order_log

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


def known_model(truths, *, sizes, process="mbg_nbd", spend=SPEND, first=None, c=0.0, reach=40.0, draws=400):
    """A model that is certain of its parameters; spend goes with frequency where `c` is not 0.

    The base's customers have log rates up to `reach` from their centre, which is the log of r / alpha of the first group.
    """
    n = sum(sizes)
    value = np.full(n, 50.0) if first is None else first
    frame = pd.DataFrame(
        {
            "customer_id": np.arange(n).astype(str),
            "group": np.repeat(np.arange(len(sizes)), sizes),
            "first_value": value,
        }
    )
    names = tuple(str(place) for place in range(len(sizes)))
    base = Base(customers=frame, histories=pd.DataFrame(), groups=names, refunds=0.0, as_of=datetime(2024, 1, 1))
    orders = np.stack([purchase.to_theta(process, scale=SCALE, **truth) for truth in truths])
    p, q, v = spend["p"], spend["q"], spend["v"]
    money = np.array([np.log(p * v / (q - 1)), np.log(p), np.log(q - 1), c])

    def certain(family, theta):
        return Posterior(family=family, theta=np.broadcast_to(theta, (draws, *theta.shape)), tier="fast", k=0.1)

    # Where there is nothing to see, the interval of c holds 0.
    tilted = certain("gamma_gamma_frequency", money[None]).theta.copy()
    tilted[:, 0, 3] += np.linspace(-0.1, 0.1, draws) * (c == 0)
    return Model(
        base=base, process=process, purchase=certain(process, orders), spend=certain("gamma_gamma", money[None, :3]),
        tilted=Posterior(family="gamma_gamma_frequency", theta=tilted, tier="fast", k=0.1), scale=SCALE, spend_scale=1.0,
        spend_from="repeat", spend_n=n, left_out=0, rate=np.linspace(-reach, reach, n),
        centre=float(np.log(truths[0]["r"] / truths[0]["alpha"])), level=0.9,
    )  # fmt: skip


def simulated(truth, *, n, c=0.0, spend=SPEND, months=24, seed=3):
    """Margin of first order and of later ones, discounted, of MBG/NBD customers followed order by order."""
    rng = np.random.default_rng(seed)
    rate, stop = rng.gamma(truth["r"], 1 / truth["alpha"], n), rng.beta(truth["a"], truth["b"], n)
    nu = rng.gamma(spend["q"], 1 / spend["v"], n) / (rate * truth["alpha"] / truth["r"]) ** c
    first, later, now = rng.gamma(spend["p"], 1 / nu), np.zeros(n), np.zeros(n)
    going = np.flatnonzero(rng.random(n) >= stop)
    while len(going):
        now[going] += rng.exponential(1 / np.maximum(rate[going], 1e-12))
        going = going[now[going] < months * MONTH]
        later[going] += rng.gamma(spend["p"], 1 / nu[going]) * 1.1 ** (-np.ceil(now[going] / MONTH) / 12)
        going = going[rng.random(len(going)) >= stop[going]]
    return first * 0.35, later * 0.35


def by_pen_and_paper(process, truth, first):
    """Margin of a customer of one group whose spend is independent: first order, and discounted expected ones."""
    monthly = np.diff(expected_new(process, truth, ahead=MONTH * np.arange(1, 25)), prepend=0.0)
    return 0.35 * (first + SPEND["p"] * SPEND["v"] / (SPEND["q"] - 1) * monthly @ discount_factors(24, 0.1))


@pytest.mark.parametrize("process", TRUTH)
def test_a_new_customer_of_one_group_brings_the_first_order_and_expected_orders_times_expected_spend(process):
    plan = clv.economics(known_model([TRUTH[process]], sizes=[50], process=process), cac=None, **COMMON)
    expected = by_pen_and_paper(process, TRUTH[process], 50.0)
    assert plan.numbers()["clv.new_customer"].value == pytest.approx(expected, rel=1e-9)
    assert plan.ceiling == pytest.approx(expected, rel=1e-9)


def test_a_new_customer_is_of_each_group_as_often_as_the_bases_customers_are():
    """19 of 20 order seldom: the mean is 19 parts of theirs and one of the others', not half of each."""
    plan = clv.economics(known_model([SLOW, FAST], sizes=SIZES), cac=40.0, **COMMON)
    values = [by_pen_and_paper("mbg_nbd", truth, 50.0) for truth in (SLOW, FAST)]
    assert plan.numbers()["clv.new_customer"].value == pytest.approx(np.average(values, weights=SIZES), rel=1e-9)
    assert plan.ceiling == pytest.approx(np.average(values, weights=SIZES), rel=1e-9)
    alone = [simulated(truth, n=100_000)[1] + 0.35 * 50 > 40 for truth in (SLOW, FAST)]
    share = np.average([above.mean() for above in alone], weights=SIZES)
    assert plan.numbers()["clv.p_above_cac"].value == pytest.approx(share, abs=0.004)


def test_parameters_of_groups_are_averaged_by_their_customers():
    told = known_model([SLOW, FAST], sizes=SIZES).parameter_table()._repr_html_()
    assert "286" in told  # alpha: .95 x 300 + .05 x 20, not the 160 between the two
    assert "160" not in told


def test_the_band_of_the_course_is_that_of_customers_of_both_groups(ledger):
    """Nobody stops: a month's orders of a customer are negative binomial, mean m and variance m + m^2 / r in each group."""
    months = 6
    truths = [{"r": 1.0, "alpha": alpha, "a": 1e-6, "b": 1.0} for alpha in (300.0, 20.0)]
    model = known_model(truths, sizes=SIZES)
    orders = ledger([(f"c{i}", START, 10.0) for i in range(1000)])
    course = track(orders, model, as_of=datetime(2024, 1 + months, 1), level=0.9, seed=1).months
    length = course["month"].dt.days_in_month.to_numpy()
    share = np.array(SIZES) / sum(SIZES)
    mean = MONTH / np.array([300.0, 20.0])
    variance = share @ (mean + 2 * mean**2) - (share @ mean) ** 2
    np.testing.assert_allclose(
        course["expected"][1:], 1000 * share @ (1 / np.array([300.0, 20.0])) * length[1:], rtol=0.02
    )
    half = ((course["high"] - course["low"]) / 2).to_numpy()
    np.testing.assert_allclose(half, 1.645 * np.sqrt(1000 * variance), rtol=0.15)


@pytest.mark.parametrize("process", TRUTH)
@pytest.mark.parametrize("c", [-0.5, 0.3, 0.8])
def test_spend_that_goes_with_frequency_is_averaged_together_with_it(process, c):
    """E[rate^c orders(rate)], rate ~ Gamma(r, alpha), is E[rate^c] times the orders at Gamma(r + c, alpha)."""
    truth, ahead = TRUTH[process], np.array([10.0, 100.0, 700.0])
    ((orders, spend), *_) = picked(known_model([truth], sizes=[50], process=process, c=c))
    found = expected_revenue(known_model([truth], sizes=[50], process=process, c=c), orders, spend, ahead=ahead)
    moment = np.exp(gammaln(truth["r"] + c) - gammaln(truth["r"]) - c * np.log(truth["r"]))
    expected = moment * expected_new(process, truth | {"r": truth["r"] + c}, ahead=ahead)
    np.testing.assert_allclose(found, expected * SPEND["p"] * SPEND["v"] / (SPEND["q"] - 1), rtol=2e-3)


def test_nothing_is_told_of_spend_at_rates_that_no_customer_has():
    """A fall of spend with frequency by more than one for one has no mean where rates have no least one."""
    truth, ahead = TRUTH["mbg_nbd"] | {"r": 0.2}, np.array([700.0])
    spent = []
    for reach in (0.0, 3.0, 6.0):
        model = known_model([truth], sizes=[50], c=-1.5, reach=reach)
        spent.append(expected_revenue(model, *picked(model)[0], ahead=ahead).item())
    alone = known_model([truth], sizes=[50])
    assert spent[0] == pytest.approx(expected_revenue(alone, *picked(alone)[0], ahead=ahead).item(), rel=1e-9)
    assert np.isfinite(spent).all()
    assert spent[2] > spent[1]


@pytest.mark.parametrize("c", [-0.4, 0.0, 0.5])
def test_the_share_that_earns_its_cost_is_that_of_simulated_customers(c):
    """Who begins with a large order spends more later: taken apart, .025 more would earn a CAC of 20 at c = 0."""
    spend = {"p": 3.0, "q": 2.5, "v": 30.0}
    first, later = simulated(BETA_GEOMETRIC, n=200_000, c=c, spend=spend)
    log = simulated(BETA_GEOMETRIC, n=20_000, c=c, spend=spend, seed=4)[0] / 0.35
    model = known_model([BETA_GEOMETRIC], sizes=[20_000], c=c, spend=spend, first=log)
    for cac in (20.0, 100.0):
        share = clv.economics(model, cac=cac, **COMMON).numbers()["clv.p_above_cac"]
        truth = (first + later > cac).mean()
        assert share.value == pytest.approx(truth, abs=0.006)
        assert share.low <= truth <= share.high


def test_the_interval_of_the_share_is_the_customers_and_not_the_simulations():
    """Of certain parameters nothing but the n first orders is a sample; 2,000 lives a draw would add as much again."""
    n = 2000
    first = simulated(BETA_GEOMETRIC, n=n)[0] / 0.35
    share = clv.economics(known_model([BETA_GEOMETRIC], sizes=[n], first=first), cac=20.0, **COMMON).numbers()[
        "clv.p_above_cac"
    ]
    half = 1.645 * np.sqrt(share.value * (1 - share.value) / n)
    assert (share.high - share.low) / 2 == pytest.approx(half, rel=0.2)


def test_ends_are_taken_from_draws_enough_to_hold_what_they_say():
    """Between the 5 % and 95 % points of m draws another falls with chance .9 (m - 1) / (m + 1): .87 at m = 60."""
    assert len(picked(known_model([SLOW], sizes=[10]))) == DRAWS
    assert 0.9 * (DRAWS - 1) / (DRAWS + 1) > 0.89


def test_fewer_draws_than_asked_for_are_all_used():
    assert len(picked(known_model([SLOW], sizes=[10], draws=30))) == 30


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
    plan = clv.economics(model, cac=20.0, **COMMON).numbers()
    first, later = simulated(truth, n=200_000, c=0.5)
    assert plan["clv.new_customer"].value == pytest.approx((first + later).mean(), rel=0.08)
    assert plan["clv.p_above_cac"].value == pytest.approx((first + later > 20).mean(), abs=0.03)

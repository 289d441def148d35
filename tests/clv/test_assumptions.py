"""The assumptions behind a value: rhythm and season of orders, priors, silence, the simple formula, levers, groups."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import import_module

import ibis
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, optimize, special

from helpers import clv
from helpers.clv import expect, purchase
from helpers.clv.expect import MONTH
from helpers.clv.fit import Posterior
from helpers.clv.history import Base
from helpers.clv.model import Model
from helpers.clv.quadrature import beta_nodes
from helpers.clv.topic import Params, preflight
from helpers.errors import ParamsError
from helpers.reporting.findings import Absent

START = datetime(2022, 1, 1)


def poisson_log(n, *, seed, days=730, rate=0.03, shape=1.0, season=0.0):
    """Customers who never stop and order at gaps of gamma(shape), a Poisson process at shape 1; December may be busier."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        now = float(rng.integers(0, days // 3))
        while now < days:
            month = (START + timedelta(days=now)).month
            if month != 12 or season == 0.0 or not rows or rng.random() < 1.0:
                rows.append((f"c{i}", START + timedelta(days=int(now)), 20.0))
            if month == 12 and rng.random() < season:
                rows.append((f"c{i}", START + timedelta(days=int(now) + 1), 20.0))
            now += rng.gamma(shape, 1 / (rate * shape))
    return [row for row in dict.fromkeys(rows) if row[1] < START + timedelta(days=days)]


def tracked(rows, ledger, *, days=730):
    orders, until = ledger(rows), START + timedelta(days=days)
    base = clv.histories(orders, as_of=until)
    model = clv.fit_model(base, settings=Params(draws=400), seed=1)
    return clv.track(orders, model, as_of=until, level=0.9, seed=1), model


def check(result, name):
    return next(check for check in result.checks() if check.id == name)


def test_orders_at_random_are_called_so(ledger):
    course, _ = tracked(poisson_log(150, seed=2), ledger)
    value, low, high = course.regularity
    assert low < 1 < high or abs(value - 1) < 0.05
    assert check(course, "clv.regularity").status == "pass"


@pytest.mark.parametrize(("shape", "words"), [(4.0, "more even intervals"), (0.35, "in bursts")])
def test_even_gaps_and_bursts_are_told_apart(shape, words, ledger):
    course, _ = tracked(poisson_log(150, seed=3, shape=shape), ledger)
    found = check(course, "clv.regularity")
    assert found.status == "warn"
    assert words in found.message
    assert (course.regularity[0] < 1) == (shape > 1)


def test_regularity_by_pen_and_paper(ledger):
    """Days 0, 2, 10: gaps 2 and 8, squares 68; x = 2, t = 10: 2 x 10 x 11 / 3 - 10 = 63.33. Days 0, 5, 10: 50 / 63.33."""
    rows = [("a", 0), ("a", 2), ("a", 10), ("b", 0), ("b", 5), ("b", 10), ("c", 1), ("c", 4)]
    course, _ = tracked([(c, START + timedelta(days=d), 5.0) for c, d in rows], ledger, days=40)
    assert course.regular_n == 2
    assert course.regularity[0] == pytest.approx((68 + 50) / 2 / (220 / 3 - 10))


def test_squared_gaps_of_days_drawn_at_random_have_the_expected_sum():
    rng = np.random.default_rng(5)
    t, x = 30, 4
    sums = []
    for _ in range(20_000):
        inner = np.sort(rng.choice(np.arange(1, t), x - 1, replace=False))
        sums.append((np.diff(np.concatenate([[0], inner, [t]])) ** 2).sum())
    assert np.mean(sums) == pytest.approx(2 * t * (t + 1) / (x + 1) - t, rel=0.01)


def test_a_planted_december_is_found_and_an_even_year_is_not(ledger):
    days = 1096
    even, _ = tracked(poisson_log(150, seed=6, days=days), ledger, days=days)
    busy, _ = tracked(poisson_log(150, seed=6, days=days, season=0.9), ledger, days=days)
    assert check(even, "clv.season").status == "pass"
    assert check(busy, "clv.season").status == "warn"
    assert "December" in check(busy, "clv.season").message
    assert busy.season["factor"].prod() == pytest.approx(1)


def test_a_log_below_two_years_leaves_the_season_open(ledger):
    course, _ = tracked(poisson_log(60, seed=7, days=400), ledger, days=400)
    assert "only after 2 years" in check(course, "clv.season").message


def test_the_tracked_months_add_up_to_the_log(ledger):
    rows = poisson_log(100, seed=8)
    course, _ = tracked(rows, ledger)
    frame = pd.DataFrame(rows, columns=["customer", "on", "value"])
    repeat = frame[frame["on"] > frame.groupby("customer")["on"].transform("min")]
    whole = repeat[(repeat["on"] >= course.months["month"].iloc[0]) & (repeat["on"] < "2024-01-01")]
    assert course.months["actual"].sum() == len(
        whole[whole["on"] < course.months["month"].iloc[-1] + pd.DateOffset(months=1)]
    )
    inside = (course.months["actual"] >= course.months["low"]) & (course.months["actual"] <= course.months["high"])
    assert inside.mean() > 0.6


def test_cohort_curves_hold_only_months_that_all_have_seen(ledger):
    rows = [("a", "2023-01-01"), ("a", "2023-02-15"), ("b", "2023-03-31"), ("b", "2023-05-20"), ("b", "2023-07-30")]
    course, _ = tracked(
        [(c, datetime.fromisoformat(d), 5.0) for c, d in rows], ledger, days=(datetime(2023, 8, 1) - START).days
    )
    # From 31 March to 1 August are four whole months; b's third order is one day short of them and counts.
    assert course.cohorts["cohort"].unique().tolist() == ["2023-Q1"]
    assert course.cohorts["month"].tolist() == [1, 2, 3, 4]
    assert course.cohorts["actual"].tolist() == [0.0, 1.0, 1.0, 1.5]


def test_a_log_of_one_order_is_told_in_words(ledger):
    course, model = tracked([("a", START, 5.0)], ledger, days=20)
    assert "Too few customers" in course.sentence().text
    assert "no two whole months" in course.figure().text
    assert "No cohort" in course.cohort_figure().text
    clv.silence(model).figure()
    clv.prior_predictive(model, seed=1).figure()


def test_the_priors_have_room_for_ordinary_clients_and_not_for_absurd_ones(ledger):
    _, model = tracked(poisson_log(80, seed=9, rate=0.003), ledger)
    prior = clv.prior_predictive(model, seed=1)
    assert check(prior, "clv.prior").status == "pass"
    assert prior.rows["place"].between(0.01, 0.99).all()
    # It counts whom it shows: those watched about as long as the median.
    assert prior.n == model.base.customers["T"].between(0.75 * model.scale, 1.25 * model.scale).sum()
    assert set(prior.rows.columns) >= {"q05", "q50", "q95"}
    orders = prior.rows.iloc[0]
    assert orders["q05"] < 0.3
    assert orders["q95"] > 3
    absurd = [(f"c{i}", START + timedelta(days=d), 9.0) for i in range(30) for d in range(725)]
    _, model = tracked(absurd, ledger)
    assert check(clv.prior_predictive(model, seed=1), "clv.prior").status == "warn"


def test_silence_says_more_of_those_who_ordered_often(ledger):
    _, model = tracked(
        poisson_log(80, seed=10) + [(f"d{i}", START + timedelta(days=i), 9.0) for i in range(60)], ledger
    )
    found = clv.silence(model)
    assert found.grid.shape[0] <= 17
    assert found.grid.shape[1] <= 60
    assert (np.diff(found.grid[1:], axis=1) <= 1e-9).all()
    often, seldom = found.grid[-1], found.grid[1]
    assert often[-1] < seldom[-1]
    assert often[0] > seldom[0]
    for row in found.edges.dropna().itertuples():
        if row.orders:
            assert found.grid[row.orders, found.days >= row.days].max() < 0.5
        assert row.share == found.grid[row.orders, -1]
    found.figure()


def test_who_never_ordered_again_is_probably_lost_on_the_day_that_the_formula_says(ledger):
    rows = [(f"once{i}", START + timedelta(days=i % 40), 9.0) for i in range(150)]
    rows += [(f"keen{i}", START + timedelta(days=i % 40 + 7 * week), 9.0) for i in range(100) for week in range(4)]
    _, model = tracked(rows, ledger, days=400)
    own = {name: values[:, 0] for name, values in model.parameters().items()}

    def alive(days):
        # MBG/NBD without a repeat order: 1 / (1 + a / b x ((alpha + T) / alpha)^r), Batislam et al. 2007.
        silent = ((own["alpha"] + days) / own["alpha"]) ** own["r"]
        return float(np.mean(1 / (1 + own["a"] / own["b"] * silent)))

    assert model.process == "mbg_nbd"
    row = clv.silence(model).edges.iloc[0]
    day = row["days"]
    assert 0 <= day < 300
    assert alive(day) < 0.5 + 0.01
    assert day == 0 or alive(day - 1) > 0.5 - 0.01
    assert row["share"] == pytest.approx(alive(clv.silence(model).days[-1]), abs=0.01)


def test_the_simple_formula_by_pen_and_paper(ledger):
    """Two customers, 300 in 100 + 50 customer-days: 2 a day; a year of them at 50 % margin less 10."""
    rows = [("a", START, 100.0), ("a", START + timedelta(days=30), 100.0), ("b", START + timedelta(days=50), 100.0)]
    orders, until = ledger(rows), START + timedelta(days=100)
    model = clv.fit_model(clv.histories(orders, as_of=until), settings=Params(draws=400), seed=1)
    plan = clv.economics(model, horizon_months=12, margin=0.5, discount_rate=0.1, cac=10.0, confidence=0.9, seed=1)
    found = clv.simple(model, plan, margin=0.5, seed=1).numbers()["clv.simple"]
    assert found.value == pytest.approx(300 / 150 * 12 * MONTH * 0.5 - 10)
    assert found.n == 2


def test_levers_are_what_the_changed_model_predicts(ledger):
    _, model = tracked(poisson_log(80, seed=11, rate=0.02), ledger)
    common = {"horizon_months": 12, "margin": 0.4, "discount_rate": 0.1, "seed": 1}
    levers = clv.levers(model, **common)
    worth = levers.rows.set_index("lever")["value"]
    total = clv.predict(model, **common, cac=None).numbers()["clv.total"].value
    assert worth["order_value"] == pytest.approx(total * 0.01, rel=0.05)
    # More orders while alive also bring the next chance to stop nearer: at most the same per cent.
    assert 0 < worth["frequency"] <= worth["order_value"] * 1.001
    assert worth["retention"] > 0
    assert levers.decisions()[0].evidence == "model"


KNOWN = {
    "mbg_nbd": {"r": 0.8, "alpha": 60.0, "a": 0.9, "b": 3.0},
    "pareto_nbd": {"r": 0.8, "alpha": 60.0, "s": 0.8, "beta": 200.0},
}
LOYAL = {
    "mbg_nbd": {"r": 0.8, "alpha": 60.0, "a": 0.02, "b": 6.0},
    "pareto_nbd": {"r": 0.8, "alpha": 60.0, "s": 0.03, "beta": 400.0},
}
SEEN = {"x": np.array([0.0, 3.0, 12.0]), "t_x": np.array([0.0, 300.0, 480.0]), "T": np.array([40.0, 400.0, 500.0])}


def known_model(process, parameters, *, spread=0.0, draws=300):
    """Three histories of 10, 20 and 30 customers, under known parameters; each order is expected to bring 1."""
    weight = np.array([10, 20, 30])
    shared = pd.DataFrame({"history": range(3), "group": 0, **SEEN, "weight": weight})
    customers = shared.loc[np.repeat(np.arange(3), weight)].reset_index(drop=True).drop(columns="weight")
    customers = customers.assign(customer_id=customers.index.astype(str), spend_total=0.0, first_value=1.0, total=1.0)
    base = Base(customers=customers, histories=shared, groups=("all",), refunds=0.0, as_of=START)
    rng = np.random.default_rng(1)
    theta = purchase.to_theta(process, scale=300.0, **parameters) + np.zeros((draws, 1, 1))
    spends = np.concatenate([np.tile([0.0, 1.0, 1.0], (draws, 1, 1)), rng.normal(0, 0.1, (draws, 1, 1))], axis=2)
    spends[:, 0, 0] += spread * special.ndtri((np.arange(draws) + 0.5) / draws)
    about = {"tier": "fast", "k": 0.0}
    return Model(
        base=base,
        process=process,
        purchase=Posterior(family=process, theta=theta, **about),
        spend=Posterior(family="gamma_gamma", theta=spends[:, :, :3], **about),
        tilted=Posterior(family="gamma_gamma_frequency", theta=spends, **about),
        scale=300.0,
        spend_scale=1.0,
        spend_from="repeat",
        spend_n=500,
        left_out=0,
        rate=np.zeros(len(customers)),
        centre=0.0,
        level=0.9,
    )


def stopping(process, parameters, factor):
    """Mean chance of those who are still there to stop after an order, or within a month, and who is still there."""
    there = np.array([10, 20, 30]) * expect.p_alive(process, parameters, **SEEN)
    if process == "mbg_nbd":
        each = factor * parameters["a"] / (parameters["a"] + parameters["b"] + SEEN["x"] + 1)
    else:
        rest = parameters["beta"] + SEEN["T"]
        each = 1 - (rest / (rest + factor * MONTH)) ** parameters["s"]
    return there @ each / there.sum(), there


@pytest.mark.parametrize("process", KNOWN)
def test_a_point_of_retention_is_a_whole_point_of_those_who_are_still_there(process):
    """All chances to stop fall by one share, which is found here by bisection; the orders that this brings are the lever's."""
    parameters = KNOWN[process]
    now, there = stopping(process, parameters, 1.0)
    factor = optimize.bisect(lambda c: stopping(process, parameters, c)[0] - (now - 0.01), 0.0, 1.0)
    if process == "mbg_nbd":
        orders = {
            c: [
                p_weights @ (-np.expm1(-(0.8 + x) * np.log1p(c * p * 24 * MONTH / (60 + T))) / (c * p))
                for x, T in zip(SEEN["x"], SEEN["T"], strict=True)
                for p, p_weights in [beta_nodes(0.9, 3.0 + x + 1, 200)]
            ]
            for c in (1.0, factor)
        }
    else:
        # p_alive x (r + x) / (alpha + T) x expected time lived, with rates of stopping ~ Gamma(s, (beta + T) / c).
        orders = {
            c: [
                (0.8 + x) / (60 + T)
                * integrate.quad(lambda t, rest=(200 + T) / c: (rest / (rest + t)) ** 0.8, 0, 24 * MONTH)[0]
                for x, T in zip(SEEN["x"], SEEN["T"], strict=True)
            ]
            for c in (1.0, factor)
        }  # fmt: skip
    levers = clv.levers(known_model(process, parameters), horizon_months=24, margin=1.0, discount_rate=0.0, seed=1)
    worth = levers.rows.set_index("lever")["value"]
    assert worth["retention"] == pytest.approx(there @ orders[factor] - there @ orders[1.0], rel=1e-5)
    assert levers.gained == pytest.approx(0.01)
    assert levers.checks() == []
    assert "one point more likely" in levers.names()["retention"]


@pytest.mark.parametrize("process", LOYAL)
def test_where_less_than_a_point_of_retention_is_to_be_had_it_is_said(process):
    """The lever is then worth what customers who never stop would order more: (r + x) / (alpha + T) a day."""
    parameters = LOYAL[process]
    now, there = stopping(process, parameters, 1.0)
    assert now < 0.01
    levers = clv.levers(known_model(process, parameters), horizon_months=24, margin=1.0, discount_rate=0.0, seed=1)
    ahead = np.array([24 * MONTH])
    plain = expect.expected_if_alive(process, parameters, x=SEEN["x"], T=SEEN["T"], ahead=ahead)[:, 0]
    most = (0.8 + SEEN["x"]) / (60 + SEEN["T"]) * ahead
    assert levers.rows.set_index("lever")["value"]["retention"] == pytest.approx(there @ (most - plain), rel=1e-4)
    assert levers.gained == pytest.approx(now)
    assert [found.status for found in levers.checks()] == ["warn"]
    assert "nobody stops any more" in levers.names()["retention"]


@pytest.mark.parametrize("draws", [16, 30, 400])
def test_intervals_from_few_draws_hold_what_they_say(draws):
    """Of a normal sum: quantiles of 16 draws hold 81 %, of 30 85 %; with mean and deviation and Student's t it is 90 %."""
    drawn = np.random.default_rng(1).standard_normal((draws, 20_000))
    low, high = expect.posterior_ends(drawn, level=0.9)
    assert (special.ndtr(high) - special.ndtr(low)).mean() == pytest.approx(0.9, abs=0.005)


def test_levers_of_a_wide_base_have_ends_that_hold_what_they_say(monkeypatch):
    """A base so wide that 30 draws are affordable, whose value is log-normal in the posterior: sd 10 %."""
    monkeypatch.setattr(import_module("helpers.clv.levers"), "WORK", 1)

    def told(seed, **about):
        model = known_model("mbg_nbd", KNOWN["mbg_nbd"], **about)
        rows = clv.levers(model, horizon_months=6, margin=1.0, discount_rate=0.0, seed=seed).rows
        return rows.set_index("lever").loc["order_value", ["value", "low", "high"]].to_numpy(float)

    middle = told(1)[0]
    held = []
    for seed in range(60):
        ends = told(seed, spread=0.1, draws=1000)[1:]
        held.append(np.diff(special.ndtr(np.log(ends / middle) / 0.1)).item())
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)


def test_the_share_that_earns_its_cost_has_an_interval(ledger):
    _, model = tracked(poisson_log(80, seed=12), ledger)
    common = {"horizon_months": 12, "margin": 0.5, "discount_rate": 0.1, "confidence": 0.9, "seed": 1}
    shares = [clv.economics(model, cac=cac, **common).numbers()["clv.p_above_cac"] for cac in (5.0, 60.0, 5_000.0)]
    assert all(share.low <= share.value <= share.high for share in shares)
    assert shares[0].value > shares[1].value > shares[2].value
    assert 0 < shares[1].low < shares[1].high < 1


def attributes(rows):
    return ibis.memtable(pd.DataFrame(rows, columns=["customer_id", "plan"]).astype("string"))


def test_customers_are_grouped_by_any_attribute(ledger):
    rows = [(f"c{i}", START + timedelta(days=d), 5.0) for i in range(6) for d in (0, 20)]
    con_orders = ledger(rows)
    own = con_orders.get_backend().create_table(
        "people", attributes([(f"c{i}", "gold" if i < 2 else "blue") for i in range(5)])
    )
    base = clv.histories(con_orders, as_of=START + timedelta(days=60), by="plan", attributes=own)
    sizes = base.customers["group"].map(dict(enumerate(base.groups))).value_counts().to_dict()
    assert sizes == {"blue": 3, "gold": 2, "not known": 1}


def test_of_many_values_the_smallest_are_taken_together(ledger):
    rows = [(f"c{i}", START, 5.0) for i in range(60)]
    orders = ledger(rows)
    own = orders.get_backend().create_table("people", attributes([(f"c{i}", f"p{min(i // 2, 25)}") for i in range(60)]))
    base = clv.histories(orders, as_of=START + timedelta(days=60), by="plan", attributes=own)
    assert len(base.groups) == 12
    assert base.groups[-1] == "all others"
    assert base.n == 60


def test_an_unknown_group_is_an_error_before_work_starts(ledger):
    tables = {"orders": ledger([("a", START, 5.0)]), "customers": attributes([("a", "gold")])}
    preflight(Params(by="plan"), tables)
    with pytest.raises(ParamsError, match=r"clv\.by == .plam., must be one of cohort, plan"):
        preflight(Params(by="plam"), tables)
    with pytest.raises(ParamsError, match="must be one of cohort"):
        preflight(Params(by="channel"), {"orders": tables["orders"]})


def test_where_no_orders_were_brought_every_step_is_absent():
    base = clv.histories(None, as_of=START)
    model = clv.fit_model(base, settings=Params(), seed=1)
    value = clv.predict(model, horizon_months=12, margin=0.4, discount_rate=0.1, cac=None, seed=1)
    for result in (base, model, value, clv.backtest(None, until=START, first=START, settings=Params(), seed=1)):
        assert isinstance(result, Absent)
        assert result.numbers() == {}
        assert result.table()._repr_html_() == ""

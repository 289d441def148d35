"""The assumptions behind a value: rhythm and season of orders, priors, silence, the simple formula, levers, groups."""

from __future__ import annotations

from datetime import datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers import clv
from helpers.clv.expect import MONTH
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

"""Planning: a first test from the order log, the next one from the last, and what a running one can still find."""

from datetime import datetime

import ibis
import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from helpers import ab_test
from helpers.ab_test import power
from helpers.ab_test.basis import Basis, of_log, of_test
from helpers.ab_test.past import past
from helpers.ab_test.registration import Ahead
from helpers.ab_test.topic import Params, preflight
from helpers.errors import ParamsError
from tests.ab_test.pipe import METRICS, analysed, drawn, registered
from tests.ab_test.test_topic import units
from tests.ab_test.test_topic_designs import shops

SINCE, UNTIL = datetime(2023, 1, 1), datetime(2024, 1, 1)


def log_of(customers=1500, seed=1):
    """A year of orders: each customer at a rate of their own, amounts in proportion to a level of their own."""
    rng = np.random.default_rng(seed)
    rate, level = rng.gamma(1.5, 3, customers), rng.gamma(4, 5, customers)
    count = rng.poisson(rate)
    who = np.repeat(np.arange(customers), count)
    at = pd.Timestamp(SINCE) + pd.to_timedelta(rng.integers(0, 365 * 86_400, len(who)), unit="s")
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{place}" for place in who],
            "ordered_at": at.astype("datetime64[us]"),
            "revenue": rng.gamma(2, 1, len(who)) * level[who],
            "kind": "order",
        }
    )
    return frame.sort_values("ordered_at", ignore_index=True)


def planned(frame, events=None, **ahead):
    con = ibis.duckdb.connect()
    table = con.create_table("orders", ibis.memtable(frame))
    made = None if events is None else con.create_table("events", ibis.memtable(events))
    return past(Ahead(**ahead), orders=table, events=made, until=UNTIL, since=SINCE)


@pytest.fixture(scope="module")
def log():
    return log_of()


def test_a_client_without_any_test_gets_a_plan_from_the_log(log):
    found = ab_test.plan((), planned(log))
    (one,) = found.each
    before = log[log["ordered_at"] < "2023-12-04"]
    after = log[(log["ordered_at"] >= "2023-12-04") & log["customer_id"].isin(before["customer_id"])]
    base = before["customer_id"].nunique()
    p = after["customer_id"].nunique() / base
    assert (one.basis.at_once, one.basis.window) == (base, 28)
    metric, arm, _ratio = one.basis.past.measured[0]
    assert (metric.name, arm.value) == ("conversion", pytest.approx(p))
    assert one.basis.past.measured[2][1].value == pytest.approx(after["revenue"].sum() / base)
    needed = 2 * NormalIndPower().solve_power(0.2 * p / (p * (1 - p)) ** 0.5, alpha=0.05, power=0.8)
    sizes = one.sizes[one.sizes["metric"] == "Conversion"].set_index("lift")
    assert sizes.loc[0.2, "n"] == pytest.approx(needed, rel=0.01)
    enough = sizes["n"] <= base
    assert (sizes["days"].where(enough, 28) == 28).all()
    assert sizes["days"].isna().tolist() == (~enough).tolist()
    assert not enough[0.02]
    assert "No test has been run yet" in one.headline()
    assert set(one.cards()) <= set(one.numbers())
    html = found.shown()._repr_html_()
    assert html.count("<figure>") == 2
    assert "nan" not in html.split("data:image")[0]


def test_without_a_test_nothing_but_the_plan_is_shown(log):
    assert drawn(ab_test.report(())).count("<p>") == 1  # that there is nothing to plan from
    assert ab_test.proven(())._repr_html_() == ""


def test_every_type_of_metric_can_be_planned(log):
    metrics = [
        {"name": "bought", "type": "proportion", "column": "orders", "from": "orders"},
        {"name": "count", "type": "count", "column": "orders", "from": "orders"},
        {"name": "spent", "type": "mean", "column": "revenue", "from": "orders"},
        {"name": "typical", "type": "mean", "column": "revenue", "from": "orders", "scale": "log"},
        {"name": "aov", "type": "ratio", "numerator": "revenue", "denominator": "orders", "from": "orders"},
        {"name": "high", "type": "quantile", "column": "revenue", "p": 0.9, "from": "orders", "window_days": 90},
        {"name": "kept", "type": "mean", "column": "revenue", "from": "orders", "role": "guardrail", "margin": -0.1},
    ]
    found = of_log(planned(log, metrics=metrics, traffic="orders"))
    assert [metric.type for metric, _spread in found.metrics] == [metric["type"] for metric in metrics]
    for metric, spread in found.metrics:
        n = found.size(metric, spread, 0.1)
        # Size and least effect are one relation: with that many units, this is the least lift.
        assert found.least(metric, spread, n) == pytest.approx(0.1, rel=0.01)
        assert found.size(metric, spread, 0.2) < n or metric.role == "guardrail"


def test_a_guardrail_is_planned_against_its_margin():
    spread = power.mean_spread(sd=3.0, value=10.0)
    metrics = (
        registered(
            metrics=[METRICS[0], {"name": "kept", "type": "mean", "column": "r", "role": "guardrail", "margin": -0.02}]
        )
        .tests[0]
        .metrics
    )
    found = Basis(metrics=tuple((metric, spread) for metric in metrics), left_out=(), design=power.Design())
    # One success and one guardrail share beta: 10 % each. The guardrail is one-sided at half of alpha.
    n = found.size(metrics[1], spread, 0.0)
    needed = 2 * TTestIndPower().solve_power(0.2 / 3, alpha=0.025, power=0.9, alternative="larger")
    assert n == pytest.approx(needed, rel=0.001)


def test_traffic_that_comes_day_by_day_wanes_and_takes_weeks(log):
    found = of_log(planned(log, traffic="orders"))
    came = found.past.arrivals
    assert len(came) == 84
    assert came[:28].sum() > came[-28:].sum() > 0
    assert came.sum() == found.past.units
    assert found.days(came[:14].sum()) == 14 + 28
    assert found.days(came.sum() + 1) is None


def test_visits_are_traffic_too(log):
    rng = np.random.default_rng(4)
    moment = pd.Timestamp("2023-09-01") + pd.to_timedelta(rng.integers(0, 120 * 86_400, 5000), unit="s")
    events = pd.DataFrame({"customer_id": [f"c{place}" for place in rng.integers(0, 3000, 5000)], "event": "view"})
    events["occurred_at"] = moment.astype("datetime64[us]")
    events["value"] = 1.0
    found = planned(log, events, traffic="events")
    inside = events[(events["occurred_at"] >= "2023-09-11") & (events["occurred_at"] < "2023-12-04")]
    assert found.units == inside["customer_id"].nunique()
    assert planned(log, None, traffic="events") is None


def test_a_past_that_says_something_makes_the_test_smaller(log):
    before = {"name": "before", "from": "orders", "column": "revenue"}
    plain, better = of_log(planned(log)), of_log(planned(log, covariates=[before]))
    (metric, spread), (_same, adjusted) = plain.metrics[2], better.metrics[2]
    assert metric.name == "revenue"
    assert adjusted.control < 0.9 * spread.control
    early = of_log(planned(log, sequential="pocock"))
    assert early.size(*early.metrics[0], 0.1) > plain.size(*plain.metrics[0], 0.1)


def test_a_log_that_is_too_short_or_empty_is_said(log):
    short = log[log["ordered_at"] < "2023-01-05"]
    assert past(Ahead(), orders=ibis.memtable(short), until=datetime(2023, 1, 6), since=SINCE) is None
    found = ab_test.plan((), None)
    assert "too little in the log" in found.headline()
    assert "too little in the log" in found.shown()._repr_html_()
    assert ab_test.plan((), planned(log.head(0))).each == ()


def test_a_plan_in_the_params_is_shown_beside_the_last_test(log):
    tests = analysed(units(4000))
    assert [one.basis.past is None for one in ab_test.plan(tests, planned(log)).each] == [True]
    both = ab_test.plan(tests, planned(log, lift=0.1)).each
    assert [one.basis.past is None for one in both] == [True, False]
    assert both[1].headline() == ""
    assert not set(both[0].tables()) & set(both[1].tables())
    assert not set(both[0].numbers()) & set(both[1].numbers())


def test_a_running_test_says_what_it_can_find_by_now_and_at_its_end():
    settings = registered(metrics=[METRICS[0]], planned_n=8000, sequential="obrien_fleming")
    (one,) = analysed(units(2000), settings)
    found = of_test(one)
    metric, spread = found.main
    factor = power.sequential_inflation([0.2, 0.4, 0.6, 0.8, 1.0])
    p = one.judged[0].effect.control
    sd = (p * (1 - p)) ** 0.5
    detectable = NormalIndPower().solve_power(nobs1=1000 / factor, alpha=0.05, power=0.8) * sd / p
    assert found.least(metric, spread, 2000) == pytest.approx(detectable, rel=0.01)
    assert found.least(metric, spread, 8000) == pytest.approx(detectable / 2, rel=0.01)
    assert "Least change in conversion that it finds, 80% of the time" in drawn(ab_test.report((one,)))


def test_a_plan_says_why_one_metric_is_found_more_often_than_the_whole_decision():
    guard = {"name": "kept", "type": "mean", "column": "revenue", "role": "guardrail", "margin": -0.1}
    for metrics, said in (((METRICS[0], guard), True), ((METRICS[0],), False)):
        tests = analysed(units(4000), registered(metrics=list(metrics), planned_n=4000))
        html = ab_test.plan(tests, None).shown()._repr_html_()
        assert ("Each metric is found 90% of the time, so that all that decide together agree 80%" in html) == said
        assert f"a test finds {'90' if said else '80'}% of the time" in html


def test_both_charts_tell_the_false_alarms_of_the_metric_that_they_are_about():
    two = [{**metric, "role": "success"} for metric in METRICS[:2]]
    html = ab_test.plan(analysed(units(4000), registered(metrics=two, planned_n=4000)), None).shown()._repr_html_()
    assert html.lower().count("false alarms held at 2.5%") == 2
    assert "alse alarms held at 5" not in html


def test_units_of_clusters_and_of_several_arms_are_counted_whole():
    metrics = [METRICS[1]]
    (plain,) = analysed(shops(), registered(metrics=metrics))
    (one,) = analysed(shops(), registered(metrics=metrics, cluster="shop"))
    grown = of_test(one).main[1].control / of_test(plain).main[1].control
    assert grown > 5  # a shop's level is shared by its hundred units
    frame = units(6000)
    frame["variant"] = np.array(["control", "a", "b"])[np.arange(6000) % 3]
    (three,) = analysed(frame, registered(metrics=metrics))
    found = of_test(three)
    metric, spread = found.main
    assert found.crowd == 1.5
    assert found.size(metric, spread, 0.1) == pytest.approx(
        1.5 * power.sample_size(0.1 * spread.value, spread, design=found.design_of(metric)), rel=1e-3
    )


def test_preflight_of_a_plan_names_the_missing_table(log):
    with pytest.raises(ParamsError, match="plan: from events, a table that the client did not bring"):
        preflight(Params(plan={"traffic": "events"}), {"orders": ibis.memtable(log)})
    with pytest.raises(ParamsError, match="did not bring the table experiments"):
        preflight(registered(), {"orders": ibis.memtable(log)})
    with pytest.raises(ValueError, match="from: orders or events"):
        Ahead(metrics=[{"name": "x", "column": "y"}])

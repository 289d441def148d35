"""Parts of the topic: outcomes from logs, looks across runs, clusters, caps, segments, money, planning and the replay."""

import json
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers import ab_test
from helpers.ab_test.execution import outlook
from helpers.ab_test.ledger import Record
from helpers.ab_test.looks import Looks, read_looks, write_looks
from helpers.ab_test.worth import MONTH
from helpers.errors import DataError
from tests.ab_test.pipe import METRICS, analysed, findings, registered
from tests.ab_test.test_topic import units
from tests.conftest import ROOT

CONVERSION = [METRICS[0]]


def orders(rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "revenue", "kind"])
    frame["ordered_at"] = pd.to_datetime(frame["ordered_at"], format="ISO8601").astype("datetime64[us]")
    return ibis.memtable(frame)


def assigned(n=4):
    return pd.DataFrame(
        {
            "unit_id": [f"u{place}" for place in range(n)],
            "variant": ["control", "treatment"] * (n // 2),
            "assigned_at": pd.Timestamp("2024-03-01"),
            "exposed_at": pd.Timestamp("2024-03-02"),
        }
    )


def measured(metric, log, *, source="orders", frame=None, until="2024-04-01"):
    """Values of one computed metric, by unit."""
    from helpers.ab_test.read import units as read
    from tests.ab_test.pipe import held

    table = held((assigned() if frame is None else frame).assign(experiment="t"))
    con = table.get_backend()
    log = con.create_table("log", log)
    settings = registered(metrics=[{"name": "x", "from": source, "role": "success"} | metric])
    found = read(settings.tests[0], table, **{source: log}, observed_until=datetime.fromisoformat(until))
    return found.table.order_by("unit").to_pandas()


def test_outcomes_count_from_exposure_on_and_within_the_window():
    log = orders(
        [
            ("u0", "2024-03-01 12:00", 100.0, "order"),  # assigned, not yet exposed
            ("u0", "2024-03-02 12:00", 10.0, "order"),
            ("u0", "2024-03-08 12:00", 5.0, "order"),
            ("u0", "2024-03-20", 7.0, "order"),  # after the window
            ("u1", "2024-03-03", -4.0, "refund"),
            ("someone", "2024-03-03", 9.0, "order"),
        ]
    )
    revenue = measured({"type": "mean", "column": "revenue", "window_days": 7}, log)
    assert revenue["m0"].tolist() == [15.0, -4.0, 0.0, 0.0]
    count = measured({"type": "count", "column": "orders", "window_days": 7}, log)
    assert count["m0"].tolist() == [2.0, 0.0, 0.0, 0.0]
    share = measured({"type": "proportion", "column": "orders", "window_days": 7}, log)
    assert share["m0"].tolist() == [1.0, 0.0, 0.0, 0.0]
    ratio = measured({"type": "ratio", "numerator": "revenue", "denominator": "orders"}, log)
    assert ratio[["m0", "d0"]].to_numpy().tolist()[0] == [22.0, 3.0]


def test_a_unit_whose_window_is_not_over_has_no_value():
    late = assigned()
    late.loc[3, "exposed_at"] = pd.Timestamp("2024-03-30")
    found = measured(
        {"type": "mean", "column": "revenue", "window_days": 7},
        orders([("u0", "2024-03-03", 1.0, "order")]),
        frame=late,
    )
    assert found["m0"].isna().tolist() == [False, False, False, True]


def test_events_are_counted_by_name_and_their_values_summed():
    log = pd.DataFrame(
        {
            "customer_id": ["u0", "u0", "u1"],
            "occurred_at": pd.to_datetime(["2024-03-03", "2024-03-04", "2024-03-05"]).astype("datetime64[us]"),
            "source": "web",
            "event": ["view", "cart", "view"],
            "value": [1.0, 2.0, np.nan],
        }
    )
    assert measured({"type": "count", "column": "view"}, ibis.memtable(log), source="events")["m0"].tolist() == [
        1,
        1,
        0,
        0,
    ]
    assert measured({"type": "mean", "column": "value"}, ibis.memtable(log), source="events")["m0"].tolist()[0] == 3


def test_what_a_guardrail_may_lose_stands_under_the_verdicts():
    guardrail = {"name": "revenue", "type": "mean", "column": "revenue", "role": "guardrail", "margin": -0.035}
    table = ab_test.report(analysed(units(2000), registered(metrics=[*CONVERSION, guardrail]))).table()
    assert "Margins, what a guardrail may lose of the control’s value: Revenue 3.5%." in table._repr_html_()
    assert "Margins" not in ab_test.report(analysed(units(2000), registered(metrics=CONVERSION))).table()._repr_html_()


def test_looks_outlive_the_run_and_early_ones_are_told(tmp_path):
    file = tmp_path / "looks.jsonl"
    settings = registered(planned_n=4000, metrics=CONVERSION)
    for n in (1000, 2000, 2000, 4000):
        (one,) = analysed(units(4000).head(n), settings, ledger=file)
    assert [record.information for record in read_looks(file, settings.tests[0])] == [1000, 2000, 4000]
    assert len(one.looks.early) == 2
    check = next(check for check in findings((one,)).checks if check.id == "t.looks")
    assert (check.status, check.value) == ("warn", 2)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["test"], line["planned"]) for line in lines] == [("t", False), ("t", False), ("t", True)]


def test_an_earlier_state_can_be_run_again_without_a_new_look(tmp_path):
    file = tmp_path / "looks.json"
    settings = registered(planned_n=4000, metrics=CONVERSION, sequential="obrien_fleming")
    whole = analysed(units(4000), settings, ledger=file)[0]
    again = analysed(units(4000), settings, ledger=file)[0]
    assert whole.looks.records == again.looks.records
    # Neither does it forget the looks that came after it.
    analysed(units(4000).head(1000), settings, ledger=file)
    assert [record.information for record in read_looks(file, settings.tests[0])] == [1000, 4000]


def _look(path, test, n):
    record = Record(at="", information=float(n), spent=0.0, critical=2.0, crossed=False, planned=True)
    write_looks(path, {test: Looks(records=(record,), maximum=None)})


def test_runs_beside_each_other_lose_no_look(tmp_path):
    file = tmp_path / "looks.jsonl"
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(_look, [file] * 200, [f"t{place % 8}" for place in range(200)], range(200)))
    tests = [registered(metrics=CONVERSION).tests[0].model_copy(update={"id": f"t{place}"}) for place in range(8)]
    assert sorted(record.information for test in tests for record in read_looks(file, test)) == list(range(200))


def test_looks_are_kept_beside_the_params_and_not_with_the_reports(monkeypatch, tmp_path):
    monkeypatch.setenv("VALUEBOOK_PARAMS", str(tmp_path / "params"))
    monkeypatch.setenv("VALUEBOOK_REPORTS", str(tmp_path / "reports"))
    assert ab_test.ledger_of("acme") == tmp_path / "params" / "looks" / "acme.ab_test.jsonl"
    rule = (ROOT / "Makefile").read_text().split("\nclean:")[1]
    assert "params/looks/demo.ab_test.jsonl" in rule
    assert "params/looks " not in rule.replace("(params/looks)", "")


def test_a_ledger_that_was_damaged_is_an_error_that_names_the_line(tmp_path):
    file = tmp_path / "looks.jsonl"
    _look(file, "t", 5)
    file.write_text(file.read_text() + '{"test": "t", "infor')
    with pytest.raises(DataError, match=r"looks.jsonl, line 2: not a look"):
        read_looks(file, registered(metrics=CONVERSION).tests[0])


@pytest.mark.parametrize("sequential", ["obrien_fleming", "pocock", "always_valid"])
def test_a_sequential_test_may_stop_early_and_its_interval_agrees(sequential, tmp_path):
    settings = registered(planned_n=8000, planned_looks=[0.5, 1], metrics=CONVERSION, sequential=sequential)
    (one,) = analysed(units(4000, lift=0.1), settings, ledger=tmp_path / "looks.json")
    assert one.answer == "ship"
    own = one.judged[0]
    assert own.p < 0.05
    assert own.effect.lift.low > 0
    # A look costs something: the interval is wider than that of a test that is read once.
    once = analysed(units(4000, lift=0.1), registered(metrics=CONVERSION))[0].judged[0].effect.lift
    assert own.effect.lift.low < once.low
    none = analysed(units(4000), settings)[0]
    assert none.answer == "extend"
    assert outlook(one) is None
    assert 0 <= outlook(none) < 0.9
    assert "if the trend holds" in ab_test.report((none,)).plan_table().html


def test_units_that_came_after_the_period_are_left_out():
    frame = units(2000)
    middle = frame["assigned_at"].median()
    (one,) = analysed(frame, registered(metrics=CONVERSION), until=middle.to_pydatetime())
    assert one.profile.units == int((frame["assigned_at"] < middle).sum())


def test_a_test_that_began_after_the_period_is_not_there_yet():
    frame = units(200)
    assert analysed(frame, registered(metrics=CONVERSION), until=datetime.fromisoformat("2020-01-01")) == ()
    found = findings((), *ab_test.plan(()).results)
    assert (found.status, found.headline[:16]) == ("ok", "There is no test")


def test_groups_that_were_randomised_are_the_units():
    frame = units(3000)
    frame["shop"] = frame["unit_id"] % 40
    frame["variant"] = np.where(frame["shop"] % 2 == 0, "control", "treatment")
    (one,) = analysed(frame, registered(cluster="shop"))
    assert one.sound
    assert (one.judged[0].effect.n_control, one.judged[0].effect.n_treatment) == (20, 20)
    few = frame.assign(shop=frame["unit_id"] % 4, variant=np.where(frame["unit_id"] % 2 == 0, "control", "treatment"))
    (one,) = analysed(few, registered(cluster="shop"))
    assert one.judged[0].effect.reason == "too_few_clusters"


def test_a_verdict_that_hangs_on_the_cap_is_told():
    frame = units(3000, lift=0.0, seed=3)
    frame["revenue"] = 20 + 1.0 * (frame["variant"] == "treatment") + np.random.default_rng(2).normal(0, 3, 3000)
    whale = frame.index[frame["variant"] == "control"][:3]
    frame.loc[whale, "revenue"] = 5000.0
    metrics = [{"name": "revenue", "type": "mean", "column": "revenue", "role": "success", "cap_quantile": 0.99}]
    (one,) = analysed(frame, registered(metrics=metrics))
    assert (one.answer, one.judged[0].uncapped) == ("ship", "undecided")
    assert any(check.id == "t.revenue.treatment.cap" for check in findings((one,)).checks)


def test_heavy_tails_get_a_permutation_test_and_small_counts_a_score_test():
    frame = units(400)
    frame["revenue"] = np.random.default_rng(5).pareto(1.2, 400)
    frame["converted"] = (np.arange(400) % 50 == 0).astype(float)
    (one,) = analysed(frame)
    assert [own.cell.way for own in one.judged] == ["score", "permutation"]


def test_a_median_has_its_interval():
    metrics = [{"name": "median", "type": "quantile", "column": "pre_revenue", "role": "success"}]
    (one,) = analysed(units(3000), registered(metrics=metrics))
    assert one.judged[0].effect.lift.low < 0 < one.judged[0].effect.lift.high


def test_a_median_of_counts_decides_nothing_and_says_why():
    metrics = [{"name": "items", "type": "quantile", "column": "items", "role": "success"}]
    (one,) = analysed(
        units(2000).assign(items=np.random.default_rng(6).poisson(2.674, 2000)), registered(metrics=metrics)
    )
    assert (one.answer, one.judged[0].state, one.judged[0].effect.control) == ("invalid", "unknown", 2)
    assert "too many units share one value there" in findings((one,)).headline


def test_segments_are_drawn_together():
    found = ab_test.by_segment(analysed(units(6000, lift=0.05), registered(segments=["segment"])))
    rows = found.each[0].rows
    assert set(rows["segment"]) == {"app", "web", "shop"}
    assert rows["shrunk"].std() < rows["lift"].std()


def test_money_is_difference_times_reach_times_margin():
    frame = units(6000, lift=0.1)
    (one,) = analysed(frame, registered(eligible_per_month=1000, rollout=0.5))
    row = ab_test.worth((one,), margin=0.4).rows.iloc[0]
    difference = next(own for own in one.judged if own.cell.metric.name == "revenue").effect.difference.value
    assert row["raw"] == pytest.approx(difference * 500 * 0.4)
    # The table of lifts and that of money draw the same test towards the same prior, by the same share.
    (lift,) = (own.effect.lift.value for own in one.judged if own.cell.metric.name == "revenue")
    (drawn,) = ab_test.beliefs((one,)).rows.query("id.str.contains('revenue')").to_dict("records")
    assert 0 < row["shrunk"] / row["raw"] == pytest.approx(drawn["lift"] / lift)
    for end in ("low", "high"):
        assert row[f"shrunk_{end}"] / row["shrunk"] == pytest.approx(drawn[end] / drawn["lift"])
    assert row["shrunk"] < row["raw"]
    told = "units a month as registered (eligible_per_month); while it ran, the test took in 13,045 a month."
    assert told in ab_test.worth((one,), margin=0.4).table()._repr_html_()
    (own,) = analysed(frame, registered())
    assert ab_test.worth((own,), margin=0.4).rows.iloc[0]["reached"] == pytest.approx(6000 / 14 * MONTH)
    assert "as registered" not in ab_test.worth((own,), margin=0.4).table()._repr_html_()


def test_units_a_month_that_nobody_registered_are_held_against_the_customers_who_order(ledger):
    orders = ledger([(f"c{place}", "2024-06-20", 10.0) for place in range(300)] + [("old", "2024-01-05", 10.0)])
    frame, until = units(6000, lift=0.1), datetime(2024, 7, 1)
    guessed = ab_test.worth(analysed(frame, registered()), margin=0.4, orders=orders, until=until)
    (check,) = guessed.checks()
    assert (check.status, check.threshold) == ("warn", "<= 300")
    assert "while 300 customers a month order" in check.message
    told = analysed(frame, registered(eligible_per_month=1000))
    assert not ab_test.worth(told, margin=0.4, orders=orders, until=until).checks()


def test_new_customers_count_at_their_lifetime_value_where_it_is_known():
    acquired = CONVERSION[0] | {"counts": "new_customers"}
    tests = analysed(units(6000, lift=0.1), registered(eligible_per_month=1000, metrics=[acquired, METRICS[1]]))
    curve = pd.DataFrame({"month": [0, 24], "value": [20.0, 60.0], "low": [19.0, 50.0], "high": [21.0, 70.0]})
    rows = ab_test.worth(tests, margin=0.4, new_customer=curve).rows
    row = rows[rows["through"] == "clv"].iloc[0]
    difference = tests[0].judged[0].effect.difference.value
    assert row["raw"] == pytest.approx(difference * 1000 * 60)
    # What a customer is worth is not known to the pound either.
    sure = ab_test.worth(tests, margin=0.4, new_customer=curve.assign(low=60.0, high=60.0)).rows
    known = sure[sure["through"] == "clv"].iloc[0]
    assert row["raw_low"] < known["raw_low"] < known["raw_high"] < row["raw_high"]
    grown = (row["raw_high"] - row["raw"]) ** 2 - (known["raw_high"] - known["raw"]) ** 2
    assert grown**0.5 == pytest.approx(difference * 1000 * 10)


def test_a_prior_is_learned_from_five_past_tests_or_more():
    frames = [units(2000, lift=0.01 * k, seed=k).assign(experiment=f"t{k}") for k in range(7)]
    from helpers.ab_test.topic import Params

    tests = [{"id": f"t{k}", "metrics": CONVERSION, "prior": {"learn": True}} for k in range(7)]
    frame = pd.concat([part.assign(unit_id=part["unit_id"] + k * 10_000) for k, part in enumerate(frames)])
    found = analysed(frame, Params(tests=tests))
    priors = ab_test.beliefs(found).priors
    assert {prior.source for prior in priors.values()} == {"past_tests"}
    assert {prior.source for prior in ab_test.beliefs(found[:4]).priors.values()} == {"stated"}


def test_the_next_test_is_planned_from_the_control():
    from statsmodels.stats.power import NormalIndPower

    (one,) = analysed(units(4000), registered(metrics=CONVERSION))
    sizes = ab_test.plan((one,)).each[0].sizes.set_index("lift")["n"]
    p = one.judged[0].effect.control
    sd = (p * (1 - p)) ** 0.5
    needed = 2 * NormalIndPower().solve_power(0.1 * p / sd, alpha=0.05, power=0.8)
    assert sizes[0.1] == pytest.approx(needed, rel=0.01)
    assert list(sizes) == sorted(sizes, reverse=True)


def test_random_splits_of_the_control_seldom_find_anything():
    (one,) = analysed(units(4000), registered(covariates=["pre_revenue"]))
    found = ab_test.replay((one,), replays=300, seed=1)
    assert all(row.low <= 0.05 <= row.high for row in found.rows.itertuples())
    assert found.closed < 0.02
    assert found.checks()[0].status == "pass"


def test_a_waning_effect_is_a_note():
    frame = units(8000, seed=9)
    late = (frame["assigned_at"] - frame["assigned_at"].min()).dt.days
    frame["assigned_at"] = frame["assigned_at"] + pd.to_timedelta(late, "D")
    week = (frame["assigned_at"] - frame["assigned_at"].min()).dt.days // 7
    rng = np.random.default_rng(4)
    frame["revenue"] = 20 + (frame["variant"] == "treatment") * (4 - week) + rng.normal(0, 3, 8000)
    metrics = [{"name": "revenue", "type": "mean", "column": "revenue", "role": "success"}]
    (path,) = ab_test.over_time(analysed(frame, registered(metrics=metrics))).each
    assert path.slope[0] < 0
    assert path.checks()[0].status == "warn"


def test_the_shipped_calibration_is_the_calibrations_own():
    from helpers.ab_test.proven import MAP
    from tests.conftest import ROOT

    shipped = pd.read_csv(MAP)
    whole = pd.read_csv(ROOT / "tests" / "calibration" / "ab_test.csv")
    own = whole[whole["part"] == "map"][list(shipped.columns)].reset_index(drop=True)
    pd.testing.assert_frame_equal(shipped, own)
    assert ab_test.proven(analysed(units(200))).title

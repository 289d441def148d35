"""Looks of the whole pipe: by which test a metric is looked at, when a test has ended, and what stands after its end."""

import json
from datetime import datetime

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers import ab_test
from helpers.ab_test import analyse, arms
from helpers.ab_test.cell import Cell
from helpers.ab_test.judge import judge
from helpers.ab_test.looks import enter_look, looker
from helpers.ab_test.moments import Moments
from helpers.ab_test.registration import Metric
from helpers.ab_test.registration import Test as Registered
from tests.ab_test.pipe import METRICS, analysed, held, registered
from tests.ab_test.test_topic import units

SUCCESS = Metric(name="y", column="y", role="success")
SPENDING = Registered(id="t", metrics=(SUCCESS,), planned_n=2000, sequential="obrien_fleming")


def skewed(control, treatment):
    sides = [arms.mean(Moments.of(y=values), "y") for values in (control, treatment)]
    pair = arms.independent(*sides)
    return Cell(
        metric=SUCCESS, variant="b", pair=pair, raw=pair, uncapped=pair, way="permutation", values=(control, treatment)
    )


def few(control, n_control, treatment, n_treatment, metric):
    sides = [
        arms.Arm(value=count / n, variance=count / n * (1 - count / n) / (n - 1), df=n - 1, n=n)
        for count, n in ((control, n_control), (treatment, n_treatment))
    ]
    pair, counts = arms.independent(*sides), (control, n_control, treatment, n_treatment)
    return Cell(metric=metric, variant="b", pair=pair, raw=pair, uncapped=pair, way="score", counts=counts)


def test_a_look_at_skewed_values_of_uneven_arms_keeps_its_level(monkeypatch):
    """One look at the end spends all of the 5 %; Welch's test calls a difference in 16 % of these where there is none."""
    monkeypatch.setattr("helpers.ab_test.cell.LOOKED_PERMUTATIONS", 399)
    rng = np.random.default_rng(0)
    look = looker(enter_look((), SPENDING, n=2000, at="", complete=True), SPENDING, n=2000)
    false = welch = 0
    runs = 120
    for _ in range(runs):
        values = np.where(rng.random(2000) < 0.05, rng.lognormal(3, 2, 2000), 0.0)
        cell = skewed(values[:1800], values[1800:])
        (own,) = judge([cell], SPENDING, look=look)
        assert own.effect.method == ("permutation",)
        assert (own.p < 0.05) == own.effect.lift.excludes_zero or not own.effect.lift.bounded
        false += own.effect.significant
        welch += (
            abs(arms.independent(cell.pair.control, cell.pair.treatment).difference) > 1.96 * cell.pair.variance**0.5
        )
    # 5 % and three standard errors; the other shows that the data ask for it.
    assert false / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
    assert welch / runs > 0.11


def test_a_look_too_early_for_any_shuffle_concludes_nothing_and_says_why():
    """At a fifth of the units O'Brien-Fleming asks for 1e-6, and no shuffle of 9,999 is so rare."""
    rng = np.random.default_rng(1)
    look = looker(enter_look((), SPENDING, n=400, at="", complete=False), SPENDING, n=400)
    (own,) = judge([skewed(rng.lognormal(0, 1, 200), 50 + rng.lognormal(0, 1, 200))], SPENDING, look=look)
    assert (own.state, own.effect.reason) == ("undecided", "early_look")
    assert own.effect.difference.value == pytest.approx(50, rel=0.05)


def test_a_look_at_few_successes_is_the_score_test():
    """0 of 900 against 4 of 100: Wald's z is 2.03 and the score's 6.0; only a look's own test sees the same in both."""
    cell = few(0, 900, 4, 100, SUCCESS)
    (own,) = judge(
        [cell], SPENDING, look=looker(enter_look((), SPENDING, n=1000, at="", complete=False), SPENDING, n=1000)
    )
    assert own.effect.method == ("score",)
    assert own.effect.statistic == pytest.approx(cell.z)
    assert own.state == "better"


@pytest.mark.parametrize("better", ["more", "less"])
@pytest.mark.parametrize(("n_control", "n_treatment", "share"), [(3000, 300, 0.01), (900, 100, 0.1)])
def test_a_guardrails_verdict_is_that_of_the_interval_that_is_shown(better, n_control, n_treatment, share):
    """Where the truth lies on the margin, it is cleared in 2.5 %; Wald's interval clears it in up to 6.9 % of these."""
    metric = Metric(name="y", type="proportion", column="y", role="guardrail", margin=-0.5, better=better)
    test = Registered(id="t", metrics=(metric,))
    rng = np.random.default_rng(2)
    shown, runs = 0, 400
    for _ in range(runs):
        counts = rng.binomial(n_control, share), rng.binomial(n_treatment, share * (1.5 if better == "less" else 0.5))
        (own,) = judge([few(counts[0], n_control, counts[1], n_treatment, metric)], test)
        lift = own.effect.lift
        clear = lift.bounded and (lift.high < 0.5 if better == "less" else lift.low > -0.5)
        assert clear == (own.state == "non_inferior")
        shown += clear
    assert shown / runs <= 0.025 + 3 * (0.025 * 0.975 / runs) ** 0.5


def windowed(until, *, ledger=None, **changes):
    """6,000 units of four weeks, each with a window of 28 days; the orders that were seen before a day."""
    rng = np.random.default_rng(2)
    came = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 28 * 24 * 60, 6000), unit="m")
    frame = pd.DataFrame({"unit_id": [f"u{place}" for place in range(6000)], "experiment": "t"})
    frame = frame.assign(variant=rng.permutation(["control", "treatment"] * 3000), assigned_at=came, exposed_at=came)
    log = frame[rng.random(6000) < 0.2][["unit_id", "assigned_at"]]
    log = log.assign(ordered_at=log["assigned_at"] + pd.Timedelta(days=9), revenue=50.0, kind="order")
    log = log.rename(columns={"unit_id": "customer_id"}).drop(columns="assigned_at")
    log = log[log["ordered_at"] < pd.Timestamp(until)]
    log["ordered_at"] = log["ordered_at"].astype("datetime64[us]")
    metric = {"name": "again", "type": "proportion", "from": "orders", "column": "orders", "role": "success"}
    table = held(frame)
    (one,) = analyse(
        registered(metrics=[metric | {"window_days": 28}], **changes),
        table,
        orders=table.get_backend().create_table("log", ibis.memtable(log)),
        observed_until=datetime.fromisoformat(until),
        ledger=ledger,
    )
    return one


@pytest.mark.parametrize(
    "plan", [{"planned_n": 6000}, {"planned_days": 28}, {}, {"planned_n": 6000, "sequential": "obrien_fleming"}]
)
def test_a_unit_counts_once_its_window_is_over(plan, tmp_path):
    """On 31 March only the units of the first two of 28 days have an outcome: a fourteenth of what the verdict needs."""
    file = tmp_path / "looks.jsonl"
    early, late = (windowed(day, ledger=file, **plan) for day in ("2024-03-31", "2024-05-10"))
    assert (early.answer, late.answer) == ("extend", "dont_ship")
    assert early.observed == pytest.approx(6000 * 2 / 28, rel=0.15)
    assert early.observed == early.judged[0].effect.n_control + early.judged[0].effect.n_treatment
    assert (late.complete, late.observed) == (True, 6000)
    # A look has the information of the outcomes, not of the assignments.
    assert [record.information for record in late.looks.records] == [early.observed, 6000]
    report = ab_test.report((early,))
    assert f"{early.observed} of 6,000 units have an outcome so far." in report.verdicts()["sentence"].iloc[0]
    assert f"n = {early.observed} units." in report.table()._repr_html_()


def test_values_that_are_missing_for_good_do_not_hold_a_test_open():
    """An order's value is there for who ordered; the share of who ordered is there for all, and a test of days ends with its days."""
    frame = units(4000)
    frame["value"] = frame["revenue"].where(frame["converted"] > 0)
    both = [METRICS[0], {"name": "value", "type": "mean", "column": "value", "role": "success"}]
    (one,) = analysed(frame, registered(metrics=both, planned_n=4000))
    assert (one.complete, one.observed) == (True, 4000)
    (few,) = analysed(frame, registered(metrics=both[1:], planned_days=14))
    assert few.complete
    assert few.observed == int(frame["value"].notna().sum())


def growing(file, sizes, *, lift=0.0, fades=0.0, plan=5000, **changes):
    """A test of 5,000 units and more that come after: read at each size, with what `fades` of the treated sales after the end."""
    frame = units(max(sizes), lift=lift)
    late = (np.arange(len(frame)) >= plan) & (frame["variant"] == "treatment").to_numpy()
    frame["converted"] = np.where(late, (frame["converted"] * (1 - fades)).round(), frame["converted"])
    settings = registered(metrics=[METRICS[0]], planned_n=plan, **changes)
    return [analysed(frame.head(size), settings, ledger=file)[0] for size in sizes]


@pytest.mark.parametrize("sequential", ["obrien_fleming", "pocock"])
def test_what_was_decided_at_the_planned_end_stands_whatever_comes_later(sequential, tmp_path):
    file = tmp_path / "looks.jsonl"
    end, more, most = growing(file, (5000, 5010, 9000), lift=0.06, fades=1.0, sequential=sequential)
    assert (end.answer, more.answer, most.answer) == ("ship", "ship", "ship")
    # A look ten units later has the interval of the end's level, which is 5 % where it was the only look.
    assert more.judged[0].effect.critical == pytest.approx(1.96, abs=5e-3)
    assert more.judged[0].effect.lift.low == pytest.approx(end.judged[0].effect.lift.low, abs=0.01)
    # By 9,000 units the effect has gone: told as what came later.
    assert not most.judged[0].effect.lift.low > 0
    sentence = ab_test.report((most,)).verdicts()["sentence"].iloc[0]
    assert "ship treatment, as decided with 5,000 units. What came later is supplementary" in sentence
    none, again = growing(tmp_path / "other.jsonl", (4960, 5300), sequential=sequential)
    # 99 % of the units are the end: all alpha is spent there, and nothing can be shipped after it.
    assert (none.complete, none.judged[0].effect.critical) == (True, pytest.approx(1.96, abs=5e-3))
    assert (none.answer, again.answer, again.verdict.cause) == ("dont_ship", "dont_ship", "kept")


def test_a_boundary_that_was_crossed_early_stays_crossed(tmp_path):
    early, late = growing(
        tmp_path / "looks.jsonl", (2500, 5000), lift=0.12, fades=1.0, plan=2600, sequential="obrien_fleming"
    )
    assert (early.answer, late.answer, late.decided_with) == ("ship", "ship", 2500)


def test_a_broken_split_undoes_what_was_decided(tmp_path):
    file = tmp_path / "looks.jsonl"
    growing(file, (5000,), lift=0.06, sequential="obrien_fleming")
    frame = units(8000, lift=0.06).query("variant == 'control' or unit_id < 5000")
    settings = registered(metrics=[METRICS[0]], planned_n=5000, sequential="obrien_fleming")
    assert analysed(frame, settings, ledger=file)[0].answer == "invalid"


def test_looks_after_the_end_of_a_fixed_test_are_outside_its_plan(tmp_path):
    """Eight looks from 5,000 to 10,000 units call a difference in 12.4 % where there is none: only the first was planned."""
    *_, last = growing(tmp_path / "looks.jsonl", (3000, 5000, 5500, 6000))
    assert [record.planned for record in last.looks.records] == [False, True, False, False]
    (check,) = (check for check in ab_test.report((last,)).each[0].checks() if check.id == "t.looks")
    assert (check.status, check.value) == ("warn", 3)
    assert "also after its planned end" in check.message
    assert "3 of them outside the plan" in ab_test.report((last,)).plan_table().html


def test_a_ledger_from_before_says_where_the_end_was(tmp_path):
    """Its lines know neither `complete` nor `answers`, and call every look after the end planned."""
    file = tmp_path / "looks.jsonl"
    old = {"test": "t", "at": "", "spent": 0.05, "critical": 1.96, "crossed": True, "planned": True}
    file.write_text("".join(json.dumps(old | {"information": float(n)}) + "\n" for n in (5000, 5500)))
    for sequential in ("none", "obrien_fleming"):
        (one,) = growing(file, (6000,), lift=0.06, sequential=sequential)
        assert (one.answer, len(one.looks.early)) == ("ship", 2)
        assert one.judged[0].effect.critical == pytest.approx(1.96, abs=5e-3)
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))

"""The topic from params to findings: the demo's planted answers, a real test of three arms, and what the JSON holds."""

import json
import re

import pandas as pd
import pytest

from helpers import ab_test
from helpers.ab_test.topic import Params, preflight
from helpers.data.load import load_tables
from helpers.errors import ParamsError
from helpers.params import ROOT, expand, load_params
from helpers.reporting.cards import cards
from helpers.reporting.findings import Check, Decision, Result, gather
from tests.ab_test.pipe import analysed, drawn, findings, held, registered
from tests.ab_test.test_gates import clean


def units(n=2000, *, lift=0.0, seed=1):
    """Clean units with outcomes; the treatment converts `lift` more, in shares."""
    import numpy as np

    frame = clean(seed, n)
    rng = np.random.default_rng(seed + 1000)
    chance = 0.2 + lift * (frame["variant"] == "treatment")
    converted = (rng.random(n) < chance).astype(float)
    return frame.assign(converted=converted, revenue=converted * rng.lognormal(3, 0.5, n))


@pytest.fixture(scope="module")
def demo(demo_data):
    table = held(pd.read_parquet(demo_data / "experiments.parquet"))
    settings = load_params("demo", folder=ROOT / "params").ab_test
    return ab_test.analyse(settings, table)


def test_the_demos_real_effect_ships_and_its_interval_holds_what_was_planted(demo, demo_data):
    planted = json.loads(next((demo_data / "truth").glob("*.json")).read_text())
    one = next(one for one in demo if one.test.id == "checkout_2025")
    assert (one.answer, one.variant, one.sound) == ("ship", "treatment", True)
    conversion = one.judged[0].effect.lift
    assert conversion.low < 0.2 < conversion.high
    assert planted is not None


def test_the_demos_broken_split_is_stopped_by_the_gates(demo):
    one = next(one for one in demo if one.test.id == "homepage_2025")
    assert not one.sound
    assert {"srm", "imbalance"} <= {kept.id for kept in one.failed}


def test_a_broken_test_holds_back_no_other(demo):
    found = findings(demo)
    assert found.status == "blocked"
    assert [decision.id for decision in found.decisions] == ["checkout_2025.decision"]
    assert "Checkout 2025 (5 May 2025 to 1 Jun 2025): ship treatment" in found.headline
    assert "Homepage 2025 (5 May 2025 to 1 Jun 2025): no decision" in found.headline
    assert "Homepage" in found.reason
    assert "Checkout" not in found.reason


def test_the_json_has_every_lift_with_interval_p_split_and_decision(demo):
    content = json.loads(json.dumps(findings(demo).to_json()))
    checks = {check["id"]: check for check in content["checks"]}
    for one in demo:
        assert f"{one.test.id}.srm" in checks
        for metric in one.test.metrics:
            number = content["numbers"][f"{one.test.id}.{metric.name}.treatment.lift"]
            assert number["low"] < number["value"] < number["high"]
            if one.sound:
                assert 0 <= checks[f"{one.test.id}.{metric.name}.treatment.p"]["value"] <= 1
            else:
                # What a failed gate guards cannot pass a check.
                assert f"{one.test.id}.{metric.name}.treatment.p" not in checks
    assert content["decisions"][0]["value"]["answer"] == "ship"


def test_that_no_change_over_time_was_seen_is_no_claim_of_none(demo):
    (check,) = [one for path in ab_test.over_time(demo).each for one in path.checks()]
    assert check.value > 0.05
    assert "in 4 weeks no change of the lift over time could be seen" in check.message
    assert "steady" not in check.message
    low, high = (float(end) for end in re.search(r"points a week, (-[\d.]+) to (\+[\d.]+);", check.message).groups())
    assert low < 0 < high


def test_intervals_that_share_a_level_say_their_own(demo):
    page = drawn(ab_test.report(demo))
    assert (
        "judged together at 95% (Holm), each interval at its own level: Conversion 97.5%, Revenue per visitor 95%"
        in page
    )
    assert "hold together" not in page
    assert "(97.5% interval)" in cards(findings(demo))[0].lines[0]


def test_every_number_of_a_decision_is_in_the_json(demo):
    found = findings(demo)
    known = [
        abs(value) * 100
        for number in found.numbers.values()
        for value in (number.value, number.low, number.high)
        if value is not None and number.unit == "share"
    ]
    for text in (found.headline, *(decision.text for decision in found.decisions)):
        shares = re.findall(r"(\d+\.\d+)%", text)
        assert shares
        assert all(any(abs(float(share) - one) < 0.051 for one in known) for share in shares)


def test_every_part_of_the_report_can_be_drawn(demo):
    html = drawn(ab_test.report(demo))
    assert html.count("<figure>") == 5
    assert "nan" not in html
    # A test that failed its gates has no effect in any picture.
    assert "Homepage 2025: every metric" not in html


@pytest.mark.data
def test_hillstrom_ships_the_better_of_two_emails(public_data):
    params = load_params("hillstrom", folder=ROOT / "params" / "examples")
    tables = load_tables(params, names=("experiments",), expand=expand)
    (one,) = ab_test.analyse(params.ab_test, tables.kept["experiments"])
    assert (one.answer, one.variant) == ("ship", "Mens E-Mail")
    srm = next(kept for kept in one.gates if kept.id == "srm")
    assert round(srm.gate.p, 3) == 0.904
    raw = {own.cell.key: own.cell.raw.difference for own in one.judged}
    # Differences of the published means (Hillstrom 2008).
    assert raw["visit.Mens E-Mail"] == pytest.approx(0.0766, abs=5e-4)
    assert raw["visit.Womens E-Mail"] == pytest.approx(0.0452, abs=5e-4)
    assert raw["spend.Mens E-Mail"] == pytest.approx(0.77, abs=5e-3)
    assert raw["spend.Womens E-Mail"] == pytest.approx(0.42, abs=5e-3)


def test_without_a_registration_nothing_is_shipped():
    (one,) = analysed(units(6000, lift=0.1), Params())
    assert one.answer == "explore"
    assert {metric.name: metric.type for metric in one.test.metrics}["converted"] == "proportion"
    assert {metric.role for metric in one.test.metrics} == {"information"}
    assert set(one.test.covariates) == {"pre_revenue", "pre_orders"}
    found = findings((one,))
    assert "not registered" in found.headline
    assert found.status == "warn"


def test_an_effect_ships_and_none_does_not():
    (good,) = analysed(units(6000, lift=0.1))
    (none,) = analysed(units(6000))
    assert (good.answer, none.answer) == ("ship", "dont_ship")


def test_a_fixed_test_is_not_read_before_its_end():
    (one,) = analysed(units(lift=0.1), registered(planned_n=10_000))
    assert (one.answer, one.verdict.cause) == ("extend", "too_early")
    assert "not read before its end" in findings((one,)).headline


def test_less_can_be_better():
    metrics = [{"name": "returns", "type": "proportion", "column": "converted", "role": "success", "better": "less"}]
    (one,) = analysed(units(6000, lift=-0.1), registered(metrics=metrics))
    assert one.answer == "ship"
    assert one.judged[0].effect.lift.value < 0


def test_a_guardrail_that_may_lose_too_much_stops_a_success():
    guard = {"name": "again", "type": "mean", "column": "revenue", "role": "guardrail", "margin": -0.001}
    metrics = [{"name": "conversion", "type": "proportion", "column": "converted", "role": "success"}, guard]
    frame = units(6000, lift=0.1)
    frame["revenue"] = clean(77, 6000)["pre_revenue"]
    (one,) = analysed(frame, registered(metrics=metrics))
    assert (one.answer, one.verdict.cause) == ("dont_ship", "guardrail_undecided")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"control": "contrl"}, "did you mean 'control'"),
        ({"experiment": "T"}, "experiment 'T' is not in the table"),
        ({"covariates": ["pre_revenu"]}, "did you mean 'pre_revenue'"),
        ({"unit": "user"}, "unit: column 'user'"),
        ({"segments": ["segmnt"]}, "did you mean 'segment'"),
        ({"variants": ["blue"]}, "there are control, treatment"),
        ({"metrics": [{"name": "x", "type": "mean", "column": "revenu"}]}, "did you mean 'revenue'"),
        ({"metrics": [{"name": "x", "type": "count", "column": "orders", "from": "orders"}]}, "did not bring"),
    ],
)
def test_preflight_names_key_and_what_is_known(changes, said):
    table = held(units(100).assign(experiment="t"))
    with pytest.raises(ParamsError, match=r"ab_test.tests.0 \(t\)") as error:
        preflight(registered(**changes), {"experiments": table})
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrics": [{"name": "x", "type": "ratio", "column": "a"}]}, "needs numerator and denominator"),
        ({"metrics": [{"name": "x", "type": "mean", "column": "a", "role": "guardrail"}]}, "needs a margin"),
        ({"metrics": [{"name": "x", "column": "a"}, {"name": "x", "column": "b"}]}, "two metrics are called x"),
        ({"sequential": "pocock"}, "needs planned_n"),
        ({"colour": "red"}, "Extra inputs"),
        ({"shares": {"control": 0}}, "must be > 0"),
    ],
)
def test_params_say_what_is_wrong(changes, said):
    with pytest.raises(ValueError, match=said):
        registered(**changes)


class _Part(Result):
    def __init__(self, scope, status):
        self._scope, self._status = scope, status

    def scope(self):
        return self._scope

    def checks(self):
        return [Check(id=f"{self._scope}.gate", status=self._status, message=f"{self._scope} {self._status}")]

    def decisions(self):
        return [Decision(id=f"{self._scope}.decision", text="do", evidence="experiment")]


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        ([("a", "pass"), ("b", "fail")], ["a.decision"]),
        ([("a", "pass"), ("", "fail")], []),
        ([("", "pass"), ("b", "fail")], [".decision"]),
        ([("a", "pass"), ("b", "pass")], ["a.decision", "b.decision"]),
    ],
)
def test_a_failed_check_withholds_the_decisions_of_its_scope(parts, kept):
    found = gather(*(_Part(*part) for part in parts), client="c", period="p", topic="t", tables={}, provenance={})
    assert [decision.id for decision in found.decisions] == kept
    assert (found.status == "blocked") == any(status == "fail" for _scope, status in parts)

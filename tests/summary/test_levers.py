"""Levers: each topic's number, made a profit over the horizon, graded by its evidence, counted once and never added up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import summary
from helpers.reporting.findings import Check
from helpers.summary.lever import GRADES, Lever, in_order
from helpers.summary.topic import Effort
from tests.summary.made import MONTHS, RATE, WORTH, clv, found, number, offers, page, pulse, segmentation, trials, world

ANNUITY = sum((1 + RATE) ** (-month / 12) for month in range(1, MONTHS + 1))


def levers(folder, *topics):
    return {one.id: one for one in summary.levers(world(folder, topics=topics), Effort()).each}


def test_what_ifs_are_the_values_of_clv_and_assumptions_of_an_effect(tmp_path):
    known = levers(tmp_path, clv())
    for kind, value, low, high in (
        ("retention", 300, 280, 320),
        ("frequency", 200, 150, 250),
        ("order_value", 100, 90, 110),
    ):
        one = known[kind]
        assert (one.value, one.low, one.high, one.evidence, one.advised) == (value, low, high, "assumption", False)
        assert one.customers == {"a", "b", "c", "d"}
        assert (one.topic, one.number) == ("clv", f"lever.{kind}")


def test_win_back_is_a_hundredth_of_what_those_who_probably_left_would_bring_if_they_had_not(tmp_path):
    one = levers(tmp_path, clv())["win_back"]
    # c: 80 / .4 = 200, d: 20 / .2 = 100; a point of 300 is 3. Its interval is 300 / 400 to 600 / 400 of it.
    assert (one.value, one.low, one.high, one.n) == (pytest.approx(3.0), pytest.approx(2.25), pytest.approx(4.5), 2)
    assert one.customers == {"c", "d"}
    assert one.evidence == "assumption"


def test_a_test_that_won_is_worth_its_shrunk_month_over_the_horizon_discounted(tmp_path):
    one = levers(tmp_path, trials())["rollout.basket"]
    assert one.value == pytest.approx(1000 * ANNUITY)
    assert (one.low, one.high) == (pytest.approx(800 * ANNUITY), pytest.approx(1200 * ANNUITY))
    assert (one.evidence, one.advised, one.n) == ("experiment", True, 500)


def test_the_annuity_is_that_of_payments_at_each_months_end():
    # A geometric series: v (1 - v^24) / (1 - v) with v = 1.1^(-1/12).
    v = 1.1 ** (-1 / 12)
    assert pytest.approx(v * (1 - v**24) / (1 - v)) == ANNUITY


def test_two_metrics_of_one_test_are_one_effect_and_count_once(tmp_path):
    known = levers(tmp_path, trials())
    assert [name for name in known if "basket" in name] == ["rollout.basket"]
    assert known["rollout.basket"].number == "basket.revenue.new.monthly.shrunk"


def test_a_test_that_failed_is_worth_what_its_roll_out_would_have_cost(tmp_path):
    one = levers(tmp_path, trials())["avoided.banner"]
    assert (one.value, one.low, one.high) == tuple(pytest.approx(x * ANNUITY) for x in (50, 10, 90))
    assert one.effort == "low"
    assert not one.first


def test_a_test_whose_gate_failed_is_no_lever(tmp_path):
    assert not [name for name in levers(tmp_path, trials()) if "broken" in name]


def test_a_test_of_which_no_month_is_known_counts_once(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.summary.made.WORTH", WORTH.assign(monthly=False))
    assert levers(tmp_path, trials())["rollout.basket"].value == pytest.approx(1000)


def test_offers_are_worth_the_profit_of_their_round_and_reach_the_list_without_its_holdout(tmp_path):
    one = levers(tmp_path, offers())["upsell"]
    assert (one.value, one.low, one.high, one.n, one.evidence) == (500.0, 200.0, 800.0, 50, "experiment")
    assert one.customers == {"b", "c", "e"}
    assert one.file == "tables/upsell_lift.list.parquet"


def test_what_an_offer_may_do_to_goodwill_stands_beside_its_advice(tmp_path):
    warning = Check(id="guardrail.opt_out", status="warn", message="Opt-outs may be more than is allowed.")
    other = Check(id="overlap", status="warn", message="Something else.")
    assert levers(tmp_path, offers(checks=[warning, other]))["upsell"].advice == f"Make the offer {warning.message}"
    held = offers(action="none", checks=[warning])
    assert levers(tmp_path, held)["upsell"].advice == "Make the offer", "what is not advised does nothing to goodwill"


def test_an_offer_that_is_not_advised_is_told_and_does_not_stand_first(tmp_path):
    made = summary.levers(world(tmp_path, topics=(offers(action="none"),)), Effort())
    assert made.first is None
    assert made.told[0].value == 500.0
    assert "does not advise it" in made.table().html


@pytest.mark.parametrize(
    ("topic", "lever", "told"),
    [
        (clv(status="blocked", reason="No good.", decisions=()), "retention", "Customer lifetime value: held back"),
        (
            found("clv", status="skipped", reason="It needs orders."),
            "win_back",
            "Customer lifetime value: not run. It needs orders.",
        ),
        (found("upsell_lift", status="failed", reason="ValueError"), "upsell", "Upsell lift: failed"),
        (found("ab_test", status="skipped", reason="It needs experiments."), "rollout", "A/B tests: not run"),
        (trials(decisions=()), "avoided", "A/B tests: held back"),
        (pulse(), "retention", "Customer lifetime value: not run for this study"),
    ],
)
def test_a_topic_that_is_blocked_skipped_or_failed_makes_its_lever_untold_with_why(tmp_path, topic, lever, told):
    one = levers(tmp_path, topic, pulse())[lever]
    assert not one.told
    assert one.value is None
    assert told in one.why


def test_what_is_not_told_is_never_counted(tmp_path):
    blocked = clv(status="blocked", reason="No good.", decisions=())
    parts, findings = page(world(tmp_path, topics=(blocked, pulse())))
    assert not [key for key in findings.numbers if key.startswith("lever.")]
    assert not [one for one in findings.decisions if one.id.startswith("lever.")]
    assert "cannot be told" in parts["levers"].unknown().html


def test_no_profit_is_counted_twice_and_none_is_a_total(tmp_path):
    parts, findings = page(world(tmp_path))
    profits = {key: one for key, one in findings.numbers.items() if key.startswith("lever.")}
    sources = [(one.topic, one.number, one.kind) for one in parts["levers"].told]
    assert len(sources) == len(set(sources)) == len(profits)
    assert {key: one.value for key, one in profits.items()} == {
        f"lever.{one.id}.profit": one.value for one in parts["levers"].told
    }
    total = sum(one.value for one in profits.values())
    assert total not in [one.value for one in findings.numbers.values()]
    assert "no total" in parts["levers"].table().html


def test_evidence_comes_first_then_the_low_end_and_what_is_saved_already_comes_last(tmp_path):
    order = [one.id for one in summary.levers(world(tmp_path), Effort()).told]
    assert order == ["rollout.basket", "upsell", "retention", "frequency", "order_value", "win_back", "avoided.banner"]


grades = st.sampled_from(GRADES)
amounts = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(grades, amounts, st.floats(0, 1e5), st.booleans()), max_size=8))
def test_whatever_the_levers_their_order_holds(made):
    given_ = [
        Lever(
            id=f"rollout.{place}", kind="rollout", name="x", topic="t", effort="low", evidence=grade, value=low + wide, low=low,
            high=low + 2 * wide, advised=True, why="" if told else "why",
        )
        for place, (grade, low, wide, told) in enumerate(made)
    ]  # fmt: skip
    ordered = in_order(given_)
    assert sorted(one.id for one in ordered) == sorted(one.id for one in given_)
    keys = [(not one.sure, not one.told, GRADES.index(one.evidence), -one.low) for one in ordered]
    assert keys == sorted(keys)


def test_a_large_guess_does_not_overtake_a_small_proof(tmp_path):
    huge = clv(numbers={**clv().numbers, "lever.retention": number(1e7, 9e6, 2e7, n=4)})
    shown = summary.levers(world(tmp_path, topics=(huge, offers())), Effort())
    assert shown.first.id == "upsell"
    assert shown.each[0].id == "upsell"


def test_effort_is_the_clients(tmp_path):
    sources = world(tmp_path)
    assert {one.effort for one in summary.levers(sources, Effort(upsell="high")).each if one.kind == "upsell"} == {
        "high"
    }


def test_overlap_says_which_customers_two_levers_share_and_where_it_is_not_known(tmp_path):
    parts, findings = page(world(tmp_path))
    pairs = parts["overlap"].pairs.set_index(["one", "other"])
    # The offers reach b, c and e; all four of the base are a, b, c and d.
    pair = pairs.loc["upsell", "retention"]
    assert (pair["both"], pair["share_one"], pair["share_other"]) == (2, pytest.approx(2 / 3), pytest.approx(1 / 2))
    assert findings.numbers["overlap.upsell.retention"].value == pytest.approx(2 / 3)
    assert findings.numbers["overlap.retention.upsell"].value == pytest.approx(1 / 2)
    assert pairs.loc["retention", "frequency"]["share_one"] == 1
    assert "same expected orders" in pairs.loc["retention", "frequency"]["why"]
    assert pairs.loc["rollout.basket", "upsell"].isna()["both"]
    told = len(parts["levers"].told)
    assert len(pairs) == told * (told - 1) / 2


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"period": "2025-Q3"}, "summary.sources.study"),
        ({"client": "other"}, "summary.sources.study"),
        ({"numbers": {"bridge.now": number(1.0, unit="EUR")}}, "summary.sources.currency"),
        ({"provenance": {"data": {"orders": {"sha256": "bb"}}}}, "summary.sources.data"),
    ],
)
def test_sources_that_disagree_block_the_page(tmp_path, change, check):
    odd = replace(pulse(), **change)
    parts, findings = page(world(tmp_path, topics=(clv(), offers(), segmentation(), odd)))
    assert findings.status == "blocked"
    assert [one.id for one in findings.checks if one.status == "fail"] == [check]
    assert findings.decisions == ()
    assert findings.headline.startswith("No verdict")
    assert parts["sources"].agree is False


def test_values_of_another_horizon_block_the_page(tmp_path):
    short = clv(decisions=[replace(clv().decisions[0], value={"horizon_months": 12})])
    _parts, findings = page(world(tmp_path, topics=(short, pulse())))
    assert findings.status == "blocked"
    assert "Lifetime values count 12 months, and the params say 24" in findings.reason

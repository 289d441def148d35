"""The topic from a campaign's rows to its verdict, list and score."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from helpers import upsell_lift
from helpers.data.load import load_tables
from helpers.errors import TopicSkippedError
from helpers.params import ROOT, expand, load_params
from helpers.reporting.cards import cards
from helpers.reporting.export import write_json, write_parquet
from helpers.reporting.findings import Findings
from helpers.upsell_lift.analyse import decide
from helpers.upsell_lift.policy import Value
from helpers.upsell_lift.rate import ranking
from helpers.upsell_lift.target import stamp, target_list
from helpers.upsell_lift.topic import Arm, Params
from helpers.upsell_lift.wording import cost_text, round_size
from tests.upsell_lift.pipe import OUTCOMES, analysed, campaign, drawn, findings, params


@pytest.fixture(scope="module")
def targeted():
    return analysed(campaign())


@pytest.fixture(scope="module")
def demo(demo_data, tmp_path_factory):
    loaded = load_params("demo", folder=ROOT / "params")
    held = {
        name: source.model_copy(update={"source": str(demo_data / f"{name}.parquet")})
        for name, source in loaded.data.tables.items()
    }
    data = loaded.data.model_copy(update={"tables": held, "demo": None})
    tables = load_tables(
        loaded.model_copy(update={"data": data}), names=("offers", "orders", "order_lines"), expand=expand
    )
    analysis = upsell_lift.analyse(loaded.upsell_lift, tables.kept, margin=loaded.economics.margin, seed=loaded.seed)
    return analysis, pd.read_parquet(demo_data / "truth/truth_customers.parquet").set_index("customer_id")


def test_who_gains_is_picked_and_who_loses_is_not(targeted):
    assert (targeted.action, targeted.evidence) == ("target", "experiment")
    rows = targeted.target.rows
    plan = pd.Series(targeted.campaign.covariates["plan"].to_numpy(), index=targeted.campaign.unit)
    assert (plan.loc[rows["customer"].head(800)] == "a").all()
    assert (plan.loc[rows["customer"]] == "c").mean() < 0.01
    assert targeted.proof.value.low < 5.5 / 3 + 0.5 / 3 < targeted.proof.value.high


def test_the_headline_says_money_first_and_the_decision_carries_the_lists_hash(targeted):
    found = findings(targeted)
    assert "expect £" in found.headline.split(".")[1]
    (decision,) = found.decisions
    assert decision.value["list"] == targeted.target.stamp
    assert decision.value["customers"] + decision.value["holdout"] == len(targeted.target.rows)


def test_policies_side_by_side_differ_by_the_lead_that_is_printed_beside_them(targeted):
    frame = upsell_lift.earnings(targeted).tables()["comparisons"].set_index("policy")
    picking = frame["profit"].iloc[0]
    others = frame.iloc[1:].dropna(subset=["profit", "lead"])
    assert len(others) >= 2
    np.testing.assert_allclose(picking - others["profit"].astype(float), others["lead"].astype(float), rtol=1e-9)


def test_what_offers_cost_is_said_where_their_profits_are(targeted):
    assert "What offers cost is taken off: Offer, £0.50 each time it is made." in drawn(targeted)
    redeemed = targeted.campaign.settings.model_copy(
        update={"arms": {"offer": Arm(label="Upgrade", redemption_cost=4)}}
    )
    dear = dataclasses.replace(targeted.campaign, settings=redeemed)
    told = "What offers cost is taken off: Upgrade, £0.50 each time it is made and £4.00 each time it is taken up."
    assert cost_text(dear) == told
    free = dataclasses.replace(targeted.campaign, contact_cost=np.zeros(2))
    assert cost_text(free) == "What offers cost is taken off: Offer, nothing, since no cost of it is known."


def test_it_is_said_on_whom_the_profit_of_an_offer_to_all_rests(targeted):
    found = findings(targeted)
    told = found.definitions["upsell_lift.profit.all"].text
    assert "whom the choice was not learned from" in told
    assert found.numbers["profit.all.offer"].n == targeted.proof.value.n < targeted.campaign.n
    to_all = findings(dataclasses.replace(targeted, action="all", arm=1))
    assert to_all.definitions["upsell_lift.profit.all"].text.endswith("Of all customers of the campaign.")
    assert to_all.numbers["profit.all.offer"].n == targeted.campaign.n


def test_columns_are_named_alike_in_every_table():
    rows = campaign().rename(columns={"plan": "price_plan"})
    shown = upsell_lift.assumed(analysed(rows, params(covariates=("price_plan", "age", "before")))).figure()
    assert "price plan: a" in shown.data.html
    assert "price_plan" not in shown.data.html


@pytest.mark.parametrize("source", ["targeted", "demo"])
def test_the_list_reaches_as_many_as_the_tested_choice_and_expects_no_more_than_that_earned(source, request):
    analysis = request.getfixturevalue(source)
    analysis = analysis[0] if source == "demo" else analysis
    rows = analysis.target.rows
    assert len(rows) <= round(analysis.proof.share * analysis.campaign.n)
    contacted = rows.loc[~rows["holdout"], "expected_profit"].sum()
    assert contacted == pytest.approx(findings(analysis).numbers["profit.round"].value, abs=0.01)


def test_an_offer_to_everyone_is_one_number_wherever_it_is_told(demo):
    analysis, _truth = demo
    numbers, tables = findings(analysis).numbers, upsell_lift.earnings(analysis).tables()
    everyone = numbers["profit.all.offer"].value
    assert tables["comparisons"]["profit"].iloc[1] == everyone
    assert tables["profit_curve"]["profit"].iloc[-1] == pytest.approx(everyone * round_size(analysis))
    assert f"Picking the right {100 * analysis.proof.share:.0f}%" in drawn(analysis)


def test_customers_to_contact_who_have_the_offer_or_asked_not_to_be_are_counted(demo):
    analysis, _truth = demo
    campaign, rows = analysis.campaign, analysis.target.rows
    facts = pd.DataFrame(
        {"accepted": campaign.accepted, "opt_out": campaign.outcomes["opt_out"]}, index=campaign.unit
    ).astype(int)
    contacted = facts.loc[rows.loc[~rows["holdout"], "customer"]]
    checks = {one.id: one for one in upsell_lift.listing(analysis).checks()}
    assert {name: one.value for name, one in checks.items()} == {
        "list.taken": contacted["accepted"].sum(),
        "list.opt_out": contacted["opt_out"].sum(),
    }
    assert "took the offer up in this campaign" in checks["list.taken"].message
    nobody = dataclasses.replace(
        campaign, accepted=np.zeros(campaign.n, bool), outcomes={**campaign.outcomes, "opt_out": np.zeros(campaign.n)}
    )
    assert not upsell_lift.listing(dataclasses.replace(analysis, campaign=nobody)).checks()


def test_where_the_verdict_speaks_of_all_customers_the_tested_ones_are_told_apart():
    assert "of whom the verdict speaks" in drawn(analysed(campaign(effect=(4, 4, 4))))


def test_predictions_that_do_not_come_true_are_a_warning():
    sound = analysed(campaign(seed=3))
    bold = dataclasses.replace(sound, proof=dataclasses.replace(sound.proof, effect=sound.proof.effect + 9.0))
    for analysis, status in ((sound, "pass"), (bold, "warn")):
        parts = upsell_lift.heterogeneity(analysis)
        (check,) = parts.checks()
        assert (check.status, check.value >= 4) == (status, status == "pass")
        assert ("came true in only" in parts.calibration()._repr_html_()) == (status == "warn")


def test_the_chance_of_a_loss_is_told_alike_in_sentence_and_card(demo):
    found = findings(demo[0])
    assert found.numbers["profit.p_loss"].value < 0.001
    assert "the chance of a loss is under 0.1%" in found.headline
    assert [card.value for card in cards(found) if card.name == "Chance of a loss"] == ["under 0.1%"]


def test_every_number_of_the_headline_is_in_the_findings(targeted):
    numbers = findings(targeted).numbers
    n = numbers["profit.round"]
    # Measured on the customers whom the choice was not learned from, and counted for those of the next round.
    assert n.n == numbers["profit.each"].n < round_size(targeted)
    assert n.value == pytest.approx(numbers["profit.each"].value * round_size(targeted))
    assert numbers["list.customers"].value == (~targeted.target.rows["holdout"]).sum()
    assert numbers["policy.profit"].value == numbers["profit.each"].value


def test_no_effect_at_all_is_neither_targeted_nor_sold():
    analysis = analysed(campaign(effect=(0, 0, 0), cost=0.0, seed=5))
    assert analysis.action == "test"
    assert analysis.target.rows.empty
    assert "Keep testing" in findings(analysis).headline


def test_an_equal_gain_for_all_is_offered_to_all_and_nobody_is_picked():
    analysis = analysed(campaign(effect=(4, 4, 4)))
    assert analysis.action == "all"
    assert len(analysis.target.rows) == analysis.campaign.n
    assert "to everyone" in findings(analysis).headline


def test_an_offer_that_loses_is_not_made():
    analysis = analysed(campaign(effect=(-4, -4, -4)))
    assert (analysis.action, len(analysis.target.rows)) == ("none", 0)
    assert findings(analysis).headline.split(". ", 1)[1].startswith("Don’t make this offer")


def test_where_nothing_is_recommended_no_next_round_is_spoken_of():
    for effect in ((-4, -4, -4), (0, 0, 0)):
        found = findings(analysed(campaign(effect=effect, cost=0.0, seed=5)))
        assert not {"profit.round", "profit.each", "profit.p_loss"} & found.numbers.keys()
        assert [card.name for card in cards(found)] == ["Profit a customer, if all get it"]


def test_of_several_offers_the_open_one_is_named_and_each_has_its_share_of_the_doubt():
    def value(low, value, high):
        return Value(value=value, se=1.0, low=low, high=high, level=0.95, n=100)

    sure_loss, open_one = value(-1.2, -0.9, -0.5), value(-2.7, -1.3, 0.1)
    reach = {1: 1.0, 2: 1.0}
    assert decide(sound=True, to_all={1: sure_loss, 2: open_one}, proof=None, reach=reach) == ("test", 2)
    analysis = analysed(campaign(2000, arms=("first", "second"), effect=(0, 0, 0)))
    assert {one.level for one in analysis.to_all.values()} == {0.95}


def test_a_budget_goes_to_the_offer_that_earns_most_with_it():
    """A gift of £10 earns £1.92 a customer and a letter of £0.10 £1.91: £1,000 reaches 100 customers or all."""
    rng = np.random.default_rng(3)
    arm = rng.choice(["control", "gift", "mail"], 9000)
    frame = campaign(9000).assign(arm=arm, cost=0.0)
    frame["margin"] = 20 + pd.Series(arm).map({"control": 0, "gift": 12.2, "mail": 2.1}) + rng.normal(0, 8, 9000)
    settings = params(
        arms={"gift": {"contact_cost": 10}, "mail": {"contact_cost": 0.1}},
        budget=1000,
        covariates=(),
        outcomes=OUTCOMES[:1],
    )
    analysis = analysed(frame, settings)
    assert (analysis.action, analysis.campaign.arms[analysis.arm]) == ("all", "mail")
    assert len(analysis.target.rows) == 9000


def test_a_ranking_of_few_groups_has_an_interval():
    rng = np.random.default_rng(0)
    for seed in range(10):
        found = ranking(rng.normal(size=600), rng.normal(size=600), seed=seed, cluster=np.arange(600) % 6)
        assert np.isfinite(found.autoc.se)


def test_a_budget_binds_and_the_list_keeps_to_it():
    analysis = analysed(campaign(), params(budget=200.0, arms={"offer": {"contact_cost": 0.5}}))
    assert 0 < len(analysis.target.rows) <= 400
    assert analysis.proof.share <= 400 / 3000 + 0.01
    assert set(analysis.proof.against) == {"none", "random"}


def test_redemption_costs_are_paid_for_those_who_take_it():
    free = analysed(campaign(), params(arms={"offer": {"contact_cost": 0.0}}))
    paid = analysed(campaign(), params(arms={"offer": {"contact_cost": 0.0, "redemption_cost": 10.0}}))
    share = paid.estimates.of("margin", 1).redemption
    assert free.to_all[1].value - paid.to_all[1].value == pytest.approx(10 * share, rel=0.02)


def test_several_offers_each_go_to_whom_they_suit():
    frame = campaign(6000, arms=("first", "second"), effect=(0, 0, 0))
    rng = np.random.default_rng(3)
    suits = {
        "first": {"a": 9.0, "b": -5.0, "c": -5.0},
        "second": {"a": -5.0, "b": 9.0, "c": -5.0},
        "control": dict.fromkeys("abc", 0.0),
    }
    frame["margin"] = [suits[arm][plan] for arm, plan in zip(frame["arm"], frame["plan"], strict=True)] + rng.normal(
        0, 8, 6000
    )
    analysis = analysed(frame)
    assert analysis.action == "target"
    rows = analysis.target.rows.assign(
        plan=analysis.target.rows["customer"].map(frame.set_index("customer_id")["plan"])
    )
    assert rows.groupby("offer")["plan"].agg(lambda one: one.mode()[0]).to_dict() == {"First": "a", "Second": "b"}
    assert (rows["plan"] == "c").mean() < 0.02
    assert {"ate.first.margin", "ate.second.margin"} <= findings(analysis).numbers.keys()


def test_a_guardrail_beyond_its_margin_blocks():
    frame = campaign()
    rng = np.random.default_rng(1)
    frame["opt_out"] = rng.random(len(frame)) < np.where(frame["arm"] == "offer", 0.12, 0.01)
    found = findings(analysed(frame))
    assert (found.status, found.decisions) == ("blocked", ())
    assert "more than is allowed" in found.reason


def test_without_chance_the_models_make_it_comparable():
    settings = params(estimand="ATE", outcomes=OUTCOMES[:1])
    analysis = analysed(campaign(1500, confounded=True, effect=(3, 3, 3), seed=4), settings)
    one = analysis.estimates.of("margin", 1)
    assert abs(one.naive.value - 3) > abs(one.adjusted.value - 3)
    assert one.main.low < 3 < one.main.high
    assert analysis.evidence == "causal"
    assert findings(analysis).decisions[0].evidence == "causal"


def test_a_placebo_that_moves_takes_the_causal_words_away():
    frame = campaign(1200, confounded=True)
    frame["past"] = frame["margin"] + np.random.default_rng(1).normal(size=len(frame))
    outcomes = (OUTCOMES[0], {"name": "past", "column": "past", "role": "placebo"})
    analysis = analysed(frame.assign(past=frame["past"] + 3 * (frame["arm"] == "offer")), params(outcomes=outcomes))
    found = findings(analysis)
    assert (found.status, analysis.evidence, found.decisions) == ("blocked", "association", ())
    text = (found.headline + drawn(analysis)).lower()
    for verb in ("earns", "brings", "causes", "what the offer changes", "change for a taker"):
        assert verb not in text


def test_a_negative_control_that_moves_blocks_too():
    frame = campaign()
    frame["weather"] = np.random.default_rng(1).normal(size=len(frame)) + (frame["arm"] == "offer")
    outcomes = (*OUTCOMES, {"name": "weather", "column": "weather", "role": "negative_control"})
    found = findings(analysed(frame, params(outcomes=outcomes)))
    assert "which the offer cannot move" in found.reason


def test_takers_are_shown_beside_and_named(targeted):
    page = drawn(targeted)
    assert "Takers against the control (no effect: they choose themselves)" in page
    one = targeted.estimates.of("margin", 1)
    assert one.takers.value == pytest.approx(one.main.value / one.redemption)


def test_revenue_from_before_the_offer_is_a_placebo_by_itself(ledger):
    frame = campaign(800)
    orders = ledger([(one, "2025-02-01", 10.0) for one in frame["customer_id"].head(500)])
    analysis = analysed(frame, orders=orders)
    assert analysis.campaign.before.sum() == 5000
    assert any(gate.id == "placebo.revenue_before.offer" for gate in analysis.gates)


def test_the_same_customers_come_out_however_the_rows_are_ordered(targeted):
    again = analysed(campaign().sample(frac=1, random_state=3))
    assert again.target.stamp == targeted.target.stamp


# The list.


def made(n=40, **changes):
    options = {
        "labels": ("none", "Offer"), "arms": ("control", "offer"), "reasons": np.full(n, "why", dtype=object), "holdout": 0.25,
        "salt": "s",
    }  # fmt: skip
    units = np.array([f"u{place:03d}" for place in range(n)])
    return target_list(units, np.ones(n, int), np.arange(n, dtype=float), **(options | changes))


def test_the_list_is_best_first_with_its_share_held_out():
    found = made()
    assert found.rows["expected_profit"].is_monotonic_decreasing
    assert (found.held_out, found.contacted) == (10, 30)


def test_somebody_is_always_held_out():
    assert made(holdout=0.001).held_out == 1


def test_the_holdout_is_the_same_in_every_run_and_another_with_another_salt():
    assert made().rows.equals(made().rows)
    assert not made(salt="t").rows["holdout"].equals(made().rows["holdout"])


def test_any_change_changes_the_stamp():
    rows = made().rows
    assert stamp(rows) == made().stamp
    for change in ({"holdout": ~rows["holdout"]}, {"expected_profit": rows["expected_profit"] + 1}, {"arm": "other"}):
        assert stamp(rows.assign(**change)) != made().stamp


def test_reasons_are_words_about_the_customer(targeted):
    rows = targeted.target.rows
    assert rows["reason"].head(50).str.contains("plan: a").all()


# The score of the last list.


def published(folder, analysis):
    folder.mkdir(parents=True)
    tables = upsell_lift.listing(analysis).tables()
    for name, frame in tables.items():
        write_parquet(folder / f"tables/upsell_lift.{name}.parquet", frame)
    write_json(folder / "upsell_lift.json", {"tables": {name: f"tables/upsell_lift.{name}.parquet" for name in tables}})
    return folder


def follow_up(targeted, *, gain):
    """Next period: the list's customers get the offer, its holdout does not."""
    rows = targeted.target.rows
    rng = np.random.default_rng(9)
    offered = ~rows["holdout"].to_numpy()
    frame = campaign(len(rows)).assign(
        customer_id=rows["customer"].to_numpy(), offered_at=pd.Timestamp("2025-06-02"), arm=np.where(offered, "offer", "control"),
        cost=np.where(offered, 0.5, 0.0), accepted=False, margin=gain * offered + rng.normal(0, 4, len(rows)),
    )  # fmt: skip
    return analysed(frame).campaign


def test_the_last_list_is_scored_by_its_holdout(targeted, tmp_path):
    folder = published(tmp_path / "2025-Q1", targeted)
    score = upsell_lift.score_last(folder, follow_up(targeted, gain=5.0), start=pd.Timestamp("2025-04-01"), margin=0.4)
    assert (score.state, score.period, score.offered) == ("scored", "2025-Q1", 1.0)
    assert score.earned.low < 4.5 < score.earned.high
    last = upsell_lift.last_list(score)
    assert last.numbers()["last_list.profit"].value == score.earned.value
    assert "Against its holdout it brought" in last.sentence().text


def test_a_list_that_brought_less_than_promised_is_told(targeted, tmp_path):
    folder = published(tmp_path / "2025-Q1", targeted)
    score = upsell_lift.score_last(folder, follow_up(targeted, gain=0.0), start=pd.Timestamp("2025-04-01"), margin=0.4)
    (check,) = upsell_lift.last_list(score).checks()
    assert (check.status, "brought less" in check.message) == ("warn", True)


def test_a_list_that_was_changed_is_not_scored(targeted, tmp_path):
    folder = published(tmp_path / "2025-Q1", targeted)
    path = folder / "tables/upsell_lift.list.parquet"
    rows = pd.read_parquet(path)
    write_parquet(path, rows.assign(holdout=rows["holdout"] & (rows.index % 2 == 0)))
    score = upsell_lift.score_last(folder, follow_up(targeted, gain=5.0), start=pd.Timestamp("2025-04-01"), margin=0.4)
    assert (score.state, score.earned) == ("changed", None)


def test_a_list_that_nobody_used_and_one_that_never_was(targeted, tmp_path):
    folder = published(tmp_path / "2025-Q1", targeted)
    assert (
        upsell_lift.score_last(folder, targeted.campaign, start=pd.Timestamp("2025-04-01"), margin=0.4).state
        == "not_used"
    )
    assert (
        upsell_lift.score_last(tmp_path / "no", targeted.campaign, start=pd.Timestamp("2025-04-01"), margin=0.4).state
        == "none"
    )
    assert upsell_lift.score_last(None, targeted.campaign, start=pd.Timestamp("2025-04-01"), margin=0.4).state == "none"


def test_a_skipped_topic_left_no_list(targeted, tmp_path):
    (tmp_path / "upsell_lift.json").write_text(json.dumps({"tables": {}}))
    assert (
        upsell_lift.score_last(tmp_path, targeted.campaign, start=pd.Timestamp("2025-04-01"), margin=0.4).state
        == "none"
    )


# Timing.


def test_the_moment_comes_from_the_purchase_process_where_that_is_known(targeted):
    rows = targeted.target.rows
    known = pd.DataFrame(
        {"customer_id": rows["customer"].head(3), "p_alive": [0.9, 0.95, 0.2], "orders": [30.0, 3.0, 1.0]}
    )
    found = upsell_lift.timing(targeted.target, known, horizon_months=24)
    assert found.rows["moment"].tolist() == ["order", "now", "win_back"]
    assert found.rows["days_to_order"].iloc[0] == pytest.approx(24 * 365.25 / 12 * 0.9 / 30)
    assert "3 of the" in found.sentence().text


def test_a_missing_purchase_process_is_said(targeted):
    found = upsell_lift.timing(targeted.target, None, horizon_months=24)
    assert found.sentence().text.endswith("is missing: customer lifetime value was not run for this study.")
    assert found.table()._repr_html_() == ""
    held = Findings(client="c", period="all", topic="clv", status="blocked", reason="Its back-test failed.")
    told = upsell_lift.timing(targeted.target, None, horizon_months=24, source=held).sentence().text
    assert told.endswith("customer lifetime value, is held back. Its back-test failed.")


# The demo.


def test_the_demos_planted_effect_is_found_and_its_interval_covers_the_truth(demo):
    analysis, truth = demo
    effect = truth.loc[analysis.campaign.unit, "upsell_effect"]
    one = analysis.estimates.of("margin_90d", 1)
    assert one.main.low < effect.mean() < one.main.high
    assert analysis.to_all[1].low < effect.mean() - 0.6 < analysis.to_all[1].high
    assert analysis.action == "target"
    # What the policies that were judged truly earn, by the planted effects of those whom they picked.
    made = np.where(analysis.proof.choice > 0, effect.to_numpy()[analysis.proof.rows] - 0.6, 0.0).mean()
    assert analysis.proof.value.low < made < analysis.proof.value.high


def test_the_demos_harmed_group_is_found_and_kept_off_the_list(demo):
    analysis, _truth = demo
    frame = analysis.segments.set_index("segment")
    assert frame.loc["55+", "high"] < 0
    assert frame.loc["55+", "low"] < -5.6 < frame.loc["55+", "high"]
    assert frame.loc["18-34", "low"] < 8.4 < frame.loc["18-34", "high"]
    bands = pd.Series(analysis.campaign.covariates["age_band"].to_numpy(), index=analysis.campaign.unit)
    assert (bands.loc[analysis.target.rows["customer"]] == "55+").mean() < 0.05
    assert "The offer does harm with age band: 55+" in drawn(analysis)


def test_the_demos_report_is_whole(demo):
    analysis, _truth = demo
    found = findings(analysis)
    found.to_json()
    page = drawn(analysis)
    for word in ("nan", "None", "inf%"):
        assert word not in page.replace("finance", "").replace("(none)", "")


def test_no_registered_outcome_is_a_reason_to_skip():
    with pytest.raises(TopicSkippedError, match="No outcome is registered"):
        analysed(campaign(100), Params())


def test_results_are_frozen(targeted):
    with pytest.raises(dataclasses.FrozenInstanceError):
        targeted.action = "all"

"""Hostile campaigns: each gives an error that names table and column, or a gate that says what it found."""

import numpy as np
import pandas as pd
import pytest

from helpers import upsell_lift
from helpers.errors import DataError, ParamsError, TopicSkippedError
from helpers.upsell_lift.topic import preflight
from tests.upsell_lift.pipe import OUTCOMES, analysed, campaign, drawn, findings, held, params


def test_one_arm():
    frame = campaign(300).query("arm == 'offer'")
    with pytest.raises(
        DataError, match=r"offers: campaign 'upgrade' has no row whose arm is 'control' \(there are offer\)"
    ):
        analysed(frame)


def test_nobody_was_offered_anything():
    with pytest.raises(DataError, match="every row's arm is 'control', so nobody was offered anything"):
        analysed(campaign(300).query("arm == 'control'"))


def test_a_table_without_arms_is_named():
    with pytest.raises(ParamsError, match="the table offers has no column arm"):
        analysed(campaign(300).drop(columns="arm"))


def test_another_offer_is_no_control():
    frame = campaign(600, arms=("first", "second"))
    with pytest.raises(ParamsError, match=r"neither an offer nor the control: second\. Another offer is no control"):
        analysed(frame, params(arms={"first": {}}))
    analysis = analysed(frame, params(arms={"first": {}}, leave_out=("second",)))
    assert analysis.campaign.n == (frame["arm"] != "second").sum()
    assert any(gate.id == "rows.left_out" for gate in analysis.gates)


def test_a_treatment_that_never_varies_in_a_stratum():
    frame = campaign(2000)
    frame["vip"] = np.where(np.arange(2000) < 200, "yes", "no")
    frame.loc[frame["vip"] == "yes", "arm"] = "offer"
    found = findings(analysed(frame, params(covariates=("vip", "plan", "age"))))
    assert found.status == "blocked"
    assert "vip yes: none of the 200 customers is in Control" in found.reason


def test_an_outcome_before_its_offer():
    frame = campaign(400)
    frame["bought_at"] = frame["offered_at"] + pd.to_timedelta(np.where(np.arange(400) < 7, -1, 3), unit="D")
    outcomes = ({**OUTCOMES[0], "at": "bought_at"}, *OUTCOMES[1:])
    found = findings(analysed(frame, params(outcomes=outcomes)))
    assert (found.status, found.decisions) == ("blocked", ())
    assert "margin is dated before the offer for 7 customers" in found.reason


def test_a_constant_covariate_is_left_out_and_said():
    analysis = analysed(campaign(1200).assign(country="GB"), params(covariates=("plan", "age", "country")))
    assert analysis.design.constant == ("country",)
    assert "country is the same for every customer" in drawn(analysis)


def test_thirty_customers():
    analysis = analysed(campaign(30))
    found = findings(analysis)
    assert (found.status, found.decisions, analysis.proof) == ("blocked", (), None)
    assert "customers, and fewer than 50 say nothing that would hold" in found.headline
    assert "ate.offer.margin" in found.numbers
    drawn(analysis)


def test_too_few_to_learn_from_still_have_an_average():
    analysis = analysed(campaign(400, effect=(9, 9, 9)))
    assert (analysis.proof, analysis.action) == (None, "all")
    assert "too few customers" in findings(analysis).headline
    drawn(analysis)


def test_missing_covariates_count_as_a_value_of_their_own():
    frame = campaign(1200)
    frame.loc[::3, "age"] = np.nan
    frame.loc[::4, "plan"] = None
    analysis = analysed(frame)
    assert analysis.design.missing == {"plan": 300, "age": 400}
    assert analysis.campaign.n == 1200
    assert np.isfinite(analysis.design.X).all()
    assert "age is not known of 400 customers" in drawn(analysis)


def test_a_covariate_that_nobody_has():
    analysis = analysed(campaign(600).assign(age=np.nan))
    assert analysis.design.constant == ("age",)


def test_a_category_with_ten_thousand_levels():
    frame = campaign(12_000)
    frame["code"] = [f"code {place % 10_000}" for place in range(12_000)]
    analysis = analysed(frame, params(covariates=("plan", "code")))
    assert analysis.design.X.shape[1] < 20
    assert any(gate.id == "covariate.code.levels" for gate in analysis.gates)
    drawn(analysis)


def test_a_missing_outcome_is_counted_and_left_out():
    frame = campaign(800)
    frame.loc[:39, "margin"] = np.nan
    analysis = analysed(frame)
    assert (analysis.campaign.n, analysis.campaign.left_out["no_value"]) == (760, 40)
    assert "40 customers have no value" in drawn(analysis)
    assert analysis.campaign.assigned.sum() == 800
    assert "about as many in every arm" in drawn(analysis)


def test_outcomes_that_are_missing_more_often_in_one_arm_hold_everything_back():
    """Of those who bought nothing, revenue is often left empty: those with one are then no longer what chance assigned."""
    rng = np.random.default_rng(3)
    frame = campaign(6000, effect=(0, 0, 0))
    bought = rng.random(6000) < np.where(frame["arm"] == "offer", 0.3, 0.2)
    found = findings(analysed(frame.assign(margin=np.where(bought, 40.0, np.nan))))
    assert (found.status, found.decisions) == ("blocked", ())
    assert "Customers without a value of some outcome are not as many in every arm" in found.reason


def test_who_was_never_exposed_counts_as_assigned():
    """Exposed is whoever is active, and an offer makes more so: without the others a difference appears where there is none."""
    rng = np.random.default_rng(2)
    frame = campaign(4000, effect=(0, 0, 0), cost=0.0)
    active = rng.random(4000) < np.where(frame["arm"] == "offer", 0.8, 0.4)
    dated = frame.assign(offered_at=frame["offered_at"].where(active))
    period = {"start": pd.Timestamp("2025-03-01"), "end": pd.Timestamp("2025-04-01")}
    analysis = analysed(dated, **period)
    assert analysis.campaign.n == 4000
    assert analysis.campaign.left_out["undated"] == (~active).sum()
    assert analysis.estimates.of("margin", 1).naive == analysed(frame, **period).estimates.of("margin", 1).naive
    assert "have no moment of their offer; they count as assigned" in drawn(analysis)


def test_an_outcome_that_nobody_had_proves_nothing():
    found = findings(analysed(campaign(1000).assign(margin=0.0)))
    assert (found.status, found.decisions) == ("blocked", ())
    assert "Margin is the same for every customer" in found.reason


@pytest.mark.parametrize(("n", "state"), [(200, "open"), (4000, "kept")])
def test_no_opt_out_at_all_keeps_a_limit_only_with_customers_enough(n, state):
    """Of 100 customers without an event, a share of up to 2.6 % is not excluded at 90 % (Wilson); the limit is 1 point."""
    outcomes = (*OUTCOMES[:2], {**OUTCOMES[2], "margin": 0.01})
    analysis = analysed(campaign(n).assign(opt_out=False), params(outcomes=outcomes))
    everyone = next(one for one in upsell_lift.guardrails(analysis).rows if one.who == "all")
    assert everyone.state == state
    assert everyone.change.low < 0 < everyone.change.high


def test_an_arm_of_one_customer_is_named_also_where_chance_did_not_decide():
    frame = campaign(1500, confounded=True)
    frame.loc[frame.index[frame["arm"] == "offer"][0], "arm"] = "offr"
    found = findings(analysed(frame))
    assert found.status == "blocked"
    assert "Offr has 1 customers" in found.reason


def test_a_customer_of_no_known_household_is_one_by_itself():
    frame = campaign(900)
    frame["household"] = [f"h{place % 50}" for place in range(900)]
    frame.loc[::3, "household"] = None
    frame.loc[1::3, "household"] = " "
    analysis = analysed(frame, params(cluster="household"))
    known = frame["household"].iloc[2::3]
    assert len(np.unique(analysis.campaign.cluster)) == 600 + known.nunique()


def test_a_customer_in_two_arms():
    frame = campaign(400)
    again = frame.head(5).assign(arm=np.where(frame["arm"].head(5) == "offer", "control", "offer"))
    found = findings(analysed(pd.concat([frame, again], ignore_index=True)))
    assert "5 customers are in more than one arm" in found.reason


def test_later_offers_to_the_same_customer_are_counted():
    frame = campaign(400)
    later = frame.head(9).assign(offered_at=pd.Timestamp("2025-03-20"))
    analysis = analysed(pd.concat([frame, later], ignore_index=True))
    assert (analysis.campaign.n, analysis.campaign.left_out["later"]) == (400, 9)


def test_offers_too_recent_for_their_outcomes():
    frame = campaign(900)
    frame.loc[:99, "offered_at"] = pd.Timestamp("2025-05-20")
    outcomes = ({**OUTCOMES[0], "window_days": 30}, *OUTCOMES[1:])
    settings = params(outcomes=outcomes)
    analysis = analysed(frame, settings, observed_until=pd.Timestamp("2025-06-01"))
    assert (analysis.campaign.n, analysis.campaign.left_out["not_over"]) == (800, 100)
    with pytest.raises(TopicSkippedError, match="outcomes take 30 days"):
        analysed(frame, settings, observed_until=pd.Timestamp("2025-03-10"))


def test_a_period_reads_its_own_offers_where_it_has_any():
    frame = campaign(900)
    frame.loc[450:, "offered_at"] = pd.Timestamp("2025-06-02")
    june = {"start": pd.Timestamp("2025-06-01"), "end": pd.Timestamp("2025-07-01")}
    assert analysed(frame, **june).campaign.n == 450
    later = {"start": pd.Timestamp("2025-07-01"), "end": pd.Timestamp("2025-08-01")}
    assert analysed(frame, **later).campaign.n == 900
    with pytest.raises(DataError, match="no offer was made before"):
        analysed(frame, end=pd.Timestamp("2025-01-01"))


def test_a_broken_split():
    frame = campaign(2000)
    frame = frame.drop(frame[frame["arm"] == "offer"].index[:300])
    found = findings(analysed(frame, params(shares={"control": 1, "offer": 1})))
    assert "The offers were not dealt out as planned" in found.reason
    assert found.decisions == ()


def test_an_uneven_split_that_nobody_planned_is_a_note_and_a_planned_one_none():
    rng = np.random.default_rng(1)
    frame = campaign(2000)
    frame = frame[(frame["arm"] == "offer") | (rng.random(2000) < 0.2)]
    unplanned = {gate.id: gate.status for gate in analysed(frame).gates}
    planned = {gate.id: gate.status for gate in analysed(frame, params(shares={"control": 0.2, "offer": 1})).gates}
    assert (unplanned["arms.srm"], planned["arms.srm"]) == ("warn", "pass")


def test_a_plan_that_forgets_an_arm_is_an_error():
    with pytest.raises(ParamsError, match="no planned share of offer"):
        analysed(campaign(300), params(shares={"control": 1}))


def test_an_outcome_that_is_no_number():
    with pytest.raises(DataError, match=r"offers.margin: no number in 'a lot'"):
        analysed(campaign(50).assign(margin="a lot"))


def test_text_numbers_are_numbers():
    frame = campaign(600)
    analysis = analysed(frame.assign(age=frame["age"].astype(str), bought=np.where(frame["bought"], "yes", "no")))
    assert pd.api.types.is_numeric_dtype(analysis.campaign.covariates["age"])
    assert analysis.campaign.outcomes["bought"].sum() == frame["bought"].sum()


def test_client_text_stays_text():
    frame = campaign(1500)
    frame["plan"] = frame["plan"].replace("a", "<script>alert(1)</script>")
    frame["arm"] = frame["arm"].replace("offer", "<b>=1+1</b>")
    page = drawn(analysed(frame))
    assert "<script" not in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frame: frame.assign(margin=0.0),
        lambda frame: frame.assign(margin=7.0, bought=False, opt_out=False),
        lambda frame: frame.assign(margin=frame["margin"] * 1e12),
        lambda frame: frame.assign(cost=0.0),
    ],
    ids=["nothing earned", "no variation", "huge", "free"],
)
def test_strange_outcomes_are_told_and_drawn(spoil):
    analysis = analysed(spoil(campaign(700)))
    found = findings(analysis)
    text = found.headline + drawn(analysis)
    for word in ("nan", "None", "inf"):
        assert f" {word}" not in text
    found.to_json()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"control": "contrl"}, "upsell_lift.control: arm 'contrl' is not in the table; did you mean 'control'"),
        ({"arms": {"ofer": {}}}, "upsell_lift.arms: arm 'ofer'"),
        ({"covariates": ("agee",)}, "upsell_lift.covariates: column 'agee' is not in the table; did you mean 'age'"),
        ({"covariates": ("margin",)}, "margin is an outcome, which lies after the offer"),
        ({"covariates": ("accepted",)}, "accepted is no property from before the offer"),
        ({"campaign": "upgrad"}, "upsell_lift.campaign: campaign 'upgrad'"),
        ({"cluster": "shop"}, "upsell_lift.cluster: column 'shop'"),
    ],
)
def test_what_the_params_name_must_be_there(change, told):
    settings = params(**({"campaign": "upgrade"} | change))
    with pytest.raises(ParamsError, match=told):
        preflight(settings, {"offers": held(campaign(60))})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"outcomes": (OUTCOMES[1],)}, "one outcome, and one only, needs role: profit"),
        ({"outcomes": (OUTCOMES[0], OUTCOMES[0])}, "two outcomes are called margin"),
        ({"arms": {"control": {}}}, "arms names the control"),
        ({"holdout": 0}, "greater than 0"),
        (
            {"outcomes": ({**OUTCOMES[0]}, {"name": "x", "column": "x", "role": "guardrail"})},
            "a guardrail needs a margin",
        ),
    ],
)
def test_params_that_contradict_themselves(change, told):
    with pytest.raises(ValueError, match=told):
        params(**change)


def test_redemption_costs_need_to_know_who_redeemed():
    with pytest.raises(ParamsError, match=r"upsell_lift\.accepted: column 'accepted'"):
        analysed(campaign(300).drop(columns="accepted"), params(arms={"offer": {"redemption_cost": 2.0}}))

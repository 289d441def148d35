"""The page: one action a customer, the change, the log over periods, what could not be said; its words and its JSON are one."""

import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import summary
from helpers.errors import ParamsError, TopicSkippedError
from helpers.params import load_params
from helpers.reporting.export import write_parquet
from helpers.reporting.findings import Check, Decision, Findings
from helpers.shelf import earlier_findings, read_findings
from helpers.summary.actions import slug
from helpers.summary.topic import Done, Params
from tests.end_to_end.test_run import CAUSAL
from tests.summary.made import clv, found, lay, number, offers, page, pulse, segmentation, trials, world


def test_every_customer_has_one_action_the_offer_before_the_playbook_and_the_holdout_is_left_alone(tmp_path):
    parts, findings = page(world(tmp_path))
    rows = parts["actions"].customers.set_index("customer_id")
    assert rows["kind"].to_dict() == {
        "a": "playbook",
        "b": "offer",
        "c": "offer",
        "d": "hold",
        "e": "offer",
        "f": "playbook",
    }
    assert rows.index.is_unique
    assert rows.loc["a", ["segment", "action", "evidence", "value"]].tolist() == [
        "Best",
        "Thank them.",
        "assumption",
        200.0,
    ]
    assert rows.loc["b", ["segment", "evidence", "value", "profit"]].tolist() == ["Best", "experiment", 100.0, 5.0]
    assert rows.loc["e", "segment"] == ""
    assert findings.numbers["actions.customers"].value == 6
    assert findings.numbers["action.best.playbook.customers"].value == 2
    assert findings.numbers["action.best.playbook.value"].value == 250.0
    assert findings.numbers["action.gone.offer.profit"].value == 4.0
    assert set(parts["actions"].tables()) == {"actions", "action_groups"}
    assert [one.status for one in findings.checks if one.id == "summary.actions.once"] == ["pass"]


def test_who_has_no_entry_in_the_playbook_has_no_action(tmp_path):
    entries = segmentation().decisions
    parts, findings = page(world(tmp_path / "one", topics=(segmentation(decisions=entries[:1]),)))
    counted = findings.numbers["actions.customers"]
    # a, b and f are best and are to be thanked; nothing is said of c and d, who are gone.
    assert (counted.value, counted.n) == (3, 5)
    told = parts["actions"].sentence().text
    assert told.startswith("3 customers have one action each.")
    assert told.endswith("For 2 there is none: the playbook has no entry for their segment.")
    parts, findings = page(world(tmp_path / "none", topics=(segmentation(decisions=[]),)))
    assert findings.numbers["actions.customers"].value == 0
    assert parts["actions"].sentence().text.startswith("No customer has a next-best action")


def test_the_headline_says_that_what_is_supposed_stands_by_its_low_end(tmp_path):
    numbers = {
        "lever.retention": number(1000.0, 100.0, 1900.0),
        "lever.frequency": number(200.0, 150.0, 250.0),
        "clv.total": number(400.0, 300.0, 600.0),
    }
    told = page(world(tmp_path, topics=(clv(numbers=numbers),)))[0]["verdict"].headline()
    assert "this comes first by the low end of its interval: Frequency" in told
    assert "worth most" not in told


def test_what_segments_may_bring_is_left_out_where_the_lifetime_values_are_held_back(tmp_path):
    topics = (clv(status="blocked", reason="Its back-test failed."), trials(), offers(), segmentation())
    parts, findings = page(world(tmp_path, topics=topics))
    assert not [key for key in findings.numbers if key.startswith("action.") and key.endswith(".value")]
    assert parts["actions"].by_segment()["segment"].tolist() == ["Best", "Gone", ""]
    shown = parts["actions"].table()._repr_html_()
    assert "is left out. Customer lifetime value: held back" in shown
    assert "Expected of the segment" not in shown


def test_who_is_in_no_segment_and_how_long_an_offer_counts_is_told(tmp_path):
    none, once = "In no segment: on the list of offers", "Offers count one round"
    parts = page(world(tmp_path))[0]
    assert none in parts["actions"].table()._repr_html_()
    assert once in parts["levers"].table()._repr_html_()
    # Where there are no offers, nobody is without a segment, and no round is counted.
    parts = page(world(tmp_path, topics=(clv(), trials(), segmentation())))[0]
    assert none not in parts["actions"].table()._repr_html_()
    assert once not in parts["levers"].table()._repr_html_()


def test_what_segments_may_bring_by_the_simple_formula_is_called_so(tmp_path):
    shown = page(world(tmp_path, topics=(segmentation(), offers())))[0]["actions"].table()._repr_html_()
    assert "By the simple formula" in shown
    assert "Expected of the segment" not in shown


names = st.sampled_from([f"c{place}" for place in range(12)])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(names, st.sampled_from(["Best", "Gone", "Other"])), st.dictionaries(names, st.booleans()))
def test_whoever_is_in_segments_and_on_the_list_everybody_has_exactly_one_action(tmp_path_factory, segments, listed):
    folder = tmp_path_factory.mktemp("study")
    sources = world(folder, topics=(segmentation(), offers()))
    frame = pd.DataFrame({"customer_id": list(segments), "segment": list(segments.values())}, dtype=str)
    write_parquet(folder / "tables/segmentation.customers.parquet", frame)
    write_parquet(folder / "tables/segmentation.value.parquet", frame.assign(predicted_value=1.0))
    rows = pd.DataFrame(
        {"customer": list(listed), "offer": "x", "expected_profit": 1.0, "holdout": list(listed.values())}
    )
    write_parquet(folder / "tables/upsell_lift.list.parquet", rows.astype({"customer": str, "holdout": bool}))
    made = summary.actions(sources)
    assert sorted(made.customers["customer_id"]) == sorted({*segments, *listed})
    assert made.customers["kind"].isin(["offer", "hold", "playbook", "none"]).all()
    if len(made.customers):
        assert made.groups()["customers"].sum() == len(made.customers)
        assert made.by_segment()[["offer", "hold", "rest"]].to_numpy().sum() == len(made.customers)


def test_a_list_that_is_not_advised_gives_nobody_an_action(tmp_path):
    parts, _findings = page(world(tmp_path, topics=(segmentation(), offers(action="test"))))
    assert set(parts["actions"].customers["kind"]) == {"playbook"}


def test_names_of_segments_make_ids():
    assert (slug("Can’t Lose"), slug("Can't Lose"), slug("At Risk"), slug("")) == (
        "cant_lose",
        "cant_lose",
        "at_risk",
        "none",
    )


def test_the_change_is_the_pulses_bridge(tmp_path):
    parts, findings = page(world(tmp_path, topics=(pulse(),)))
    source = pulse().numbers
    for name in ("before", "now", "mix", "frequency", "aov", "refunds"):
        mine = findings.numbers[f"arpu.{name}"]
        theirs = source[f"bridge.{name}"]
        assert (mine.value, mine.low, mine.high, mine.n) == (theirs.value, theirs.low, theirs.high, theirs.n)
    assert findings.numbers["arpu.active"].low == 105
    assert findings.numbers["arpu.active.change_last"].value == 0.1
    assert findings.numbers["arpu.active.change_year"].value == 0.02
    text = parts["change"].text()
    assert "from £100 in the period before to £110" in text
    assert (
        "The season is in that change; on the same period a year ago it is +2.0% (-3.0% to +7.0%), not significant."
        in text
    )
    assert "frequency, £12.00 (£8.00 to £16.00)" in text


def change_told(folder, now, **parts):
    """The summary's words for a change from 100 by parts of the bridge."""
    parts = {f"bridge.{name}": number(value) for name, value in ({"refunds": 0.0} | parts).items()}
    numbers = {"bridge.before": number(100.0), "bridge.now": number(now), **parts}
    return page(world(folder, topics=(pulse(numbers=numbers),)))[0]["change"].text()


def test_the_part_told_is_the_largest_of_those_that_point_the_changes_own_way(tmp_path):
    # Mix is the largest in size, but of the other sign; frequency is 30 of 17.
    text = change_told(tmp_path, 117.0, mix=-36.0, frequency=30.0, aov=23.0)
    assert "Most of the change lies in this part: frequency, £30.00" in text
    assert "Most of the change lies in this part: mix" in change_told(
        tmp_path, 83.0, mix=-36.0, frequency=12.0, aov=7.0
    )


def test_most_is_more_than_half(tmp_path):
    text = change_told(tmp_path, 110.0, mix=3.0, frequency=4.0, aov=3.0)
    assert "The largest part of the change, though not most of it: frequency, £4.00" in text
    assert "Most" not in text
    assert "Most of the change lies in this part: frequency" in change_told(
        tmp_path, 110.0, mix=2.0, frequency=6.0, aov=2.0
    )


def test_no_change_has_no_largest_part(tmp_path):
    told = "Revenue per active customer did not change on the period before: £100."
    assert change_told(tmp_path, 100.0, mix=0.0, frequency=0.0, aov=0.0) == told
    assert change_told(tmp_path, 100.001, mix=0.001, frequency=5.0, aov=-5.0) == told


def test_a_client_with_only_a_pulse_gets_its_page(tmp_path):
    skipped = [
        found(topic, status="skipped", reason="It needs the table x.")
        for topic in ("clv", "ab_test", "upsell_lift", "segmentation")
    ]
    parts, findings = page(world(tmp_path, topics=(pulse(), *skipped)))
    assert findings.status == "ok"
    assert findings.headline.startswith(
        "No lever has been shown to bring anything yet. Revenue per active customer went"
    )
    assert findings.cards == ("arpu.active", "arpu.now", "arpu.before")
    assert set(parts["unsaid"].rows["topic"]) == {"clv", "ab_test", "upsell_lift", "segmentation"}


def test_what_a_source_holds_back_or_warns_of_is_said_on_top(tmp_path):
    _parts, findings = page(world(tmp_path))
    assert findings.status == "warn"
    assert any("A/B tests" in one.message for one in findings.checks if one.status == "warn")


def test_with_nothing_to_sum_up_it_is_skipped_with_a_reason(tmp_path):
    for topics in ((), (found("pulse", status="skipped", reason="x"), found("clv", status="failed", reason="y"))):
        with pytest.raises(TopicSkippedError, match="nothing to sum up"):
            world(tmp_path, topics=topics)


def test_what_could_not_be_said_names_table_or_params(tmp_path):
    topics = (
        found("upsell_lift", status="skipped", reason="It needs the table offers or experiments."),
        found("clv", status="failed", reason="ValueError: no"),
        trials(),
        segmentation(),
    )
    rows = page(world(tmp_path, topics=topics))[0]["unsaid"].rows.set_index("topic")
    assert "table offers" in rows.loc["upsell_lift", "needed"]
    assert "upsell_lift.outcomes" in rows.loc["upsell_lift", "needed"]
    assert rows.loc["clv", "why"] == "ValueError: no"
    assert rows.loc["ab_test", "why"] == "Broken: its split."
    assert "table experiments" in rows.loc["ab_test", "needed"]
    assert "valuebook run --topic pulse" in rows.loc["pulse", "needed"]
    assert "table customers" in rows.loc["segmentation", "needed"]
    unknown = page(world(tmp_path), cac=None)[0]["unsaid"].rows
    assert unknown["needed"].str.contains("economics.cac").any()


def before(period, **numbers):
    """A summary of an earlier period that advised the offers."""
    decisions = (
        Decision(id="action.best.playbook", text="Best: Thank them.", evidence="assumption", value={"number": "x"}),
        Decision(id="lever.upsell", text="Offer", evidence="experiment", value={"number": "lever.upsell.profit"}),
    )
    known = {"lever.upsell.profit": number(numbers.get("value", 400.0), 100.0, 700.0)}
    return Findings(client="acme", period=period, topic="summary", status="ok", numbers=known, decisions=decisions)


def test_the_log_says_what_was_advised_done_and_what_its_number_says_now(tmp_path):
    done = Params(
        done=[{"decision": "lever.upsell", "period": "2025-Q3", "done_on": "2025-10-20", "note": "by e-mail"}]
    )
    parts, findings = page(world(tmp_path), earlier=(before("2025-Q2"), before("2025-Q3", value=450.0)), settings=done)
    rows = parts["log"].rows
    assert rows["period"].tolist() == ["2025-Q3", "2025-Q3", "2025-Q2", "2025-Q2"]
    first = rows.iloc[0]
    assert (first["decision"], first["done_on"], first["note"]) == (
        "lever.upsell",
        pd.Timestamp("2025-10-20"),
        "by e-mail",
    )
    assert (first["then"], first["then_low"], first["then_high"]) == (450.0, 100.0, 700.0)
    assert (first["now"], first["now_low"], first["now_high"]) == (500.0, 200.0, 800.0)
    assert rows["done_on"].isna().sum() == 3
    html = parts["log"].table().html
    assert "not recorded" in html
    assert "by e-mail" in html
    assert (findings.numbers["log.decisions"].value, findings.numbers["log.done"].value) == (4, 1)


def test_only_an_experiment_says_what_came_of_a_decision(tmp_path):
    assert set(page(world(tmp_path), earlier=(before("2025-Q3"),))[0]["log"].rows["judged"]) == {""}
    scored = offers(
        checks=[
            Check(id="last_list", status="pass", message="The list of 2025-Q3 kept its promise as far as can be told.")
        ],
        numbers={
            **offers().numbers,
            "last_list.profit": number(3.0, 1.0, 5.0),
            "last_list.expected": number(2.5),
        },
    )
    rows = page(world(tmp_path, topics=(scored,)), earlier=(before("2025-Q2"), before("2025-Q3")))[0]["log"].rows
    judged = rows.set_index(["period", "decision"])["judged"]
    assert judged["2025-Q3", "lever.upsell"] == (
        "Against its holdout, the list brought £3.00 a customer (£1.00 to £5.00); £2.50 was expected."
    )
    # The holdout judged the list of the last period, and of no other.
    assert judged["2025-Q2", "lever.upsell"] == ""


def test_a_rolled_out_test_is_followed_by_its_own_verdict(tmp_path):
    one = replace(
        before("2025-Q3"),
        decisions=(Decision(id="lever.rollout.basket", text="Ship", evidence="experiment", value={"number": "n"}),),
    )
    rows = page(world(tmp_path), earlier=(one,))[0]["log"].rows
    assert rows["judged"].tolist() == ["basket: ship"]


def test_what_is_recorded_as_done_and_was_never_advised_is_told(tmp_path):
    done = Params(done=[{"decision": "lever.upsel", "period": "2025-Q3", "done_on": "2025-10-20"}])
    _parts, findings = page(world(tmp_path), earlier=(before("2025-Q3"),), settings=done)
    (check,) = [one for one in findings.checks if one.id == "summary.log.matched"]
    assert check.status == "warn"
    assert "lever.upsel (2025-Q3)" in check.message


def test_earlier_periods_are_those_that_had_ended_when_this_one_began(tmp_path):
    for period in ("2025-Q3", "2024", "2025-08", "2025-Q4", "2025", "2025-10", "2026-Q1", "all"):
        lay(tmp_path, before(period))
    (tmp_path / "acme" / ".runs").mkdir()
    paths = earlier_findings(tmp_path / "acme", "summary", before="2025-Q4")
    assert [path.parent.name for path in paths] == ["2024", "2025-08", "2025-Q3"]
    assert read_findings(paths[0]).period == "2024"
    assert earlier_findings(tmp_path / "acme", "summary", before="all") == []
    assert earlier_findings(tmp_path / "acme", "pulse", before="2025-Q4") == []


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("{effort: {upsel: low}}", "summary.effort.upsel: unknown key; did you mean 'upsell'"),
        ("{effort: {upsell: tiny}}", "summary.effort.upsell: .*'tiny'"),
        ("{done: [{decision: x, period: 2025-Q3}]}", r"summary.done.0.done_on: is missing"),
        ("{done: [{decision: x, period: soon, done_on: 2025-10-01}]}", "summary.done.0.period: .*no known form"),
        ("{done: [{decision: x, period: 2025-Q3, done_on: 2025-06-30}]}", "must be >= 2025-07-01"),
        ("{done: [{decision: x, period: 2025-Q3, done_on: someday}]}", "summary.done.0.done_on: .*date"),
        (
            "{done: [{decision: x, period: 2025-Q3, done_on: 2025-10-01}, {decision: x, period: 2025-Q3, done_on: 2025-10-02}]}",
            "x of 2025-Q3 stands twice",
        ),
    ],
)
def test_a_mistake_in_the_section_is_named(params_folder, section, told):
    text = f"""
    client: acme
    name: Acme
    currency: GBP
    data: {{tables: {{orders: {{from: x.csv}}}}}}
    summary: {section}
    """
    with pytest.raises(ParamsError, match=told):
        load_params("acme", folder=params_folder("acme", text))


def test_what_was_done_is_typed():
    assert Done(decision="lever.upsell", period="2025-Q3", done_on="2025-10-20").done_on.isoformat() == "2025-10-20"


def known_values(findings):
    values = [
        value
        for one in findings.numbers.values()
        for value in (one.value, one.low, one.high, one.n, one.level)
        if value is not None
    ]
    return values + [one.value for one in findings.checks if isinstance(one.value, int | float)]


def texts(parts):
    """Every sentence with a number that the page generates."""
    shown = [
        parts["verdict"].headline(), parts["verdict"].sentence().text, parts["overlap"].sentence().text,
        parts["change"].text(), parts["log"].sentence().text, parts["actions"].sentence().text,
    ]  # fmt: skip
    return shown + [one.text for one in parts["levers"].decisions() if "Look for" in one.text]


@pytest.mark.parametrize(
    "topics",
    [
        (clv(), trials(), offers(), segmentation(), pulse()),
        (clv(), segmentation(), pulse()),
        (offers(evidence="causal"), segmentation()),
        (offers(evidence="model"), pulse()),
        (pulse(),),
    ],
)
def test_every_number_of_a_sentence_is_in_the_json_and_no_sentence_claims_a_cause(tmp_path, topics):
    parts, findings = page(world(tmp_path, topics=topics), earlier=(before("2025-Q3"),))
    known = known_values(findings)
    for text in texts(parts):
        assert not CAUSAL.search(text), text
        # Names of levers say what one point is: they are no findings.
        plain = re.sub(r"1 % more|one point", "", text)
        for shown in re.findall(r"\d[\d,]*\.?\d*", plain):
            value, decimals = float(shown.replace(",", "").rstrip(".")), len(shown.rstrip(".").partition(".")[2])
            near = 0.51 * 10**-decimals
            assert any(abs(abs(one) - value) <= near or abs(abs(one) * 100 - value) <= near for one in known), (
                shown,
                text,
            )


def test_the_verdict_says_how_good_its_evidence_is(tmp_path):
    def headline(*topics):
        return page(world(tmp_path, topics=topics))[1].headline

    assert "that it lasts so long is assumed" in headline(trials())
    assert "An experiment has shown it." in headline(offers())
    assert "comparable, but not by chance" in headline(offers(evidence="causal"))
    assert "no experiment has shown it" in headline(offers(evidence="association"))
    assert headline(clv()).startswith("No lever has been shown to bring anything yet. Of what can be supposed")


def test_the_whole_page_claims_no_cause_and_prints_what_a_client_wrote_as_text(tmp_path):
    evil = trials(
        decisions=[
            replace(one, value={**one.value, "title": "<script>alert(1)</script>"}) for one in trials().decisions
        ]
    )
    sources = world(tmp_path, topics=(clv(), evil, offers(), segmentation(), pulse()))
    parts, _findings = page(sources, earlier=(before("2025-Q3"),))
    tables = [parts[name].table() for name in ("levers", "overlap", "actions", "change", "log", "unsaid")]
    shown = [*tables, parts["levers"].unknown(), parts["levers"].origins(), parts["levers"].figure()]
    html = " ".join(one._repr_html_() for one in shown)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert not CAUSAL.search(re.sub(r"<[^>]+>", " ", html))

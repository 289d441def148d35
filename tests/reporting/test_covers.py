"""The cover of a study and the portal over all studies."""

import re

from helpers.reporting.findings import Check, Decision, Findings, Number
from helpers.reporting.html import Brand
from helpers.reporting.pages import period_before, portal_page, study_page
from tests.reporting.test_reporting import findings

BRAND = Brand(name="Acme", colour="#0b6e4f")


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.split("</style>")[1]))


def earlier(**changes):
    numbers = {"arpu": Number(value=84.7, unit="GBP", n=2200, definition="arpu")}
    return findings(**{"period": "2024-Q3", "numbers": numbers, **changes})


def test_the_summary_opens_the_cover_with_its_headline_and_decisions():
    summary = findings(
        topic="summary",
        headline="Do three things.",
        decisions=(Decision(id="d", text="Offer the upgrade.", evidence="experiment"),),
    )
    told = text_of(study_page(brand=BRAND, period="2024-Q4", findings=[findings(), summary]))
    places = [told.index(part) for part in ("Do three things.", "Offer the upgrade.", "experiment", "Customer pulse")]
    assert places == sorted(places)


def test_untested_ideas_stand_last_and_are_called_so():
    decisions = (
        Decision(id="a", text="Lost: Spend nothing.", evidence="assumption"),
        Decision(id="b", text="Offer the upgrade.", evidence="experiment"),
    )
    summary = findings(topic="summary", decisions=decisions)
    html = study_page(brand=BRAND, period="2024-Q4", findings=[findings(), summary])
    told = text_of(html)
    assert told.index("Offer the upgrade.") < told.index("Customer pulse") < told.index("Ideas to test")
    assert told.index("Untested: no experiment") < told.index("Lost: Spend nothing.")
    assert html.count("<dt>") == 1
    alone = study_page(brand=BRAND, period="2024-Q4", findings=[findings(topic="summary", decisions=decisions[:1])])
    assert "What to do" not in text_of(alone)


def test_what_was_skipped_stands_last_with_its_reason():
    skipped = Findings(client="acme", period="2024-Q4", topic="ab_test", status="skipped", reason="No experiments.")
    told = text_of(study_page(brand=BRAND, period="2024-Q4", findings=[skipped, findings()]))
    assert told.index("Customer pulse") < told.index("A/B tests")
    assert "No experiments." in told


def test_the_period_before_stands_beside_each_number():
    told = text_of(study_page(brand=BRAND, period="2024-Q4", findings=[findings()], before=[earlier()]))
    assert "£84.70 in Q3 2024" in told
    assert "-4.1% on the period before" in told


def test_a_change_that_chance_may_have_made_is_called_so_and_a_year_ago_stands_first():
    change = {
        "arpu.change_year": Number(value=0.02, low=-0.03, high=0.07, unit="share", n=9, definition="arpu"),
        "arpu.change_last": Number(value=0.14, low=0.05, high=0.23, unit="share", n=9, definition="arpu"),
    }
    told = text_of(study_page(brand=BRAND, period="2024-Q4", findings=[findings(numbers=findings().numbers | change)]))
    assert told.index("+2.0% on a year ago, not significant") < told.index("+14.0% on the period before")
    assert "+14.0% on the period before, not" not in told


def test_a_number_that_was_blocked_or_meant_something_else_is_no_trend():
    other = {"arpu": Number(value=84.7, unit="GBP", n=2200, definition="another")}
    for before in (earlier(status="blocked"), earlier(numbers=other)):
        assert "84.70" not in study_page(brand=BRAND, period="2024-Q4", findings=[findings()], before=[before])


def test_what_must_not_be_used_is_neither_on_the_cover_nor_in_the_list():
    about = {
        "topic": "clv",
        "status": "blocked",
        "reason": "The past was not predicted.",
        "headline": "They are worth £81.",
    }
    for page in (
        study_page(brand=BRAND, period="2024-Q4", findings=[findings(**about)]),
        portal_page([[findings(**about)]]),
    ):
        assert "The past was not predicted." in page
        assert "£81" not in page
        assert 'class="card' not in page
    # Where a part is usable, it is told.
    decided = findings(**about, decisions=(Decision(id="d", text="Ship.", evidence="experiment"),))
    assert "£81" in study_page(brand=BRAND, period="2024-Q4", findings=[decided])


def test_the_cover_says_why_a_topic_is_to_be_read_with_care():
    careful = (
        Check(id="a", status="warn", message="Opt-outs rose."),
        Check(id="b", status="pass", message="All rows read."),
    )
    told = text_of(study_page(brand=BRAND, period="2024-Q4", findings=[findings(status="warn", checks=careful)]))
    assert "Note: Opt-outs rose." in told
    assert "All rows read." not in told
    held = findings(status="blocked", reason="The past was not predicted.", checks=careful)
    assert "Opt-outs rose." not in study_page(brand=BRAND, period="2024-Q4", findings=[held])


def test_periods_know_the_one_before():
    assert period_before("2024-Q1") == "2023-Q4"
    assert period_before("2024") == "2023"
    assert period_before("all") is None


def test_the_portal_has_one_row_a_study_with_the_worst_state_and_the_trend():
    blocked = findings(topic="clv", status="blocked", reason="Wrong.", cards=(), numbers={}, headline="")
    html = portal_page([[findings(), blocked], [earlier()]])
    rows = [text_of("</style>" + row) for row in re.findall(r"<tbody>(.*)</tbody>", html, re.DOTALL)[0].split("</tr>")]
    assert len(rows) == 3
    assert "Q4 2024" in rows[0]
    assert "Do not use" in rows[0]
    assert "£84.70 in Q3 2024" in rows[0]
    assert 'href="acme/2024-Q4/clv.html"' in html


def test_the_portal_calls_a_client_by_name_with_the_id_beside_it_where_that_is_another():
    named = findings(provenance={"client_name": "Bell & Whistle <Ltd>"})
    html = portal_page(
        [[Findings(client="acme", period="2024-Q4", topic="ab_test", status="skipped", reason="-"), named]]
    )
    assert "<bdi>Bell &amp; Whistle &lt;Ltd&gt;</bdi>" in html
    assert '<bdi class="interval">acme</bdi>' in html
    assert '<bdi class="interval">acme</bdi>' not in portal_page([[findings()]])


def test_the_portal_says_why_a_topic_was_skipped_and_takes_its_headline_from_one_that_ran():
    skipped = Findings(client="acme", period="2024-Q4", topic="pulse", status="skipped", reason="It needs orders.")
    html = portal_page([[skipped, findings(topic="clv", headline="They are worth £81.")]])
    assert text_of(html).index("They are worth £81.") < text_of(html).index("Not run: It needs orders.")
    assert "pulse.html" not in html


def test_the_portal_prints_each_studys_own_currency():
    numbers = {"arpu": Number(value=81.2, unit="USD", n=2, definition="arpu")}
    before = findings(client="us", period="2024-Q3", numbers=numbers)
    html = portal_page([[findings(client="us", numbers=numbers)], [before], [findings(), findings(topic="clv")]])
    assert "US$81.20" in html
    assert "£81.20" in html


def test_the_portal_grows_by_less_than_3_kilobytes_a_study():
    topics = ("pulse", "segmentation", "clv", "ab_test", "upsell_lift", "summary")
    long = "A headline of a length that verdict sentences seldom reach, with numbers such as £1,234,567 in it. " * 5

    def portal(n):
        studies = [
            [findings(client=f"client{k:03d}", topic=topic, headline=long) for topic in topics] for k in range(n)
        ]
        return len(portal_page(studies).encode())

    assert (portal(60) - portal(10)) / 50 <= 3000
    assert portal(0) < 20_000

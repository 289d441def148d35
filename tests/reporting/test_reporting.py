import base64
import hashlib
import io
import re
from datetime import UTC, date, datetime

import nbformat
import numpy as np
import pandas as pd
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from PIL import Image

from helpers.reporting import export, words
from helpers.reporting.figures import figure
from helpers.reporting.findings import Check, Decision, Definition, Findings, Number, Result, gather
from helpers.reporting.html import Brand, Provenance, render
from helpers.reporting.messages import extract_notebook
from helpers.reporting.pages import failure_page, portal_page, study_page, topic_name
from helpers.reporting.tables import Column, Sentence, table

HOSTILE = "<script>alert(1)</script>\"'=1+1$x$\u202eevil\u0007" + "z" * 10_000
BRAND = Brand(name="Acme & <Sons>", colour="#0b6e4f")


def draw(axes, theme):
    axes.plot([0, 1, 2], [1, 3, 2], color=theme.accent)
    axes.set_title("$5 to $10")


def chart(**changes):
    data = table(
        pd.DataFrame({"x": [1.0], "y": [2.0]}),
        {"x": Column(label="X"), "y": Column(label="Y", kind="number")},
        title="Numbers",
    )
    told = {"title": "A finding", "subtitle": "What is drawn", "foot": "n = 3", "alt": "A line", "data": data}
    return figure(draw, **{**told, **changes})


def findings(**changes):
    made = {
        "client": "acme",
        "period": "2024-Q4",
        "topic": "pulse",
        "status": "ok",
        "headline": "Customers brought £81 each.",
        "cards": ("arpu",),
        "numbers": {
            "arpu": Number(value=81.2, low=76.0, high=86.9, level=0.95, unit="GBP", n=2357, definition="arpu"),
            "arpu.change_last": Number(value=-0.041, unit="share", n=2357, definition="arpu"),
        },
        "checks": (Check(id="c", status="pass", message="All is well."),),
        "definitions": {"arpu": Definition(name="ARPU", text="net revenue / customers")},
        "tables": {"deciles": "tables/pulse.deciles.parquet"},
    }
    return Findings(**{**made, **changes})


PROVENANCE = Provenance(
    data_hash="abc123",
    data_through=date(2024, 12, 31),
    code_version="0.1.0",
    seed=7,
    versions={"python": "3.12"},
    duration_seconds=1.5,
    generated_at=datetime(2025, 1, 2, tzinfo=UTC),
)


def notebook(*outputs, prose="# Title\n\nSome *prose*.\n\n## Part one"):
    cells = [nbformat.v4.new_markdown_cell(prose)]
    for html in outputs:
        data = nbformat.v4.new_output("execute_result", {"text/html": html, "text/plain": "x"}, execution_count=1)
        cells.append(nbformat.v4.new_code_cell("secret_code()", outputs=[data]))
    return nbformat.v4.new_notebook(cells=cells)


def page(*outputs, **changes):
    return render(notebook(*outputs), findings=findings(**changes), provenance=PROVENANCE, brand=BRAND)


def test_what_a_helper_wrote_stands_in_the_page_as_it_wrote_it():
    written = '<p title="b" class="a" hidden>5 &gt; 3<br>&quot;so&quot;</p>'
    assert written in page(written)


def test_hostile_text_is_escaped_in_tables_sentences_figures_and_pages():
    frame = pd.DataFrame({"who": [HOSTILE], "n": [1.0]})
    shown = table(
        frame, {"who": Column(label=HOSTILE), "n": Column(label="n", kind="number")}, title=HOSTILE, foot=HOSTILE
    ).html
    html = (
        shown
        + Sentence(text=HOSTILE)._repr_html_()
        + chart(title=HOSTILE, alt=HOSTILE, subtitle=HOSTILE, foot=HOSTILE)._repr_html_()
        + page(headline=HOSTILE, reason=HOSTILE, status="blocked")
        + study_page(brand=Brand(name=HOSTILE, colour="#0b6e4f"), period="2024", findings=[findings(headline=HOSTILE)])
        + portal_page([[findings(headline=HOSTILE)]])
        + failure_page(client=HOSTILE, period="2024", topic="pulse", reason=HOSTILE, trace=HOSTILE)
    )
    # The one script is the search of the portal.
    assert html.count("<script") == 1
    assert "&lt;script&gt;" in html
    cell = re.search(r'<th scope="row">(.*?)</th>', shown)[1]
    assert len(cell) < 250
    assert "\u202e" not in cell


def test_a_long_table_says_where_the_rest_is():
    frame = pd.DataFrame({"x": range(523)})
    html = table(frame, {"x": Column(label="X", kind="number")}, title="T", file="tables/x.parquet").html
    assert html.count("<tr") == 11
    assert "10 of 523 rows; all are in tables/x.parquet." in html


def test_missing_values_are_a_dash_and_intervals_stand_beside_their_value():
    frame = pd.DataFrame({"k": ["a", "b"], "v": [0.5, np.nan], "l": [0.4, np.nan], "h": [0.6, np.nan]})
    html = table(
        frame, {"k": Column(label="K"), "v": Column(label="V", kind="share", low="l", high="h")}, title="T"
    ).html
    assert "50.0%" in html
    assert "40.0% to 60.0%" in html
    assert '<td class="num">–</td>' in html
    assert "nan" not in html


@pytest.mark.parametrize("name", ["title", "subtitle", "foot", "alt"])
def test_a_figure_without_its_words_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} == ' ', must not be empty"):
        chart(**{name: " "})


def test_a_figure_is_drawn_for_light_and_dark_and_stays_small():
    made = chart()
    light, dark = (Image.open(io.BytesIO(picture)).convert("L") for picture in (made.light, made.dark))
    assert np.asarray(light).mean() > 200
    assert np.asarray(dark).mean() < 60
    assert len(made.light) < 20_000


def test_a_plot_that_fails_is_not_lost_in_silence():
    def broken(axes, theme):
        raise RuntimeError("no plot")

    data = chart().data
    with pytest.raises(RuntimeError, match="no plot"):
        figure(broken, title="t", subtitle="s", foot="f", alt="a", data=data)


def test_a_page_has_the_verdict_first_and_code_folded_away():
    html = page("<p>an output</p>")
    places = [
        html.index(text)
        for text in (
            "Customers brought £81 each.",
            "£81.20",
            "an output",
            "net revenue / customers",
            "secret_code()",
            "abc123",
        )
    ]
    assert places == sorted(places)
    assert html.count("<h1") == 1
    assert "£76.00 to £86.90 (95% interval)" in html
    assert "-4.1% on the period before" in html
    assert "<details" in html[: html.index("secret_code()")]


def test_links_of_the_contents_lead_to_their_headings():
    html = render(
        notebook("<p>an output</p>", prose="# Title\n\n## What it's & rests on"),
        findings=findings(),
        provenance=PROVENANCE,
        brand=BRAND,
    )
    links = re.findall(r'href="#([^"]+)"', html)
    assert len(links) > 2
    assert set(links) <= set(re.findall(r'id="([^"]+)"', html))


def test_a_section_that_shows_nothing_is_left_out():
    cells = notebook("<p>an output</p>").cells
    empty = notebook("", prose="## Nothing here").cells
    full = notebook("", "<p>another</p>", prose="## Something here").cells
    made = nbformat.v4.new_notebook(cells=[*cells, *empty, *full])
    html = render(made, findings=findings(), provenance=PROVENANCE, brand=BRAND)
    assert "Nothing here" not in html
    assert "Something here" in html
    assert html.count("secret_code()") == 4


def test_a_blocked_verdict_says_so_at_the_top():
    html = page(status="blocked", reason="The split is broken.")
    assert html.index("Do not use this for the decision.") < html.index("The split is broken.")


def test_what_must_not_be_used_is_folded_away_and_never_printed():
    html = page(status="blocked", reason="The split is broken.")
    before, folded, rest = re.split(r'<details class="held">|</details>', html, maxsplit=2)
    assert "Customers brought" in folded
    assert 'class="cards"' in folded
    for open_at_once in (before.split("<body", 1)[1], rest):
        assert "Customers brought" not in open_at_once
        assert 'class="cards"' not in open_at_once
    # A part that stands is told as ever.
    decided = page(
        status="blocked",
        reason="One split is broken.",
        decisions=(Decision(id="d", text="Ship.", evidence="experiment"),),
    )
    assert "A part of this must not be used." in decided
    assert 'class="held"' not in decided
    # It is said on every screen and sheet; who hears the page hears it once.
    assert html.count('<p class="stamp" aria-hidden="true">Do not use this for the decision.</p>') == 1
    assert '@page{@top-left{content:"Do not use this for the decision."' in html
    assert "stamp" not in re.sub(r"<style>.*?</style>", "", decided, flags=re.DOTALL)
    assert "@top-left" not in decided
    assert "Customers brought" in decided


def test_a_page_lets_nothing_else_in():
    html = page(chart()._repr_html_())
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert (
        f"default-src &#39;none&#39;; img-src data:; style-src &#39;sha256-{digest}&#39;; script-src &#39;none&#39;"
        in html
    )
    assert not re.search(r"""(?:src|href|srcset)=["'](?!data:|#|tables/)""", html)
    assert "http://" not in html
    assert "https://" not in html
    assert "style=" not in html
    assert "<script" not in html


def test_eight_charts_and_six_tables_stay_within_400_kilobytes():
    rng = np.random.default_rng(1)

    def busy(axes, theme):
        for hue in theme.hues:
            axes.plot(rng.normal(size=24).cumsum(), color=hue)

    data = table(
        pd.DataFrame({"x": rng.normal(size=50), "y": rng.normal(size=50)}),
        {"x": Column(label="X", kind="decimal"), "y": Column(label="Y", kind="decimal")},
        title="T",
    )
    charts = [figure(busy, title="t", subtitle="s", foot="f", alt="a", data=data)._repr_html_() for _ in range(8)]
    assert len(page(*charts, *[data.html] * 6).encode()) <= 400_000
    assert len(page().encode()) <= 40_000


def test_a_notebook_with_an_error_or_without_a_title_is_no_report():
    failed = notebook()
    failed.cells.append(
        nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("error", ename="E", evalue="v", traceback=[])])
    )
    with pytest.raises(ValueError, match="holds an error"):
        render(failed, findings=findings(), provenance=PROVENANCE, brand=BRAND)
    with pytest.raises(ValueError, match="no H1"):
        render(notebook(prose="no title"), findings=findings(), provenance=PROVENANCE, brand=BRAND)


def test_warnings_of_a_cell_are_in_the_appendix():
    made = notebook("<p>x</p>")
    made.cells[-1].outputs.append(nbformat.v4.new_output("stream", name="stderr", text="UserWarning: look <here>"))
    html = render(made, findings=findings(), provenance=PROVENANCE, brand=BRAND)
    assert html.index("Code of this report") < html.index("UserWarning: look &lt;here&gt;")


def test_markdown_cells_and_words_are_looked_up_in_the_catalogue(tmp_path):
    folder = tmp_path / "vi" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    catalogue = Catalog("vi")
    catalogue.add("# Title\n\nSome *prose*.\n\n## Part one", "# Tiêu đề\n\nVăn *xuôi*.\n\n## Phần một")
    catalogue.add("Method and definitions", "Phương pháp")
    with (folder / "valuebook.po").open("wb") as file:
        write_po(file, catalogue)
    words.use_language("vi_VN", "VND", catalogues=tmp_path)
    html = page()
    assert '<html lang="vi-VN" dir="ltr">' in html
    assert "Tiêu đề</h1>" in html
    assert "<em>xuôi</em>" in html
    assert "Phương pháp" in html
    assert words.money(1_234_567) == "1.234.567\xa0₫"


def test_persian_pages_run_from_right_to_left():
    words.use_language("fa_IR", "IRR")
    html = page()
    assert 'lang="fa-IR" dir="rtl"' in html
    assert words.period_name("2024-Q4") in html
    # Versions and hashes are codes: they keep their own order within the sentence.
    assert re.search("\u2068python 3[^\u2068\u2069]*\u2069", html)
    assert 'href="tables/pulse.deciles.parquet"' in html


def test_a_period_is_named_for_readers_and_its_address_is_not():
    html = portal_page([[findings(period="2024-Q4")]])
    assert "Q4 2024</" in html
    assert 'href="acme/2024-Q4/index.html"' in html


def test_every_markdown_cell_is_a_message():
    content = nbformat.writes(notebook(prose="# One\n\nTwo")).encode()
    assert [message[2] for message in extract_notebook(io.BytesIO(content), None, None, None)] == ["# One\n\nTwo"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1234567.0, "GBP", "£1.23M"),
        (12.345, "GBP", "£12.34"),
        (0.1234, "share", "12.3%"),
        (None, "GBP", "–"),
        (float("nan"), "share", "–"),
        (3.0, "orders", "3"),
        (2.5, "orders", "2.50"),
    ],
)
def test_numbers_are_printed_by_unit(value, unit, text):
    assert words.quantity(value, unit) == text


class One(Result):
    def __init__(self, key="a", definition="d", checks=()):
        self.key, self.definition, self._checks = key, definition, checks

    def numbers(self):
        return {self.key: Number(value=float("nan"), unit="share", n=1, definition=self.definition)}

    def definitions(self):
        return {"d": Definition(name="D", text="t")}

    def checks(self):
        return list(self._checks)


def collect(*results):
    return gather(*results, client="c", period="p", topic="t", tables={}, provenance={})


def test_findings_survive_json_and_nan_becomes_null():
    made = collect(One())
    content = made.to_json()
    assert content["schema"] == 1
    assert content["numbers"]["a"]["value"] is None
    assert Findings.from_json(content).to_json() == content
    with pytest.raises(ValueError, match="schema == 2"):
        Findings.from_json({**content, "schema": 2})


def test_a_number_is_published_once_and_defined():
    with pytest.raises(ValueError, match="two results publish a"):
        collect(One(), One())
    with pytest.raises(ValueError, match="definitions that were not published: gone"):
        collect(One(definition="gone"))


@pytest.mark.parametrize(
    ("statuses", "expected"), [((), "ok"), (("pass", "warn"), "warn"), (("warn", "fail"), "blocked")]
)
def test_the_worst_check_gives_the_status(statuses, expected):
    checks = [Check(id=status, status=status, message=f"It {status}s.") for status in statuses]
    made = collect(One(checks=checks))
    assert made.status == expected
    assert (made.reason == "It fails.") == (expected == "blocked")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a" / "x.json"
    export.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        export.write_json(path, {"a": float("nan")})
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert [item.name for item in path.parent.iterdir()] == ["x.json"]


def test_a_gate_that_fails_withholds_the_decisions():
    class Advice(Result):
        status = "pass"

        def checks(self):
            return [Check(id="gate", status=self.status, message="It does not hold.")]

        def decisions(self):
            return [Decision(id="do", text="Do it.", evidence="model")]

    advice = Advice()
    about = {"client": "c", "period": "all", "topic": "t", "tables": {}, "provenance": {}}
    assert len(gather(advice, **about).decisions) == 1
    advice.status = "fail"
    assert gather(advice, **about).status == "blocked"
    assert gather(advice, **about).decisions == ()


def test_covers_call_topics_as_their_reports_do():
    assert topic_name("ab_test") == "A/B tests"
    assert topic_name("clv") == "Customer lifetime value"
    assert topic_name("not_written_yet") == "Not written yet"

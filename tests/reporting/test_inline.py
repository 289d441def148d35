"""What notebooks show is what reports show, alone in its output: styled, escaped, without references; and readable as text."""

import re
from dataclasses import dataclass

import nbformat
import numpy as np
import pandas as pd
import pytest

from helpers.reporting.findings import Absent, Definition, Number, Result
from helpers.reporting.html import render
from helpers.reporting.inline import bare, inline
from helpers.reporting.tables import Column, Sentence, table
from helpers.reporting.words import use_language
from tests.reporting.test_reporting import BRAND, HOSTILE, PROVENANCE, chart, findings, notebook


def rows(who="Ann"):
    frame = pd.DataFrame({"who": [who, "Bo"], "n": [1234.0, 5.0], "low": [1000.0, np.nan], "high": [1500.0, np.nan]})
    columns = {"who": Column(label="Who"), "n": Column(label="Orders", kind="number", low="low", high="high")}
    return table(frame, columns, title="Best customers", foot="n = 2", strong=(0,))


@dataclass(frozen=True, kw_only=True)
class Found(Result):
    """A result that can show itself in three ways."""

    values: np.ndarray
    who: str = "Ann"

    def headline(self):
        return f"{self.who} leads."

    def numbers(self):
        made = {f"n{place}": Number(value=place * 1000.5, unit="GBP", n=2, definition="d") for place in range(20)}
        made["n1"] = Number(value=None, unit="GBP", n=0, definition="d")
        made["n2"] = Number(value=2.5, low=1.5, high=3.5, level=0.9, unit="GBP", n=2, definition="d")
        return made

    def definitions(self):
        return {"d": Definition(name="d", text="d")}


@dataclass(frozen=True, kw_only=True)
class Shown(Found):
    def sentence(self):
        return Sentence(text=self.headline())

    def table(self):
        return rows(self.who)


EVERY = {
    "sentence": lambda who: Sentence(text=who),
    "table": rows,
    "figure": lambda who: chart(title=who, subtitle=who, foot=who, alt=who, data=rows(who)),
    "result": lambda who: Shown(values=np.zeros(3), who=who),
    "result without parts": lambda who: Found(values=np.zeros(3), who=who),
}


@pytest.mark.parametrize("kind", EVERY)
def test_hostile_text_is_escaped_and_nothing_is_referred_to(kind):
    html = EVERY[kind](HOSTILE)._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "\u202e" not in html
    assert not re.search(r"\son\w+=", re.sub(r'"[^"]*"', '""', html))
    sources = re.findall(r'(?:src|href)="([^"]{0,20})|url\(([^)]{0,20})|@import', html)
    assert all(source.startswith("data:image/webp;") for source, _url in sources), sources


@pytest.mark.parametrize("kind", EVERY)
def test_as_text_it_can_be_read(kind):
    text = repr(EVERY[kind]("Ann & Bo"))
    assert "Ann & Bo" in text
    assert not re.search(r"<\w|b'|b\"|array\(|0x|&amp;", text), text
    assert len(text) < 2_000


def test_a_table_as_text_has_its_numbers_under_one_another():
    assert repr(rows()).splitlines() == [
        "Best customers",
        "Who                Orders",
        "Ann  1,234 1,000 to 1,500",
        "Bo                      5",
    ]


def test_a_result_as_text_is_its_headline_and_its_first_numbers():
    lines = repr(Found(values=np.zeros(10_000))).splitlines()
    assert lines[:4] == [
        "Found: Ann leads.",
        "  n0 = 0 GBP, n = 2",
        "  n1 = – GBP, n = 0",
        "  n2 = 2.5 (1.5 to 3.5) GBP, n = 2",
    ]
    assert lines[-1] == "  … 8 more"


def test_a_result_shows_its_parts_as_the_report_does():
    made = Shown(values=np.zeros(3))
    assert bare(made._repr_html_()) == bare(made.sentence()._repr_html_()) + bare(made.table()._repr_html_())
    assert Absent()._repr_html_() == ""
    assert Absent().table().figure()._repr_html_() == ""
    assert repr(Absent()) == "Absent"


def test_every_output_brings_its_style_and_none_that_reaches_outside_it():
    html = rows()._repr_html_()
    (css,) = re.findall(r"<style>(.*?)</style>", html)
    rules = re.findall(r"([^{}]+)\{", css)
    assert rules
    for selector in (part for rule in rules for part in re.split(r",(?![^()]*\))", rule)):
        assert ".valuebook" in selector
    assert re.search(r"table :is\(th,td\)\.num\{text-align:end\}", css)
    assert "[data-jp-theme-light=false] .valuebook .on-dark" in css
    assert "--jp-content-font-color1" in css


def test_a_persian_output_reads_from_right_to_left_in_an_english_application():
    use_language("fa_IR", "IRR")
    assert rows()._repr_html_().startswith('<div class="valuebook" dir="rtl" lang="fa-IR">')


def test_a_report_takes_the_same_html_without_the_style_of_cells():
    shown = [rows(), Sentence(text="</div><!--valuebook--> <div class='valuebook'>"), chart()]
    html = "".join(part._repr_html_() for part in shown)
    assert bare(html) == rows().html + shown[1].html + shown[2].html
    assert bare(inline("")) == ""
    made = notebook(html)
    before = nbformat.writes(made)
    page = render(made, findings=findings(), provenance=PROVENANCE, brand=BRAND)
    assert '1,234 <small class="interval">1,000 to 1,500</small></td>' in page
    assert 'class="valuebook"' not in page
    assert page.count("<style>") == 1
    assert nbformat.writes(made) == before, "the executed notebook was changed"

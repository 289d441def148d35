from __future__ import annotations

import unicodedata
from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.reporting import directions, words
from helpers.reporting.tables import Column, clean, table
from helpers.reporting.words import clauses, day, interval, listing, money, month_and_year, month_at, number, percent

# A space that does not break, and a number that keeps its order where text runs from right to left.
NB = "\u00a0"


def ltr(text):
    return f"\u2066{text}\u2069"


@pytest.fixture(params=["en_GB", "vi_VN", "fa_IR"])
def locale(request):
    words.use_language(request.param, {"en_GB": "GBP", "vi_VN": "VND", "fa_IR": "IRR"}[request.param])
    return request.param


KNOWN = {
    "en_GB": {
        number: "1,234,567.89", money: "£1,234,568", percent: "12.3%", day: "20 Mar 2024", listing: "a, b and c",
    },
    "vi_VN": {
        number: "1.234.567,89", money: f"1.234.568{NB}₫", percent: "12,3%", day: "20/3/2024", listing: "a, b và c",
    },
    "fa_IR": {
        number: "۱٬۲۳۴٬۵۶۷٫۸۹", money: f"۱٬۲۳۴٬۵۶۸{NB}ریال", percent: ltr("۱۲٫۳٪"), day: "۱ فروردین ۱۴۰۳",
        listing: "a، b، و c",
    },
}  # fmt: skip


def test_numbers_dates_and_lists_are_written_as_the_locale_writes_them(locale):
    said = {
        number: number(1_234_567.891, digits=2),
        money: money(1_234_567.89),
        percent: percent(0.1234),
        day: day(date(2024, 3, 20)),
        listing: listing(["a", "b", "c"]),
    }
    assert said == KNOWN[locale]


def test_nothing_is_printed_as_minus_zero(locale):
    for text in (
        number(-0.4),
        number(-0.004, digits=2),
        money(-0.004),
        percent(-0.0004),
        percent(-0.0004, signed=True),
    ):
        assert not set("-−+") & set(text)


def test_a_sign_is_printed_where_something_is_left_of_the_number(locale):
    minus = "−" if locale == "fa_IR" else "-"
    assert minus in number(-0.6)
    assert minus in percent(-0.0006)
    assert "+" in percent(0.0006, signed=True)
    assert "+" in money(3, signed=True)
    assert "+" not in money(-3, signed=True)


@pytest.mark.parametrize(
    ("currency", "text"), [("VND", f"12{NB}₫"), ("USD", f"12,30{NB}US$"), ("KWD", f"12,300{NB}KWD")]
)
def test_an_amount_has_its_currencys_own_decimals(currency, text):
    words.use_language("vi_VN", currency)
    assert money(12.3) == text


def test_dong_and_rials_have_no_decimals_even_where_they_are_asked_for():
    words.use_language("vi_VN", "VND")
    assert money(12.34, digits=2) == f"12{NB}₫"
    words.use_language("fa_IR", "IRR")
    assert money(12.34, digits=2) == f"۱۲{NB}ریال"


@pytest.mark.parametrize(
    ("locale", "currency", "text"),
    [
        ("en_GB", "GBP", "-£12.35M"),
        ("vi_VN", "VND", f"-12,35{NB}triệu{NB}₫"),
        ("fa_IR", "IRR", f"{ltr('−۱۲٫۳۵')}{NB}میلیون ریال"),
    ],
)
def test_large_amounts_are_shortened_in_the_readers_words(locale, currency, text):
    words.use_language(locale, currency)
    assert money(-12_345_678, compact=True) == text
    assert len(money(999_999, compact=True)) == len(money(999_999))


# Nowruz and other days of the official calendar of Iran; 1399 and 1403 are leap years.
@pytest.mark.parametrize(
    ("gregorian", "jalali"),
    [
        (date(2024, 3, 20), "۱ فروردین ۱۴۰۳"),
        (date(2024, 3, 19), "۲۹ اسفند ۱۴۰۲"),
        (date(2025, 3, 20), "۳۰ اسفند ۱۴۰۳"),
        (date(2025, 3, 21), "۱ فروردین ۱۴۰۴"),
        (date(2021, 3, 20), "۳۰ اسفند ۱۳۹۹"),
        (date(1979, 2, 11), "۲۲ بهمن ۱۳۵۷"),
        (date(2024, 12, 31), "۱۱ دی ۱۴۰۳"),
    ],
)
def test_persian_dates_are_jalali(gregorian, jalali):
    words.use_language("fa_IR", "IRR")
    assert day(gregorian) == jalali
    assert day(pd.Timestamp(gregorian)) == jalali


def test_a_gregorian_month_is_named_in_persian_by_the_two_months_it_lies_in():
    words.use_language("fa_IR", "IRR")
    assert month_and_year(date(2024, 11, 1)) == month_and_year(date(2024, 11, 30)) == "آبان–آذر ۱۴۰۳"
    assert month_and_year(date(2024, 3, 1)) == "اسفند ۱۴۰۲ – فروردین ۱۴۰۳"
    assert month_at(date(2024, 11, 1)) == "آبان ۱۴۰۳"
    assert words.month_name(1) == "دی–بهمن"


PERIODS = {
    "2024": ("2024", "2024", "۱۱ دی ۱۴۰۲ to ۱۱ دی ۱۴۰۳"),
    "2024-Q4": ("Q4 2024", "Q4 2024", "۱۰ مهر to ۱۱ دی ۱۴۰۳"),
    "2024-11": ("Nov 2024", "11/2024", "۱۱ آبان to ۱۰ آذر ۱۴۰۳"),
    "2024-W45": ("week 45 of 2024", "week 45 of 2024", "۱۴ آبان to ۲۰ آبان ۱۴۰۳"),
    "2025-W01": ("week 1 of 2025", "week 1 of 2025", "۱۰ دی to ۱۶ دی ۱۴۰۳"),
    "2024-11-01..2024-12-05": ("1 Nov 2024 to 5 Dec 2024", "1/11/2024 to 5/12/2024", "۱۱ آبان to ۱۵ آذر ۱۴۰۳"),
    "all": ("the whole log", "the whole log", "the whole log"),
    "latest": ("latest", "latest", "latest"),
}


@pytest.mark.parametrize("label", PERIODS)
def test_periods_are_called_what_a_reader_calls_them(label, tmp_path):
    for place, (locale, currency) in enumerate((("en_GB", "GBP"), ("vi_VN", "VND"), ("fa_IR", "IRR"))):
        words.use_language(locale, currency, catalogues=tmp_path)
        assert words.period_name(label) == PERIODS[label][place]


def test_an_interval_is_read_from_its_low_end(tmp_path):
    words.use_language("fa_IR", "IRR", catalogues=tmp_path)
    text = interval(-0.05, 0.03, "share")
    # Each end is an island whose inside runs from left to right; between them only the sentence's own words.
    assert text == f"{ltr('−۵٫۰٪')} to {ltr('۳٫۰٪')}"
    assert interval(100, 200, "IRR") == f"۱۰۰{NB}ریال to ۲۰۰{NB}ریال"
    assert interval(None, 200, "IRR") == "–"


def test_lists_of_one_two_and_of_either(locale):
    assert listing(["a"]) == "a"
    assert listing([]) == ""
    assert listing(["a 1", "b 2", "c 3"], style="unit") == ("a 1، b 2، c 3" if locale == "fa_IR" else "a 1, b 2, c 3")
    assert clauses(["a", "b"]) == ("a\u061b b" if locale == "fa_IR" else "a; b")
    assert listing(["a", "b"], style="or") == {"en_GB": "a or b", "vi_VN": "a hoặc b", "fa_IR": "a یا b"}[locale]


OVERRIDE = "\u202etxt.exe\u202c"


def test_a_clients_override_turns_nothing():
    assert clean(f"Acme {OVERRIDE}\u200f\u061c") == "Acme txt.exe"


def test_an_isolate_that_a_client_left_open_ends_with_its_text():
    assert clean("\u2067open") == "\u2067open\u2069"
    assert clean("shut\u2069\u2069") == "shut"
    assert words.foreign("\u2067open\u2069\u2069") == "open"


@given(st.text(alphabet=st.sampled_from("ab ۱א\u2066\u2067\u2068\u2069\u202a\u202e\u200f\n\x00")))
def test_cleaned_text_never_reaches_out_of_itself(text):
    safe, depth = directions.contained(text), 0
    for character in safe:
        depth += {"\u2066": 1, "\u2067": 1, "\u2068": 1, "\u2069": -1}.get(character, 0)
        assert depth >= 0
        assert unicodedata.bidirectional(character) not in {"LRE", "RLE", "LRO", "RLO", "PDF"}
    assert depth == 0
    assert directions.contained(safe) == safe


def test_foreign_words_are_isolated_where_they_run_against_the_page(locale):
    persian = locale == "fa_IR"
    assert words.foreign("Acme (1)") == ("\u2068Acme (1)\u2069" if persian else "Acme (1)")
    assert words.foreign("خانه (1)") == "\u2068خانه (1)\u2069"


def test_cells_with_a_clients_words_keep_their_direction(locale):
    frame = pd.DataFrame({"name": ["Acme (1)", f"<b>{OVERRIDE}"], "n": [1234.0, -5.0]})
    html = table(frame, {"name": Column(label="N"), "n": Column(label="K", kind="number")}, title="T").html
    assert "\u202e" not in html
    assert ("<bdi>Acme (1)</bdi>" in html) == (locale == "fa_IR")
    assert "&lt;b&gt;txt.exe" in html
    assert {"en_GB": "1,234", "vi_VN": "1.234", "fa_IR": "۱٬۲۳۴"}[locale] in html


def test_a_text_of_ours_runs_as_the_page_does_whatever_letter_stands_first(locale):
    told = f"{words.foreign('control')} 15,036 (p {words.number(0.01, digits=2)})"
    html = table(pd.DataFrame({"told": [told]}), {"told": Column(label="T")}, title="T").html
    assert ('<bdi dir="rtl">' in html) == (locale == "fa_IR")


def test_a_month_is_told_as_a_month_or_by_its_days_where_the_calendar_has_no_such_month(locale):
    frame = pd.DataFrame({"month": [pd.Timestamp("2023-01-01")]})
    html = table(frame, {"month": Column(label="M", kind="month")}, title="T").html
    cell = {"en_GB": "Jan 2023", "vi_VN": "1/2023", "fa_IR": "۱۱ دی تا ۱۱ بهمن ۱۴۰۱"}[locale]
    assert f'<th scope="row">{cell}</th>' in html

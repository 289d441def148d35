from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.errors import ParamsError
from helpers.periods import parse_period, resolve_period

FIRST, LAST = date(2010, 12, 1), date(2011, 12, 9)


@pytest.mark.parametrize(
    ("name", "start", "end", "previous", "year_ago"),
    [
        ("2024", "2024-01-01", "2025-01-01", "2023", None),
        ("2024-Q4", "2024-10-01", "2025-01-01", "2024-Q3", "2023-Q4"),
        ("2024-Q1", "2024-01-01", "2024-04-01", "2023-Q4", "2023-Q1"),
        ("2024-12", "2024-12-01", "2025-01-01", "2024-11", "2023-12"),
        ("2024-W45", "2024-11-04", "2024-11-11", "2024-W44", "2023-W45"),
        ("2021-W01", "2021-01-04", "2021-01-11", "2020-W53", "2020-W01"),
        ("2020-W53", "2020-12-28", "2021-01-04", "2020-W52", None),
        ("2024-11-01..2024-11-30", "2024-11-01", "2024-12-01", "2024-10-02..2024-10-31", "2023-11-01..2023-11-30"),
        ("2024-02-29..2024-02-29", "2024-02-29", "2024-03-01", "2024-02-28..2024-02-28", "2023-02-28..2023-02-28"),
    ],
)
def test_a_period_is_half_open_and_knows_its_neighbours(name, start, end, previous, year_ago):
    period = parse_period(name)
    assert (period.start, period.end) == (datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert period.label == name
    assert period.previous().label == previous
    assert (period.year_ago() and period.year_ago().label) == year_ago
    assert period.start in period
    assert period.end not in period


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.sampled_from(["%Y", "%Y-%m", "%G-W%V"]))
def test_periods_touch_without_gap_or_overlap(day, form):
    period = parse_period(day.strftime(form))
    before = period.previous()
    assert before.end == period.start
    assert datetime(day.year, day.month, day.day) in period
    assert parse_period(before.label) == before


@pytest.mark.parametrize(
    "name",
    ["2024-Q5", "2024-13", "2024-W54", "yesterday", "../etc", "2024-02-30..2024-03-01", "2024-03-02..2024-03-01"],
)
def test_an_unknown_period_names_the_forms_there_are(name):
    with pytest.raises(ParamsError, match="2024-Q4") as error:
        parse_period(name)
    assert repr(name) in str(error.value)


def test_latest_is_the_last_period_that_the_data_cover():
    assert resolve_period("latest", first=FIRST, last=LAST, grain="quarter").label == "2011-Q3"
    assert resolve_period("latest", first=FIRST, last=LAST, grain="month").label == "2011-11"
    assert resolve_period("latest", first=FIRST, last=date(2011, 12, 30), grain="quarter").label == "2011-Q4"


def test_latest_is_the_newest_part_where_no_period_is_covered():
    assert resolve_period("latest", first=date(2024, 5, 3), last=date(2024, 5, 9), grain="year").label == "2024"


def test_all_covers_the_first_and_the_last_day():
    period = resolve_period("all", first=FIRST, last=LAST, grain="quarter")
    assert period.end - period.start == timedelta(days=(LAST - FIRST).days + 1)
    assert period.previous() is None


def test_a_period_outside_the_data_says_what_the_data_cover():
    with pytest.raises(ParamsError, match="2010-12-01 to 2011-12-09"):
        resolve_period("2013", first=FIRST, last=LAST, grain="quarter")

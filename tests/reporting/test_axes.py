from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure

from helpers.reporting import words
from helpers.reporting.axes import direct
from helpers.reporting.figures import money_axis, month_axis, percent_axis


@pytest.fixture
def axes():
    canvas = Figure(figsize=(7.6, 3.6))
    return canvas.add_subplot()


@pytest.fixture
def persian():
    words.use_language("fa_IR", "IRR")


def ticks(axis):
    return [tick.get_text() for tick in axis.get_majorticklabels()]


def names_at_the_right(axes):
    shown = axes.yaxis.get_tick_params()
    return shown["labelright"] and not shown["labelleft"]


@pytest.mark.parametrize(
    ("locale", "first", "second"), [("en_GB", "1,000", "0.4"), ("vi_VN", "1.000", "0,4"), ("fa_IR", "۱٬۰۰۰", "۰٫۴")]
)
def test_ticks_are_in_the_locales_digits(axes, locale, first, second):
    words.use_language(locale, "GBP")
    axes.plot([0, 1], [0, 2000])
    direct(axes)
    assert first in ticks(axes.yaxis)
    assert second in ticks(axes.xaxis)


@pytest.mark.usefixtures("persian")
def test_rows_of_bars_are_named_at_the_right_and_begin_there(axes):
    axes.barh([0, 1], [3, 5])
    axes.set_yticks([0, 1], ["وفادار", "در خطر"])
    beside = axes.annotate("۳", (3, 0), xytext=(4, 0), textcoords="offset points", ha="left")
    direct(axes)
    assert names_at_the_right(axes)
    assert axes.xaxis_inverted()
    assert (beside.get_horizontalalignment(), beside.xyann) == ("right", (-4, 0))


@pytest.mark.usefixtures("persian")
def test_columns_are_read_from_the_right(axes):
    axes.bar([0, 1], [3, -5])
    axes.set_xticks([0, 1], ["قبل", "اکنون"])
    percent_axis(axes.yaxis)
    direct(axes)
    assert names_at_the_right(axes)
    assert axes.xaxis_inverted()


@pytest.mark.usefixtures("persian")
def test_effects_on_both_sides_of_zero_stay_on_their_sides(axes):
    axes.plot([-1, 2], [0, 0])
    axes.set_yticks([0], ["نرخ تبدیل"])
    direct(axes)
    assert names_at_the_right(axes)
    assert not axes.xaxis_inverted()


@pytest.mark.usefixtures("persian")
def test_time_and_numbers_run_from_left_to_right(axes):
    days = pd.date_range("2023-01-01", periods=24, freq="MS")
    axes.plot(days, range(24))
    month_axis(axes.xaxis)
    direct(axes)
    assert not axes.xaxis_inverted()
    assert not names_at_the_right(axes)
    assert "دی ۱۴۰۱" in ticks(axes.xaxis)


@pytest.mark.usefixtures("persian")
def test_days_that_were_named_are_still_time(axes):
    days = pd.date_range("2023-01-01", periods=5)
    axes.plot(days, range(5))
    axes.set_xticks(list(days), [words.day(one) for one in days])
    direct(axes)
    assert not axes.xaxis_inverted()


@pytest.mark.usefixtures("persian")
def test_a_grid_is_read_as_a_table_is(axes):
    axes.pcolormesh([[1, 2], [3, 4]])
    axes.set_yticks([0.5, 1.5], ["آبان", "آذر"])
    axes.set_xticks([0.5, 1.5], [words.number(1), words.number(2)])
    direct(axes)
    assert axes.xaxis_inverted()


def test_in_other_languages_nothing_moves(axes):
    axes.barh([0, 1], [3, 5])
    axes.set_yticks([0, 1], ["Loyal", "At Risk"])
    direct(axes)
    assert not axes.xaxis_inverted()
    assert not names_at_the_right(axes)


@pytest.mark.usefixtures("persian")
def test_long_labels_are_thinned_out_until_they_fit(axes):
    axes.plot([0, 9_000_000], [0, 1])
    money_axis(axes.xaxis)
    before = len(ticks(axes.xaxis))
    direct(axes)
    assert len(ticks(axes.xaxis)) < before
    assert all("ریال" in text for text in ticks(axes.xaxis))


@pytest.mark.usefixtures("persian")
def test_words_run_from_right_to_left_whatever_they_begin_with(axes):
    axes.set_yticks([0], ["AUTOC: سود"])
    axes.set_xlabel("p-value: مقدار")
    direct(axes)
    assert ticks(axes.yaxis) == ["\u2067AUTOC: سود\u2069"]
    assert axes.get_xlabel() == "\u2067p-value: مقدار\u2069"

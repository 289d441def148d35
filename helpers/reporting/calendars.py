"""Days, months and years in the reader's calendar: Gregorian, and Jalali (Solar Hijri) in Persian.

A study's months, quarters and years are Gregorian whoever reads of them. In Persian a Gregorian month is named by the two
Jalali months that it lies in, and a longer period by its first and last day: the name of one Jalali month or quarter would be
wrong by a third of it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from babel.dates import format_date, format_skeleton, get_month_names

from helpers.reporting.numerals import native

if TYPE_CHECKING:
    from babel import Locale

DASH = "–"
# CLDR's medium dates spell `thg 11` out, which Vietnamese print and business do not.
DAYS = {"vi": "d/M/y"}
MONTHS = {"vi": "M/y"}
# Any year in which February is as short as most.
COMMON_YEAR = 2023


def is_jalali(locale: Locale) -> bool:
    """Whether the locale's readers use the Jalali calendar."""
    return locale.language == "fa"


def day(value: date, locale: Locale, *, year: bool = True) -> str:
    """A date, such as `5 Nov 2024`, `5/11/2024` or 15 Aban 1403; in Jalali, the year may be left out."""
    if is_jalali(locale):
        place, month, its_year = _jalali(value)
        return native(f"{place} {month} {its_year}" if year else f"{place} {month}", locale)
    return native(format_date(value, format=DAYS.get(locale.language, "medium"), locale=locale), locale)


def same_year(one: date, other: date, locale: Locale) -> bool:
    """Whether two days lie in one year of the reader's calendar."""
    return _jalali(one)[2] == _jalali(other)[2] if is_jalali(locale) else one.year == other.year


def month_name(place: int, locale: Locale) -> str:
    """A Gregorian month, 1 to 12, by its name as it stands alone; in Jalali, the two months that it lies in."""
    if is_jalali(locale):
        return DASH.join(dict.fromkeys(_jalali(end)[1] for end in _ends(date(COMMON_YEAR, place, 1))))
    return str(get_month_names("wide", context="stand-alone", locale=locale)[place])


def month_and_year(value: date, locale: Locale) -> str:
    """The Gregorian month of a day with its year, such as `Nov 2024`; in Jalali, the two months that it lies in."""
    if is_jalali(locale):
        (_first, month, year), (_last, next_month, next_year) = map(_jalali, _ends(value))
        text = (
            f"{month}{DASH}{next_month} {year}"
            if year == next_year
            else f"{month} {year} {DASH} {next_month} {next_year}"
        )
        return native(text, locale)
    if pattern := MONTHS.get(locale.language):
        return format_date(value, format=pattern, locale=locale)
    return native(format_skeleton("yMMM", value, locale=locale), locale)


def month_at(value: date, locale: Locale) -> str:
    """The month that a day lies in, in the reader's own calendar, such as `Nov 2024`: for a moment, not for a whole month."""
    if is_jalali(locale):
        _place, month, year = _jalali(value)
        return native(f"{month} {year}", locale)
    return month_and_year(value, locale)


def _ends(value: date) -> tuple[date, date]:
    """First and last day of the Gregorian month of a day."""
    first = value.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _jalali(value: date) -> tuple[int, str, int]:
    """Day, name of the month and year."""
    from persiantools.jdatetime import MONTH_NAMES_FA, JalaliDate

    found = JalaliDate(date(value.year, value.month, value.day))
    return found.day, str(MONTH_NAMES_FA[found.month]), found.year

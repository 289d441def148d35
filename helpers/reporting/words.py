"""Words, numbers and dates in the reader's language.

The active language is set once, when a study opens, and holds for the process (a kernel serves one study).
English is the source language: `_("...")` gives its argument back where a catalogue has no translation. How a locale writes
numbers, dates and mixed directions is in `numerals`, `calendars` and `directions`.
"""

from __future__ import annotations

import math
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from babel import Locale
from babel.lists import format_list

from helpers.errors import ParamsError
from helpers.periods import parse_period
from helpers.reporting import calendars, numerals
from helpers.reporting.catalogues import CATALOGUES, catalogue
from helpers.reporting.directions import contained, isolate

if TYPE_CHECKING:
    import gettext
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path

    from helpers.periods import Period

# Probabilities nearer to certain than this are not told: no model knows them.
LEAST_CHANCE = 0.001
COMPACT_FROM = 1_000_000
MISSING = "–"
SEMICOLONS = {"fa": "\u061b "}


@dataclass(frozen=True, kw_only=True)
class Language:
    """A locale, a currency and the catalogue that goes with them."""

    locale: Locale
    currency: str
    catalogue: gettext.NullTranslations

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`."""
        return self.locale.text_direction


def _language(locale: str, currency: str, folder: Path) -> Language:
    parsed = Locale.parse(locale)
    return Language(locale=parsed, currency=currency, catalogue=catalogue(parsed, folder))


_active: ContextVar[Language] = ContextVar("language", default=_language("en_GB", "GBP", CATALOGUES))  # noqa: B039 - frozen


def use_language(locale: str, currency: str, *, catalogues: Path = CATALOGUES) -> Language:
    """Make a language the active one of this process and return it.

    Args:
        locale: Such as `en_GB`, `vi_VN` or `fa_IR`.
        currency: ISO 4217 code, such as `GBP`.
        catalogues: Folder of gettext catalogues (`<language>/LC_MESSAGES/valuebook.po`).
    """
    language = _language(locale, currency, catalogues)
    _active.set(language)
    return language


def language() -> Language:
    """The active language."""
    return _active.get()


def _(message: str) -> str:
    """Message in the active language."""
    return _active.get().catalogue.gettext(message) if message else ""


def marked(message: str) -> str:
    """A message that is looked up later, where it is shown: this call only puts it into the catalogue."""
    return message


def plural(singular: str, several: str, count: int, **values: str) -> str:
    """The form that goes with `count`, its `{count}` and other placeholders filled in."""
    return _active.get().catalogue.ngettext(singular, several, count).format(count=number(count), **values)


def listing(items: Iterable[str], *, style: Literal["standard", "or", "unit"] = "standard") -> str:
    """Items as a phrase: `a, b and c`; `a, b or c` in style `or`; and `a, b, c` in style `unit`, as for things with numbers."""
    locale = _active.get().locale
    if style == "unit":
        # CLDR's own unit patterns want parts in some languages; between the first two of three stands the comma alone.
        comma = locale.list_patterns["standard"]["start"].format("", "")
        return contained(comma.join(items))
    return contained(format_list(list(items), style=style, locale=locale))


def clauses(items: Iterable[str]) -> str:
    """Clauses of one sentence, parted by the language's own semicolon."""
    return contained(SEMICOLONS.get(_active.get().locale.language, "; ").join(items))


def foreign(text: object) -> str:
    """What a client wrote, a code or an identifier, as a part of a sentence: it keeps its own direction and turns nothing."""
    return isolate(str(text), within=_active.get().direction)


def number(value: float | None, *, digits: int = 0) -> str:
    """A number in the locale's digits and separators; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return numerals.decimal(value, digits=digits, locale=_active.get().locale)


def money(value: float | None, *, digits: int | None = None, compact: bool = False, signed: bool = False) -> str:
    """An amount in the client's currency, with no more decimals than that has.

    Args:
        value: The amount.
        digits: Decimals; the currency's own below 100, none from there, unless given.
        compact: Allow `£1.23M` from a million on.
        signed: Put a plus before a gain.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    active, compact = _active.get(), compact and abs(value) >= COMPACT_FROM
    return numerals.amount(
        value, currency=active.currency, locale=active.locale, digits=digits, compact=compact, signed=signed
    )


def percent(value: float | None, *, digits: int = 1, signed: bool = False) -> str:
    """A share (0 to 1) as a percentage."""
    if value is None or not math.isfinite(value):
        return MISSING
    return numerals.percentage(value, digits=digits, locale=_active.get().locale, signed=signed)


def chance(value: float | None) -> str:
    """A probability, which is never printed as certain."""
    if value is None or LEAST_CHANCE <= value <= 1 - LEAST_CHANCE:
        return percent(value)
    if value < LEAST_CHANCE:
        return _("under {share}").format(share=percent(LEAST_CHANCE))
    return _("over {share}").format(share=percent(1 - LEAST_CHANCE))


def level_text(value: float) -> str:
    """The level of an interval: 95%, but 97.5% where several metrics share it."""
    whole = abs(100 * value - round(100 * value)) < 1e-9  # noqa: PLR2004 - rounding
    return percent(value, digits=0 if whole else 1)


def day(value: date) -> str:
    """A date, such as `5 Nov 2024`."""
    return calendars.day(value, _active.get().locale)


def month_name(place: int) -> str:
    """A calendar month, 1 to 12, as it stands alone."""
    return calendars.month_name(place, _active.get().locale)


def month_and_year(value: date) -> str:
    """A whole month of a year, such as `Nov 2024`."""
    return calendars.month_and_year(value, _active.get().locale)


def month_at(value: date) -> str:
    """The month that a moment lies in, such as `Nov 2024`."""
    return calendars.month_at(value, _active.get().locale)


def period_name(label: str) -> str:
    """A period as a reader reads it, such as `Q4 2024` for `2024-Q4`; files and addresses keep the label.

    In Persian it is told by its first and last day, since Gregorian quarters and months are none of the Jalali calendar. What is
    no label comes back as it is.
    """
    if label == "all":
        return _("the whole log")
    try:
        period = parse_period(label)
    except ParamsError:
        return label
    if period.grain is None or calendars.is_jalali(_active.get().locale):
        return _span(period)
    if period.grain == "month":
        return month_and_year(period.start)
    iso, quarter = period.start.isocalendar(), (period.start.month + 2) // 3
    names = {
        "year": "{year}",
        "quarter": _("Q{quarter} {year}"),
        "week": _("week {week} of {week_year}"),
    }
    return names[period.grain].format(year=period.start.year, quarter=quarter, week=iso.week, week_year=iso.year)


def _span(period: Period) -> str:
    """First and last day; the year once, where the calendar's own writing leaves it to the end."""
    locale, last = _active.get().locale, period.end - timedelta(days=1)
    once = calendars.is_jalali(locale) and calendars.same_year(period.start, last, locale)
    return _("{start} to {end}").format(start=calendars.day(period.start, locale, year=not once), end=day(last))


def quantity(value: float | None, unit: str) -> str:
    """A value in the unit of a `Number`: money, share, days, orders, ..."""
    if unit == "share":
        return percent(value)
    if unit == "chance":
        return chance(value)
    if unit in {"orders", "customers", "lines"}:
        whole = value is not None and float(value).is_integer()
        return number(value, digits=0 if whole else 2)
    if unit == "days":
        return number(value)
    if unit == "ratio":
        return number(value, digits=2)
    return money(value, compact=True)


def interval(low: float | None, high: float | None, unit: str) -> str:
    """Both ends of an interval in the unit of a `Number`."""
    ends = quantity(low, unit), quantity(high, unit)
    if MISSING in ends:
        return MISSING
    return _("{low} to {high}").format(low=ends[0], high=ends[1])

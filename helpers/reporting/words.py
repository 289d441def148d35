"""Words, numbers and dates in the reader's language.

The active language is set once, when a study opens, and holds for the process (a kernel serves one study).
English is the source language: `_("...")` gives its argument back where a catalogue has no translation.
"""

from __future__ import annotations

import gettext
import math
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from babel import Locale
from babel.dates import format_date, format_skeleton, get_month_names
from babel.lists import format_list
from babel.numbers import format_compact_currency, format_currency, format_decimal, format_percent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

CATALOGUES = Path(__file__).parent / "locale"
COMPACT_FROM = 1_000_000
MISSING = "–"


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
    names = [str(parsed), parsed.language]
    catalogue = gettext.translation("valuebook", folder, languages=names, fallback=True)
    return Language(locale=parsed, currency=currency, catalogue=catalogue)


_active: ContextVar[Language] = ContextVar("language", default=_language("en_GB", "GBP", CATALOGUES))  # noqa: B039 - frozen


def use_language(locale: str, currency: str, *, catalogues: Path = CATALOGUES) -> Language:
    """Make a language the active one of this process and return it.

    Args:
        locale: Such as `en_GB`, `vi_VN` or `fa_IR`.
        currency: ISO 4217 code, such as `GBP`.
        catalogues: Folder of gettext catalogues (`<language>/LC_MESSAGES/valuebook.mo`).
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


def listing(items: Iterable[str], *, either: bool = False) -> str:
    """Items as a phrase: `a, b and c`, or `a, b or c` where either will do."""
    return format_list(list(items), style="or" if either else "standard", locale=_active.get().locale)


def number(value: float | None, *, digits: int = 0) -> str:
    """A number with the locale's separators; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return MISSING
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return format_decimal(value, format=pattern, locale=_active.get().locale)


def money(value: float | None, *, digits: int | None = None, compact: bool = False, signed: bool = False) -> str:
    """An amount in the client's currency.

    Args:
        value: The amount.
        digits: Decimals; two below 100, none from there, unless given.
        compact: Allow `£1.23M` from a million on.
        signed: Put a plus before a gain.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if signed and value > 0:
        return f"+{money(value, digits=digits, compact=compact)}"
    active = _active.get()
    if compact and abs(value) >= COMPACT_FROM:
        return format_compact_currency(value, active.currency, locale=active.locale, fraction_digits=2)
    digits = (2 if abs(value) < 100 else 0) if digits is None else digits  # noqa: PLR2004 - cents matter below 100
    pattern = active.locale.currency_formats["standard"].pattern.split(";")[0]
    pattern = pattern.replace("0.00", "0" + ("." + "0" * digits if digits else ""))
    return format_currency(value, active.currency, format=pattern, locale=active.locale, currency_digits=False)


def percent(value: float | None, *, digits: int = 1, signed: bool = False) -> str:
    """A share (0 to 1) as a percentage."""
    if value is None or not math.isfinite(value):
        return MISSING
    pattern = "#,##0" + ("." + "0" * digits if digits else "") + "%"
    text = format_percent(value, format=pattern, locale=_active.get().locale)
    return f"+{text}" if signed and value > 0 else text


def day(value: date) -> str:
    """A date, such as `5 Nov 2024`."""
    return format_date(value, format="medium", locale=_active.get().locale)


def month_name(place: int) -> str:
    """Name of a calendar month, 1 to 12, as it stands alone."""
    return str(get_month_names("wide", context="stand-alone", locale=_active.get().locale)[place])


def month_and_year(value: date) -> str:
    """A month of a year, such as `Nov 2024`."""
    return format_skeleton("yMMM", value, locale=_active.get().locale)


def quantity(value: float | None, unit: str) -> str:
    """A value in the unit of a `Number`: money, share, days, orders, ..."""
    if unit == "share":
        return percent(value)
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

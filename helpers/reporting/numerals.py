"""Numbers, percentages and amounts as a locale writes them, in its own digits.

Babel knows the separators, patterns and symbols, but not the digits: those are put in here. Where text runs from right to
left, a number with a sign is isolated, since the sign would else change sides, and a currency's name follows the number, as
Persian is written (CLDR's pattern has it first).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from babel.numbers import (
    format_compact_currency,
    format_currency,
    format_decimal,
    format_percent,
    get_currency_precision,
    get_minus_sign_symbol,
)

from helpers.reporting.directions import left_to_right, plain

if TYPE_CHECKING:
    from babel import Locale

WESTERN = "0123456789%"
NATIVE = {"arabext": "۰۱۲۳۴۵۶۷۸۹٪", "arab": "٠١٢٣٤٥٦٧٨٩٪"}
NO_BREAK_SPACE = "\u00a0"
# Cents matter below it.
WHOLE_FROM = 100
COMPACT_DIGITS = 2
# CLDR shortens these to letters, which reports in Vietnamese do not.
SPELLED = {"vi": {"N": "nghìn", "Tr": "triệu", "T": "tỷ", "NT": "nghìn tỷ"}}
# The locale's own separators and signs, not those it uses with Western digits.
OWN = "default"


def native(text: str, locale: Locale) -> str:
    """Text with its digits and per cent signs as the locale writes them."""
    own = NATIVE.get(str(locale.default_numbering_system))
    return text.translate(str.maketrans(WESTERN, own)) if own else text


def decimal(value: float, *, digits: int, locale: Locale) -> str:
    """A number with so many decimals."""
    size, sign = _parts(value, digits, locale)
    return _signed(format_decimal(size, format=_pattern(digits), locale=locale, numbering_system=OWN), sign, locale)


def percentage(value: float, *, digits: int, locale: Locale, signed: bool = False) -> str:
    """A share (0 to 1) as a percentage."""
    size, sign = _parts(value, digits + 2, locale, signed=signed)
    pattern = _pattern(digits) + "%"
    text = format_percent(size, format=pattern, locale=locale, numbering_system=OWN)
    return _signed(text, sign, locale, isolated=True)


def amount(
    value: float,
    *,
    currency: str,
    locale: Locale,
    digits: int | None = None,
    compact: bool = False,
    signed: bool = False,
) -> str:
    """An amount in a currency, with no more decimals than the currency has.

    Args:
        value: The amount.
        currency: ISO 4217 code.
        locale: The reader's.
        digits: Decimals; the currency's own below 100 and none from there, unless given.
        compact: Whether to shorten it, such as `£1.23M`.
        signed: Whether a gain has a plus.
    """
    if compact:
        size, sign = _parts(value, 0, locale, signed=signed)
        text = format_compact_currency(
            size, currency, locale=locale, fraction_digits=COMPACT_DIGITS, numbering_system=OWN
        )
        spelled = SPELLED.get(locale.language, {})
        text = NO_BREAK_SPACE.join(spelled.get(part, part) for part in text.split(NO_BREAK_SPACE))
        return _signed(text, sign, locale)
    own = get_currency_precision(currency)
    digits = min(own, digits) if digits is not None else own if abs(value) < WHOLE_FROM else 0
    size, sign = _parts(value, digits, locale, signed=signed)
    pattern = _pattern(digits) + NO_BREAK_SPACE + "¤"
    if locale.text_direction == "ltr":
        pattern = locale.currency_formats["standard"].pattern.split(";")[0].replace("#,##0.00", _pattern(digits))
    text = format_currency(size, currency, format=pattern, locale=locale, currency_digits=False, numbering_system=OWN)
    return _signed(text, sign, locale)


def _pattern(digits: int) -> str:
    return "#,##0" + ("." + "0" * digits if digits else "")


def _parts(value: float, digits: int, locale: Locale, *, signed: bool = False) -> tuple[Decimal, str]:
    """Size and sign; what is printed as zero has none."""
    exact = Decimal(str(value))
    if abs(exact) <= Decimal("0.5").scaleb(-digits):
        return Decimal(0), ""
    minus = plain(get_minus_sign_symbol(locale, numbering_system=OWN))
    return abs(exact), minus if exact < 0 else "+" if signed else ""


def _signed(text: str, sign: str, locale: Locale, *, isolated: bool = False) -> str:
    if locale.text_direction == "ltr":
        return sign + text
    head, space, rest = native(plain(text), locale).partition(NO_BREAK_SPACE)
    # Only the number and its word belong on one line: `میلیارد ریال` is longer than a card is wide.
    return (left_to_right(sign + head) if sign or isolated else head) + space + rest.replace(NO_BREAK_SPACE, " ")

"""Cards: the numbers that open a report or a cover, each with its interval, its change and its n, as they are printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.reporting.words import _, interval, level_text, number, percent, period_name, quantity

if TYPE_CHECKING:
    from helpers.reporting.findings import Findings, Number

USABLE = frozenset({"ok", "warn"})


@dataclass(frozen=True, kw_only=True)
class Card:
    """One number.

    Attributes:
        name: What it is called.
        value: The number.
        lines: Its interval, its change, its value in the period before, and its n, as far as they are known.
    """

    name: str
    value: str
    lines: tuple[str, ...]


def cards(findings: Findings, *, before: Findings | None = None) -> list[Card]:
    """The cards that a topic opens with.

    Args:
        findings: What it found.
        before: What it found in the period before.
    """
    return [_card(key, findings, before) for key in findings.cards]


def trend(findings: Findings, before: Findings | None) -> Card | None:
    """The first of a topic's cards that can be held against the period before, where there is one that may be used."""
    for key in findings.cards if findings.status in USABLE else ():
        if lines := [line for line in (*_changes(key, findings), _then(key, findings, before)) if line]:
            found = findings.numbers[key]
            return Card(
                name=findings.definitions[found.definition].name,
                value=quantity(found.value, found.unit),
                lines=tuple(lines),
            )
    return None


def _card(key: str, findings: Findings, before: Findings | None) -> Card:
    found = findings.numbers[key]
    lines = (
        _interval(found),
        *_changes(key, findings),
        _then(key, findings, before),
        _("n = {n}").format(n=number(found.n)),
    )
    return Card(
        name=findings.definitions[found.definition].name,
        value=quantity(found.value, found.unit),
        lines=tuple(line for line in lines if line),
    )


def _interval(found: Number) -> str:
    if found.low is None or found.high is None or found.level is None:
        return ""
    ends = interval(found.low, found.high, found.unit)
    return _("{ends} ({level} interval)").format(ends=ends, level=level_text(found.level))


def _changes(key: str, findings: Findings) -> list[str]:
    """Changes on a year ago, which the season is not in, and on the period before; said where chance may be behind one."""
    texts = {
        "change_year": (_("{change} on a year ago"), _("{change} on a year ago, not significant")),
        "change_last": (_("{change} on the period before"), _("{change} on the period before, not significant")),
    }
    told = []
    for name, (sure, unsure) in texts.items():
        change = findings.numbers.get(f"{key}.{name}")
        if change is None or change.value is None:
            continue
        unclear = change.low is not None and change.high is not None and change.low <= 0 <= change.high
        told.append((unsure if unclear else sure).format(change=percent(change.value, signed=True)))
    return told


def _then(key: str, findings: Findings, before: Findings | None) -> str:
    """The number's value in the period before; nothing where it meant something else then, or must not be used."""
    then = before.numbers.get(key) if before and before.status in USABLE else None
    now = findings.numbers[key]
    if (
        before is None
        or then is None
        or then.value is None
        or (then.unit, then.definition) != (now.unit, now.definition)
    ):
        return ""
    return _("{value} in {period}").format(value=quantity(then.value, then.unit), period=period_name(before.period))

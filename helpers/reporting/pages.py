"""Cover pages: one over a study's topics, one over all studies, and the page of a report that could not be made."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from helpers.params import ROOT
from helpers.periods import parse_period
from helpers.reporting import tokens
from helpers.reporting.cards import cards, trend
from helpers.reporting.html import TEMPLATE, Brand, check_words, evidence_words, logo, page, status_word
from helpers.reporting.tables import clean, shorten
from helpers.reporting.words import _, language, period_name, use_language

SUMMARY = "summary"
# Whose headline and numbers speak for a study.
FIRST = (SUMMARY, "pulse")
WORST = ("skipped", "ok", "warn", "blocked", "failed")
LONGEST = 300
CURRENCY = re.compile(r"[A-Z]{3}$")

if TYPE_CHECKING:
    from collections.abc import Sequence

    from helpers.reporting.findings import Findings


def period_before(period: str) -> str | None:
    """Label of the period just before one, as long as it; `None` before `all`."""
    if period == "all":
        return None
    before = parse_period(period).previous()
    return before.label if before else None


def study_page(*, brand: Brand, period: str, findings: Sequence[Findings], before: Sequence[Findings] = ()) -> str:
    """`reports/<client>/<period>/index.html`: the summary first, then each topic with its state, headline and cards.

    Args:
        brand: The client's look.
        period: Label of the study's period.
        findings: What its topics found.
        before: What they found in the period before.
    """
    tokens.use_accent(brand.colour)
    earlier = {found.topic: found for found in before}
    last = {"skipped", "failed"}
    shown = sorted(findings, key=lambda found: (found.status in last, found.topic))
    topics = [_told(found, earlier.get(found.topic)) for found in shown]
    return page(
        "study.html.j2",
        title=f"{brand.name} – {period_name(period)}",
        client=clean(brand.name),
        logo=logo(brand),
        period=period_name(period),
        summary=next((topic for topic in topics if topic["topic"] == SUMMARY), None),
        topics=[topic for topic in topics if topic["topic"] != SUMMARY],
        evidence_words=evidence_words(),
        check_words=check_words(),
    )


def _told(found: Findings, before: Findings | None) -> dict[str, Any]:
    # Who opens the cover alone must not take away a number that its report forbids to use.
    usable = not found.held_back
    return {
        "topic": found.topic,
        "name": topic_name(found.topic),
        "link": None if found.status == "skipped" else f"{found.topic}.html",
        "status": found.status,
        "word": status_word(found),
        "reason": clean(found.reason or "") if found.status in {"blocked", "skipped", "failed"} else "",
        "headline": clean(found.headline) if usable else "",
        "cards": cards(found, before=before) if usable else [],
        # Why a topic is to be read with care.
        "notes": [clean(check.message) for check in found.checks if check.status == "warn"] if usable else [],
        # What was tested speaks first and loud; what nobody has tested is an idea.
        "decisions": [one for one in found.decisions if one.evidence != "assumption"],
        "ideas": [one for one in found.decisions if one.evidence == "assumption"],
    }


def portal_page(studies: Sequence[Sequence[Findings]]) -> str:
    """`reports/index.html`: one row a client and period, the newest period first; its search needs no server."""
    tokens.use_accent(tokens.KIT_COLOUR)
    by_name = {(found[0].client, found[0].period): found for found in studies if found}
    newest_first = sorted(by_name, key=lambda name: name[1], reverse=True)
    rows = [
        _row(by_name[name], by_name.get((name[0], period_before(name[1]) or ""), ()))
        for name in sorted(newest_first, key=lambda name: name[0])
    ]
    script = (TEMPLATE / "portal.js").read_text(encoding="utf-8").strip()
    return page("portal.html.j2", title="Valuebook", script=script if rows else "", studies=rows)


def _row(findings: Sequence[Findings], before: Sequence[Findings]) -> dict[str, Any]:
    """A study as a row: the state of its worst topic, the headline and the trend of the first that has one."""
    currencies = {number.unit for found in findings for number in found.numbers.values() if CURRENCY.match(number.unit)}
    if len(currencies) == 1:
        use_language(str(language().locale), currencies.pop())
    first = sorted(findings, key=lambda found: FIRST.index(found.topic) if found.topic in FIRST else len(FIRST))
    # What may be used in part is better than what may not be used at all.
    worst = max(findings, key=lambda found: (WORST.index(found.status), not found.decisions))
    # A study of which one topic is held back still decides what the others found.
    in_part = worst.status == "blocked" and any(found.decisions for found in findings if found.status in {"ok", "warn"})
    earlier = {found.topic: found for found in before}
    usable = [found for found in first if not found.held_back]
    headline = next((found.headline for found in usable if found.headline), "")
    folder = f"{worst.client}/{worst.period}"
    names = (found.provenance.get("client_name") for found in first)
    return {
        "client": clean(next(filter(None, names), worst.client)),
        "id": worst.client,
        "period": period_name(worst.period),
        "cover": f"{folder}/index.html",
        "status": worst.status,
        "word": _("Use in part") if in_part else status_word(worst),
        "text": shorten(headline or next((found.reason for found in first if found.reason), ""), LONGEST),
        "trend": next((told for found in usable if (told := trend(found, earlier.get(found.topic)))), None),
        "topics": [
            {
                "name": topic_name(found.topic),
                "link": None if found.status == "skipped" else f"{folder}/{found.topic}.html",
                "word": status_word(found),
                "reason": shorten(found.reason or "") if found.status in {"skipped", "failed"} else "",
            }
            for found in first
        ],
    }


def failure_page(*, client: str, period: str, topic: str, reason: str, trace: str) -> str:
    """The page that stands where a report failed: why, in words, and the details folded away."""
    return page(
        "failure.html.j2",
        title=f"{topic_name(topic)} – {client}",
        client=clean(client),
        period=period_name(period),
        topic=topic_name(topic),
        reason=reason,
        trace=trace,
    )


def topic_name(topic: str) -> str:
    """A topic's name for a reader: the heading of its notebook, in the reader's language."""
    found = re.match(r"# (.+)", _(_first_words(topic)))
    return found[1].strip() if found else topic.replace("_", " ").capitalize()


@cache
def _first_words(topic: str) -> str:
    """The notebook's first markdown cell, which is a message as a whole."""
    path = ROOT / "notebooks" / f"{topic}.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"] if path.is_file() else []
    return next(("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"), topic)

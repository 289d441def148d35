"""Cover pages: one over a study's topics, one over all studies, and the page of a report that could not be made."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from helpers.params import ROOT
from helpers.reporting import tokens
from helpers.reporting.html import Brand, cards, logo, page, status_word
from helpers.reporting.words import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from helpers.reporting.findings import Findings


def study_page(*, brand: Brand, period: str, findings: Sequence[Findings]) -> str:
    """`reports/<client>/<period>/index.html`: each topic with its state, headline and cards."""
    tokens.use_accent(brand.colour)
    topics = [
        {
            "name": topic_name(found.topic),
            "link": None if found.status == "skipped" else f"{found.topic}.html",
            "status": found.status,
            "word": status_word(found),
            "reason": found.reason if found.status in {"blocked", "skipped", "failed"} else None,
            "headline": found.headline,
            "cards": cards(found),
        }
        for found in sorted(findings, key=lambda found: (found.topic != "summary", found.topic))
    ]
    return page(
        "study.html.j2",
        title=f"{brand.name}, {period}",
        client=brand.name,
        logo=logo(brand),
        period=period,
        topics=topics,
    )


def portal_page(studies: Sequence[Sequence[Findings]]) -> str:
    """`reports/index.html`: every client and period with state and headline."""
    tokens.use_accent(tokens.KIT_COLOUR)
    rows: list[dict[str, Any]] = []
    for findings in studies:
        for place, found in enumerate(findings):
            folder = f"{found.client}/{found.period}"
            rows.append(
                {
                    "first": place == 0,
                    "client": found.client,
                    "period": found.period,
                    "cover": f"{folder}/index.html",
                    "topic": topic_name(found.topic),
                    "link": None if found.status == "skipped" else f"{folder}/{found.topic}.html",
                    "status": found.status,
                    "word": status_word(found),
                    "text": found.headline or found.reason or "",
                }
            )
    return page("portal.html.j2", title="Valuebook", rows=rows)


def failure_page(*, client: str, period: str, topic: str, reason: str, trace: str) -> str:
    """The page that stands where a report failed: why, in words, and the details folded away."""
    return page(
        "failure.html.j2",
        title=f"{topic_name(topic)} – {client}",
        client=client,
        period=period,
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

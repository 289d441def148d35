"""What a cell of a notebook shows: the report's own HTML, with the style that makes it look so within JupyterLab.

The style is scoped to the output, follows the application's theme, and travels with each output, for a notebook may show any
of them alone. A report has its own style and takes the bare HTML.
"""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from helpers.reporting.words import language

CSS = Path(__file__).parent / "template" / "inline.css"
END = "</div><!--valuebook-->"
WRAPPED = re.compile(
    r'<div class="valuebook" dir="(?:ltr|rtl)" lang="[\w-]*"><style>.*?</style>(.*?)</div><!--valuebook-->', re.DOTALL
)
WIDEST = 60


def inline(html: str) -> str:
    """HTML for the output of a cell; nothing stays nothing.

    Args:
        html: What a report would show, made and escaped by the helpers of this package.
    """
    if not html:
        return ""
    active = language()
    lang = str(active.locale).replace("_", "-")
    return f'<div class="valuebook" dir="{active.direction}" lang="{lang}"><style>{_css()}</style>{html}{END}'


def bare(html: str) -> str:
    """The HTML without the style of cells, for a report."""
    return WRAPPED.sub(r"\1", html)


def plain_table(html: str) -> str:
    """The rows of a table as lines of text, their cells under one another."""
    reader = _Cells()
    reader.feed(html)
    if not reader.rows:
        return ""
    columns = max(len(row) for row in reader.rows)
    cells = [[*(text for text, _number in row), *[""] * (columns - len(row))] for row in reader.rows]
    numbers = [
        any(number for row in reader.rows for _text, number in row[place : place + 1]) for place in range(columns)
    ]
    widths = [min(max(len(row[place]) for row in cells), WIDEST) for place in range(columns)]
    lines = (
        "  ".join(
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(row, widths, numbers, strict=True)
        ).rstrip()
        for row in cells
    )
    return "\n".join(lines)


class _Cells(HTMLParser):
    """Reads the text of each cell of a table, and whether it is a number."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, bool]]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in {"th", "td"}:
            self.rows[-1].append(("", ("class", "num") in attrs))
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"th", "td"}:
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            text, number = self.rows[-1][-1]
            self.rows[-1][-1] = (f"{text}{data}", number)


@cache
def _css() -> str:
    return CSS.read_text(encoding="utf-8").replace("\n", "")

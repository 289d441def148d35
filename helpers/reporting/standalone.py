"""A chart as a file of its own, for a slide or a letter: with its title, its subtitle and its foot, on light paper."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from helpers.reporting.export import replacing
from helpers.reporting.tables import shorten
from helpers.reporting.words import language

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FONT = "DejaVu Sans"
MARGIN, GAP = 0.16, 0.1  # inches
LEADING = 1.32
WIDTHS = (200, 10_000)
POINTS = 72  # an inch
NO_GLYPH = "□"
NOT_NEEDED = re.compile(r"<!--.*?-->|<!DOCTYPE[^>]*>", flags=re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Words:
    """The texts around a chart.

    Attributes:
        title: The finding.
        subtitle: What is drawn.
        foot: n, source, level of the intervals.
        alt: What a reader who cannot see the chart should know.
    """

    title: str
    subtitle: str
    foot: str
    alt: str


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Lines of one text in one type."""

    lines: tuple[str, ...]
    size: float
    weight: str
    colour: str

    @property
    def height(self) -> float:
        """Inches."""
        return len(self.lines) * self.size * LEADING / POINTS


def save(
    path: Path,
    *,
    words: Words,
    paint: Callable[[Any], None],
    style: Any,
    ink: tuple[str, str],
    inches: tuple[float, float],
    width: int,
) -> Path:
    """Write a chart with its words as PNG or SVG, by the path's suffix. The file appears whole or not at all.

    Text in an SVG is drawn as shapes, so that it looks the same everywhere and runs nothing; title and alt text are in it
    for those who cannot see it.

    Args:
        path: The file.
        words: The texts around it.
        paint: Puts the chart on a matplotlib figure.
        style: Parameters of matplotlib.
        ink: Colours of the title and of the other texts.
        inches: Width and height of the chart alone.
        width: Of the whole, in pixels.

    Returns:
        The path.

    Raises:
        ValueError: The suffix is another, or the width is not within 200 to 10,000.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    kind = path.suffix.lower()
    if kind not in {".png", ".svg"}:
        raise ValueError(f"path == {str(path)!r}, must end with .png or .svg")
    if not WIDTHS[0] <= width <= WIDTHS[1]:
        raise ValueError(f"width == {width}, must be {WIDTHS[0]} to {WIDTHS[1]} pixels")
    across, chart = inches
    room = across - 2 * MARGIN
    head = [_block(words.title, 13, "bold", ink[0], room), _block(words.subtitle, 9.5, "normal", ink[1], room)]
    foot = _block(words.foot, 8, "normal", ink[1], room)
    above = MARGIN + sum(block.height for block in head) + GAP
    below = MARGIN + foot.height + GAP
    tall = above + chart + below
    own = {"svg.fonttype": "path", "svg.hashsalt": "valuebook"}
    with mpl.rc_context(style | own):
        canvas = Canvas(figsize=(across, tall), layout="constrained")
        engine: Any = canvas.get_layout_engine()
        aside = MARGIN / 2 / across
        engine.set(rect=(aside, below / tall, 1 - 2 * aside, chart / tall))
        _put(canvas, head, top=tall - MARGIN, inches=(across, tall))
        _put(canvas, [foot], top=MARGIN + foot.height, inches=(across, tall))
        paint(canvas)
        with replacing(path) as scratch:
            if kind == ".png":
                canvas.savefig(scratch, dpi=width / across, metadata={"Title": words.title, "Software": None})
            else:
                empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
                canvas.savefig(scratch, format="svg", metadata=empty)
                drawn = scratch.read_text(encoding="utf-8")
                scratch.write_text(_finished(drawn, words, width, round(width * tall / across)), encoding="utf-8")
    return path


def _block(text: str, size: float, weight: str, colour: str, room: float) -> _Block:
    from matplotlib.font_manager import FontProperties, findfont, get_font
    from matplotlib.textpath import TextToPath

    font = FontProperties(family=FONT, size=size, weight=weight)
    known = get_font(findfont(font)).get_charmap()
    plain = "".join(
        letter if ord(letter) in known or letter.isspace() or unicodedata.category(letter) == "Cf" else NO_GLYPH
        for letter in shorten(" ".join(text.split()), 400)
    )
    measure = TextToPath()

    def fits(line: str) -> bool:
        return bool(measure.get_text_width_height_descent(line, font, ismath=False)[0] / POINTS <= room)

    return _Block(lines=tuple(_wrapped(plain, fits)), size=size, weight=weight, colour=colour)


def _wrapped(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Lines that fit; a word that does not is broken."""
    lines = [""]
    for word in text.split():
        rest = word
        if fits(longer := f"{lines[-1]} {rest}".strip()):
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        while not fits(rest):
            most = next(place for place in range(len(rest), 0, -1) if place == 1 or fits(rest[:place]))
            lines[-1], rest = rest[:most], rest[most:]
            lines.append("")
        lines[-1] = rest
    return lines


def _put(canvas: Any, blocks: list[_Block], *, top: float, inches: tuple[float, float]) -> None:
    across, tall = inches
    rtl = language().direction == "rtl"
    for block in blocks:
        step = block.size * LEADING / POINTS
        for line in block.lines:
            canvas.text(
                1 - MARGIN / across if rtl else MARGIN / across,
                (top - step / 2) / tall,
                line,
                ha="right" if rtl else "left",
                va="center",
                fontsize=block.size,
                fontweight=block.weight,
                color=block.colour,
            )
            top -= step


def _finished(drawn: str, words: Words, width: int, height: int) -> str:
    """An SVG that names what it shows, has its size in pixels, and refers to nothing outside itself."""
    bare = NOT_NEEDED.sub("", drawn)
    start = bare.index("<svg")
    end = bare.index(">", start) + 1
    root = re.sub(r' (width|height)="[^"]*"', "", bare[start:end])[:-1]
    title, alt = (escape(shorten(text, 1000)) for text in (words.title, words.alt))
    named = f'<title id="title">{title}</title><desc id="desc">{alt}</desc>'
    root += f' width="{width}" height="{height}" role="img" aria-labelledby="title desc">'
    return bare[:start] + root + named + bare[end:]

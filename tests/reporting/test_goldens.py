"""One figure of each kind beside its picture of record, in each language: `python -m tests.reporting.test_goldens` renews them.

Words are literal samples, so that a better translation moves no picture; numbers and dates are by locale.
"""

from __future__ import annotations

import io
import sys
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers.reporting.figures import figure, label, label_end, money_axis, month_axis, number_axis, percent_axis
from helpers.reporting.tables import Column, table
from helpers.reporting.words import money, number, use_language
from tests.reporting.conftest import LOCALES

FOLDER = Path(__file__).parent / "goldens"
SIZE = (547, 260)
# A pixel that differs by so much (of 255) is another pixel; so many of them are another picture.
APART, SHARE = 48, 0.002
WORDS = {
    "en": {
        "model": "model", "actual": "actual", "days": "Days since the first order", "margin": "margin",
        "names": ["Champions", "At risk, 90 days", "Lost"], "parts": ["Before", "Mix", "Frequency", "Now"],
    },
    "vi": {
        "model": "mô hình", "actual": "thực tế", "days": "Số ngày từ đơn hàng đầu tiên", "margin": "biên cho phép",
        "names": ["Khách hàng tốt nhất", "Có nguy cơ, 90 ngày", "Đã mất"], "parts": ["Trước", "Cơ cấu", "Tần suất", "Nay"],
    },
    "fa": {
        "model": "مدل", "actual": "واقعی", "days": "روزهای پس از نخستین سفارش", "margin": "حد مجاز",
        "names": ["بهترین مشتریان", "در خطر، 90 روز (RFM)", "ازدست‌رفته"], "parts": ["قبل", "ترکیب", "تکرار", "اکنون"],
    },
}  # fmt: skip


def lines(axes, theme, words):
    x = np.arange(0, 361, 30)
    y = 1200 * (1 - np.exp(-x / 200))
    axes.fill_between(x, 0.9 * y, 1.1 * y, color=theme.accent, alpha=0.18, linewidth=0)
    axes.plot(x, y, color=theme.accent)
    axes.plot(x, 0.97 * y, color=theme.ink)
    label_end(axes, x[-1], y[-1], words["model"], theme.accent)
    label_end(axes, x[-1], 0.97 * y[-1], words["actual"], theme.ink)
    axes.set(xlabel=words["days"], xlim=(0, 360), ylim=(0, None))
    number_axis(axes.yaxis)


def months(axes, theme, words):
    days = [date(2024, 1, 1) + timedelta(days=30 * place) for place in range(13)]
    for place, hue in enumerate(theme.hues[:3]):
        y = np.cos(np.arange(13) / 3 + place) * 30_000 + 50_000
        axes.plot(days, y, color=hue)
        label_end(axes, days[-1], y[-1], f"{words['names'][place]}", hue)
    month_axis(axes.xaxis)
    money_axis(axes.yaxis)


def bars(axes, theme, words):
    places, shares = np.arange(3)[::-1], np.array([0.47, 0.28, 0.06])
    axes.barh(places, shares, color=[theme.accent, theme.context, theme.context], height=0.6)
    axes.hlines(places, shares - 0.04, shares + 0.04, color=theme.ink, linewidth=1)
    axes.set_yticks(places, [label(name) for name in words["names"]])
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    percent_axis(axes.xaxis)


def dots(axes, theme, words):
    for place, (low, value, high) in enumerate([(-0.03, 0.02, 0.08), (0.2, 0.31, 0.43), (0.14, 0.24, 0.34)]):
        axes.plot([low, high], [place, place], color=theme.accent, linewidth=3)
        axes.plot([value], [place], "o", color=theme.accent, markersize=7)
    axes.plot([-0.05, -0.05], [-0.3, 0.3], color=theme.warn)
    axes.annotate(words["margin"], (-0.05, 0.35), ha="center", va="bottom", color=theme.warn, fontsize=8)
    axes.axvline(0, color=theme.muted, linewidth=1)
    axes.set_yticks(range(3), words["names"])
    axes.grid(axis="y", visible=False)
    percent_axis(axes.xaxis)


def waterfall(axes, theme, words):
    values, starts = [134, -1.6, 20.5, 153], [0, 134, 132.4, 0]
    axes.bar(range(4), values, bottom=starts, color=[theme.muted, theme.context, theme.accent, theme.muted], width=0.6)
    for place, value in enumerate(values):
        top = max(starts[place], starts[place] + value)
        axes.annotate(money(value), (place, top), xytext=(0, 4), textcoords="offset points", ha="center")
    axes.set_xticks(range(4), words["parts"])
    axes.set_ylim(0, 175)
    axes.grid(visible=False)
    money_axis(axes.yaxis)


def cells(axes, theme, words):
    from matplotlib.colors import LinearSegmentedColormap

    grid = np.add.outer(np.arange(3), np.arange(6)[::-1]) / 7
    axes.imshow(
        grid, cmap=LinearSegmentedColormap.from_list("accent", [theme.paper, theme.accent]), aspect="auto", vmax=1.6
    )
    for (row, column), value in np.ndenumerate(grid):
        axes.text(column, row, number(100 * value), ha="center", va="center", fontsize=7, color=theme.ink)
    axes.set_yticks(range(3), words["names"])
    axes.set(xlabel=words["days"])
    axes.grid(visible=False)


KINDS = {draw.__name__: draw for draw in (lines, months, bars, dots, waterfall, cells)}


def drawn(kind, language, scheme="light"):
    """A figure's picture, at the size of the goldens."""
    use_language(*LOCALES[language])
    data = table(pd.DataFrame({"x": [1.0]}), {"x": Column(label="X", kind="decimal")}, title="Numbers")
    made = figure(
        lambda axes, theme: KINDS[kind](axes, theme, WORDS[language]),
        title="t",
        subtitle="s",
        foot="f",
        alt="a",
        data=data,
    )
    with Image.open(io.BytesIO(getattr(made, scheme))) as picture:
        return picture.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)


def unlike(one, other):
    """Share of the pixels of two pictures that are apart."""
    pixels = [np.asarray(picture.convert("RGB")).astype(int) for picture in (one, other)]
    return float((np.abs(pixels[0] - pixels[1]).max(axis=2) > APART).mean())


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_looks_as_it_did(kind, language):
    path = FOLDER / f"{kind}.{language}.png"
    with Image.open(path) as golden:
        assert unlike(golden, drawn(kind, language)) <= SHARE
    assert path.stat().st_size < 15_000


def test_a_picture_that_lacks_a_label_or_has_another_colour_is_another(monkeypatch):
    with Image.open(FOLDER / "lines.en.png") as golden:
        monkeypatch.setitem(WORDS["en"], "days", "")
        assert unlike(golden, drawn("lines", "en")) > SHARE
        assert unlike(golden, drawn("lines", "en", "dark")) > 0.5


def test_labels_of_lines_that_end_together_are_moved_apart():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from helpers.reporting.figures import _move_apart

    canvas = Figure(figsize=(7.6, 3.6), dpi=144)
    axes = canvas.add_subplot()
    axes.plot([0, 1], [0, 100])
    for height in (100, 99.5, 99.9):
        label_end(axes, 1, height, f"at {height}", "#1b1b1a")
    _move_apart(axes)
    renderer = FigureCanvasAgg(canvas).get_renderer()
    boxes = sorted((text.get_window_extent(renderer) for text in axes.texts), key=lambda box: box.y0)
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes))
    assert [text.get_text() for text in sorted(axes.texts, key=lambda text: text.get_position()[1] + text.xy[1])] == [
        "at 99.5",
        "at 99.9",
        "at 100",
    ]


def main():
    """Draw the pictures of record anew."""
    FOLDER.mkdir(exist_ok=True)
    for kind in KINDS:
        for language in LOCALES:
            path = FOLDER / f"{kind}.{language}.png"
            drawn(kind, language).quantize(48, dither=Image.Dither.NONE).save(path, optimize=True)
            sys.stdout.write(f"{path.name} {path.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()

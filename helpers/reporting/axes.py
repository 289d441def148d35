"""Axes in the reader's language: digits at the ticks, and charts that are read from the right where text is.

As Persian newspapers print them: time and numbers run from left to right, as on any number line. Categories are words and are
read from the right: they stand at the right of their rows, their bars begin beside them, and columns begin at the right, as the
columns of a table do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from helpers.reporting.directions import right_to_left
from helpers.reporting.words import language, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# So many letters go along an axis before its labels touch.
MOST_LETTERS = 80
OPPOSITE: dict[str, Literal["left", "center", "right"]] = {"left": "right", "right": "left", "center": "center"}


def direct(axes: Axes) -> None:
    """Finish axes whose marks are drawn, for the active language."""
    for axis in (axes.xaxis, axes.yaxis):
        _write(axis)
    _space(axes.xaxis)
    if language().direction == "ltr":
        return
    rows, columns = _holds_words(axes.yaxis), _holds_words(axes.xaxis)
    for axis in [axis for axis, words in ((axes.yaxis, rows), (axes.xaxis, columns)) if words]:
        axis.set_ticks(axis.get_ticklocs(), [right_to_left(tick.get_text()) for tick in axis.get_majorticklabels()])
    legend = axes.get_legend()
    for text in (*axes.texts, axes.xaxis.label, axes.yaxis.label, axes.title, *(legend.get_texts() if legend else ())):
        text.set_text(right_to_left(text.get_text()))
    if rows or columns:
        axes.tick_params(axis="y", left=False, right=False, labelleft=False, labelright=True)
        axes.yaxis.set_label_position("right")
    if columns or (rows and _begins_at_an_edge(axes)):
        _mirror(axes)


def _write(axis: Axis) -> None:
    """Ticks that no formatter was chosen for, in the locale's digits and separators."""
    from matplotlib.ticker import ScalarFormatter

    if type(axis.get_major_formatter()) is not ScalarFormatter:
        return

    class Local(ScalarFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            western = super().__call__(x, pos)
            return number(x, digits=len(western.partition(".")[2])) if western else ""

    local = Local(useOffset=False)
    local.set_scientific(False)
    axis.set_major_formatter(local)


def _space(axis: Axis) -> None:
    """Fewer ticks where their labels would touch: months and amounts are longer in some languages than in others."""
    from matplotlib.dates import AutoDateLocator
    from matplotlib.ticker import MaxNLocator

    lengths = [len(tick.get_text()) + 2 for tick in axis.get_majorticklabels()]
    if sum(lengths) <= MOST_LETTERS:
        return
    most, locator = max(MOST_LETTERS // max(lengths), 2), axis.get_major_locator()
    if isinstance(locator, MaxNLocator):
        locator.set_params(nbins=most)
    elif isinstance(locator, AutoDateLocator):
        axis.set_major_locator(AutoDateLocator(minticks=2, maxticks=most))


def _holds_words(axis: Axis) -> bool:
    """Whether the ticks are named: categories, not numbers and not dates."""
    from matplotlib.category import StrCategoryConverter
    from matplotlib.ticker import FixedLocator

    converter = axis.get_converter()
    if isinstance(converter, StrCategoryConverter):
        return True
    if converter is not None or not isinstance(axis.get_major_locator(), FixedLocator):
        return False
    return any(character.isalpha() for tick in axis.get_majorticklabels() for character in tick.get_text())


def _begins_at_an_edge(axes: Axes) -> bool:
    """Whether rows are bars from zero or cells of a grid, and not marks on either side of something."""
    from matplotlib.collections import QuadMesh

    if any(isinstance(mark, QuadMesh) for mark in axes.collections):
        return True
    return bool(axes.containers) and min(axes.get_xlim()) >= 0


def _mirror(axes: Axes) -> None:
    """Turn the x axis round, and with it what is written beside marks."""
    from matplotlib.text import Annotation

    axes.invert_xaxis()
    for text in axes.texts:
        text.set_horizontalalignment(OPPOSITE[text.get_horizontalalignment()])
        if isinstance(text, Annotation) and text.anncoords == "offset points":
            across, up = text.xyann
            text.xyann = (-across, up)

"""Figures: one grammar for every chart, drawn once for light pages and once for dark ones.

The title is the finding, the subtitle says what is drawn, the foot gives n, source and level of the intervals; alt text
and the table of the chart's numbers are not optional. A chart that cannot be drawn raises: no report loses a picture
in silence.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from helpers.reporting import standalone
from helpers.reporting.axes import direct
from helpers.reporting.inline import inline
from helpers.reporting.pictures import webp
from helpers.reporting.tables import Table, clean, shorten
from helpers.reporting.tokens import Theme, figure_style, readable, themes
from helpers.reporting.words import _, money, month_at, number, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.transforms import Bbox

DPI = 144
LONGEST_LABEL = 40
TICK = 1e-6
END = "end"
LINE = 13  # points between the middles of two labels, one above the other
SAVED = 1520  # pixels across: sharp at half a slide


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart with all that a reader needs to judge it."""

    title: str
    subtitle: str
    foot: str
    alt: str
    data: Table
    light: bytes
    dark: bytes
    width: int
    height: int
    draw: Callable[[Axes, Theme], None] = field(repr=False, compare=False)
    theme: Theme = field(repr=False, compare=False)

    def save(self, path: str | Path, *, width: int = SAVED) -> Path:
        """Write the chart with its title, subtitle and foot as a file of its own, on light paper.

        Args:
            path: Where to; `.png` or `.svg`.
            width: Pixels.

        Raises:
            ValueError: The suffix is another, or the width is out of range.
        """
        return standalone.save(
            Path(path),
            words=standalone.Words(title=self.title, subtitle=self.subtitle, foot=self.foot, alt=self.alt),
            paint=lambda canvas: compose(canvas, self.draw, self.theme),
            style=figure_style(self.theme),
            ink=(self.theme.ink, self.theme.muted),
            inches=(self.width / 100, self.height / 100),
            width=width,
        )

    def __repr__(self) -> str:
        return "\n".join(clean(text) for text in (self.title, self.subtitle, self.alt, self.foot))

    def _repr_html_(self) -> str:
        return inline(self.html)

    @property
    def html(self) -> str:
        """The chart as a report shows it."""
        return str(
            Markup(
                '<figure><figcaption><strong class="finding">{title}</strong><span class="subtitle">{subtitle}</span>'
                # Two images and not one <picture>: a browser picks a picture's source for the screen and prints that one.
                '</figcaption><div class="plot" role="group" aria-label="{title}" tabindex="0">'
                '<img class="on-light" src="{light}" alt="{alt}" width="{width}" height="{height}">'
                '<img class="on-dark" hidden src="{dark}" alt="{alt}" width="{width}" height="{height}"></div>'
                '<p class="foot">{foot}</p><details class="data"><summary>{summary}</summary>{data}</details></figure>'
            ).format(
                title=clean(self.title),
                subtitle=clean(self.subtitle),
                foot=clean(self.foot),
                alt=clean(self.alt),
                light=_uri(self.light),
                dark=_uri(self.dark),
                width=self.width,
                height=self.height,
                summary=_("Numbers of this chart"),
                data=Markup(self.data.html),  # noqa: S704 - made by `table`, which escapes
            )
        )


def figure(
    draw: Callable[[Axes, Theme], None],
    *,
    title: str,
    subtitle: str,
    foot: str,
    alt: str,
    data: Table,
    width: float = 7.6,
    height: float = 3.6,
) -> Figure:
    """Draw a chart.

    Args:
        draw: Puts the marks on the axes in a theme's colours; called once a scheme.
        title: The finding, as a sentence.
        subtitle: What is drawn, with units.
        foot: n, source and level of the intervals.
        alt: What a reader who cannot see the chart should know.
        data: The chart's numbers.
        width: Inches.
        height: Inches.

    Raises:
        ValueError: A text is empty.
    """
    for name, text in {"title": title, "subtitle": subtitle, "foot": foot, "alt": alt}.items():
        if not text.strip():
            raise ValueError(f"{name} == {text!r}, must not be empty")
    # Colours take no room: what is laid out on light paper need not be laid out again on dark paper.
    on_light, on_dark = themes()
    light, places = _draw(draw, on_light, width, height)
    dark, _places = _draw(draw, on_dark, width, height, places)
    return Figure(
        title=title,
        subtitle=subtitle,
        foot=foot,
        alt=alt,
        data=data,
        light=light,
        dark=dark,
        width=round(width * 100),
        height=round(height * 100),
        draw=draw,
        theme=on_light,
    )


def label(text: object) -> str:
    """A client's text as a label: short, without marks that would change how it is drawn."""
    return shorten(text, LONGEST_LABEL)


def percent_axis(axis: Axis) -> None:
    """Print an axis of shares as percentages."""
    from matplotlib.ticker import FuncFormatter

    class Percent(FuncFormatter):
        """All ticks with the decimals that one of them needs."""

        digits = 0

        def set_locs(self, locs: Any) -> None:
            super().set_locs(locs)
            self.digits = max((_digits(100 * tick) for tick in locs), default=0)

    formatter = Percent(lambda value, _place: percent(value, digits=formatter.digits))
    axis.set_major_formatter(formatter)


def number_axis(axis: Axis) -> None:
    """Print an axis of counts with the locale's separators."""
    axis.set_major_formatter(
        lambda value, _place: number(value) if float(value).is_integer() else number(value, digits=2)
    )


def month_axis(axis: Axis) -> None:
    """Print an axis of dates as months."""
    from matplotlib.dates import num2date

    axis.set_major_formatter(lambda value, _place: month_at(num2date(value).date()))


def money_axis(axis: Axis) -> None:
    """Print an axis of amounts in the client's currency."""
    axis.set_major_formatter(lambda value, _place: money(value, digits=0, compact=True))


def _digits(value: float) -> int:
    """Decimals that a tick needs, so that 2.5 % is not printed as 2 %."""
    return next((digits for digits in (0, 1) if abs(value - round(value, digits)) < TICK), 2)


def label_end(axes: Axes, x: Any, y: float, text: str, colour: str) -> None:
    """Label a line at its end, in its colour, where a legend would send the eye away.

    Labels of lines that end close together are moved apart when the chart is drawn.
    """
    from matplotlib.colors import to_hex

    axes.annotate(
        label(text),
        (x, y),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color=readable(colour, to_hex(axes.get_facecolor())),
        annotation_clip=False,
        gid=END,
    )


def _move_apart(axes: Axes) -> None:
    """Give labels at the same end of lines room above each other, in the order of their lines."""
    from matplotlib.text import Annotation

    ends = [text for text in axes.texts if isinstance(text, Annotation) and text.get_gid() == END]
    columns: dict[int, list[tuple[float, Annotation]]] = {}
    for text in ends:
        across, up = axes.transData.transform((axes.convert_xunits(text.xy[0]), axes.convert_yunits(text.xy[1])))
        columns.setdefault(round(across / 20), []).append((up * 72 / axes.figure.dpi, text))
    for column in columns.values():
        column.sort(key=lambda item: item[0])
        places = [up for up, _text in column]
        for place in range(1, len(places)):
            places[place] = max(places[place], places[place - 1] + LINE)
        # What was moved up is shared out, so that the group stays where its lines end.
        shift = sum(places) / len(places) - sum(up for up, _text in column) / len(column)
        for (up, text), placed in zip(column, places, strict=True):
            text.set_position((6, placed - shift - up))


def compose(
    canvas: Any, draw: Callable[[Axes, Theme], None], theme: Theme, places: Sequence[Bbox] | None = None
) -> None:
    """Put a chart on a matplotlib figure, for a page or for a file of its own.

    Args:
        canvas: The figure.
        draw: Puts the marks on the axes.
        theme: Its colours.
        places: Where the axes are to be, where that is known from the same chart in other colours.
    """
    axes = canvas.add_subplot()
    draw(axes, theme)
    for each in canvas.axes:
        direct(each)
    for each, place in zip(canvas.axes, places or (), strict=places is not None):
        each.set_position(place)
    if any(text.get_gid() == END for text in axes.texts):
        # Where the labels are is known only once all is laid out.
        if places is None:
            canvas.get_layout_engine().execute(canvas)
        _move_apart(axes)


def _draw(
    draw: Callable[[Axes, Theme], None], theme: Theme, width: float, height: float, places: Sequence[Bbox] | None = None
) -> tuple[bytes, list[Bbox]]:
    """The picture, and where its axes are; with `places` they are put there and nothing is laid out."""
    import matplotlib as mpl
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context(figure_style(theme)):
        canvas = Canvas(figsize=(width, height), dpi=DPI, layout="constrained" if places is None else None)
        agg = FigureCanvasAgg(canvas)
        compose(canvas, draw, theme, places)
        agg.draw()
        return webp(np.asarray(agg.buffer_rgba())), [axes.get_position(original=True) for axes in canvas.axes]


def _uri(picture: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(picture).decode()

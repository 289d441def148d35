"""Figures: one grammar for every chart, drawn once for light pages and once for dark ones.

The title is the finding, the subtitle says what is drawn, the foot gives n, source and level of the intervals; alt text
and the table of the chart's numbers are not optional. A chart that cannot be drawn raises: no report loses a picture
in silence.
"""

from __future__ import annotations

import base64
import colorsys
import io
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from helpers.reporting import standalone
from helpers.reporting.inline import inline
from helpers.reporting.tables import Table, clean, shorten
from helpers.reporting.words import _, money, month_and_year, number, percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

DPI = 144
# A chart has few colours: so many keep its edges sharp at half the size that lossy compression would need.
COLOURS = 64
LEAST_CONTRAST = 3.0
LONGEST_LABEL = 40
SAVED = 1520  # pixels across: sharp at half a slide


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of one scheme.

    Attributes:
        ink: Text and marks that carry the finding without colour.
        muted: Secondary text.
        rule: Thin lines.
        paper: Background.
        accent: The client's colour, made readable on the paper.
        context: Marks that give context.
        warn: Warnings.
        bad: What blocks.
        hues: Okabe-Ito hues for up to five categories.
    """

    ink: str
    muted: str
    rule: str
    paper: str
    accent: str
    context: str
    warn: str
    bad: str
    hues: tuple[str, ...]


LIGHT = Theme(
    ink="#1b1b1a",
    muted="#5c5b57",
    rule="#d9d6cf",
    paper="#fffdf9",
    accent="#0b6e4f",
    context="#b5b1a8",
    warn="#9a6200",
    bad="#b3261e",
    hues=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00"),
)
DARK = Theme(
    ink="#eceae4",
    muted="#aeaba3",
    rule="#3d3c39",
    paper="#171716",
    accent="#4cb892",
    context="#6d6a64",
    warn="#e5a93b",
    bad="#ff8a80",
    hues=("#56b4e9", "#f08a3c", "#2fc296", "#dd9bc2", "#f0e442"),
)

_accent: ContextVar[str] = ContextVar("accent", default=LIGHT.accent)


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
            style=style(self.theme),
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
                '</figcaption><img class="on-light" src="{light}" alt="{alt}" width="{width}" height="{height}">'
                '<img class="on-dark" hidden src="{dark}" alt="{alt}" width="{width}" height="{height}">'
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


def use_accent(colour: str) -> None:
    """Draw figures in the client's colour, made lighter or darker until it stands out 3:1 from the paper."""
    _accent.set(colour)


def themes() -> tuple[Theme, Theme]:
    """The light and the dark theme with the active accent."""
    return tuple(replace(theme, accent=readable(_accent.get(), theme.paper)) for theme in (LIGHT, DARK))  # type: ignore[return-value]


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
    light, dark = (_draw(draw, theme, width, height) for theme in themes())
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
        theme=themes()[0],
    )


def label(text: object) -> str:
    """A client's text as a label: short, without marks that would change how it is drawn."""
    return shorten(text, LONGEST_LABEL)


def percent_axis(axis: Axis) -> None:
    """Print an axis of shares as percentages."""
    axis.set_major_formatter(lambda value, _place: percent(value, digits=0))


def number_axis(axis: Axis) -> None:
    """Print an axis of counts with the locale's separators."""
    axis.set_major_formatter(
        lambda value, _place: number(value) if float(value).is_integer() else number(value, digits=2)
    )


def month_axis(axis: Axis) -> None:
    """Print an axis of dates as months."""
    from matplotlib.dates import num2date

    axis.set_major_formatter(lambda value, _place: month_and_year(num2date(value).date()))


def money_axis(axis: Axis) -> None:
    """Print an axis of amounts in the client's currency."""
    axis.set_major_formatter(lambda value, _place: money(value, digits=0, compact=True))


def label_end(axes: Axes, x: Any, y: float, text: str, colour: str) -> None:
    """Label a line at its end, in its colour, where a legend would send the eye away."""
    axes.annotate(
        label(text), (x, y), xytext=(6, 0), textcoords="offset points", va="center", color=colour, annotation_clip=False
    )


def readable(colour: str, paper: str) -> str:
    """The colour, moved in lightness until its contrast against the paper is at least 3:1 (WCAG 2.2, 1.4.11)."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(colour))
    step = 0.02 if _luminance(paper) < 0.5 else -0.02  # noqa: PLR2004 - dark paper wants lighter marks
    while contrast(colour, paper) < LEAST_CONTRAST and 0 <= lightness <= 1:
        lightness += step
        parts = colorsys.hls_to_rgb(hue, min(max(lightness, 0), 1), saturation)
        colour = "#" + "".join(f"{round(part * 255):02x}" for part in parts)
    return colour


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two colours, 1 to 21."""
    lights = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lights[0] + 0.05) / (lights[1] + 0.05)


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def _luminance(colour: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _rgb(colour)]  # noqa: PLR2004
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def compose(canvas: Any, draw: Callable[[Axes, Theme], None], theme: Theme) -> None:
    """Put a chart on a matplotlib figure, for a page or for a file of its own."""
    draw(canvas.add_subplot(), theme)


def _draw(draw: Callable[[Axes, Theme], None], theme: Theme, width: float, height: float) -> bytes:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas
    from PIL import Image

    with mpl.rc_context(style(theme)):
        canvas = Canvas(figsize=(width, height), dpi=DPI, layout="constrained")
        agg = FigureCanvasAgg(canvas)
        compose(canvas, draw, theme)
        agg.draw()
        picture = Image.fromarray(_pixels(agg)).convert("RGB")
    few = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    stream = io.BytesIO()
    few.save(stream, "WEBP", lossless=True, quality=100, method=4)
    return stream.getvalue()


def _pixels(agg: Any) -> Any:
    import numpy as np

    return np.asarray(agg.buffer_rgba())


def style(theme: Theme) -> Any:
    """Parameters of matplotlib in a theme's colours."""
    import seaborn as sns

    return dict(sns.axes_style("white")) | {
        "font.family": "DejaVu Sans",
        # Clients write dollars, not formulas.
        "text.parse_math": False,
        "font.size": 9.5,
        "figure.facecolor": theme.paper,
        "axes.facecolor": theme.paper,
        "axes.edgecolor": theme.rule,
        "axes.labelcolor": theme.muted,
        "axes.labelsize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": theme.rule,
        "grid.linewidth": 0.6,
        "text.color": theme.ink,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.bottom": False,
        "ytick.left": False,
        "lines.linewidth": 2.0,
        "lines.solid_capstyle": "round",
        "legend.frameon": False,
        "patch.force_edgecolor": False,
        "patch.linewidth": 0,
    }


def _uri(picture: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(picture).decode()

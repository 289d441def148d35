"""Design tokens: the colours and sizes that page, cards, tables and figures share, in one place.

The client's colour is the one accent. Its hue is kept; only its lightness moves, and only as far as text needs to be
read on the paper. Reports say so where it happened.
"""

from __future__ import annotations

import colorsys
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from typing import Any

# WCAG 2.2, 1.4.3: the accent is also the colour of labels, which are text.
LEAST_CONTRAST = 4.5
LEAST_CONTRAST_MARKS = 3.0
KIT_COLOUR = "#0b6e4f"


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of one scheme.

    Attributes:
        ink: Text and marks that carry the finding without colour.
        muted: Secondary text.
        rule: Thin lines.
        paper: Background.
        soft: Background of code and of what is set apart.
        accent: The client's colour, made readable on the paper.
        context: Marks that give context.
        warn: Warnings.
        bad: What blocks, and nothing else.
        hues: Okabe-Ito hues for up to five categories.
    """

    ink: str
    muted: str
    rule: str
    paper: str
    soft: str
    accent: str
    context: str
    warn: str
    bad: str
    hues: tuple[str, ...]


LIGHT = Theme(
    ink="#1b1b1a",
    muted="#5c5b57",
    rule="#dddad3",
    paper="#ffffff",
    soft="#f6f4ef",
    accent=KIT_COLOUR,
    context="#b5b1a8",
    warn="#855400",
    bad="#b3261e",
    hues=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00"),
)
DARK = Theme(
    ink="#eceae4",
    muted="#aeaba3",
    rule="#3d3c39",
    paper="#171716",
    soft="#22211f",
    accent="#4cb892",
    context="#6d6a64",
    warn="#e5a93b",
    bad="#ff8a80",
    hues=("#56b4e9", "#f08a3c", "#2fc296", "#dd9bc2", "#f0e442"),
)

_accent: ContextVar[str] = ContextVar("accent", default=KIT_COLOUR)


def use_accent(colour: str) -> None:
    """Make the client's colour (`#rrggbb`) the accent of all that is drawn from now on."""
    _accent.set(colour)


def accent() -> str:
    """The client's colour as it was given."""
    return _accent.get()


def themes() -> tuple[Theme, Theme]:
    """The light and the dark theme with the active accent."""
    light, dark = (_with_accent(theme, readable(_accent.get(), theme.paper)) for theme in (LIGHT, DARK))
    return light, dark


def _with_accent(theme: Theme, accent: str) -> Theme:
    """The theme with an accent; of the categories' hues, the one most like it is the last to be used."""
    alike = min(theme.hues, key=lambda hue: _turn(hue, accent))
    return replace(theme, accent=accent, hues=(*(hue for hue in theme.hues if hue != alike), alike))


def _turn(one: str, other: str) -> float:
    """How far two colours are from each other on the wheel of hues, 0 to 0.5."""
    apart = abs(colorsys.rgb_to_hls(*_rgb(one))[0] - colorsys.rgb_to_hls(*_rgb(other))[0])
    return min(apart, 1 - apart)


def variables() -> str:
    """The tokens as custom properties of CSS; dark ones only on a screen, so that no print is dark."""
    light, dark = (
        ";".join(f"--{name}:{value}" for name, value in asdict(theme).items() if name not in {"hues", "context"})
        for theme in themes()
    )
    brand = f"--brand:{_accent.get()}"
    return f":root{{{light};{brand}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def readable(colour: str, paper: str, *, least: float = LEAST_CONTRAST) -> str:
    """The colour, moved in lightness until its contrast against the paper is at least `least` (WCAG 2.2)."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(colour))
    step = 0.02 if _luminance(paper) < 0.5 else -0.02  # noqa: PLR2004 - dark paper wants lighter marks
    while contrast(colour, paper) < least and 0 <= lightness <= 1:
        lightness += step
        parts = colorsys.hls_to_rgb(hue, min(max(lightness, 0), 1), saturation)
        colour = "#" + "".join(f"{round(part * 255):02x}" for part in parts)
    return colour


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two colours, 1 to 21."""
    lights = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lights[0] + 0.05) / (lights[1] + 0.05)


def figure_style(theme: Theme) -> Any:
    """The theme as settings of matplotlib, over seaborn's own."""
    import seaborn as sns

    return dict(sns.axes_style("white")) | {
        "font.family": "DejaVu Sans",
        # Clients write dollars, not formulas.
        "text.parse_math": False,
        "font.size": 9.5,
        # At twice a screen's points, letters are truer to their shapes without hints, and take less to draw.
        "text.hinting": "no_hinting",
        "figure.facecolor": theme.paper,
        "figure.constrained_layout.w_pad": 0.06,
        "figure.constrained_layout.h_pad": 0.06,
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
        "patch.force_edgecolor": False,
        "patch.linewidth": 0,
    }


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def _luminance(colour: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _rgb(colour)]  # noqa: PLR2004
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

"""Figures of the benchmark book: how the kit stands against each peer, and how time and memory grow with the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.figures import figure, label_end
from helpers.reporting.tables import Column, shorten, table
from helpers.reporting.words import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from helpers.reporting.figures import Figure
    from helpers.reporting.tokens import Theme
    from tests.benchmarks.results import Point, Row

NAMES = {"time": "time", "processors": "processor time", "memory": "memory", "size": "bytes"}
ROW_INCHES = 0.3
LONGEST = 52
BASE = "bare group-by"


def times(ratio: float) -> str:
    """A ratio as it is printed: `12 x`, `2.1 x`, `0.34 x`."""
    return f"{number(ratio, digits=0 if ratio >= 10 else 1 if ratio >= 1 else 2)}\N{NO-BREAK SPACE}x"


def overview(rows: Sequence[Row]) -> list[Figure]:
    """One chart a unit, as far as it was measured; of each comparison the largest size."""
    largest: dict[tuple[str, ...], int] = {}
    for row in rows:
        largest[row.name, row.peer, row.of] = max(row.n, largest.get((row.name, row.peer, row.of), 0))
    kept = [row for row in rows if row.target or row.n == largest[row.name, row.peer, row.of]]
    return [_stand(own, unit) for unit in NAMES if (own := [row for row in kept if row.unit == unit])]


def _stand(rows: list[Row], unit: str) -> Figure:
    names = [shorten(f"{row.name} / {row.peer}", LONGEST) for row in rows]
    counts = [f"{_short(row.n)} {row.of}" for row in rows]
    less = sum(row.ratio >= 1 for row in rows)
    worst, best = (pick(rows, key=lambda row: row.ratio) for pick in (min, max))
    what = NAMES[unit]

    def draw(axes: Axes, theme: Theme) -> None:
        for place, row in enumerate(rows):
            colour = theme.warn if row.met is False else theme.accent if row.ratio >= 1 else theme.muted
            axes.plot([1, row.ratio], [place, place], color=theme.rule, linewidth=1.4, zorder=1)
            axes.plot(row.ratio, place, "o", color=colour, markersize=6, zorder=3)
            if row.target:
                axes.plot(row.target, place, "|", color=theme.ink, markersize=11, markeredgewidth=1.6, zorder=2)
            axes.annotate(
                times(row.ratio),
                (max(row.ratio, 1.0, row.target or 0), place),
                xytext=(9, 0),
                textcoords="offset points",
                va="center",
                color=theme.ink,
                annotation_clip=False,
            )
        axes.axvline(1, color=theme.ink, linewidth=0.8, zorder=0)
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.set_xlim(low, high * (high / low) ** 0.12)
        _ratio_axis(axes.xaxis)
        axes.set_yticks(range(len(rows)), [f"{name}, {count}" for name, count in zip(names, counts, strict=True)])
        axes.invert_yaxis()

    return figure(
        draw,
        title=f"The kit takes less {what} in {less} of {len(rows)} comparisons: from {times(worst.ratio)} "
        f"({worst.peer}) to {times(best.ratio)} ({best.peer})",
        subtitle=f"The peer's {what} divided by the kit's, logarithmic; right of 1 the kit takes less, an upright mark is "
        "a target.",
        foot=f"{len(rows)} comparisons, each within one run and at the largest size measured (or its target's); all are "
        "in the tables below. Source: the kit's own benchmarks; no intervals.",
        alt=f"Dot chart of the peer's {what} over the kit's in {len(rows)} comparisons, from {times(worst.ratio)} to "
        f"{times(best.ratio)}.",
        data=table(
            pd.DataFrame({"what": names, "n": counts, "ratio": [times(row.ratio) for row in rows]}),
            {
                "what": Column(label="What / against"),
                "n": Column(label="n"),
                "ratio": Column(label="Peer / kit", kind="printed"),
            },
            title=f"Peer's {what} over the kit's",
            rows=len(rows),
        ),
        height=0.9 + ROW_INCHES * len(rows),
    )


def growth(points: Sequence[Point]) -> list[Figure]:
    """How time and memory grow with the size of the log; nothing where only one size was measured."""
    sides = {side: sorted((p for p in points if p.side == side), key=lambda p: p.n) for side in _order(points)}
    grown = {side: own for side, own in sides.items() if len({p.n for p in own}) > 1}
    return [_grown(grown, unit) for unit in ("cpu", "mb")] if grown else []


def slope(points: Sequence[Point], unit: str) -> float:
    """Least-squares slope on log-log axes: the power of the log's size with which time or memory grows."""
    return float(np.polyfit(np.log([p.n for p in points]), np.log([getattr(p, unit) for p in points]), 1)[0])


def _grown(sides: dict[str, list[Point]], unit: str) -> Figure:
    what = {"cpu": "Processor time", "mb": "Memory"}[unit]
    base = BASE if BASE in sides else next(iter(sides))
    start = sides[base][0]
    unity = getattr(start, unit)
    slopes = {side: slope(own, unit) for side, own in sides.items()}
    ours = {side: found for side, found in slopes.items() if "customer table" in side} or slopes
    told = " and ".join(f"{power:.2f} ({side})" for side, power in ours.items())

    def draw(axes: Axes, theme: Theme) -> None:
        axes.set_xscale("log")
        axes.set_yscale("log")
        for (side, own), hue in zip(sides.items(), theme.hues, strict=False):
            over = [getattr(p, unit) / unity for p in own]
            axes.plot([p.n for p in own], over, "o-", color=hue, markersize=5, linewidth=1.8)
            label_end(axes, own[-1].n, over[-1], f"{side}, {slopes[side]:.2f}", hue)
        sizes = sorted({p.n for own in sides.values() for p in own})
        axes.set_xticks(sizes, [_short(n) for n in sizes])
        axes.xaxis.minorticks_off()
        _ratio_axis(axes.yaxis)

    frame = pd.DataFrame(
        {"side": side, "n": p.n, "times": times(getattr(p, unit) / unity), "slope": slopes[side]}
        for side, own in sides.items()
        for p in own
    )
    return figure(
        draw,
        title=f"{what} grows with the log to the power of {told}",
        subtitle=f"{what} as a multiple of the {base}'s at {_short(start.n)} orders, by orders; both axes logarithmic, slopes "
        "at the lines' ends.",
        foot=f"{len(frame)} runs, one a side and size, of one session; source: the kit's own benchmarks; no intervals."
        + (" Memory has the interpreter and its imports in it, which flattens small sizes." if unit == "mb" else ""),
        alt=f"Lines of {what.lower()} by orders on logarithmic axes: slopes {told}.",
        data=table(
            frame,
            {
                "side": Column(label="Side"),
                "n": Column(label="Orders", kind="number"),
                "times": Column(label=f"Times the {base} at {_short(start.n)}", kind="printed"),
                "slope": Column(label="Slope", kind="decimal"),
            },
            title=f"{what} by orders",
            rows=len(frame),
        ),
    )


def _order(points: Sequence[Point]) -> list[str]:
    return list(dict.fromkeys(point.side for point in points))


def _ratio_axis(axis: Axis) -> None:
    """Whole powers of ten and what lies between, as plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=_steps(axis)))
    axis.set_major_formatter(lambda value, _place: times(value))
    axis.set_minor_formatter(NullFormatter())


def _steps(axis: Axis) -> tuple[float, ...]:
    """Multiples of each power of ten that have room for their labels."""
    low, high = axis.get_view_interval()
    return (1.0,) if high / low > 3000 else (1.0, 3.0) if high / low > 60 else (1.0, 2.0, 5.0)


def _short(n: int) -> str:
    """A count as an axis has room for: 64,000; 1 m; 10 m."""
    return f"{n // 1_000_000} m" if n >= 1_000_000 and n % 1_000_000 == 0 else number(n)

"""The calibration map as a picture: how often the test calls a difference where there is none, cell by cell.

The rows are the `map` part of tests/calibration/ab_test.csv, which `make calibrate` makes anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from helpers.ab_test.shown import Shown
from helpers.reporting.figures import Figure, Theme, figure
from helpers.reporting.tables import Column, table
from helpers.reporting.words import _, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.ab_test.analyse import Analysis

MAP = Path(__file__).parent / "calibration.csv"
BAND = (0.045, 0.055)


def proven(analyses: tuple[Analysis, ...]) -> Figure | Shown:
    """False-positive rates of the map's cells, those that are called supported in the client's colour; nothing without tests."""
    if not analyses:
        return Shown(parts=())
    cells = pd.read_csv(MAP)
    held = cells[cells["supported"] == 1]

    def draw(axes: Axes, theme: Theme) -> None:
        axes.axhspan(*BAND, color=theme.rule, linewidth=0)
        for part, colour, size in ((cells[cells["supported"] == 0], theme.context, 14), (held, theme.accent, 18)):
            axes.scatter(part["n"], part["fpr"], s=size, color=colour, linewidths=0)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _place: number(value))
        axes.set_ylim(0, min(float(cells["fpr"].max()) * 1.05, 0.2))
        axes.set_yticks([0, 0.05, 0.10, 0.15, 0.20])
        axes.yaxis.set_major_formatter(lambda value, _place: percent(value, digits=0))
        axes.set_xlabel(_("units in the smaller variant"))

    return figure(
        draw,
        title=_("Where the plain test is used, it errs in 4.5 to 5.5% as it should"),
        subtitle=_(
            "Share of simulated tests without an effect that called one; coloured: kinds of data that it is used for"
        ),
        foot=_(
            "{cells} kinds of data, {runs} simulated tests each. For the grey ones a sturdier test is taken, or the report says so."
        ).format(cells=number(len(cells)), runs=number(cells["runs"].iloc[0])),
        alt=_("{n} cells called supported lie between {low} and {high}").format(
            n=number(len(held)), low=percent(held["fpr"].min()), high=percent(held["fpr"].max())
        ),
        data=table(
            held,
            {
                "case": Column(label=_("Data")),
                "n": Column(label=_("Units in the smaller variant"), kind="number"),
                "share": Column(label=_("Its share"), kind="share"),
                "fpr": Column(label=_("False alarms"), kind="share"),
                "coverage": Column(label=_("Coverage"), kind="share"),
            },
            title=_("Cells of the map that are supported"),
            rows=12,
        ),
    )

"""The forest plot: every metric of a test with its interval, its margin and where no effect would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from helpers.ab_test.report import state_words
from helpers.ab_test.shown import Shown
from helpers.ab_test.wording import bounded, joint_text, lift_text, shown_metric, shown_test
from helpers.reporting.figures import Figure, Theme, figure, label
from helpers.reporting.tables import Column, table
from helpers.reporting.words import _, foreign, listing, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.ab_test.analyse import Analysis
    from helpers.ab_test.judge import Judged
    from helpers.ab_test.report import Tests

ROLES = ("success", "guardrail", "information")


def forest(found: Tests) -> Shown:
    """A forest plot a sound test; a test that failed a gate has none."""
    return Shown(parts=tuple(_forest(one) for one in found.sound if _drawn(one)))


def _drawn(one: Analysis) -> list[Judged]:
    kept = [own for own in one.judged if bounded(own.effect.lift)[0] is not None]
    return sorted(kept, key=lambda own: ROLES.index(own.cell.metric.role))


def _forest(one: Analysis) -> Figure:
    rows = _drawn(one)
    many = len(one.units.variants) > 2  # noqa: PLR2004
    names = [shown_metric(own.cell.metric) + (f", {own.cell.variant}" if many else "") for own in rows]

    def draw(axes: Axes, theme: Theme) -> None:
        colours = {"better": theme.accent, "worse": theme.warn, "non_inferior": theme.accent}
        axes.axvline(0, color=theme.muted, linewidth=1)
        for place, own in enumerate(rows):
            low, high, value = own.effect.lift.low, own.effect.lift.high, own.effect.lift.value or 0.0
            plain = own.cell.metric.role == "information"
            colour = theme.context if plain else colours.get(own.state, theme.ink)
            axes.plot([low, high], [place, place], color=colour, linewidth=3 if not plain else 2)
            axes.plot(value, place, "o", color=colour, markersize=7 if not plain else 5)
            if own.margin is not None:
                edge = own.margin.margin * (-1 if own.cell.metric.better == "less" else 1)
                axes.plot([edge, edge], [place - 0.3, place + 0.3], color=theme.warn, linewidth=2)
                axes.annotate(
                    _("margin"), (edge, place - 0.3), ha="center", va="bottom", fontsize=8, color=theme.warn, xytext=(0, 2),
                    textcoords="offset points",
                )  # fmt: skip
            axes.annotate(
                percent(value, signed=True), (value, place), ha="center", va="bottom",
                xytext=(0, 6), textcoords="offset points", color=theme.ink, fontsize=9,
            )  # fmt: skip
        axes.set_yticks(range(len(rows)), [label(name) for name in names])
        axes.tick_params(axis="y", labelcolor=theme.ink)
        axes.set_ylim(len(rows) - 0.4, -0.75)
        axes.xaxis.set_major_formatter(lambda value, _place: percent(value, digits=0, signed=True))
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")

    frame = pd.DataFrame(
        {
            "metric": names,
            "lift": [own.effect.lift.value for own in rows],
            "low": [bounded(own.effect.lift)[0] for own in rows],
            "high": [bounded(own.effect.lift)[1] for own in rows],
            "state": [state_words()[own.state] for own in rows],
        }
    )
    columns = {
        "metric": Column(label=_("Metric")),
        "lift": Column(label=_("Lift"), kind="signed_share", low="low", high="high"),
        "state": Column(label=_("Verdict")),
    }
    return figure(
        draw,
        title=_title(one, rows),
        subtitle=_("{test}: change against {control}, with interval; an interval clear of zero shows an effect").format(
            test=shown_test(one.test), control=foreign(one.test.control)
        ),
        foot=_("n = {n} units. {levels} Guardrails and other metrics: each by itself.").format(
            n=number(one.observed), levels=joint_text(one)
        ),
        alt=listing((f"{name} {lift_text(own)}" for name, own in zip(names, rows, strict=True)), style="unit"),
        data=table(frame, columns, title=_("Lift of every metric"), rows=40),
        height=max(1.5, 0.62 * len(rows) + 0.7),
    )


def _title(one: Analysis, rows: list[Judged]) -> str:
    """The finding: what moved."""
    own = [row for row in rows if row.cell.metric.role == "success" and row.cell.variant == one.variant]
    moved = [row for row in own if row.state == "better"]
    lost = [row for row in rows if row.cell.variant == one.variant and row.state == "worse"]
    facts = {"variant": (one.variant or "")[:1].upper() + (one.variant or "")[1:]}
    if lost:
        names = listing(shown_metric(row.cell.metric) for row in lost)
        return _("{variant} loses on {names}").format(**facts, names=names)
    if moved:
        first = moved[0]
        text = _("{variant}: {metric} {lift} against {control}")
        lift = percent(first.effect.lift.value, signed=True)
        return text.format(**facts, metric=shown_metric(first.cell.metric).lower(), lift=lift, control=one.test.control)
    if one.answer == "explore":
        return _("What the columns show, without a plan")
    return _("No metric that decides is shown to have moved")

"""A plan as pictures and a table: the least lift by traffic, the chance to find each lift, and what a few lifts take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.ab_test.basis import WEEK
from helpers.ab_test.wording import shown_metric
from helpers.reporting.figures import Figure, Theme, figure, label_end
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, clauses, listing, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.ab_test.planning import Plan

# A chart of more lines tells nothing.
MOST_LINES = 4
# A few rows of a curve tell its numbers.
EACH = 5


def drawn(plan: Plan) -> tuple[Figure | Table, ...]:
    """What stands for a plan."""
    return (least_lifts(plan), *(() if plan.powers.empty else (chances(plan),)), sizes(plan))


def least_lifts(plan: Plan) -> Figure:
    """Least effect against time, or units."""
    dated = plan.basis.dated
    at = "weeks" if dated else "n"
    deciding = [shown_metric(metric) for metric, _spread in plan.basis.metrics if metric.role != "information"]
    names = (deciding or list(dict.fromkeys(plan.curve["metric"])))[:MOST_LINES]

    kept = plan.curve[plan.curve["metric"].isin(names)]
    top = float(kept.groupby("metric")["mde"].quantile(0.9).max())

    def draw(axes: Axes, theme: Theme) -> None:
        for place, name in enumerate(names):
            part = plan.curve[plan.curve["metric"] == name]
            colour = theme.accent if place == 0 else theme.hues[place % len(theme.hues)]
            axes.plot(part[at], part["mde"], color=colour)
            label_end(axes, part[at].iloc[-1], float(part["mde"].iloc[-1]), name, colour)
        axes.set_ylim(0, top)
        axes.set_xlabel(_("weeks of traffic") if dated else _("units in all variants"))
        axes.yaxis.set_major_formatter(lambda value, _place: percent(value, digits=1))
        if not dated:
            axes.xaxis.set_major_formatter(lambda value, _place: number(value))

    first = plan.curve[plan.curve["metric"] == names[0]]
    middle = first.iloc[(first[at] - first[at].max() / 3).abs().argmin()]
    length = _("{n} weeks").format(n=number(middle["weeks"])) if dated else _("{n} units").format(n=number(middle["n"]))
    return figure(
        draw,
        title=_("{n} find a lift of {mde} in {metric}").format(
            n=length[:1].upper() + length[1:], mde=percent(middle["mde"]), metric=names[0].lower()
        ),
        subtitle=_("Least true lift that a test finds {power} of the time, false alarms held at {alpha}").format(
            power=percent(plan.basis.design_of(plan.basis.main[0]).power, digits=0),
            alpha=percent(plan.basis.design_of(plan.basis.main[0]).alpha, digits=1),
        ),
        foot=" ".join([plan.source(), *_shared(plan), _("No interval, since this is a plan.")]),
        alt=clauses(
            _("{metric}: {mde} at most").format(
                metric=name, mde=percent(plan.curve[plan.curve["metric"] == name]["mde"].min())
            )
            for name in names
        ),
        data=table(
            plan.curve.iloc[::EACH],
            {
                "metric": Column(label=_("Metric")),
                "n": Column(label=_("Units"), kind="number"),
                "mde": Column(label=_("Least lift found"), kind="share"),
            },
            title=_("Least lift by units"),
            rows=60,
        ),
    )


def _shared(plan: Plan) -> list[str]:
    """Why one metric is to be found more often than the whole decision: all that decide have to agree."""
    whole, one = plan.basis.design.power, plan.basis.design_of(plan.basis.main[0]).power
    if one <= whole:
        return []
    text = _("Each metric is found {one} of the time, so that all that decide together agree {whole} of the time.")
    return [text.format(one=percent(one, digits=0), whole=percent(whole, digits=0))]


def chances(plan: Plan) -> Figure:
    """Chance of finding each lift in the first metric, with a quarter, a half and all of the traffic."""
    metric, frame = plan.basis.main[0], plan.powers
    levels = list(dict.fromkeys(frame["n"]))

    def draw(axes: Axes, theme: Theme) -> None:
        axes.axhline(plan.basis.design_of(metric).power, color=theme.muted, linewidth=1, linestyle="--")
        for place, n in enumerate(levels):
            part = frame[frame["n"] == n]
            colour = theme.accent if place == len(levels) - 1 else theme.context
            axes.plot(part["lift"], part["power"], color=colour)
            at = part.iloc[(part["power"] - plan.basis.design_of(metric).power).abs().argmin()]
            axes.annotate(
                number(n), (at["lift"], at["power"]), ha="center", va="center", fontsize=9, color=theme.ink,
                bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 1.5},
            )  # fmt: skip
        axes.set_ylim(0, 1.02)
        axes.set_xlim(left=0)
        axes.set_xlabel(_("true lift"))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _place: percent(value, digits=0))

    whole = frame[frame["n"] == levels[-1]]
    mde = plan.curve[plan.curve["metric"] == shown_metric(metric)]["mde"].iloc[-1]
    return figure(
        draw,
        title=_("{n} units find a lift of {mde} in {metric} {power} of the time").format(
            n=number(levels[-1]),
            mde=percent(mde),
            metric=shown_metric(metric).lower(),
            power=percent(plan.basis.design_of(metric).power, digits=0),
        ),
        subtitle=_(
            "Chance that the test finds a true lift, by units in all variants; the dashed line is what was wanted"
        ),
        foot=_("{source} False alarms held at {alpha}; no interval, since this is a plan.").format(
            source=plan.source(), alpha=percent(plan.basis.design_of(metric).alpha, digits=1)
        ),
        alt=_("With {n} units the chance rises from {low} to {high}").format(
            n=number(levels[-1]),
            low=percent(whole["power"].min(), digits=0),
            high=percent(whole["power"].max(), digits=0),
        ),
        data=table(
            frame.iloc[::EACH],
            {
                "n": Column(label=_("Units"), kind="number"),
                "lift": Column(label=_("True lift"), kind="signed_share"),
                "power": Column(label=_("Chance of finding it"), kind="share"),
            },
            title=_("Power by lift"),
            rows=60,
        ),
        height=2.6,
    )


def sizes(plan: Plan) -> Table:
    """Units and days for a few lifts."""
    columns = {
        "metric": Column(label=_("Metric")),
        "lift": Column(label=_("True lift"), kind="signed_share"),
        "n": Column(label=_("Units in all variants"), kind="number"),
        "days": Column(label=_("Days"), kind="number"),
    }
    basis = plan.basis
    if basis.at_once is not None:
        foot = _("All {n} customers are there on the first day; – where it takes more than there are.").format(
            n=number(basis.at_once)
        )
    elif basis.dated:
        foot = _("{daily} new units a day at first; – where {weeks} weeks do not bring enough.").format(
            daily=number(basis.arrivals[:WEEK].mean()), weeks=number(plan.weeks)
        )
    else:
        foot = _("Days are unknown, since the test’s rows hold no dates.")
    if any(metric.role == "guardrail" for metric, _spread in basis.metrics):
        foot += " " + _("A guardrail’s row is about its margin: units that show that it loses no more.")
    if basis.left_out:
        names = listing(shown_metric(metric) for metric in basis.left_out)
        foot += " " + _("Not planned, since their level may be zero or its chance error is not known: {names}.").format(
            names=names
        )
    return table(plan.sizes, columns, title=_("What it takes to find a lift"), foot=foot, rows=40)

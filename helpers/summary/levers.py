"""The table of levers, and what it publishes: each lever's profit by itself, never their sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from helpers.reporting.figures import Figure, Theme, figure, label, money_axis
from helpers.reporting.findings import Decision, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import MISSING, _, clauses, interval, language, listing, money, number, percent
from helpers.summary.gather import from_offers, from_tests, from_values
from helpers.summary.lever import Lever, effort_words, grade_words, in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.summary.sources import Sources
    from helpers.summary.topic import Effort


@dataclass(frozen=True, kw_only=True)
class Levers(Result):
    """All levers of a study.

    Attributes:
        each: The levers, in the order that they are read in.
        horizon_months: Months that profits are counted over.
        discount_rate: A year.
    """

    each: tuple[Lever, ...]
    horizon_months: int
    discount_rate: float

    @property
    def told(self) -> tuple[Lever, ...]:
        """Levers whose profit can be told."""
        return tuple(one for one in self.each if one.told)

    @property
    def first(self) -> Lever | None:
        """The lever to pull first; `None` where none has been shown or computed to bring anything."""
        return next((one for one in self.each if one.first), None)

    @property
    def to_try(self) -> Lever | None:
        """The what-if that comes first by its low end: something that brings it about is to be found and tested."""
        return next((one for one in self.each if one.what_if and one.sure), None)

    def numbers(self) -> dict[str, Number]:
        """Each lever's profit."""
        return {
            f"lever.{one.id}.profit": Number(
                value=one.value, low=one.low, high=one.high, level=one.level if one.low is not None else None,
                unit=language().currency, n=one.n, definition=f"summary.lever.{one.id}",
            )
            for one in self.told
        }  # fmt: skip

    def definitions(self) -> dict[str, Definition]:
        """Where each profit comes from and how it is made a profit over the horizon."""
        months = number(self.horizon_months)
        texts = {
            "upsell": _("The next round’s profit, counted once, as the topic found it."),
            "rollout": _(
                "Profit a month of the roll-out, drawn towards the prior, over {months} months at a discount of "
                "{rate} a year, if the effect lasts; once, where the units a month are not known."
            ),
            "avoided": _(
                "What the roll-out would have cost, drawn towards the prior, over {months} months at a discount of "
                "{rate} a year. Below zero: it may have brought something, which was not shown."
            ),
            "win_back": _(
                "A hundredth of value / P(alive), summed over customers who have probably left, within {months} "
                "months. A supposed change, no forecast; its interval is as wide in proportion as that of all "
                "customers’ value."
            ),
        }
        what_if = _(
            "What a supposed change would be worth within {months} months, no forecast that it will come about."
        )
        found = {}
        for one in self.told:
            text = texts.get(one.kind, what_if).format(months=months, rate=percent(self.discount_rate))
            source = _("From {topic}, {number}.").format(topic=one.topic, number=one.number)
            found[f"summary.lever.{one.id}"] = Definition(name=one.name, text=f"{text} {source}")
        return found

    def decisions(self) -> list[Decision]:
        """The advice of topics that decided, and the what-if that is worth looking into."""
        found = [
            Decision(
                id=f"lever.{one.id}",
                text=one.advice,
                evidence=one.evidence,
                value={
                    "number": f"lever.{one.id}.profit" if one.told else None,
                    "value": one.value, "low": one.low, "high": one.high, "level": one.level,
                    "topic": one.topic, "source": one.number, "horizon_months": self.horizon_months,
                },
            )
            for one in self.each
            if one.advice
        ]  # fmt: skip
        if (best := self.to_try) is not None:
            text = _(
                "Look for something that brings this about, and test it: {lever}. It would be worth {value} ({ends})."
            )
            found.append(
                Decision(
                    id=f"lever.{best.id}",
                    text=text.format(
                        lever=best.name, value=money(best.value), ends=interval(best.low, best.high, language().currency)
                    ),
                    evidence="assumption",
                    value={
                        "number": f"lever.{best.id}.profit",
                        "value": best.value, "low": best.low, "high": best.high, "level": best.level,
                        "topic": best.topic, "source": best.number, "horizon_months": self.horizon_months,
                    },
                )
            )  # fmt: skip
        return found

    def frame(self) -> pd.DataFrame:
        """One row a lever, in order."""
        return pd.DataFrame(
            [
                {
                    "lever": one.id, "kind": one.kind, "name": one.name, "told": one.told, "value": one.value, "low": one.low,
                    "high": one.high, "level": one.level, "evidence": one.evidence if one.told else None, "effort": one.effort,
                    "reach": one.reach or None, "n": one.n if one.told else None, "topic": one.topic,
                    "number": one.number or None, "why": one.why or None, "customers_file": one.file,
                }
                for one in self.each
            ]
        ).astype({"value": float, "low": float, "high": float, "level": float, "n": "Int64"})  # fmt: skip

    def tables(self) -> dict[str, pd.DataFrame]:
        """The levers."""
        return {"levers": self.frame()}

    def table(self) -> Table:
        """The levers that can be told, without a total."""
        shown = self.frame()[lambda rows: rows["told"]].reset_index(drop=True)
        shown["grade"] = [grade_words()[one.evidence] for one in self.told]
        shown["work"] = [effort_words()[one.effort] for one in self.told]
        columns = {
            "name": Column(label=_("Lever")),
            "value": Column(
                label=_("Expected profit, {currency}").format(currency=language().currency), kind="money", low="low", high="high"
            ),
            "grade": Column(label=_("Evidence")),
            "work": Column(label=_("Effort")),
            "reach": Column(label=_("Who")),
            "n": Column(label=_("n"), kind="number"),
        }  # fmt: skip
        foot = _(
            "Profits within {months} months, in today’s money, with {level} intervals. There is no total: levers "
            "overlap, as said below. What is graded as an assumption says what a supposed change would be worth, "
            "not that it will come about."
        ).format(months=number(self.horizon_months), level=self._level())
        if any(one.id == "upsell" for one in self.told):
            foot += " " + _("Offers count one round, whatever comes of the next ones.")
        strong = tuple(place for place, one in enumerate(self.told) if one is self.first)
        return table(shown, columns, title=_("What each lever would bring"), foot=foot, rows=len(shown), strong=strong)

    def origins(self) -> Table | Sentence:
        """Where each lever's number was taken from, and the list of its customers."""
        if not self.told:
            return Sentence(text=_("No lever can be told."))
        shown = self.frame()[lambda rows: rows["told"]].reset_index(drop=True)
        columns = {
            "name": Column(label=_("Lever")),
            "customers_file": Column(label=_("List of customers"), kind="file"),
            "topic": Column(label=_("Topic")),
            "number": Column(label=_("Number"), kind="key"),
        }
        foot = _("A dash: which customers the lever reaches is not known one by one.")
        return table(shown, columns, title=_("Where each number was taken from"), foot=foot, rows=len(shown))

    def unknown(self) -> Table | Sentence:
        """The levers that cannot be told, with why."""
        missing = [one for one in self.each if not one.told]
        if not missing:
            return Sentence(text=_("Every lever can be told."))
        rows = pd.DataFrame({"name": [one.name for one in missing], "why": [one.why for one in missing]})
        columns = {"name": Column(label=_("Lever")), "why": Column(label=_("Why it cannot be told"), kind="prose")}
        return table(rows, columns, title=_("Levers that cannot be told"), rows=len(rows))

    def figure(self) -> Figure | Table:
        """Each lever's interval; the empty table where none can be told."""
        shown = [
            (one, value, low, high)
            for one in self.told
            if (value := one.value) is not None and (low := one.low) is not None and (high := one.high) is not None
        ]
        if not shown:
            return self.table()

        def draw(axes: Axes, theme: Theme) -> None:
            axes.axvline(0, color=theme.muted, linewidth=1)
            for place, (one, value, low, high) in enumerate(shown):
                colour = theme.accent if one is self.first else theme.context if one.what_if else theme.ink
                axes.plot([low, high], [place, place], color=colour, linewidth=3)
                axes.plot(value, place, "o", color=colour, markersize=7)
                axes.annotate(
                    f"{money(value, compact=True)}, {grade_words()[one.evidence]}", (value, place), ha="center",
                    va="bottom", xytext=(0, 6), textcoords="offset points", color=theme.ink, fontsize=9, annotation_clip=False,
                )  # fmt: skip
            axes.set_yticks(range(len(shown)), [label(one.name) for one, *_ends in shown])
            axes.tick_params(axis="y", labelcolor=theme.ink)
            axes.set_ylim(len(shown) - 0.4, -0.75)
            axes.margins(x=0.12)
            money_axis(axes.xaxis)
            axes.locator_params(axis="x", nbins=5)
            axes.grid(visible=True, axis="x")
            axes.grid(visible=False, axis="y")

        title = _("No lever has been shown to bring anything yet")
        if (best := self.first) is not None:
            title = _("{lever}: expect {value}").format(lever=best.name, value=money(best.value, compact=True))
        return figure(
            draw,
            title=title,
            subtitle=_("Expected profit within {months} months of each lever by itself, with interval and evidence").format(
                months=number(self.horizon_months)
            ),
            foot=_("{level} intervals. What is only supposed is drawn pale. The levers overlap and are not added up.").format(
                level=self._level()
            ),
            alt=clauses(
                f"{one.name} {money(value)} ({interval(low, high, language().currency)})" for one, value, low, high in shown
            ),
            data=self.table(),
            height=max(1.6, 0.62 * len(shown) + 0.8),
        )  # fmt: skip

    def _level(self) -> str:
        levels = sorted({one.level for one in self.told if one.level is not None})
        return listing(percent(level, digits=0) for level in levels) or MISSING

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def levers(sources: Sources, effort: Effort) -> Levers:
    """All levers of a study.

    Args:
        sources: What other topics found.
        effort: What each kind of lever takes.
    """
    found = [*from_values(sources, effort), *from_offers(sources, effort), *from_tests(sources, effort)]
    return Levers(each=in_order(found), horizon_months=sources.horizon_months, discount_rate=sources.discount_rate)

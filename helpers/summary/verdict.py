"""The verdict: which lever first, what it would bring, and how good the evidence is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.reporting.findings import Result
from helpers.reporting.tables import Sentence
from helpers.reporting.words import _, interval, language, money, number, percent

if TYPE_CHECKING:
    from helpers.summary.actions import Actions
    from helpers.summary.change import Change
    from helpers.summary.lever import Lever
    from helpers.summary.levers import Levers
    from helpers.summary.sources import Sources

CARDS = 4


@dataclass(frozen=True, kw_only=True)
class Verdict(Result):
    """What the study says is to be done first.

    Attributes:
        sources: What it rests on.
        levers: The levers.
        change: What changed.
        actions: Next-best actions.
    """

    sources: Sources
    levers: Levers
    change: Change
    actions: Actions

    def headline(self) -> str:
        """The verdict sentence."""
        if not self.sources.agree:
            return _("No verdict: what the topics found does not belong together. See the checks.")
        if (first := self.levers.first) is not None:
            return self._told(_first_text(first), first)
        if (best := self.levers.to_try) is not None:
            text = _(
                "No lever has been shown to bring anything yet. Of what can be supposed, this comes first by the low end of its "
                "interval: {lever}, {value} within {months} months ({ends}, {level} interval). Find something that brings it "
                "about, and test it."
            )
            return self._told(text, best)
        nothing = _("No lever has been shown to bring anything yet.")
        return f"{nothing} {self.change.text()}" if self.change.now is not None else nothing

    def cards(self) -> tuple[str, ...]:
        """Profit of the first levers, what customers bring, and how many have an action."""
        sure = [one for one in self.levers.told if one.sure and one.kind != "avoided"]
        levers = [f"lever.{one.id}.profit" for one in sure][: CARDS - 1]
        known = {**self.change.numbers(), **self.actions.numbers()}
        rest = [key for key in ("arpu.active", "actions.customers", "arpu.now", "arpu.before") if key in known]
        return tuple([*levers, *rest][:CARDS])

    def sentence(self) -> Sentence:
        """How the order of levers is to be read."""
        return Sentence(
            text=_(
                "Levers are ordered by evidence first: what an experiment has shown stands before what is computed, "
                "and that before what is supposed, however large it looks. Within a grade, the low end of the "
                "interval decides."
            )
        )

    def _told(self, text: str, one: Lever) -> str:
        return text.format(
            lever=one.name,
            value=money(one.value, compact=True),
            ends=interval(one.low, one.high, language().currency),
            level=percent(one.level, digits=0),
            months=number(self.levers.horizon_months),
        )


def verdict(sources: Sources, levers: Levers, change: Change, actions: Actions) -> Verdict:
    """What the study says is to be done first."""
    return Verdict(sources=sources, levers=levers, change=change, actions=actions)


def _first_text(first: Lever) -> str:
    """The sentence of the first lever: what has been shown of it, and what is taken for granted."""
    if first.evidence == "experiment" and first.kind == "rollout":
        return _(
            "{lever}: this comes first. Expect {value} of profit within {months} months ({ends}, {level} interval). "
            "An experiment has shown the effect; that it lasts so long is assumed."
        )
    if first.evidence == "experiment":
        return _(
            "{lever}: this comes first. Expect {value} of profit within {months} months ({ends}, {level} interval). "
            "An experiment has shown it."
        )
    if first.evidence == "causal":
        return _(
            "{lever}: this comes first. Expect {value} of profit within {months} months ({ends}, {level} interval). "
            "Customers were made comparable, but not by chance."
        )
    return _(
        "{lever}: this comes first. It may bring {value} within {months} months ({ends}, {level} interval), but no "
        "experiment has shown it."
    )

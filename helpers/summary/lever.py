"""One lever: what it would bring, how good the evidence is, whom it reaches; and in which order levers are read.

Order: levers whose whole interval lies above zero come first, those that cannot be told last. Within that, what an experiment has
shown comes before what is computed, and that before what is only supposed, however large; levers of one grade are ordered by the low
end of their interval, which is what one may count on, and not by their point value, which favours the uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from helpers.reporting.words import _

if TYPE_CHECKING:
    from helpers.reporting.findings import Evidence
    from helpers.summary.topic import Strength

Kind = Literal["retention", "frequency", "order_value", "upsell", "win_back", "rollout", "avoided"]
WHAT_IF: tuple[Kind, ...] = ("retention", "frequency", "order_value", "win_back")
GRADES: tuple[Evidence, ...] = ("experiment", "causal", "model", "association", "assumption")


@dataclass(frozen=True, kw_only=True)
class Lever:
    """One lever.

    Attributes:
        id: Its name in numbers and decisions, such as `retention` or `rollout.checkout`.
        kind: What it moves.
        name: Its name for a reader.
        topic: The topic that it was taken from.
        number: The number there; empty where it cannot be told.
        why: Why it cannot be told; empty where it can.
        value: Expected profit over the horizon.
        low: Lower end of its interval.
        high: Upper end.
        level: Coverage of the interval.
        n: What the number rests on.
        evidence: Grade of the effect, not of what a unit of the effect would be worth.
        advised: Whether the topic says that it should be pulled.
        effort: What it takes.
        reach: How many it reaches, in words.
        customers: Ids of those whom it reaches; `None` where they are not known.
        file: The table that they are in, within the study's folder.
        advice: The topic's own words for what is to be done, where it has decided.
    """

    id: str
    kind: Kind
    name: str
    topic: str
    effort: Strength
    number: str = ""
    why: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    n: int = 0
    evidence: Evidence = "assumption"
    advised: bool = False
    reach: str = ""
    customers: frozenset[str] | None = None
    file: str | None = None
    advice: str = ""

    @property
    def told(self) -> bool:
        """Whether its profit can be told."""
        return not self.why and self.value is not None

    @property
    def what_if(self) -> bool:
        """Whether its size is supposed: what one point would be worth, if something brought it about."""
        return self.kind in WHAT_IF

    @property
    def sure(self) -> bool:
        """Whether its whole interval lies above zero."""
        return self.told and self.low is not None and self.low > 0

    @property
    def first(self) -> bool:
        """Whether it may stand first: it is there to be pulled, and what it brings has been shown or computed."""
        return self.advised and self.sure and not self.what_if and self.kind != "avoided"


def in_order(levers: list[Lever]) -> tuple[Lever, ...]:
    """Levers in the order that they are read in."""

    def place(one: Lever) -> tuple[int, int, int, float]:
        low = one.low if one.low is not None else one.value or 0.0
        # What a failed test would have cost is saved already: it is the last of what can be told.
        return (
            0
            if one.sure and one.kind != "avoided"
            else 1
            if one.told and one.kind != "avoided"
            else 2
            if one.told
            else 3,
            GRADES.index(one.evidence),
            0 if one.advised else 1,
            -low,
        )

    return tuple(sorted(levers, key=place))


def grade_words() -> dict[Evidence, str]:
    """Grades as a cell of a table says them."""
    return {
        "experiment": _("experiment"),
        "causal": _("causal analysis"),
        "model": _("model"),
        "association": _("association"),
        "assumption": _("assumption"),
    }


def effort_words() -> dict[Strength, str]:
    """Efforts as a cell of a table says them."""
    return {"low": _("low"), "middle": _("middle"), "high": _("high")}

"""Guardrails: opt-outs, complaints and returns beside the profit, for all who are offered and for those who are to be offered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, percent
from helpers.stats.intervals import wilson
from helpers.upsell_lift.average import Empty
from helpers.upsell_lift.estimate import critical
from helpers.upsell_lift.gates import shown
from helpers.upsell_lift.policy import Value, picked, value_of
from helpers.upsell_lift.verdict import value_number
from helpers.upsell_lift.wording import change_text, effect_text, unit_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.upsell_lift.analyse import Analysis
    from helpers.upsell_lift.read import Campaign
    from helpers.upsell_lift.topic import Outcome

# Events an arm below which the spread of a mean says too little of how rare they are.
FEW = 10
TWO = 2


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """One guardrail.

    Attributes:
        outcome: The outcome.
        who: `all`, or `picked`: those to whom the recommended choice makes an offer.
        arm: Number of the arm, 0 for whatever is chosen.
        change: A customer who is offered something.
    """

    outcome: Outcome
    who: str
    arm: int
    change: Value

    @property
    def worse(self) -> tuple[float, float]:
        """Interval of how much worse it gets."""
        ends = (self.change.low, self.change.high)
        return ends if self.outcome.better == "less" else (-ends[1], -ends[0])

    @property
    def state(self) -> str:
        """`kept` where it surely gets worse by less than its margin, `broken` where by more, `open` otherwise."""
        low, high = self.worse
        margin = float(self.outcome.margin or 0.0)
        return "broken" if low > margin else "kept" if high <= margin else "open"


@dataclass(frozen=True, kw_only=True)
class Guardrails(Result):
    """All guardrails.

    Attributes:
        rows: By outcome, for all who are offered and for those picked.
        analysis: The campaign.
    """

    rows: tuple[Guarded, ...]
    analysis: Analysis

    def numbers(self) -> dict[str, Number]:
        """`guardrail.<outcome>.all.<arm>` and `guardrail.<outcome>.picked`."""
        found = {}
        for one in self.rows:
            key = f"all.{self.analysis.campaign.arms[one.arm]}" if one.who == "all" else "picked"
            found[f"guardrail.{one.outcome.name}.{key}"] = value_number(
                one.change, unit_of(one.outcome), f"upsell_lift.guardrail.{one.who}"
            )
        return found

    def definitions(self) -> dict[str, Definition]:
        """Of whom."""
        return {
            "upsell_lift.guardrail.all": Definition(
                name=_("Guardrail, all who are offered"), text=_("Change a customer, if everyone gets the offer.")
            ),
            "upsell_lift.guardrail.picked": Definition(
                name=_("Guardrail, those picked"), text=_("Change a customer who is picked for an offer.")
            ),
        }

    def checks(self) -> list[Check]:
        """What the recommendation does to each guardrail; only a broken one holds the decision back."""
        status = {"kept": "pass", "open": "warn", "broken": "fail"}
        relevant = [one for one in self.rows if one.who == ("picked" if self.analysis.action == "target" else "all")]
        if self.analysis.action != "target":
            relevant = [one for one in relevant if one.arm == self.analysis.arm and self.analysis.action == "all"]
        return [
            Check(
                id=f"guardrail.{one.outcome.name}",
                status=status[one.state],  # type: ignore[arg-type]
                message=self._words(one),
                value=one.worse[1],
                threshold=f"<= {one.outcome.margin}",
            )
            for one in relevant
        ]

    def _words(self, one: Guarded) -> str:
        texts = {
            "kept": _("{outcome}: {change} among those who would be offered, within what is allowed ({margin})."),
            "open": _(
                "{outcome}: {change} among those who would be offered; it may be more than is allowed ({margin})."
            ),
            "broken": _("{outcome}: {change} among those who would be offered, more than is allowed ({margin})."),
        }
        return texts[one.state].format(
            outcome=shown(one.outcome),
            change=effect_text(one.outcome, one.change),
            margin=change_text(one.outcome, float(one.outcome.margin or 0.0)),
        )

    def table(self) -> Table | Empty:
        """All guardrails."""
        if not self.rows:
            return Empty()
        words = {"kept": _("within its limit"), "open": _("may pass its limit"), "broken": _("BEYOND its limit")}
        rows: list[dict[str, Any]] = [
            {
                "outcome": shown(one.outcome),
                "who": _("those picked")
                if one.who == "picked"
                else _("everyone, {arm}").format(arm=self.analysis.campaign.label(one.arm)),
                "change": effect_text(one.outcome, one.change),
                "margin": change_text(one.outcome, float(one.outcome.margin or 0.0)),
                "state": words[one.state],
            }
            for one in self.rows
        ]
        columns = {
            "outcome": Column(label=_("What must not get worse")),
            "who": Column(label=_("Offered to")),
            "change": Column(label=_("Change a customer offered")),
            "margin": Column(label=_("Limit")),
            "state": Column(label=_("Result")),
        }
        kept = all(one.state == "kept" for one in self.rows)
        title = _("No guardrail is broken") if kept else _("What the offer costs in goodwill")
        foot = _("{level} intervals; beyond its limit only where the whole interval is.")
        return table(
            pd.DataFrame(rows),
            columns,
            title=title,
            foot=foot.format(level=percent(self.analysis.campaign.settings.level, digits=0)),
            strong=tuple(place for place, one in enumerate(self.rows) if one.state == "broken"),
            rows=20,
        )


def guardrails(analysis: Analysis) -> Guardrails:
    """The campaign's guardrails; none where a gate holds them back or none is registered."""
    rows: list[Guarded] = []
    campaign, gamma = analysis.campaign, analysis.gamma
    level = campaign.settings.level
    for outcome in campaign.settings.with_role("guardrail") if gamma is not None else ():
        place = analysis.outcomes.index(outcome.name)
        for arm in range(1, len(campaign.arms)):
            everyone = np.isin(campaign.arm, (0, arm))
            change = _rare(campaign, outcome, everyone) or value_of(
                gamma[:, arm, place] - gamma[:, 0, place],  # type: ignore[index]
                level=level,
                cluster=campaign.cluster,
            )
            rows.append(Guarded(outcome=outcome, who="all", arm=arm, change=change))
        proof = analysis.proof
        if proof is not None and proof.choice.any() and analysis.action == "target":
            inside = proof.choice > 0
            gains = picked(proof.gamma[:, :, place] - proof.gamma[:, :1, place], proof.choice)[inside]
            own = (
                None
                if campaign.cluster is None
                else np.unique(campaign.cluster[proof.rows][inside], return_inverse=True)[1]
            )
            chosen = np.zeros(campaign.n, dtype=bool)
            chosen[proof.rows[inside]] = True
            change = (len(campaign.arms) == TWO and _rare(campaign, outcome, chosen)) or value_of(
                gains, level=level, cluster=own
            )
            rows.append(Guarded(outcome=outcome, who="picked", arm=0, change=change))
    return Guardrails(rows=tuple(rows), analysis=analysis)


def _rare(campaign: Campaign, outcome: Outcome, inside: NDArray) -> Value | None:
    """Difference of two shares by Newcombe's interval (1998, method 10), where events are too few for a mean's spread to be one.

    Args:
        campaign: Its customers.
        outcome: The guardrail.
        inside: Customers that count, of the control and one arm, shape (n,).

    Returns:
        `None` where events are many, or where more than chance decided who was offered what.
    """
    y, now = campaign.outcomes[outcome.name][inside], campaign.arm[inside] > 0
    events, sizes = [int(y[part].sum()) for part in (now, ~now)], [int(now.sum()), int((~now).sum())]
    plain = campaign.randomised and campaign.cluster is None and outcome.type == "binary"
    if not plain or min(sizes) == 0 or min(events) >= FEW:
        return None
    level = campaign.settings.level
    offered, control = (wilson(k, n, level=level) for k, n in zip(events, sizes, strict=True))
    shares = [k / n for k, n in zip(events, sizes, strict=True)]
    value = shares[0] - shares[1]
    low = value - math.hypot(shares[0] - float(offered.low), float(control.high) - shares[1])  # type: ignore[arg-type]
    high = value + math.hypot(float(offered.high) - shares[0], shares[1] - float(control.low))  # type: ignore[arg-type]
    return Value(
        value=value, se=(high - low) / 2 / critical(level), low=low, high=high, level=level, n=int(inside.sum())
    )

"""The verdict: what to do and what it earns, with the gates as checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.reporting.findings import Check, Decision, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, language, number
from helpers.upsell_lift.wording import round_size, title, to_everyone, total, verdict_text

if TYPE_CHECKING:
    from helpers.upsell_lift.analyse import Analysis
    from helpers.upsell_lift.policy import Value


@dataclass(frozen=True, kw_only=True)
class Verdict(Result):
    """What is to be done.

    Attributes:
        analysis: The campaign.
    """

    analysis: Analysis

    def headline(self) -> str:
        """The verdict."""
        return f"{title(self.analysis)}. {verdict_text(self.analysis)}"

    def cards(self) -> tuple[str, ...]:
        """Profit of the round, chance of a loss, customers; without a decision, the estimates."""
        if total(self.analysis) is None:
            name = self.analysis.campaign.settings.profit.name
            arms = self.analysis.campaign.arms[1:]
            kinds = ("ate",) if self.analysis.campaign.randomised else ("naive", "ate", "trimmed")
            found = [f"{kind}.{arm}.{name}" for arm in arms for kind in kinds]
            return tuple(one for one in found if not one.startswith("trimmed") or self._trimmed(one.split(".", 1)[1]))[
                :4
            ]
        if not self._recommended:
            return tuple(f"profit.all.{arm}" for arm in self.analysis.campaign.arms[1:])[:4]
        best = f"profit.all.{self.analysis.campaign.arms[self.analysis.arm]}"
        return (
            "profit.round",
            "profit.p_loss",
            best if self.analysis.action == "target" else "profit.each",
            "list.customers",
        )

    def _trimmed(self, key: str) -> bool:
        return any(
            one.overlap is not None and one.overlap.trimmed is not None
            for one in self.analysis.estimates.effects
            if key == f"{self.analysis.campaign.arms[one.arm]}.{one.outcome.name}"
        )

    def numbers(self) -> dict[str, Number]:
        """Profits."""
        unit, found = language().currency, {}
        for arm, value in to_everyone(self.analysis).items():
            found[f"profit.all.{self.analysis.campaign.arms[arm]}"] = value_number(
                value, unit, "upsell_lift.profit.all"
            )
        if self._recommended and (done := total(self.analysis)) is not None:
            size = self._counted()
            found |= {
                "profit.round": Number(
                    value=done.value * size, low=done.low * size, high=done.high * size, level=done.level, unit=unit,
                    n=done.n, definition="upsell_lift.profit.round",
                ),
                "profit.each": value_number(done, unit, "upsell_lift.profit.each"),
                "profit.p_loss": Number(
                    value=done.p_loss, unit="chance", n=done.n, definition="upsell_lift.profit.p_loss"),
            }  # fmt: skip
        rows = self.analysis.target
        if total(self.analysis) is not None:
            found["list.customers"] = Number(
                value=rows.contacted,
                unit="customers",
                n=self.analysis.campaign.n,
                definition="upsell_lift.list.customers",
            )
            found["list.holdout"] = Number(
                value=rows.held_out, unit="customers", n=len(rows.rows), definition="upsell_lift.list.holdout"
            )
        return found

    @property
    def _recommended(self) -> bool:
        """Whether anybody is to be offered anything, so that there is a next round to speak of."""
        return self.analysis.action in {"target", "all"}

    def _counted(self) -> int:
        """Customers whose profit the round's total counts: under a budget and without targeting, those reached."""
        if self.analysis.action == "all" and self.analysis.budget_share is not None:
            return self.analysis.target.contacted
        return round_size(self.analysis)

    def definitions(self) -> dict[str, Definition]:
        """What each number is."""
        costs = _("Offer against no offer, contact and redemption costs taken off.")
        # Beside the difference of all customers a reader finds another number here: it must be said on whom it rests.
        counted = (
            _("Of the customers whom the choice was not learned from, as what picking earns is.")
            if self.analysis.action == "target" and self.analysis.proof is not None
            else _("Of all customers of the campaign.")
        )
        return {
            "upsell_lift.profit.all": Definition(
                name=_("Profit a customer, if all get it"), text=costs + " " + counted
            ),
            "upsell_lift.profit.round": Definition(
                name=_("More profit from the next round"),
                text=_(
                    "Profit a customer of what is recommended x the {size} customers whom the next round counts: those "
                    "of the campaign, less the share that the list holds out. Measured on customers "
                    "whom the choice was not learned from; the interval is that of chance, if the "
                    "next round’s customers are like these."
                ).format(size=number(self._counted())),
            ),
            "upsell_lift.profit.each": Definition(
                name=_("Profit a customer"),
                text=costs + " " + _("Of all customers of the campaign, also those who are offered nothing."),
            ),
            "upsell_lift.profit.p_loss": Definition(
                name=_("Chance of a loss"),
                text=_(
                    "Probability that the round earns less than doing nothing, goodwill not counted; not told below 0.1%."
                ),
            ),
            "upsell_lift.list.customers": Definition(
                name=_("Customers to contact"), text=_("Customers on the list, without those held out.")
            ),
            "upsell_lift.list.holdout": Definition(
                name=_("Held out at random"),
                text=_("Customers on the list who are offered nothing, so that the next period can judge it."),
            ),
        }

    def checks(self) -> list[Check]:
        """The gates."""
        return [
            Check(id=gate.id, status=gate.status, message=gate.message, value=gate.value, threshold=gate.threshold)
            for gate in self.analysis.gates
        ]

    def decisions(self) -> list[Decision]:
        """What to do; nothing where a gate holds it back."""
        if self.analysis.action == "withheld":
            return []
        value: dict[str, Any] = {
            "action": self.analysis.action,
            "arm": self.analysis.campaign.arms[self.analysis.arm],
            "customers": self.analysis.target.contacted,
            "holdout": self.analysis.target.held_out,
            "list": self.analysis.target.stamp,
        }
        return [Decision(id="upsell", text=verdict_text(self.analysis), evidence=self.analysis.evidence, value=value)]

    def sentence(self) -> Sentence:
        """The grade of evidence in words."""
        if self.analysis.action == "withheld":
            return Sentence(
                text=_("What follows describes who got what and how they differ. It is no ground for a decision.")
            )
        if self.analysis.campaign.randomised:
            return Sentence(
                text=_("Chance decided who was offered what, so what differs afterwards is the offer’s doing.")
            )
        text = _(
            "Who was offered what was not left to chance. The customers were made comparable in "
            "what was known of them before; what nobody "
            "recorded may still be behind a part of it."
        )
        return Sentence(text=text)

    def gate_table(self) -> Table:
        """Every gate, the failed ones first."""
        words = {"fail": _("FAILED"), "warn": _("note"), "pass": _("passed")}
        order = {"fail": 0, "warn": 1, "pass": 2}
        gates = sorted(self.analysis.gates, key=lambda gate: order[gate.status])
        frame = pd.DataFrame(
            {"message": [gate.message for gate in gates], "result": [words[gate.status] for gate in gates]}
        )
        failed = tuple(place for place, gate in enumerate(gates) if gate.status == "fail")
        title_text = (
            _("{n} of the assumptions do not hold, so nothing here is called an effect").format(n=number(len(failed)))
            if failed
            else _("Every assumption that can be looked at holds")
        )
        columns = {"message": Column(label=_("What was found")), "result": Column(label=_("Result"))}
        return table(frame, columns, title=title_text, rows=60, strong=failed)


def verdict(analysis: Analysis) -> Verdict:
    """What the campaign's analysis says is to be done."""
    return Verdict(analysis=analysis)


def value_number(value: Value, unit: str, definition: str) -> Number:
    """A profit as a number of the findings."""
    return Number(
        value=value.value,
        low=value.low,
        high=value.high,
        level=value.level,
        unit=unit,
        n=value.n,
        definition=definition,
    )

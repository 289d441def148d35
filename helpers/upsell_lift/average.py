"""Average lift: every outcome of every arm, with what else may be said of it beside and by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, number, percent
from helpers.upsell_lift.gates import shown
from helpers.upsell_lift.wording import change_text, effect_text, unit_of, value_text

if TYPE_CHECKING:
    from helpers.upsell_lift.analyse import Analysis
    from helpers.upsell_lift.effects import ArmEffect
    from helpers.upsell_lift.estimate import Effect

COLUMNS = ["arm", "outcome", "role", "method", "value", "se", "low", "high", "level", "control", "treated", "n"]


@dataclass(frozen=True, kw_only=True)
class Average(Result):
    """Average effects of the campaign.

    Attributes:
        analysis: The campaign.
    """

    analysis: Analysis

    def numbers(self) -> dict[str, Number]:
        """`ate.<arm>.<outcome>`, its standard error, and every other estimate under its own name."""
        found: dict[str, Number] = {}
        for one in self.analysis.estimates.effects:
            key = f"{self.analysis.campaign.arms[one.arm]}.{one.outcome.name}"
            unit = unit_of(one.outcome)
            main = one.naive if self.analysis.campaign.randomised else one.main
            found[f"ate.{key}"] = number_of(main, unit, f"upsell_lift.{_kind(self.analysis)}")
            found[f"ate.{key}.se"] = Number(value=main.se, unit=unit, n=main.n, definition="upsell_lift.se")
            for kind, other in _beside(one, randomised=self.analysis.campaign.randomised).items():
                found[f"{kind}.{key}"] = number_of(other, unit, f"upsell_lift.{kind}")
        for arm, share, n in self._redemptions():
            found[f"redemption.{arm}"] = Number(value=share, unit="share", n=n, definition="upsell_lift.redemption")
        return found

    def _redemptions(self) -> list[tuple[str, float, int]]:
        profit = self.analysis.campaign.settings.profit.name
        return [
            (self.analysis.campaign.arms[one.arm], one.redemption, one.main.n_treated)
            for one in self.analysis.estimates.effects
            if one.outcome.name == profit and one.redemption is not None
        ]

    def definitions(self) -> dict[str, Definition]:
        """What each estimate is."""
        return {
            "upsell_lift.itt": Definition(
                name=_("Difference by the offer"),
                text=_(
                    "Mean of those who were offered it less mean of the control, whether they took "
                    "it up or not (intention to treat)."
                ),
            ),
            "upsell_lift.ate_all": Definition(
                name=_("Difference, made comparable"),
                text=_(
                    "Doubly robust estimate for all customers (ATE, cross-fitted AIPW), from models "
                    "of outcome and of who got the offer."
                ),
            ),
            "upsell_lift.ate_treated": Definition(
                name=_("Difference, made comparable"),
                text=_(
                    "Doubly robust estimate for those who got the offer (ATT, cross-fitted AIPW), "
                    "from models of outcome and of who got it."
                ),
            ),
            "upsell_lift.se": Definition(name=_("Standard error"), text=_("Of the difference.")),
            "upsell_lift.adjusted": Definition(
                name=_("Difference, adjusted"),
                text=_(
                    "The same, adjusted by cross-fitted models for what was known before the offer; "
                    "it is narrower, not another effect."
                ),
            ),
            "upsell_lift.naive": Definition(
                name=_("Difference as it is"),
                text=_("Mean of those who got the offer less mean of the others, nothing made comparable."),
            ),
            "upsell_lift.trimmed": Definition(
                name=_("Difference, comparable customers only"),
                text=_(
                    "The comparable estimate for those who got the offer (ATT), among customers whose probability of the offer "
                    "lies between .1 and .9."
                ),
            ),
            "upsell_lift.per_protocol": Definition(
                name=_("Takers against the control"),
                text=_(
                    "Those who took the offer up less the control. Takers choose themselves, so this is no effect of the offer."
                ),
            ),
            "upsell_lift.takers": Definition(
                name=_("Difference by taking it up"),
                text=_(
                    "The difference by the offer over the share that took it up: all of it is put down to the takers (CACE)."
                ),
            ),
            "upsell_lift.redemption": Definition(
                name=_("Took it up"), text=_("Share of those offered it who took it up.")
            ),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every estimate, one row each."""
        rows = []
        for one in (*self.analysis.estimates.effects, *self.analysis.estimates.placebos):
            named = {"main": one.main} | _beside(one, randomised=self.analysis.campaign.randomised)
            rows += [self._row(one, kind, effect) for kind, effect in named.items()]
        return {"effects": pd.DataFrame(rows, columns=COLUMNS)}

    def _row(self, one: ArmEffect, kind: str, effect: Effect) -> dict[str, Any]:
        return {
            "arm": self.analysis.campaign.arms[one.arm],
            "outcome": one.outcome.name,
            "role": one.outcome.role,
            "method": kind,
            **{name: getattr(effect, name) for name in COLUMNS[4:]},
        }

    def checks(self) -> list[Check]:
        """Nothing of its own."""
        return []

    def table(self) -> Table:
        """Outcomes by arm, the estimate the report stands on and what is shown beside."""
        campaign = self.analysis.campaign
        rows = []
        for one in self.analysis.estimates.effects:
            row = {
                "arm": campaign.label(one.arm),
                "outcome": shown(one.outcome),
                "control": value_text(one.outcome, one.main.control),
                "main": effect_text(one.outcome, one.naive if campaign.randomised else one.main),
                "adjusted": effect_text(one.outcome, one.adjusted),
                "naive": change_text(one.outcome, one.naive.value),
            }
            trimmed = one.overlap.trimmed if one.overlap else None
            row["trimmed"] = effect_text(one.outcome, trimmed) if trimmed else "–"
            rows.append(row)
        sound = self.analysis.sound
        columns = {
            "outcome": Column(label=_("Outcome")),
            **({"arm": Column(label=_("Offer"))} if len(campaign.arms) > 2 else {}),  # noqa: PLR2004 - more than one offer
            "control": Column(label=_("Without the offer")),
            "main": Column(label=_("What the offer changes") if sound else _("Difference, made comparable")),
        }
        if campaign.randomised:
            columns["adjusted"] = Column(label=_("Adjusted for what was known before"))
            if not sound:
                columns["main"] = Column(label=_("Difference"))
        else:
            columns["naive"] = Column(label=_("As it is"))
            columns["trimmed"] = Column(label=_("Comparable customers only"))
        title = _("What the offer changes") if sound else _("How those with and without the offer differ")
        foot = _("n = {n} customers; {level} intervals. {how}").format(
            n=number(campaign.n), level=percent(campaign.settings.level, digits=0), how=self._how()
        )
        return table(pd.DataFrame(rows), columns, title=title, foot=foot, rows=40)

    def _how(self) -> str:
        return self.definitions()[f"upsell_lift.{_kind(self.analysis)}"].text

    def taken_table(self) -> Table | Empty:
        """Redemption, and what takers look like."""
        rows = [
            {
                "arm": self.analysis.campaign.label(one.arm),
                "outcome": shown(one.outcome),
                "redemption": one.redemption,
                "per_protocol": effect_text(one.outcome, one.per_protocol),
                "takers": effect_text(one.outcome, one.takers),
            }
            for one in self.analysis.estimates.effects
            if one.outcome.role == "profit" and one.per_protocol is not None and one.takers is not None
        ]
        if not rows:
            return Empty()
        columns = {
            "arm": Column(label=_("Offer")),
            "redemption": Column(label=_("Took it up"), kind="share"),
            "per_protocol": Column(label=_("Takers against the control (no effect: they choose themselves)")),
            "takers": Column(
                label=_("Change for a taker") if self.analysis.sound else _("Difference over the share of takers")
            ),
        }
        foot = _(
            "Of {outcome}. Change for a taker: the change of all who were offered it, over the share who took it up."
        )
        foot = (
            foot.format(outcome=rows[0]["outcome"])
            if self.analysis.sound
            else _("Of {outcome}.").format(outcome=rows[0]["outcome"])
        )
        return table(pd.DataFrame(rows), columns, title=_("Who took it up"), foot=foot)


class Empty:
    """Stands where there is nothing to show."""

    def _repr_html_(self) -> str:
        return ""

    def __repr__(self) -> str:
        return "Empty"


def average(analysis: Analysis) -> Average:
    """The campaign's average effects."""
    return Average(analysis=analysis)


def number_of(effect: Effect, unit: str, definition: str) -> Number:
    """An effect as a number of the findings."""
    known = effect.se == effect.se  # not a number without a second customer
    return Number(
        value=effect.value,
        low=effect.low if known else None,
        high=effect.high if known else None,
        level=effect.level if known else None,
        unit=unit,
        n=effect.n,
        definition=definition,
    )


def _kind(analysis: Analysis) -> str:
    if analysis.campaign.randomised:
        return "itt"
    return "ate_treated" if analysis.campaign.settings.estimand == "ATT" else "ate_all"


def _beside(one: ArmEffect, *, randomised: bool) -> dict[str, Effect]:
    """Other estimates by name."""
    found = {"adjusted": one.adjusted} if randomised else {"naive": one.naive}
    if one.overlap is not None and one.overlap.trimmed is not None:
        found["trimmed"] = one.overlap.trimmed
    if one.per_protocol is not None and one.takers is not None:
        found |= {"per_protocol": one.per_protocol, "takers": one.takers}
    return found

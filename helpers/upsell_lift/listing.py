"""The list as a reader sees it: who is on it, how they differ from the others, and what the last list has brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.reporting.findings import Check, Decision, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, foreign, language, money, number, percent
from helpers.upsell_lift.average import Empty, number_of
from helpers.upsell_lift.gates import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.upsell_lift.analyse import Analysis
    from helpers.upsell_lift.score import Score

MOST_PROFILES = 12


@dataclass(frozen=True, kw_only=True)
class Listing(Result):
    """The list.

    Attributes:
        analysis: The campaign.
    """

    analysis: Analysis

    def tables(self) -> dict[str, pd.DataFrame]:
        """The list with its hash."""
        target = self.analysis.target
        made = {
            "stamp": [target.stamp], "campaign": [self.analysis.campaign.name], "customers": [len(target.rows)],
            "holdout": [target.held_out], "expected_profit": [float(target.rows["expected_profit"].sum())],
        }  # fmt: skip
        return {"list": target.rows, "list_stamp": pd.DataFrame(made)}

    def checks(self) -> list[Check]:
        """Whether those to contact have the offer already, or count under what must not get worse."""
        campaign, rows = self.analysis.campaign, self.analysis.target.rows
        contact = np.isin(campaign.unit, rows.loc[~rows["holdout"].astype(bool), "customer"].to_numpy(dtype=str))
        n = number(int(contact.sum()))
        found: dict[str, tuple[int, str]] = {}
        if campaign.accepted is not None:
            taken = int((contact & (campaign.accepted == 1)).sum())
            text = _(
                "{count} of the {n} customers to contact took the offer up in this campaign: where it can be had only once, take "
                "them off the list."
            )
            found["taken"] = taken, text.format(count=number(taken), n=n)
        for outcome in campaign.settings.outcomes:
            if outcome.role == "guardrail" and outcome.type == "binary" and outcome.better == "less":
                count = int((contact & (campaign.outcomes[outcome.name] == 1)).sum())
                text = _(
                    "{count} of the {n} customers to contact count under “{outcome}” already: whoever must not be contacted has "
                    "to be taken off the list."
                )
                found[outcome.name] = count, text.format(count=number(count), n=n, outcome=shown(outcome))
        return [
            Check(id=f"list.{name}", status="warn", value=count, threshold="== 0", message=message)
            for name, (count, message) in found.items()
            if count
        ]

    def sentence(self) -> Sentence:
        """How many, how many held out, and the hash."""
        target = self.analysis.target
        if target.rows.empty:
            return Sentence(text=_("There is no list: nothing is recommended that would need one."))
        text = _(
            "The list has {n} customers; {held} of them, picked at random, are marked to be offered "
            "nothing, and only they can show next "
            "period what the list has brought. Its hash is {stamp}: a list that is changed afterwards will not match."
        )
        told = text.format(n=number(len(target.rows)), held=number(target.held_out), stamp=target.stamp[:16])
        return Sentence(text=" ".join([*self._tested(), told]))

    def _tested(self) -> list[str]:
        """How the list goes with the choice that was tested; nothing where nobody was picked."""
        proof, n = self.analysis.proof, self.analysis.campaign.n
        if self.analysis.action != "target" or proof is None:
            return []
        listed = len(self.analysis.target.rows)
        facts = {"tested": percent(proof.share, digits=0), "listed": percent(listed / n, digits=0)}
        text = (
            _(
                "The tested choice reached {tested} of the customers, and so does the list: those with the most predicted profit. "
                "What is expected of each is scaled, so that all add up to what the tested choice earned."
            )
            if listed == round(proof.share * n)
            else _(
                "The tested choice reached {tested} of the customers; the list has {listed}, since with the others no profit is "
                "predicted. What is expected of each is scaled, so that all add up to what the tested choice earned."
            )
        )
        return [text.format(**facts)]

    def table(self) -> Table | Empty:
        """The first of the list."""
        rows = self.analysis.target.rows
        if rows.empty:
            return Empty()
        frame = rows.assign(held=np.where(rows["holdout"], _("held out"), _("contact")))
        columns = {
            "customer": Column(label=_("Customer")),
            "offer": Column(label=_("Offer")),
            "expected_profit": Column(
                label=_("Expected profit, {currency}").format(currency=language().currency), kind="money"
            ),
            "reason": Column(label=_("What speaks for it")),
            "held": Column(label=_("To do")),
        }
        return table(
            frame, columns, title=_("The list, most profit first"), rows=10, file="tables/upsell_lift.list.parquet"
        )

    def profiles(self) -> Table | Empty:
        """How those on the list differ from the others."""
        campaign, target = self.analysis.campaign, self.analysis.target
        on = np.isin(campaign.unit, target.rows["customer"].to_numpy(dtype=str))
        if not on.any() or on.all():
            return Empty()
        rows = [
            row for name in campaign.covariates.columns for row in _profile(campaign.covariates[name], str(name), on)
        ]
        rows = sorted(rows, key=lambda row: -float(row["distance"]))[:MOST_PROFILES]
        columns = {
            "what": Column(label=_("Property")),
            "on": Column(label=_("On the list")),
            "off": Column(label=_("Not on it")),
        }
        foot = _("n = {on} on the list, {off} not on it.").format(
            on=number(int(on.sum())), off=number(int((~on).sum()))
        )
        return table(pd.DataFrame(rows), columns, title=_("Who is on the list"), foot=foot, rows=MOST_PROFILES)


@dataclass(frozen=True, kw_only=True)
class LastList(Result):
    """What the last list has brought.

    Attributes:
        score: As judged.
    """

    score: Score

    def numbers(self) -> dict[str, Number]:
        """What came of it and what was expected."""
        one = self.score.earned
        if one is None:
            return {}
        unit = language().currency
        return {
            "last_list.profit": number_of(one, unit, "upsell_lift.last_list.profit"),
            "last_list.expected": Number(
                value=self.score.expected, unit=unit, n=self.score.listed, definition="upsell_lift.last_list.expected"
            ),
        }

    def definitions(self) -> dict[str, Definition]:
        """How it is judged."""
        return {
            "upsell_lift.last_list.profit": Definition(
                name=_("Profit of the last list, a customer"),
                text=_(
                    "Mean profit of its customers less that of those of them who were held out at "
                    "random, whether the offer reached them or not."
                ),
            ),
            "upsell_lift.last_list.expected": Definition(
                name=_("Expected of the last list, a customer"),
                text=_("Mean expected profit of the list, as it was written."),
            ),
        }

    def checks(self) -> list[Check]:
        """Whether the list is as it was written, and whether it kept its promise."""
        score = self.score
        if score.state == "changed":
            text = _(
                "The list of {period} was changed after it was written, so nothing can be said of what it brought."
            )
            return [Check(id="last_list", status="warn", value=score.stamp, message=text.format(period=score.period))]
        if score.earned is None:
            return []
        kept = score.earned.high >= score.expected
        text = (
            _("The list of {period} kept its promise as far as can be told.")
            if kept
            else _("The list of {period} brought less than was expected of it.")
        )
        return [
            Check(
                id="last_list", status="pass" if kept else "warn", value=score.earned.value, threshold=f"{score.expected:.4f}",
                message=text.format(period=score.period),
            )
        ]  # fmt: skip

    def decisions(self) -> list[Decision]:
        """None: it is the next list that decides."""
        return []

    def sentence(self) -> Sentence | Empty:
        """What it has brought."""
        score = self.score
        facts = {"period": score.period, "n": number(score.listed), "found": number(score.found)}
        texts = {
            "changed": _(
                "The list of {period} was changed after it was written: its hash does not match, and it is not judged."
            ),
            "not_used": _(
                "Nobody on the list of {period} ({n} customers) was offered anything in this "
                "period, so there is nothing to judge."
            ),
            "too_few": _(
                "The list of {period} has too few customers in this period’s offers, or too small a holdout, to be judged."
            ),
        }
        if score.state == "none":
            return Empty()
        if score.earned is None:
            return Sentence(text=texts[score.state].format(**facts))
        text = _(
            "The list of {period}: {found} of its {n} customers are in this period’s offers, and "
            "{offered} of those not held out were "
            "offered something. Against its holdout it brought {earned} a customer ({low} to {high}); {expected} was expected."
        )
        return Sentence(
            text=text.format(
                **facts,
                offered=percent(score.offered, digits=0),
                earned=money(score.earned.value),
                low=money(score.earned.low),
                high=money(score.earned.high),
                expected=money(score.expected),
            )
        )


def listing(analysis: Analysis) -> Listing:
    """The list."""
    return Listing(analysis=analysis)


def last_list(score: Score) -> LastList:
    """What the last list has brought."""
    return LastList(score=score)


def _profile(values: pd.Series, name: str, on: NDArray) -> list[dict[str, Any]]:
    """Rows of one covariate: a mean, or the share of each level."""
    from helpers.upsell_lift.design import coarse

    label = foreign(name.replace("_", " "))
    if pd.api.types.is_numeric_dtype(values):
        plain = values.to_numpy(dtype=float, na_value=np.nan)
        spread = float(np.nanstd(plain))
        means = [float(np.nanmean(plain[side])) for side in (on, ~on)]
        if not spread > 0 or not np.isfinite(means).all():
            return []
        yes_no = set(np.unique(plain[np.isfinite(plain)])) <= {0.0, 1.0}
        shown = [percent(one, digits=0) if yes_no else number(one, digits=1) for one in means]
        what = label if yes_no else _("{name}, mean").format(name=label)
        return [{"what": what, "on": shown[0], "off": shown[1], "distance": abs(means[0] - means[1]) / spread}]
    text = coarse(values)[0].to_numpy()
    found: list[dict[str, Any]] = []
    for level in sorted(set(text)):
        shares = [float((text[side] == level).mean()) for side in (on, ~on)]
        own = float((text == level).mean())
        distance = abs(shares[0] - shares[1]) / max(np.sqrt(own * (1 - own)), 1e-9)
        found.append(
            {
                "what": _("{attribute}: {value}").format(attribute=label, value=foreign(level)),
                "on": percent(shares[0], digits=0),
                "off": percent(shares[1], digits=0),
                "distance": distance,
            }
        )
    return found

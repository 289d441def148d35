"""Renewals due within a month: how many contracts, what they are worth if they renew, and what is expected to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.clv.expect import MONTH
from helpers.reporting.findings import Decision, Result, where_given
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, language, money, number, percent, plural

if TYPE_CHECKING:
    import pandas as pd

    from helpers.clv.contract_value import ContractValue

# Lower ends of the bands of renewals seen so far.
TENURES = (0, 1, 3, 6, 12)


@dataclass(frozen=True, kw_only=True)
class RenewalsDue(Result):
    """Renewals due within a month.

    Attributes:
        parts: By plan and renewals so far, the most expected loss first: `plan`, `tenure`, `contracts`, `p_renew`, `at_stake`
            (value of those contracts if all renew) and `expected_loss` (what of that is expected to go).
        horizon_months: Of all values.
    """

    parts: pd.DataFrame
    horizon_months: int

    @property
    def n(self) -> int:
        """Contracts that are due."""
        return int(self.parts["contracts"].sum())

    def decisions(self) -> list[Decision]:
        """Where most is expected to go."""
        if self.parts.empty or self.parts["expected_loss"].max() <= 0:
            return []
        top = self.parts.iloc[0]
        stake, loss = float(self.parts["at_stake"].sum()), float(self.parts["expected_loss"].sum())
        due = plural(
            "{count} contract comes up for renewal within the next month, worth {stake} of margin if it renews; {loss} of it "
            "is expected to go.",
            "{count} contracts come up for renewal within the next month, worth {stake} of margin if all renew; {loss} of it "
            "is expected to go.",
            self.n,
            stake=money(stake, compact=True),
            loss=money(loss, compact=True),
        )
        first = _(
            "The largest part of that, {most}, lies with the {n} on {plan} ({tenure}), of which {share} are expected to end: "
            "look there first."
        ).format(
            most=money(top["expected_loss"], compact=True),
            n=number(top["contracts"]),
            plan=top["plan"],
            tenure=top["tenure"],
            share=percent(1 - top["p_renew"]),
        )
        return [
            Decision(
                id="contracts.renewals_due",
                text=f"{due} {first}",
                evidence="model",
                value={
                    "contracts": self.n,
                    "at_stake": stake,
                    "expected_loss": loss,
                    "plan": top["plan"],
                    "tenure": top["tenure"],
                    "largest": float(top["expected_loss"]),
                },
            )
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The parts."""
        return {"contracts_due": self.parts}

    def table(self) -> Table:
        """What is due, by plan and renewals so far."""
        unit = language().currency
        columns = {
            "plan": Column(label=_("Plan")),
            "tenure": Column(label=_("So far")),
            "contracts": Column(label=_("Contracts due"), kind="number"),
            "p_renew": Column(label=_("Renew next time"), kind="share"),
            "at_stake": Column(label=_("Worth if they renew, {currency}").format(currency=unit), kind="money"),
            "expected_loss": Column(label=_("Expected to go, {currency}").format(currency=unit), kind="money"),
        }
        foot = _(
            "n = {n}. Margin within {months} months, discounted, of contracts whose next renewal is due within a month; expected "
            "values."
        )
        return table(
            self.parts,
            columns,
            title=_("Renewals due within a month"),
            foot=foot.format(n=number(self.n), months=number(self.horizon_months)),
            file="tables/clv.contracts_due.parquet",
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


@where_given
def renewals_due(value: ContractValue) -> RenewalsDue:
    """The renewals due within a month, by plan and renewals so far.

    Args:
        value: What the contracts are expected to bring.
    """
    # What is not known (NaN) of a contract whose plan has met no renewal date is left out.
    soon = value.contracts[(value.contracts["due"] <= MONTH) & value.contracts["p_renew"].notna()]
    band = np.searchsorted(TENURES, soon["seen"].to_numpy(int), side="right") - 1
    grouped = soon.assign(band=band).groupby(["plan", "band"], as_index=False)
    parts = grouped.agg(
        contracts=("value", "size"),
        p_renew=("p_renew", "mean"),
        at_stake=("at_stake", "sum"),
        expected_loss=("expected_loss", "sum"),
    )
    parts = parts.sort_values(["expected_loss", "plan", "band"], ascending=[False, True, True], ignore_index=True)
    parts.insert(1, "tenure", [_tenure(place) for place in parts["band"]])
    return RenewalsDue(parts=parts.drop(columns="band"), horizon_months=value.horizon_months)


def _tenure(place: int) -> str:
    start = TENURES[place]
    if start == 0:
        return _("no renewal yet")
    if place + 1 == len(TENURES):
        return _("{count} renewals or more").format(count=number(start))
    return _("{first} to {last} renewals").format(first=number(start), last=number(TENURES[place + 1] - 1))

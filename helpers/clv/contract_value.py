"""What contracts are expected to bring: residual lifetime value of each, by plan and in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.clv.contract_model import unmet_said
from helpers.clv.expect import MONTH
from helpers.reporting.figures import Figure, Theme, figure, label, money_axis
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, foreign, interval, language, listing, money, number, percent

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class ContractValue(Result):
    """What the active contracts are expected to bring within the horizon.

    Attributes:
        contracts: One row an active contract, the most valuable first: rank, customer_id, plan, started_on, price, `seen`
            (renewals), `due` (days until the next), `p_renew`, `renewals` (expected, with predictive `renewals_low`,
            `renewals_high`), `value` (expected discounted margin, with predictive `value_low`, `value_high`), `at_stake` (its
            value if it renews next time) and `expected_loss` (what of that is expected to go at the next renewal).
        plans: One row a plan: `plan`, `contracts` (active), `p_renew`, `value`, `low`, `high` (predictive), `at_risk`, and of
            a new contract `new`, `new_low`, `new_high` (posterior).
        total: Draws of the value of all, predictive, shape (draws,).
        renewals: Draws of their renewals.
        retained: Draws of how many renew next time.
        new: Draws of the expected margin of a new contract, posterior.
        known: Contracts that began, active or not.
        unmet: Groups of plans of whose renewals nothing is known: their contracts' values are NaN, and so are their plans'.
        all_unmet: Whether that is all of them.
        horizon_months: Of all values.
        margin: Share of the price.
        discount_rate: A year.
        observed_days: Age of the first contract.
        as_of: First moment that does not count.
        level: Coverage of the intervals.
    """

    contracts: pd.DataFrame
    plans: pd.DataFrame
    total: NDArray
    renewals: NDArray
    retained: NDArray
    new: NDArray
    known: int
    unmet: tuple[str, ...]
    all_unmet: bool
    horizon_months: int
    margin: float
    discount_rate: float
    observed_days: int
    as_of: datetime
    level: float

    @property
    def n(self) -> int:
        """Active contracts."""
        return len(self.contracts)

    @property
    def held_back(self) -> bool:
        """Whether the active contracts' value is not told, since nothing is known of the renewals of some or all."""
        return self.all_unmet or bool(self.contracts["p_renew"].isna().any())

    def _ends(self, draws: NDArray) -> tuple[float, float]:
        tail = (1 - self.level) / 2
        low, high = np.quantile(draws, [tail, 1 - tail])
        return float(low), float(high)

    def headline(self) -> str:
        """What the contracts are worth."""
        if self.held_back or (not self.n and self.unmet):
            return unmet_said(self.unmet, all_groups=self.all_unmet)
        if not self.n:
            return _(
                "No contract is active; a new one is expected to bring {value} of margin within {months} months."
            ).format(value=money(float(self.new.mean())), months=number(self.horizon_months))
        low, high = self._ends(self.total)
        return _(
            "The {n} active contracts are expected to bring {value} of margin within {months} months ({interval}, {level} "
            "interval), today’s money; {share} of them are expected to renew next time."
        ).format(
            n=number(self.n),
            value=money(float(self.contracts["value"].sum()), compact=True),
            months=number(self.horizon_months),
            interval=interval(low, high, language().currency),
            level=percent(self.level, digits=0),
            share=percent(self.contracts["p_renew"].mean()),
        )

    def cards(self) -> tuple[str, ...]:
        """Contracts, how many renew, and what they and a new one bring."""
        return ("contracts.active", "contracts.retention", "contracts.rlv.total", "contracts.new")

    def numbers(self) -> dict[str, Number]:
        """Contracts, renewals and value."""
        unit, n = language().currency, self.n
        frame = self.contracts
        rows: dict[str, tuple[float, NDArray, str, int]] = {}
        if not self.unmet:
            rows["contracts.new"] = (float(self.new.mean()), self.new, unit, self.known)
        if n and not self.held_back:
            rows |= {
                "contracts.retention": (float(frame["p_renew"].mean()), self.retained / n, "share", n),
                "contracts.rlv.mean": (float(frame["value"].mean()), self.total / n, unit, n),
                "contracts.rlv.total": (float(frame["value"].sum()), self.total, unit, n),
                "contracts.renewals.total": (float(frame["renewals"].sum()), self.renewals, "orders", n),
            }
        found = {
            key: Number(
                value=_whole(point, kind),
                low=_whole(self._ends(draws)[0], kind),
                high=_whole(self._ends(draws)[1], kind),
                level=self.level,
                unit=kind,
                n=size,
                definition=key,
            )
            for key, (point, draws, kind, size) in rows.items()
        }
        # A sum over no contract is nothing; one that is held back is not known.
        none = None if self.held_back else 0.0
        empty = {
            "contracts.new": (None, unit),
            "contracts.retention": (None, "share"),
            "contracts.rlv.mean": (None, unit),
            "contracts.rlv.total": (none, unit),
            "contracts.renewals.total": (none, "orders"),
        }
        found |= {
            key: Number(value=value, unit=kind, n=0, definition=key)
            for key, (value, kind) in empty.items()
            if key not in found
        }
        active = Number(value=float(n), unit="customers", n=self.known, definition="contracts.active")
        return {"contracts.active": active, **found}

    def definitions(self) -> dict[str, Definition]:
        """What each number is."""
        how = _(
            "Payments still to come within {months} months, each at its renewal date: chance that the contract is still there "
            "x price x margin {margin}, discounted at {rate} a year. What has been paid is not in it. The interval is that of "
            "what will be seen, not only of the parameters."
        ).format(months=number(self.horizon_months), margin=percent(self.margin), rate=percent(self.discount_rate))
        return {
            "contracts.active": Definition(
                name=_("Active contracts"), text=_("Contracts that had begun and not ended; n is all that had begun.")
            ),
            "contracts.retention": Definition(
                name=_("Renew next time"),
                text=_("Share of the active contracts expected to renew at their next renewal, whenever it is due."),
            ),
            "contracts.rlv.mean": Definition(name=_("Residual value of a contract"), text=how),
            "contracts.rlv.total": Definition(name=_("Residual value of the contracts"), text=how),
            "contracts.renewals.total": Definition(
                name=_("Renewals to come"),
                text=_("Expected renewals of the active contracts within {months} months.").format(
                    months=number(self.horizon_months)
                ),
            ),
            "contracts.new": Definition(
                name=_("Value of a new contract"),
                text=_(
                    "Expected discounted margin of the first payment and of the renewals within {months} months, for plans and "
                    "prices as in the log; acquisition cost is not taken off. The interval is that of the mean."
                ).format(months=number(self.horizon_months)),
            ),
        }

    def checks(self) -> list[Check]:
        """Whether the horizon reaches farther than the log, and whether prices are such that values mean something."""
        farther = self.horizon_months * MONTH > self.observed_days
        found = [
            Check(
                id="contracts.horizon",
                status="warn" if farther else "pass",
                value=self.horizon_months,
                threshold=_("up to {months} months").format(months=number(self.observed_days / MONTH)),
                message=_("The horizon is longer than the oldest contract: what lies beyond rests on the model’s form.")
                if farther
                else _("The oldest contract is as old as the horizon is long."),
            )
        ]
        free = int((self.contracts["price"] <= 0).sum())
        if free:
            found.append(
                Check(
                    id="contracts.price",
                    status="warn",
                    value=free,
                    threshold="0",
                    message=_("{n} active contracts have a price of nothing or less; they are valued at it.").format(
                        n=number(free)
                    ),
                )
            )
        return found

    def tables(self) -> dict[str, pd.DataFrame]:
        """The ranked list and the plans."""
        return {"contracts": self.contracts, "contracts_plans": self.plans}

    def table(self) -> Table | Sentence:
        """The contracts worth most."""
        if self.all_unmet:
            return Sentence(text=self.headline())
        columns = {
            "rank": Column(label=_("Rank"), kind="number"),
            "customer_id": Column(label=_("Customer")),
            "plan": Column(label=_("Plan")),
            "value": Column(
                label=_("Expected margin, {currency}").format(currency=language().currency),
                kind="money",
                low="value_low",
                high="value_high",
            ),
            "renewals": Column(label=_("Renewals to come"), kind="decimal"),
            "p_renew": Column(label=_("Renews next time"), kind="share"),
            "seen": Column(label=_("Renewals so far"), kind="number"),
            "due": Column(label=_("Days to the next"), kind="number"),
        }
        foot = _("n = {n}. Intervals of what will be seen, at {level}, over {months} months.").format(
            n=number(self.n), level=percent(self.level, digits=0), months=number(self.horizon_months)
        )
        return table(
            self.contracts,
            columns,
            title=_("Contracts by expected margin"),
            foot=foot,
            file="tables/clv.contracts.parquet",
        )

    def plan_table(self) -> Table | Sentence:
        """Value, value at risk and what a new contract brings, by plan."""
        return Sentence(text=self.headline()) if self.all_unmet else self._plan_table()

    def _plan_table(self) -> Table:
        unit = language().currency
        columns = {
            "plan": Column(label=_("Plan")),
            "contracts": Column(label=_("Active contracts"), kind="number"),
            "value": Column(
                label=_("Expected margin, {currency}").format(currency=unit), kind="money", low="low", high="high"
            ),
            "at_risk": Column(label=_("Value at risk (5 %), {currency}").format(currency=unit), kind="money"),
            "p_renew": Column(label=_("Renew next time"), kind="share"),
            "new": Column(
                label=_("A new contract, {currency}").format(currency=unit),
                kind="money",
                low="new_low",
                high="new_high",
            ),
        }
        foot = _(
            "Value at risk: what is missing from the expected margin in the worst twentieth of futures. Intervals at {level}; "
            "those of a new contract are of its mean."
        )
        return table(
            self.plans,
            columns,
            title=_("Value by plan"),
            foot=foot.format(level=percent(self.level, digits=0)),
            rows=len(self.plans),
        )

    def figure(self) -> Figure | Sentence:
        """Value of each plan with its predictive interval."""
        if len(self.plans) == 1 or not self.n or self.held_back:
            return Sentence(text=self.headline())
        shown = self.plans.nlargest(SHOWN, "contracts").sort_index(ascending=False)
        best = self.plans["value"].idxmax()

        def draw(axes: Axes, theme: Theme) -> None:
            places = np.arange(len(shown))
            colours = [theme.accent if i == best else theme.context for i in shown.index]
            axes.barh(places, shown["value"], height=0.6, color=colours)
            ends = [(shown["value"] - shown["low"]).clip(lower=0), (shown["high"] - shown["value"]).clip(lower=0)]
            axes.errorbar(shown["value"], places, xerr=ends, fmt="none", ecolor=theme.ink, elinewidth=1)
            axes.set_yticks(places, [label(name) for name in shown["plan"]])
            money_axis(axes.xaxis)
            axes.grid(axis="y", visible=False)
            axes.grid(axis="x", visible=True)

        top = self.plans.loc[best]
        return figure(
            draw,
            title=_("Customers of {group}: {value} of {total}").format(
                group=top["plan"],
                value=money(top["value"], compact=True),
                total=money(self.plans["value"].sum(), compact=True),
            ),
            subtitle=_("Expected margin of active contracts within {months} months, by plan").format(
                months=number(self.horizon_months)
            ),
            foot=_("n = {n} contracts. Lines are {level} intervals of what will be seen.").format(
                n=number(self.n), level=percent(self.level, digits=0)
            ),
            alt=_("Bars: {parts}").format(
                parts=listing(
                    (f"{foreign(row.plan)} {money(row.value, compact=True)}" for row in shown.itertuples()),
                    style="unit",
                )
            ),
            data=self._plan_table(),
            height=1.0 + 0.36 * len(shown),
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _whole(value: float, unit: str) -> float:
    """Renewals of all contracts are told without decimals."""
    return float(round(value)) if unit == "orders" else value

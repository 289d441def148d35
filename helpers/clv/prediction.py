"""What a prediction says: the base's value, its customers ranked, its groups and months."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.clv.expect import MONTH, posterior_ends
from helpers.reporting.figures import Figure, Theme, figure, money_axis
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, foreign, interval, language, listing, money, number, percent, period_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Prediction(Result):
    """What the base is expected to bring within the horizon.

    Attributes:
        customers: customer_id, group, `p_alive`, `orders` (expected, with predictive `orders_low`, `orders_high`), `spend`
            (expected mean order), `value` (expected discounted margin, with predictive `value_low`, `value_high`),
            `p_order`, `p_above_cac`, `p_top_decile`, `rank`.
        groups: `group`, `customers`, `value`, `low`, `high` (predictive), `p_alive`.
        months: `month`, `orders`, `low`, `high`: expected orders of the base with their posterior interval.
        total: Draws of the base's value, predictive, shape (draws,).
        orders: Draws of the base's orders, predictive, shape (draws,).
        alive: Draws of how many customers are alive.
        independent_total: Expected total value by plain Gamma-Gamma, for comparison.
        horizon_months: Of all values.
        margin: Share of net revenue.
        refunds: Share of gross revenue that was given back, taken off.
        observed_days: Length of the log.
        cac: What values are compared with; `None` where it is unknown.
        level: Coverage of the intervals.
    """

    customers: pd.DataFrame
    groups: pd.DataFrame
    months: pd.DataFrame
    total: NDArray
    orders: NDArray
    alive: NDArray
    independent_total: float
    horizon_months: int
    margin: float
    discount_rate: float
    refunds: float
    observed_days: int
    cac: float | None
    level: float

    @property
    def n(self) -> int:
        """Customers."""
        return len(self.customers)

    def _ends(self, draws: NDArray) -> tuple[float, float]:
        tail = (1 - self.level) / 2
        low, high = np.quantile(draws, [tail, 1 - tail])
        return float(low), float(high)

    def headline(self) -> str:
        """What the base is worth."""
        low, high = self._ends(self.total)
        return _(
            "The {n} customers of today are expected to bring {value} of margin within {months} months "
            "({interval}, {level} interval), today’s money."
        ).format(
            n=number(self.n),
            value=money(float(self.customers["value"].sum()), compact=True),
            months=number(self.horizon_months),
            interval=interval(low, high, language().currency),
            level=percent(self.level, digits=0),
        )

    def cards(self) -> tuple[str, ...]:
        """Value of a customer and of all, who is alive, and what they will order."""
        return ("clv.mean", "clv.total", "p_alive.mean", "expected_orders.total")

    def numbers(self) -> dict[str, Number]:
        """Value, P(alive) and orders."""
        unit, n = language().currency, self.n
        value = float(self.customers["value"].sum())
        low, high = posterior_ends(self.alive / n, level=self.level).clip(0.0, 1.0)
        rows = {
            "clv.mean": (value / n, self._ends(self.total / n), unit),
            "clv.total": (value, self._ends(self.total), unit),
            "p_alive.mean": (float(self.customers["p_alive"].mean()), (float(low), float(high)), "share"),
            "expected_orders.total": (float(self.customers["orders"].sum()), self._ends(self.orders), "orders"),
        }
        return {
            key: Number(
                value=_whole(point, kind),
                low=_whole(ends[0], kind),
                high=_whole(ends[1], kind),
                level=self.level,
                unit=kind,
                n=n,
                definition=key,
            )
            for key, (point, ends, kind) in rows.items()
        }

    def definitions(self) -> dict[str, Definition]:
        """What value, alive and orders mean."""
        how = _(
            "Expected orders of each of {months} months x expected order x margin {margin}, refunds of {refunds} taken "
            "off, discounted at {rate} a year; the interval is that of what will be seen, not only of the parameters."
        ).format(
            months=number(self.horizon_months),
            margin=percent(self.margin),
            refunds=percent(self.refunds),
            rate=percent(self.discount_rate),
        )
        return {
            "clv.mean": Definition(name=_("Value of a customer"), text=how),
            "clv.total": Definition(name=_("Value of the base"), text=how),
            "p_alive.mean": Definition(
                name=_("Still customers"),
                text=_("Mean probability that a customer has not stopped for good; nobody sees customers stop."),
            ),
            "expected_orders.total": Definition(
                name=_("Orders to come"),
                text=_("Expected order days within the horizon; orders of one day count once."),
            ),
        }

    def checks(self) -> list[Check]:
        """Whether the horizon reaches farther than the log."""
        ahead = self.horizon_months * MONTH
        farther = ahead > self.observed_days
        return [
            Check(
                id="clv.horizon",
                status="warn" if farther else "pass",
                value=self.horizon_months,
                threshold=_("up to {months} months").format(months=number(self.observed_days / MONTH)),
                message=_("The horizon is longer than the log: what lies beyond rests on the model’s form.")
                if farther
                else _("The log is as long as the horizon."),
            )
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The ranked list, groups and months."""
        return {"customers": self.customers, "groups": self.groups, "months": self.months}

    def table(self) -> Table:
        """The customers worth most."""
        unit = language().currency
        columns = {
            "rank": Column(label=_("Rank"), kind="number"),
            "customer_id": Column(label=_("Customer")),
            "value": Column(
                label=_("Expected margin, {currency}").format(currency=unit),
                kind="money",
                low="value_low",
                high="value_high",
            ),
            "orders": Column(label=_("Orders to come"), kind="decimal"),
            "spend": Column(label=_("Mean order, {currency}").format(currency=unit), kind="money"),
            "p_alive": Column(label=_("P(alive)"), kind="share"),
            "p_top_decile": Column(label=_("P(top tenth)"), kind="share"),
        }
        foot = _("n = {n}. Intervals of what will be seen, at {level}, over {months} months.").format(
            n=number(self.n), level=percent(self.level, digits=0), months=number(self.horizon_months)
        )
        return table(
            self.customers,
            columns,
            title=_("Customers by expected margin"),
            foot=foot,
            file="tables/clv.customers.parquet",
        )

    def group_table(self) -> Table:
        """Value and value at risk by group."""
        unit = language().currency
        columns = {
            "group": Column(label=_("Group")),
            "customers": Column(label=_("Customers"), kind="number"),
            "value": Column(
                label=_("Expected margin, {currency}").format(currency=unit), kind="money", low="low", high="high"
            ),
            "at_risk": Column(label=_("Value at risk (5 %), {currency}").format(currency=unit), kind="money"),
            "p_alive": Column(label=_("Mean P(alive)"), kind="share"),
        }
        foot = _(
            "Value at risk: what is missing from the expected margin in the worst twentieth of futures. Intervals at {level}."
        )
        return table(
            self._named,
            columns,
            title=_("Value by group of customers"),
            foot=foot.format(level=percent(self.level, digits=0)),
            rows=len(self.groups),
        )

    @property
    def _named(self) -> pd.DataFrame:
        """The groups as a reader calls them: cohorts are periods."""
        return self.groups.assign(group=[period_name(str(name)) for name in self.groups["group"]])

    def figure(self) -> Figure:
        """Value of each group with its predictive interval."""
        shown = self._named.nlargest(SHOWN, "customers").sort_index(ascending=False)
        best = self.groups["value"].idxmax()

        def draw(axes: Axes, theme: Theme) -> None:
            places = np.arange(len(shown))
            axes.barh(
                places,
                shown["value"],
                height=0.6,
                color=[theme.accent if i == best else theme.context for i in shown.index],
            )
            ends = [(shown["value"] - shown["low"]).clip(lower=0), (shown["high"] - shown["value"]).clip(lower=0)]
            axes.errorbar(shown["value"], places, xerr=ends, fmt="none", ecolor=theme.ink, elinewidth=1)
            axes.set_yticks(places, list(shown["group"]))
            money_axis(axes.xaxis)
            axes.grid(axis="y", visible=False)
            axes.grid(axis="x", visible=True)

        top = self._named.loc[best]
        return figure(
            draw,
            title=_("Customers of {group}: {value} of {total}").format(
                group=top["group"],
                value=money(top["value"], compact=True),
                total=money(self.groups["value"].sum(), compact=True),
            ),
            subtitle=_("Expected margin within {months} months, by group").format(months=number(self.horizon_months)),
            foot=_("n = {n} customers. Lines are {level} intervals of what will be seen.").format(
                n=number(self.n), level=percent(self.level, digits=0)
            ),
            alt=_("Bars: {parts}").format(
                parts=listing(
                    (f"{foreign(row.group)} {money(row.value, compact=True)}" for row in shown.itertuples()),
                    style="unit",
                )
            ),
            data=self.group_table(),
            height=1.0 + 0.36 * len(shown),
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _whole(value: float, unit: str) -> float:
    """Orders of a whole base are told without decimals."""
    return float(round(value)) if unit == "orders" else value

"""The simple formula, AOV x orders per period x periods x margin - CAC, beside the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from helpers.clv.expect import MONTH
from helpers.reporting.findings import Definition, Number, Result, where_given
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, language, number, percent
from helpers.stats.bootstrap import Estimate, ratio

if TYPE_CHECKING:
    from helpers.clv.decide import Economics
    from helpers.clv.model import Model


@dataclass(frozen=True, kw_only=True)
class Simple(Result):
    """A customer's value by the simple formula, and by the model for a new customer.

    Attributes:
        value: By the formula, CAC taken off where it is known.
        rows: `rule`, `value`, `low`, `high`.
        horizon_months: Of both.
        cac: What was taken off; `None` where unknown.
    """

    value: Estimate
    rows: pd.DataFrame
    horizon_months: int
    cac: float | None

    def numbers(self) -> dict[str, Number]:
        """The formula's value."""
        return {
            "clv.simple": Number(
                value=self.value.value,
                low=self.value.low,
                high=self.value.high,
                level=self.value.level if self.value.low is not None else None,
                unit=language().currency,
                n=self.value.n,
                definition="clv.simple",
            )
        }

    def definitions(self) -> dict[str, Definition]:
        """The formula."""
        return {
            "clv.simple": Definition(
                name=_("Value by the simple formula"),
                text=(
                    _(
                        "AOV x orders per month x {months} months x margin, refunds taken off. It knows no stopping and no "
                        "discount. The interval draws customers anew."
                    )
                    if self.cac is None
                    else _(
                        "AOV x orders per month x {months} months x margin, less acquisition cost, refunds taken off. It knows "
                        "no stopping and no discount. The interval draws customers anew."
                    )
                ).format(months=number(self.horizon_months)),
            )
        }

    def table(self) -> Table:
        """Formula and model."""
        columns = {
            "rule": Column(label=_("A new customer’s value by")),
            "value": Column(
                label=_("Within {months} months, {currency}").format(
                    months=number(self.horizon_months), currency=language().currency
                ),
                kind="money",
                low="low",
                high="high",
            ),
        }
        foot = (
            _("n = {n} customers; {level} intervals. Acquisition cost is not known and not taken off.")
            if self.cac is None
            else _("n = {n} customers; {level} intervals. Acquisition cost is taken off both.")
        ).format(n=number(self.value.n), level=percent(self.value.level, digits=0))
        return table(self.rows, columns, title=_("The simple formula beside the model"), foot=foot)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


@where_given
def simple(model: Model, plan: Economics, *, margin: float, seed: int) -> Simple:
    """The formula on the model's own base.

    Args:
        model: The fitted model, whose customers and refunds are used.
        plan: A new customer's value by the model, with its horizon and CAC.
        margin: Share of net revenue.
        seed: Of the bootstrap.
    """
    frame = model.base.customers
    months = (frame["T"].to_numpy(float) + 1) / MONTH
    # AOV x orders per month is revenue over customer-months; orders cancel.
    rate = ratio(frame["total"].to_numpy(float), months, level=plan.level, seed=seed)
    factor = plan.horizon_months * margin * (1 - model.base.refunds)
    off = plan.cac or 0.0

    def scaled(value: float | None) -> float | None:
        return None if value is None else value * factor - off

    low, high = (scaled(rate.low), scaled(rate.high)) if factor >= 0 else (scaled(rate.high), scaled(rate.low))
    value = Estimate(value=scaled(rate.value), low=low, high=high, level=rate.level, n=rate.n)
    end = plan.curve.iloc[-1]
    rows = pd.DataFrame(
        [
            {"rule": _("the simple formula"), "value": value.value, "low": value.low, "high": value.high},
            {"rule": _("the model"), **{key: float(end[key]) - off for key in ("value", "low", "high")}},
        ]
    )
    return Simple(value=value, rows=rows, horizon_months=plan.horizon_months, cac=plan.cac)

"""Value-based segments: what a customer brought beside what the customer may bring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, language, marked, money, number, percent
from helpers.stats.bootstrap import percentile
from helpers.stats.intervals import wilson

TOP = 0.8
MONTH = 365.25 / 12
# "At Risk" alone is a segment by RFM, of other customers on the same page.
GROUPS = (marked("VIP"), marked("Potential"), marked("Average"), marked("VIP at risk"))


@dataclass(frozen=True, kw_only=True)
class ValueSegments(Result):
    """Customers by current and predicted value.

    Attributes:
        customers: customer_id, `current_value`, `predicted_value` and `value_segment`.
        summary: `segment`, `customers`, `share`, `low`, `high`, `current`, `predicted` (sums).
        edges: Current and predicted value above which a customer counts as high.
        mean: Mean predicted value with its interval.
        horizon_months: Of the prediction.
        modelled: Whether the predicted values are the CLV model's.
        method: Where they come from, as a sentence.
    """

    customers: pd.DataFrame
    summary: pd.DataFrame
    edges: tuple[float, float]
    mean: tuple[float | None, float | None, float | None]
    horizon_months: int
    level: float
    modelled: bool
    method: str

    def numbers(self) -> dict[str, Number]:
        """Mean predicted value and customers a group."""
        n = len(self.customers)
        value, low, high = self.mean
        found = {
            "value.predicted_mean": Number(
                value=value,
                low=low,
                high=high,
                level=self.level if low is not None else None,
                unit=language().currency,
                n=n,
                definition="value.predicted_mean",
            )
        }
        return found | {
            f"value.{row.segment.lower().replace(' ', '_')}.customers": Number(
                value=row.customers, unit="customers", n=n, definition="value.customers"
            )
            for row in self.summary.itertuples()
        }

    def definitions(self) -> dict[str, Definition]:
        """How value is predicted, and where the groups part."""
        return {
            "value.predicted_mean": Definition(name=_("Predicted value of a customer"), text=self.method),
            "value.customers": Definition(
                name=_("Customers by value"),
                text=_(
                    "High means above the 80th percentile: {current} current margin, {predicted} predicted value. VIP: "
                    "both high; potential: predicted high; VIP at risk: current high; average: neither."
                ).format(current=money(self.edges[0]), predicted=money(self.edges[1])),
            ),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Each customer's values and group."""
        return {"value": self.customers}

    def table(self) -> Table:
        """Groups with customers and value."""
        unit = language().currency
        columns = {
            "name": Column(label=_("Group")),
            "customers": Column(label=_("Customers"), kind="number"),
            "share": Column(label=_("Share"), kind="share", low="low", high="high"),
            "current": Column(label=_("Margin so far, {currency}").format(currency=unit), kind="money"),
            "predicted": Column(
                label=(_("Predicted, {currency}") if self.modelled else _("By the simple formula, {currency}")).format(
                    currency=unit
                ),
                kind="money",
            ),
        }
        foot = _("{method} Intervals at {level}, of shares only.").format(
            method=self.method, level=percent(self.level, digits=0)
        )
        frame = self.summary.assign(name=[_(segment) for segment in self.summary["segment"]])
        return table(frame, columns, title=_("Customers by value"), foot=foot)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def simple_value(customers: pd.DataFrame, *, months: float, horizon_months: int, margin: float) -> pd.Series:
    """What is still to come of each customer by the simple formula: AOV x orders a month x months x margin.

    It is the simple CLV without its CAC: what it cost to win these customers is spent, whatever they bring from now on. Orders a month
    are taken over the time since the first order in the window (at least one month).

    Args:
        customers: With `aov`, `frequency` and `first_at` counted back from the window's end as `tenure_days`.
        months: Length of the window.
        horizon_months: Months that count.
        margin: Share of revenue.
    """
    watched = (customers["tenure_days"] / MONTH).clip(lower=1.0, upper=months)
    return customers["aov"] * customers["frequency"] / watched * horizon_months * margin


def value_segments(
    customers: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    window_months: int,
    horizon_months: int,
    margin: float,
    level: float,
    seed: int,
    replicates: int,
    clv: pd.DataFrame | None = None,
    barred: bool = False,
) -> ValueSegments:
    """Groups by current margin and predicted value: the CLV model's where there is one, else the simple formula's.

    Args:
        customers: A segmentation's customers.
        as_of: End of the window.
        window_months: Its length.
        horizon_months: Months ahead.
        margin: Share of revenue that is margin; it may be negative.
        level: Coverage of the intervals.
        seed: Of the bootstrap.
        replicates: Of the bootstrap.
        clv: customer_id and `value` (expected margin, P(alive) taken in) of the CLV topic; `None` where it has none to give.
        barred: Whether it has some that must not be used.
    """
    known = customers.assign(tenure_days=(pd.Timestamp(as_of) - customers["first_at"]) / pd.Timedelta(days=1))
    frame = pd.DataFrame({"customer_id": known["customer_id"], "current_value": known["monetary"] * margin})
    frame["predicted_value"] = simple_value(known, months=window_months, horizon_months=horizon_months, margin=margin)
    if clv is not None:
        frame["predicted_value"] = frame["customer_id"].map(clv.set_index("customer_id")["value"]).fillna(0.0)
    measures = ["current_value", "predicted_value"]
    edges = tuple(float(np.quantile(frame[name], TOP)) if len(frame) else 0.0 for name in measures)
    rich, promising = (frame[name] > edge for name, edge in zip(measures, edges, strict=True))
    frame["value_segment"] = np.select(
        [rich & promising, promising, rich], ["VIP", "Potential", "VIP at risk"], "Average"
    )
    rows = []
    for group in GROUPS:
        part = frame[frame["value_segment"] == group]
        share = wilson(len(part), len(frame), level=level)
        sums = part[measures].sum()
        rows.append(
            (group, len(part), share.value, share.low, share.high, sums["current_value"], sums["predicted_value"])
        )
    names = ["segment", "customers", "share", "low", "high", "current", "predicted"]
    mean: tuple[float | None, float | None, float | None] = (None, None, None)
    if len(frame) > 1:
        columns = np.column_stack([frame["predicted_value"], np.ones(len(frame))])
        low, high = percentile(columns, lambda t: t[:, :1] / t[:, 1:], level=level, seed=seed, replicates=replicates)
        mean = (float(frame["predicted_value"].mean()), float(low[0]), float(high[0]))
    return ValueSegments(
        customers=frame,
        summary=pd.DataFrame(rows, columns=names),
        edges=edges,  # type: ignore[arg-type]
        mean=mean,
        horizon_months=horizon_months,
        level=level,
        modelled=clv is not None,
        method=_method(modelled=clv is not None, barred=barred, horizon_months=horizon_months, margin=margin),
    )


def _method(*, modelled: bool, barred: bool, horizon_months: int, margin: float) -> str:
    """Where predicted values come from, as a sentence."""
    if modelled:
        return _(
            "Expected margin of the next {months} months by the CLV model, the chance that a customer has stopped taken in."
        ).format(months=number(horizon_months))
    simple = _(
        "Simple formula: AOV x orders a month x {months} months x margin of {margin}; what it cost to win these customers is "
        "spent and not taken off. It knows no churn: read it as a ceiling."
    ).format(months=number(horizon_months), margin=percent(margin))
    if not barred:
        return simple
    why = _(
        "What the CLV model expects must not be used, and this formula is no better founded: compare groups, rely on no amount."
    )
    return f"{why} {simple}"

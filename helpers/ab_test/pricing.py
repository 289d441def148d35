"""Pricing: what one more of a metric is in profit: revenue at its margin, profit as it is, a new customer at their lifetime value.

A conversion of somebody who has bought before is no new customer, and a click is none at all; so the params must say what counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from helpers.ab_test.read import is_money
from helpers.reporting.words import _, clauses

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from helpers.ab_test.registration import Counts, Metric

PROFIT = ("profit", "margin")
REVENUE = ("revenue", "spend", "sales", "amount", "value")
# Names that do not tell whether they are revenue, nor whether more of it is earned or lost, by what is said to be better.
UNCLEAR = {"more": ("cost", "discount", "refund"), "less": ("cost", "discount", "spend")}

Reason = Literal["uncounted", "unvalued", "unclear"]


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one more of a metric brings.

    Attributes:
        counts: What one of it is.
        value: Profit; below zero where less of it is better.
        half: Half the interval of that.
    """

    counts: Counts
    value: float
    half: float = 0.0


def price(metric: Metric, *, margin: float, new_customer: pd.DataFrame | None) -> Price | Reason | None:
    """Price of a metric, or why it has none; `None` where it is not one to be priced.

    Args:
        metric: As registered.
        margin: Share of revenue that is margin.
        new_customer: `month`, `value` (cumulative margin of a new customer), `low` and `high`; the last month counts.
    """
    if metric.role == "guardrail":
        return None
    if metric.counts == "new_customers":
        return _lifetime(new_customer)
    if metric.type == "proportion":
        known = new_customer is not None and len(new_customer) > 0
        return "uncounted" if known and metric.role == "success" else None
    amount = metric.counts is not None or is_money(metric)
    return _amount(metric, margin=margin) if amount and metric.type == "mean" and metric.scale == "linear" else None


def unpriced_text(found: Iterable[tuple[str, Reason]]) -> str:
    """Which metrics are not turned into money and why, as sentences; nothing where there are none.

    Args:
        found: Names of test and metric, with the reason.
    """
    names: dict[Reason, list[str]] = {}
    for name, reason in found:
        names.setdefault(reason, []).append(name)
    texts = {
        "uncounted": _(
            "Not turned into money: {metrics}. Nothing says that each is a new customer (counts: new_customers in the params)."
        ),
        "unvalued": _("Not turned into money: {metrics}. What a new customer is worth is not known."),
        "unclear": _(
            "Not turned into money: {metrics}. Nothing says whether it is revenue or profit (counts: revenue or counts: profit in "
            "the params)."
        ),
    }
    return " ".join(texts[reason].format(metrics=clauses(each)) for reason, each in names.items())


def _lifetime(new_customer: pd.DataFrame | None) -> Price | Reason:
    """Lifetime value of a new customer."""
    if new_customer is None or not len(new_customer):
        return "unvalued"
    last = new_customer.sort_values("month").iloc[-1]
    half = float(last["high"] - last["low"]) / 2
    return Price(counts="new_customers", value=float(last["value"]), half=half)


def _amount(metric: Metric, *, margin: float) -> Price | Reason:
    """Profit of an amount of one."""
    counts = metric.counts or _by_name(metric)
    if counts is None:
        return "unclear"
    sign = -1.0 if metric.better == "less" else 1.0
    return Price(counts=counts, value=sign * (margin if counts == "revenue" else 1.0))


def _by_name(metric: Metric) -> Counts | None:
    """What an amount is by its column's name, where that tells."""
    name = metric.columns[0].lower()
    if any(word in name for word in UNCLEAR[metric.better]):
        return None
    if any(word in name for word in PROFIT):
        return "profit"
    return "revenue" if any(word in name for word in REVENUE) else None

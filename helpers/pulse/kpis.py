"""KPIs of a period: what customers brought, how often and how much at a time, with intervals over customers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.pulse.definitions import definitions
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, interval, language, money, number, percent, plural, quantity
from helpers.stats.bootstrap import Estimate, ratio, ratio_change, total_change
from helpers.stats.intervals import clustered_median, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from helpers.pulse.activity import Activity

RATIOS = {"arpu.active": ("revenue", "active"), "aov": ("revenue", "orders"), "frequency": ("orders", "active")}
TOTALS = ("revenue", "orders", "customers.active")
COMPARED = (*TOTALS, *RATIOS)
FEW = 30


@dataclass(frozen=True, kw_only=True)
class Kpis(Result):
    """A period's KPIs by id, with their changes on other periods (`<id>.change_last`, `<id>.change_year`)."""

    found: dict[str, Number]
    label: str
    repeat_days: int
    _definitions: dict[str, Definition] = field(repr=False)

    def numbers(self) -> dict[str, Number]:
        """All KPIs."""
        return self.found

    def definitions(self) -> dict[str, Definition]:
        """Formulas, each with its denominator."""
        return self._definitions

    def cards(self) -> tuple[str, ...]:
        """Revenue, what a customer brings, what an order brings, and who comes back."""
        return ("revenue", "arpu.active", "aov", "repeat_rate.lifetime")

    def headline(self) -> str:
        """Revenue per active customer and whether it moved, judged against a year ago where the data reach so far."""
        arpu, active = self.found["arpu.active"], self.found["customers.active"]
        if arpu.value is None:
            return _("No identified customer ordered in {period}.").format(period=self.label)
        brought = plural(
            "{count} active customer brought {arpu} in {period}.",
            "{count} active customers brought {arpu} each in {period}.",
            int(active.value or 0),
            arpu=money(arpu.value),
            period=self.label,
        )
        return " ".join([brought, *_compared(self.found)])

    def checks(self) -> list[Check]:
        """Whether there are enough customers for the intervals to be trusted, and how much came from guests."""
        n = int(self.found["customers.active"].value or 0)
        few = Check(
            id="pulse.customers",
            status="pass" if n >= FEW else "warn",
            value=n,
            threshold=f">= {FEW}",
            message=_("{n} active customers are enough for intervals.").format(n=number(n))
            if n >= FEW
            else _("Only {n} customers were active: read the intervals with care.").format(n=number(n)),
        )
        share = self.found["guests.share"].value or 0.0
        guests = Check(
            id="pulse.guests",
            status="pass" if share < 0.1 else "warn",  # noqa: PLR2004 - beyond a tenth, customers do not tell the whole story
            value=share,
            threshold="< 0.1",
            message=_("{share} of net revenue came without a customer id; numbers per customer leave it out.").format(
                share=percent(share)
            ),
        )
        return [few, guests]

    def table(self) -> Table:
        """Each KPI with its interval and its changes."""
        rows = []
        for key, found in self.found.items():
            if key.endswith((".change_last", ".change_year")):
                continue
            last, year = self.found.get(f"{key}.change_last"), self.found.get(f"{key}.change_year")
            rows.append(
                {
                    "kpi": self._definitions[found.definition].name,
                    "value": quantity(found.value, found.unit),
                    "interval": interval(found.low, found.high, found.unit),
                    "last": _change(last),
                    "year": _change(year),
                    "n": found.n,
                }
            )
        columns = {
            "kpi": Column(label=_("KPI")),
            "value": Column(label=_("Value"), kind="printed"),
            "interval": Column(label=_("Interval"), kind="printed"),
            "last": Column(label=_("On the period before"), kind="printed"),
            "year": Column(label=_("On a year ago"), kind="printed"),
            "n": Column(label=_("n"), kind="number"),
        }
        level = next((found.level for found in self.found.values() if found.level), 0.95)
        foot = _("Intervals at {level}; customers are drawn, not orders. n is the denominator.").format(
            level=percent(level, digits=0)
        )
        return table(
            pd.DataFrame(rows), columns, title=_("KPIs, {period}").format(period=self.label), foot=foot, rows=len(rows)
        )

    def sentence(self) -> Sentence:
        """Frequency and order value, whose product is revenue per active customer."""
        frequency, aov = self.found["frequency"], self.found["aov"]
        if frequency.value is None or aov.value is None:
            return Sentence(text=_("There were no orders of identified customers to describe."))
        return Sentence(
            text=_(
                "An active customer ordered {frequency} times ({frequency_interval}) at {aov} an order ({aov_interval})."
            ).format(
                frequency=number(frequency.value, digits=2),
                frequency_interval=interval(frequency.low, frequency.high, frequency.unit),
                aov=money(aov.value),
                aov_interval=interval(aov.low, aov.high, aov.unit),
            )
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def kpis(seen: Activity, *, label: str, repeat_days: int, level: float, seed: int, replicates: int) -> Kpis:
    """KPIs of the period `now` of an activity.

    Args:
        seen: From `activity`.
        label: The period's name.
        repeat_days: Days within which a second order counts for `repeat_rate.<days>d`.
        level: Coverage of the intervals.
        seed: Of the bootstrap.
        replicates: Of the bootstrap.
    """
    people = seen.customers
    unit = language().currency
    settings: Any = {"level": level, "seed": seed, "replicates": replicates}
    parts = {name: _parts(people, name) for name in seen.windows}
    now = parts["now"]
    active = int(now["active"].sum())
    orders = int(now["orders"].sum())
    registered = people["registered"].to_numpy(float)
    customers = int(registered.sum())
    buyers = int((people["lifetime_orders"] > 0).sum())
    revenue = float(now["revenue"].sum())
    everything = revenue + seen.guests["revenue"]
    every_order = orders + int(seen.guests["orders"])
    found: dict[str, Number] = {
        "customers": _fact(customers, "customers", customers, "customers"),
        "customers.active": _fact(active, "customers", active, "customers.active"),
        "orders": _fact(orders, "orders", orders, "orders"),
        "revenue": _fact(revenue, unit, active, "revenue"),
        "revenue.total": _fact(everything, unit, every_order, "revenue.total"),
        "guests.revenue": _fact(seen.guests["revenue"], unit, int(seen.guests["orders"]), "guests.revenue"),
        "guests.orders": _fact(seen.guests["orders"], "orders", int(seen.guests["orders"]), "guests.orders"),
        "guests.share": _fact(
            seen.guests["revenue"] / everything if everything > 0 else None, "share", every_order, "guests.share"
        ),
        "refunds.revenue": _fact(seen.refunds, unit, active, "refunds.revenue"),
    }
    for key, (top, bottom) in RATIOS.items():
        estimate = ratio(now[top], now[bottom], **settings)
        n = orders if bottom == "orders" else active
        found[key] = _estimated(estimate, unit if top == "revenue" else "orders", n, key)
    each = ratio(now["revenue"], registered, **settings)
    found["arpu.registered"] = _estimated(each, unit, customers, "arpu.registered")
    median = clustered_median(
        seen.order_values["revenue"].to_numpy(float), seen.order_values["customer_id"].to_numpy(str), level=level
    )
    found["aov.median"] = _estimated(median, unit, orders, "aov.median")
    again = wilson(int((people["lifetime_orders"] > 1).sum()), buyers, level=level)
    found["repeat_rate.lifetime"] = _estimated(again, "share", buyers, "repeat_rate.lifetime")
    soon, watched = _repeat_within(seen, repeat_days, level)
    found[f"repeat_rate.{repeat_days}d"] = _estimated(soon, "share", watched, f"repeat_rate.{repeat_days}d")
    free = ratio(people["zero_now"].to_numpy(float), now["orders"], **settings)
    found["orders.zero_share"] = _estimated(free, "share", orders, "orders.zero_share")
    for name, ending in (("last", "change_last"), ("year", "change_year")):
        if name in parts:
            for key, estimate in _changes(now, parts[name], settings).items():
                found[f"{key}.{ending}"] = _estimated(estimate, "share", estimate.n, ending)
    return Kpis(found=found, label=label, repeat_days=repeat_days, _definitions=definitions(repeat_days))


def _parts(people: pd.DataFrame, window: str) -> dict[str, np.ndarray]:
    """Per-customer columns that KPIs are sums of; each array has shape (customers,)."""
    orders = people[f"orders_{window}"].to_numpy(float)
    return {
        "orders": orders,
        "revenue": people[f"revenue_{window}"].to_numpy(float),
        "active": (orders > 0).astype(float),
    }


def _changes(now: dict[str, np.ndarray], before: dict[str, np.ndarray], settings: Any) -> dict[str, Estimate]:
    """Relative changes of ratios and totals; customers of either period are the units, paired."""
    either = (now["active"] > 0) | (before["active"] > 0) | (now["revenue"] != 0) | (before["revenue"] != 0)
    current = {key: values[either] for key, values in now.items()}
    earlier = {key: values[either] for key, values in before.items()}
    column = {"revenue": "revenue", "orders": "orders", "customers.active": "active"}
    found = {key: total_change(current[part], earlier[part], **settings) for key, part in column.items()}
    for key, (top, bottom) in RATIOS.items():
        found[key] = ratio_change(current[top], current[bottom], earlier[top], earlier[bottom], **settings)
    return found


def _repeat_within(seen: Activity, days: int, level: float) -> tuple[Estimate, int]:
    """Share of buyers with a second order within so many days, among those watched that long (Wilson).

    Where fewer than half were watched that long, the Kaplan-Meier estimate over all of them, with Greenwood's error. Where
    nobody was, no value: the curve ends before.
    """
    buyers = seen.customers[seen.customers["lifetime_orders"] > 0]
    end = min(pd.Timestamp(seen.observed_until), pd.Timestamp(seen.windows["now"][1]))
    within = pd.Timedelta(days=days)
    gap = buyers["second_at"] - buyers["first_at"]
    watched = buyers["first_at"] + within <= end
    if len(buyers) == 0 or watched.mean() >= 0.5:  # noqa: PLR2004 - half
        count = int((gap[watched] <= within).sum())
        return wilson(count, int(watched.sum()), level=level), int(watched.sum())
    if not watched.any():
        return Estimate(value=None, low=None, high=None, level=level, n=0), 0
    from statsmodels.duration.survfunc import SurvfuncRight

    from helpers.stats.intervals import quantile

    happened = gap.notna()
    times = np.where(happened, gap / pd.Timedelta(days=1), (end - buyers["first_at"]) / pd.Timedelta(days=1))
    if not happened.any():
        return Estimate(value=0.0, low=None, high=None, level=level, n=len(buyers)), len(buyers)
    curve = SurvfuncRight(np.maximum(times, 1e-6), happened.to_numpy(int))
    place = int(np.searchsorted(curve.surv_times, days, side="right")) - 1
    if place < 0:
        return Estimate(value=0.0, low=None, high=None, level=level, n=len(buyers)), len(buyers)
    value, half = 1 - float(curve.surv_prob[place]), quantile(level) * float(curve.surv_prob_se[place])
    estimate = Estimate(
        value=value, low=max(0.0, value - half), high=min(1.0, value + half), level=level, n=len(buyers)
    )
    return estimate, len(buyers)


def _fact(value: float | None, unit: str, n: int, definition: str) -> Number:
    return Number(value=value, unit=unit, n=n, definition=definition)


def _estimated(estimate: Estimate, unit: str, n: int, definition: str) -> Number:
    return Number(
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        level=estimate.level,
        unit=unit,
        n=n,
        definition=definition,
    )


def _change(found: Number | None) -> str:
    if found is None or found.value is None:
        return "–"
    told = percent(found.value, signed=True)
    if found.low is None or found.high is None:
        return told
    return _("{value} ({low} to {high})").format(
        value=told, low=percent(found.low, signed=True), high=percent(found.high, signed=True)
    )


def _compared(found: Mapping[str, Number]) -> list[str]:
    """The headline's other sentences: the change on a year ago, which no season is in, and then that on the period before."""
    told = []
    if (year := _sure(found.get("arpu.active.change_year"))) is not None:
        words = {
            0: _("No significant change on the same period a year ago ({change}, interval {ends})."),
            1: _("That is {share} more than in the same period a year ago (interval {ends})."),
            -1: _("That is {share} less than in the same period a year ago (interval {ends})."),
        }
        told.append(_said(words, year))
    if (last := _sure(found.get("arpu.active.change_last"))) is not None:
        words = {
            0: _("No significant change on the period before ({change}, interval {ends})."),
            1: _("That is {share} more than in the period before (interval {ends})."),
            -1: _("That is {share} less than in the period before (interval {ends})."),
        }
        if told:
            seasonal = _("On the period before it is {change} (interval {ends}); the season is in that.")
            words = {
                0: _("On the period before it is {change} (interval {ends}), not significant; the season is in that."),
                1: seasonal,
                -1: seasonal,
            }
        told.append(_said(words, last))
    return told


def _sure(change: Number | None) -> tuple[float, float, float] | None:
    """A change with both ends of its interval."""
    if change is None or change.value is None or change.low is None or change.high is None:
        return None
    return change.value, change.low, change.high


def _said(words: dict[int, str], change: tuple[float, float, float]) -> str:
    """A change in the words for no clear change, more, or less, by whether its interval holds zero."""
    value, low, high = change
    way = 0 if low <= 0 <= high else 1 if value > 0 else -1
    return words[way].format(
        share=percent(abs(value)), change=percent(value, signed=True),
        ends=_("{low} to {high}").format(low=percent(low, signed=True), high=percent(high, signed=True)),
    )  # fmt: skip

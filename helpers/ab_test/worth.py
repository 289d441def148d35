"""Money: what a roll-out would bring a month, raw and shrunk, and through customer lifetime value where that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.ab_test.belief import posterior_of, prior_of, prior_words
from helpers.ab_test.estimate import compare
from helpers.ab_test.read import is_money
from helpers.ab_test.shown import Shown
from helpers.ab_test.shrink import winner
from helpers.ab_test.wording import shown_metric, shown_test
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, clauses, language, money, number, percent

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir

    from helpers.ab_test.analyse import Analysis
    from helpers.ab_test.bayes import Prior
    from helpers.ab_test.estimate import Effect
    from helpers.ab_test.judge import Judged

MONTH = 365.25 / 12
PER = 1000


@dataclass(frozen=True, kw_only=True)
class Worth(Result):
    """Monthly effect of rolling out, of all sound tests with a metric in money.

    Attributes:
        rows: `id`, `name`, `reached` units a month, `raw`, `raw_low`, `raw_high`, `shrunk`, `shrunk_low`, `shrunk_high` in profit a
            month; `guessed` where the units a month are the test's own; `took`, what the test took in a month; `through` is
            empty, or `clv` where new customers are counted at their lifetime value.
        margin: Share of revenue that is margin.
        level: Coverage of the intervals.
        customers: Customers a month who order; infinite where that is not known.
        otherwise: What is said where no test is in money; nothing where there is no test.
    """

    rows: pd.DataFrame
    margin: float
    level: float
    customers: float = math.inf
    otherwise: str = ""

    def numbers(self) -> dict[str, Number]:
        """Raw and shrunk profit a month."""
        found = {}
        for row in self.rows.to_dict("records"):
            for part in ("raw", "shrunk"):
                found[f"{row['id']}.monthly{'_clv' if row['through'] else ''}.{part}"] = Number(
                    value=row[part],
                    low=row[f"{part}_low"],
                    high=row[f"{part}_high"],
                    level=self.level,
                    unit=language().currency,
                    n=int(row["n"]),
                    definition=f"ab_test.monthly.{part}",
                )
        return found

    def definitions(self) -> dict[str, Definition]:
        """What is multiplied with what."""
        margin = percent(self.margin)
        text = _(
            "Difference a unit x units that a roll-out reaches x margin of {margin}; a month where traffic is known."
        ).format(margin=margin)
        drawn = _(
            "Difference a unit x units that a roll-out reaches x margin of {margin}; a month where traffic is known. It is "
            "drawn towards the prior, since a test that was picked for looking good overstates."
        ).format(margin=margin)
        return {
            "ab_test.monthly.raw": Definition(name=_("Profit a month, raw"), text=text),
            "ab_test.monthly.shrunk": Definition(name=_("Profit a month, shrunk"), text=drawn),
        }

    def checks(self) -> list[Check]:
        """Whether units a month that nobody registered are more than the client's customers."""
        beyond = self.rows[self.rows["guessed"].astype(bool) & (self.rows["reached"] > self.customers)]
        text = _(
            "{name}: counted for {reached} units a month, as fast as the test took them in, while {customers} customers a month "
            "order. If the roll-out reaches fewer, say so by eligible_per_month."
        )
        return [
            Check(
                id=f"{row['id']}.reached",
                status="warn",
                value=row["reached"],
                threshold=f"<= {self.customers:.0f}",
                message=text.format(name=row["name"], reached=number(row["reached"]), customers=number(self.customers)),
            )
            for row in beyond.to_dict("records")
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """All rows."""
        return {"worth": self.rows}

    def sentence(self) -> Sentence | Shown:
        """What to expect of the first."""
        if self.rows.empty:
            return Shown(parts=(), otherwise=self.otherwise)
        row = self.rows.iloc[0]
        text = (
            _(
                "{name}: expect a profit of {shrunk} ({low} to {high}) a month from {reached} units; the test by itself says "
                "{raw}."
            )
            if row["monthly"]
            else _(
                "{name}: expect a profit of {shrunk} ({low} to {high}) from the {reached} units that it reaches; the test by "
                "itself says {raw}."
            )
        )
        return Sentence(
            text=text.format(
                name=row["name"],
                shrunk=money(row["shrunk"]),
                low=money(row["shrunk_low"]),
                high=money(row["shrunk_high"]),
                reached=number(row["reached"]),
                raw=money(row["raw"]),
            )
        )

    def table(self) -> Table | Shown:
        """Raw beside shrunk."""
        if self.rows.empty:
            return Shown(parts=())
        unit = language().currency
        columns = {
            "name": Column(label=_("Test and metric")),
            "reached": Column(label=_("Units reached"), kind="number"),
            "shrunk": Column(
                label=_("Profit, shrunk, {currency}").format(currency=unit), kind="money", low="shrunk_low",
                high="shrunk_high",
            ),
            "raw": Column(
                label=_("Raw, {currency}").format(currency=unit), kind="money", low="raw_low", high="raw_high"
            ),
        }  # fmt: skip
        foot = _("{level} intervals. {how} Prior of the lift: {priors}.").format(
            priors=clauses(dict.fromkeys(self.rows["prior"])),
            level=percent(self.level, digits=0),
            how=self.definitions()["ab_test.monthly.raw"].text,
        )
        said = self.rows[
            self.rows["monthly"].astype(bool) & ~self.rows["guessed"].astype(bool) & self.rows["took"].notna()
        ]
        for row in said.drop_duplicates("test").to_dict("records"):
            reach = _(
                "{test}: units a month as registered (eligible_per_month); while it ran, the test took in {took} a month."
            )
            foot += " " + reach.format(test=row["test"], took=number(row["took"]))
        return table(self.rows, columns, title=_("What a roll-out would bring"), foot=foot, rows=30)


def worth(
    analyses: tuple[Analysis, ...],
    *,
    margin: float,
    level: float = 0.90,
    new_customer: pd.DataFrame | None = None,
    orders: ir.Table | None = None,
    until: datetime | None = None,
) -> Worth:
    """Monthly profit of a roll-out.

    Where the number that a roll-out reaches is not registered, it is the test's own traffic a month; without dates, 1,000 units.

    Args:
        analyses: The tests.
        margin: Share of revenue that is margin.
        level: Coverage of the intervals.
        new_customer: The table of that name of the CLV findings, where there is one: `month`, `value` (cumulative margin of a new
            customer), `low`, `high`. Its last month is what each customer counts whom the treatment converts.
        orders: Kept orders, whose customers a month the test's own traffic is held against.
        until: First moment after the last month of these.
    """
    rows = []
    for one in analyses:
        if not one.sound or not one.test.registered:
            continue
        for own in one.judged:
            metric = own.cell.metric
            if own.cell.variant != one.variant or own.cell.pair.reason or metric.role == "guardrail":
                continue
            if is_money(metric) and metric.type == "mean" and metric.scale == "linear":
                rows.append(_row(one, own, analyses, value=margin, level=level))
            elif (
                metric.type == "proportion"
                and metric.role == "success"
                and new_customer is not None
                and len(new_customer)
            ):
                last = new_customer.sort_values("month").iloc[-1]
                half = float(last["high"] - last["low"]) / 2
                rows.append(_row(one, own, analyses, value=float(last["value"]), level=level, through="clv", half=half))
    columns = [
        "id",
        "name",
        "through",
        "n",
        "reached",
        "monthly",
        "guessed",
        "took",
        "test",
        "prior",
        *(f"{part}{end}" for part in ("raw", "shrunk") for end in ("", "_low", "_high")),
    ]
    none = _("No test that may be read has a metric in money, so none is turned into money.") if analyses else ""
    return Worth(
        rows=pd.DataFrame(rows, columns=columns),
        margin=margin,
        level=level,
        customers=math.inf if orders is None or until is None else ordering(orders, until),
        otherwise=none,
    )


def ordering(orders: ir.Table, until: datetime) -> float:
    """Customers who ordered in the month before a moment."""
    recent = orders.filter(
        (orders.kind == "order") & (orders.ordered_at < until) & (orders.ordered_at >= until - timedelta(days=MONTH))
    )
    return float(recent.customer_id.nunique().execute())


def reached(one: Analysis) -> float:
    """Units a month that a roll-out would reach."""
    test, counted = one.test, one.profile
    monthly = test.eligible_per_month or (counted.units / counted.days * MONTH if counted.days else PER)
    return float(monthly * test.rollout)


def _row(
    one: Analysis,
    own: Judged,
    analyses: tuple[Analysis, ...],
    *,
    value: float,
    level: float,
    through: str = "",
    half: float = 0.0,
) -> dict[str, Any]:
    """Raw and shrunk money of one metric; `half` is half the interval of the value that a unit counts."""
    effect = compare(own.cell.pair, alpha=1 - level)
    units = reached(one)
    prior = prior_of(one, own.cell.metric.name, analyses)
    name = (
        _("{test}, {metric}, each new customer at their lifetime value") if through else _("{test}, {metric}")
    ).format(test=shown_test(one.test), metric=shown_metric(own.cell.metric).lower())
    return {
        "id": f"{one.test.id}.{own.cell.key}",
        "name": name,
        "through": through,
        "n": effect.n_control + effect.n_treatment,
        "reached": units,
        "monthly": bool(one.test.eligible_per_month or one.profile.days),
        "guessed": bool(not one.test.eligible_per_month and one.profile.days),
        "took": one.profile.units / one.profile.days * MONTH if one.profile.days else math.nan,
        "test": shown_test(one.test),
        "prior": prior_words(shown_test(one.test), prior),
        **_ends(
            "raw",
            float(effect.difference.value or 0.0),
            effect.difference.low,
            effect.difference.high,
            units,
            value,
            half,
        ),
        **_ends("shrunk", *_shrunk(own, effect, prior, level=level), units, value, half),
    }


def _shrunk(own: Judged, effect: Effect, prior: Prior, *, level: float) -> tuple[float, float, float]:
    """The difference that the prior leaves, with its ends: where the lift has ends, what it is drawn to times the control's value.

    The prior is one of lifts. So the share that is left of the money is the share that is left of the lift beside it.
    """
    size = abs(float(own.cell.pair.control.value))
    if found := posterior_of(own, prior, level=level):
        return found.mean * size, found.low * size, found.high * size
    drawn = winner(
        float(effect.difference.value or 0.0),
        float(effect.standard_error or 0.0),
        prior_mean=prior.mean * size,
        prior_sd=prior.sd * size,
        level=level,
    )
    return drawn.value, drawn.low, drawn.high


def _ends(
    part: str, effect: float, low: float, high: float, units: float, value: float, half: float
) -> dict[str, float]:
    """An effect in money; what is uncertain of the effect and of a unit's value adds up as independent errors do."""
    below, above = (math.hypot((effect - end) * value, effect * half) for end in (low, high))
    return {
        part: units * effect * value,
        f"{part}_low": units * (effect * value - below),
        f"{part}_high": units * (effect * value + above),
    }

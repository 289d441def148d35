"""Money: what a roll-out would bring a month, raw and shrunk, and through customer lifetime value where that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.ab_test.belief import posterior_of, prior_of, prior_words
from helpers.ab_test.estimate import compare
from helpers.ab_test.pricing import Price, price, unpriced_text
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
    from helpers.ab_test.pricing import Reason

MONTH = 365.25 / 12
PER = 1000
# Names in definitions of what a metric counts.
KINDS = {"revenue": "monthly", "profit": "monthly_profit", "new_customers": "monthly_clv"}


@dataclass(frozen=True, kw_only=True)
class Worth(Result):
    """Monthly effect of rolling out, of all sound tests with a metric in money.

    Attributes:
        rows: `id`, `name`, `reached` units a month, `raw`, `raw_low`, `raw_high`, `shrunk`, `shrunk_low`, `shrunk_high` in profit a
            month; `guessed` where the units a month are the test's own; `took`, what the test took in a month; `through` is
            empty, or `clv` where new customers are counted at their lifetime value; `counts`, what one of the metric is.
        margin: Share of revenue that is margin.
        level: Coverage of the intervals.
        customers: Customers a month who order; infinite where that is not known.
        otherwise: What is said where no test is in money; nothing where there is no test.
        unpriced: Which metrics are not turned into money, and why.
    """

    rows: pd.DataFrame
    margin: float
    level: float
    customers: float = math.inf
    otherwise: str = ""
    unpriced: str = ""

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
                    definition=f"ab_test.{KINDS[row['counts']]}.{part}",
                )
        return found

    def definitions(self) -> dict[str, Definition]:
        """What is multiplied with what, for each kind of metric that was turned into money."""
        texts = self._multiplied()
        drawn = _("It is drawn towards the prior, since a test that was picked for looking good overstates.")
        found = {}
        for counts, text in texts.items():
            found[f"ab_test.{KINDS[counts]}.raw"] = Definition(name=_("Profit a month, raw"), text=text)
            shrunk = Definition(name=_("Profit a month, shrunk"), text=f"{text} {drawn}")
            found[f"ab_test.{KINDS[counts]}.shrunk"] = shrunk
        return found

    def _multiplied(self) -> dict[str, str]:
        """What is multiplied with what, by what metrics count."""
        texts = {
            "revenue": _(
                "Difference a unit x units that a roll-out reaches x margin of {margin}; a month where traffic is known."
            ).format(margin=percent(self.margin)),
            "profit": _(
                "Difference a unit, which is profit already, x units that a roll-out reaches; a month where traffic is known."
            ),
            "new_customers": _(
                "Difference a unit x units that a roll-out reaches x lifetime value of a new customer; a month where traffic is "
                "known."
            ),
        }
        return {counts: texts[counts] for counts in dict.fromkeys(self.rows["counts"])}

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
            return Shown(parts=(), otherwise=" ".join(part for part in (self.otherwise, self.unpriced) if part))
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
            how=" ".join(self._multiplied().values()),
        )
        said = self.rows[
            self.rows["monthly"].astype(bool) & ~self.rows["guessed"].astype(bool) & self.rows["took"].notna()
        ]
        for row in said.drop_duplicates("test").to_dict("records"):
            reach = _(
                "{test}: units a month as registered (eligible_per_month); while it ran, the test took in {took} a month."
            )
            foot += " " + reach.format(test=row["test"], took=number(row["took"]))
        foot += " " * bool(self.unpriced) + self.unpriced
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
            customer), `low`, `high`. Its last month is what each new customer counts, in metrics that count those.
        orders: Kept orders, whose customers a month the test's own traffic is held against.
        until: First moment after the last month of these.
    """
    rows: list[dict[str, Any]] = []
    without: list[tuple[str, str, Reason]] = []
    for one in analyses:
        if not one.sound or not one.test.registered:
            continue
        for own in one.judged:
            if own.cell.variant != one.variant or own.cell.pair.reason:
                continue
            found = price(own.cell.metric, margin=margin, new_customer=new_customer)
            if isinstance(found, Price):
                rows.append(_row(one, own, analyses, price=found, level=level))
            elif found:
                without.append((shown_test(one.test), _named(one, own), found))
    # A share is no missing amount: where the test's amounts are told, nothing more need be said of it.
    priced = {row["test"] for row in rows}
    told = [(name, reason) for test, name, reason in without if reason != "uncounted" or test not in priced]
    columns = [
        "id",
        "name",
        "through",
        "counts",
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
        unpriced=unpriced_text(told),
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


def _named(one: Analysis, own: Judged) -> str:
    """A test's metric as a reader sees it."""
    return _("{test}, {metric}").format(test=shown_test(one.test), metric=shown_metric(own.cell.metric).lower())


def _row(one: Analysis, own: Judged, analyses: tuple[Analysis, ...], *, price: Price, level: float) -> dict[str, Any]:
    """Raw and shrunk money of one metric."""
    effect = compare(own.cell.pair, alpha=1 - level)
    units = reached(one)
    prior = prior_of(one, own.cell.metric.name, analyses)
    new = price.counts == "new_customers"
    name = _("{test}, {metric}, each new customer at their lifetime value")
    name = name.format(test=shown_test(one.test), metric=shown_metric(own.cell.metric).lower())
    measured = (float(effect.difference.value or 0.0), effect.difference.low, effect.difference.high)
    return {
        "id": f"{one.test.id}.{own.cell.key}",
        "name": name if new else _named(one, own),
        "through": "clv" if new else "",
        "counts": price.counts,
        "n": effect.n_control + effect.n_treatment,
        "reached": units,
        "monthly": bool(one.test.eligible_per_month or one.profile.days),
        "guessed": bool(not one.test.eligible_per_month and one.profile.days),
        "took": one.profile.units / one.profile.days * MONTH if one.profile.days else math.nan,
        "test": shown_test(one.test),
        "prior": prior_words(shown_test(one.test), prior),
        **_ends("raw", *measured, units, price),
        **_ends("shrunk", *_shrunk(own, effect, prior, level=level), units, price),
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


def _ends(part: str, effect: float, low: float, high: float, units: float, price: Price) -> dict[str, float]:
    """An effect in money; what is uncertain of the effect and of a unit's value adds up as independent errors do."""
    value = effect * price.value
    lowest, highest = sorted((low * price.value, high * price.value))
    below, above = (math.hypot(end - value, effect * price.half) for end in (lowest, highest))
    return {part: units * value, f"{part}_low": units * (value - below), f"{part}_high": units * (value + above)}

"""What the log's own course says of the model: tracked month by month, cohort by cohort, and its assumptions in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.clv.purchase import NAMES
from helpers.reporting.figures import Figure, Theme, figure, label_end, month_axis, number_axis
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, table
from helpers.reporting.words import _, foreign, listing, month_name, number, percent, period_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# A regularity or a season that matters, beyond being told from chance.
MATERIAL = 0.10
SURE = 0.01
YEARS = 2


@dataclass(frozen=True, kw_only=True)
class Tracking(Result):
    """The model beside the log it was fitted on.

    Attributes:
        months: One row a whole calendar month: `month`, `actual` and `expected` repeat orders, `low` and `high` (predictive).
        cohorts: `cohort`, `month` of life, `customers`, cumulative repeat orders a customer, `actual` and `expected`.
        regularity: Sum of squared gaps over what chance would make it, with interval: 1 at random, less where orders
            come at even intervals, more where they come in bursts.
        regular_n: Customers with two gaps or more.
        season: `calendar_month`, `factor`, `p`; empty where the log is shorter than two years.
        customers: Customers of the log.
    """

    months: pd.DataFrame
    cohorts: pd.DataFrame
    regularity: tuple[float, float, float]
    regular_n: int
    season: pd.DataFrame
    customers: int
    process: str
    level: float

    @property
    def seasonal(self) -> bool:
        """Whether some calendar months lie apart by more than chance, and by enough to matter."""
        if self.season.empty:
            return False
        spread = self.season["factor"].max() / self.season["factor"].min() - 1
        return bool(self.season["p"].iloc[0] < SURE and spread > MATERIAL)

    @property
    def irregular(self) -> bool:
        """Whether gaps differ from chance's by more than can be told from it, and by enough to matter."""
        value, low, high = self.regularity
        return bool(abs(value - 1) > MATERIAL and (low > 1 or high < 1))

    def numbers(self) -> dict[str, Number]:
        """The regularity."""
        value, low, high = self.regularity
        known = value == value  # noqa: PLR0124 - not NaN
        return {
            "regularity": Number(
                value=value if known else None,
                low=low if known else None,
                high=high if known else None,
                level=self.level if known else None,
                unit="ratio",
                n=self.regular_n,
                definition="regularity",
            )
        }

    def definitions(self) -> dict[str, Definition]:
        """What regular means."""
        return {
            "regularity": Definition(
                name=_("Regularity of orders"),
                text=_(
                    "Sum of the squared gaps between a customer’s orders, over what it would be if the same number of orders "
                    "fell on any days alike; mean over customers with two gaps or more. 1: at random; below: at even "
                    "intervals; above: in bursts."
                ),
            )
        }

    def checks(self) -> list[Check]:
        """Regularity and season."""
        value, _low, _high = self.regularity
        told = [
            Check(
                id="clv.regularity",
                status="warn" if self.irregular or self.regular_n < 2 else "pass",  # noqa: PLR2004 - no spread
                value=value,
                threshold=_("interval holds 1, or within {share} of it").format(share=percent(MATERIAL, digits=0)),
                message=self._regular_words(),
            )
        ]
        spread = self.season["factor"].max() / self.season["factor"].min() - 1 if len(self.season) else None
        told.append(
            Check(
                id="clv.season",
                status="warn" if self.seasonal or self.season.empty else "pass",
                value=spread,
                threshold=_("p >= {p}, or calendar months within {share}").format(
                    p=number(SURE, digits=2), share=percent(MATERIAL, digits=0)
                ),
                message=self._season_words(),
            )
        )
        return told

    def _regular_words(self) -> str:
        value, low, high = self.regularity
        if self.regular_n < 2:  # noqa: PLR2004 - no spread
            return _("Too few customers ordered three times to tell how regular orders are.")
        facts = {
            "value": number(value, digits=2),
            "low": number(low, digits=2),
            "high": number(high, digits=2),
            "n": number(self.regular_n),
        }
        if not self.irregular:
            text = _(
                "Gaps between orders are about as uneven as the model takes them to be ({value}, {low} to {high}; n = {n})."
            )
        elif value < 1:
            text = _(
                "Orders come at more even intervals than the model takes them to ({value}, {low} to {high}; n = {n}): customers "
                "who are overdue are lost more often than their P(alive) says."
            )
        else:
            text = _(
                "Orders come in bursts ({value}, {low} to {high}; n = {n}), where the model takes them to be spread by chance: "
                "after a pause, customers are still there more often than their P(alive) says, and just after a burst less often."
            )
        return text.format(**facts)

    def _season_words(self) -> str:
        if self.season.empty:
            return _(
                "The log has {n} whole months; a season can be told from a trend only after {years} years. "
                "Within horizons of whole years it evens out."
            ).format(n=number(len(self.months)), years=number(YEARS))
        top = self.season.loc[self.season["factor"].idxmax()]
        low = self.season.loc[self.season["factor"].idxmin()]
        facts = {
            "top": month_name(int(top["calendar_month"])),
            "more": percent(top["factor"] - 1, digits=0, signed=True),
            "bottom": month_name(int(low["calendar_month"])),
            "less": percent(low["factor"] - 1, digits=0, signed=True),
        }
        if not self.seasonal:
            return _("No season that can be told from chance: {top} {more}, {bottom} {less}.").format(**facts)
        return _(
            "Orders have a season that the model does not know: {top} {more}, {bottom} {less} against its even course. "
            "Sums over whole years are hardly touched; those over a few months are."
        ).format(**facts)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Months, cohorts and the season's factors."""
        found = {"tracking": self.months, "cohort_curves": self.cohorts, "season": self.season}
        return {name: frame for name, frame in found.items() if len(frame)}

    def sentence(self) -> Sentence:
        """The assumptions in words."""
        return Sentence(text=f"{self._regular_words()} {self._season_words()}")

    def figure(self) -> Figure | Sentence:
        """Repeat orders by calendar month, actual and expected."""
        shown = self.months
        if len(shown) < 2:  # noqa: PLR2004 - no line
            return Sentence(text=_("The log has no two whole months to track."))
        inside = int(((shown["actual"] >= shown["low"]) & (shown["actual"] <= shown["high"])).sum())

        def draw(axes: Axes, theme: Theme) -> None:
            axes.fill_between(shown["month"], shown["low"], shown["high"], color=theme.accent, alpha=0.18, linewidth=0)
            axes.plot(shown["month"], shown["expected"], color=theme.accent)
            axes.plot(shown["month"], shown["actual"], color=theme.ink)
            end = shown.iloc[-1]
            label_end(axes, end["month"], end["expected"], _("model"), theme.accent)
            label_end(axes, end["month"], end["actual"], _("actual"), theme.ink)
            axes.set(ylim=(0, None), xlim=(shown["month"].iloc[0], end["month"]))
            month_axis(axes.xaxis)
            number_axis(axes.yaxis)

        columns = {
            "month": Column(label=_("Month"), kind="month"),
            "actual": Column(label=_("Actual"), kind="number"),
            "expected": Column(label=_("Model"), kind="number", low="low", high="high"),
        }
        return figure(
            draw,
            title=_("{inside} of {all} months lie within what the model allows for").format(
                inside=number(inside), all=number(len(shown))
            ),
            subtitle=_("Repeat orders by calendar month"),
            foot=_(
                "{process}, fitted on these same months. n = {n} customers. The band is the {level} predictive interval."
            ).format(process=NAMES[self.process], n=number(self.customers), level=percent(self.level, digits=0)),
            alt=_("Two lines of monthly repeat orders, actual and by the model, with a band around the model’s"),
            data=table(shown, columns, title=_("Repeat orders by month"), rows=len(shown)),
        )

    def cohort_figure(self) -> Figure | Sentence:
        """Cumulative repeat orders a customer by cohort, actual and expected."""
        shown = self.cohorts.assign(cohort=[period_name(str(name)) for name in self.cohorts["cohort"]])
        if shown.empty:
            return Sentence(text=_("No cohort has been through a whole month."))
        last = shown.groupby("cohort", sort=False).last()
        longest = int(shown["month"].max())
        oldest = shown["cohort"].iloc[0]

        def draw(axes: Axes, theme: Theme) -> None:
            expected = shown[shown["month"].duplicated() == False].sort_values("month")  # noqa: E712 - one row a month
            axes.plot(np.append(0, expected["month"]), np.append(0, expected["expected"]), color=theme.accent)
            label_end(axes, longest, float(expected["expected"].iloc[-1]), _("model"), theme.accent)
            for cohort, part in shown.groupby("cohort", sort=False):
                first = cohort == oldest
                colour = theme.ink if first else theme.muted
                axes.plot(
                    np.append(0, part["month"]),
                    np.append(0, part["actual"]),
                    color=colour,
                    linewidth=1.6 if first else 1.1,
                )
                label_end(axes, part["month"].iloc[-1], float(part["actual"].iloc[-1]), str(cohort), colour)
            axes.set(xlim=(0, longest), ylim=(0, None), xlabel=_("Months since the first order"))
            number_axis(axes.yaxis)

        columns = {
            "cohort": Column(label=_("First order in")),
            "month": Column(label=_("Months"), kind="number"),
            "customers": Column(label=_("Customers"), kind="number"),
            "actual": Column(label=_("Repeat orders each"), kind="decimal"),
            "expected": Column(label=_("Model"), kind="decimal"),
        }
        ends = last.reset_index()
        end = last.loc[oldest]
        return figure(
            draw,
            title=_(
                "Customers of {cohort} ordered {actual} times more within {months} months; the model says {expected}"
            ).format(
                cohort=oldest,
                actual=number(end["actual"], digits=2),
                months=number(end["month"]),
                expected=number(end["expected"], digits=2),
            ),
            subtitle=_("Cumulative repeat orders a customer, by when they first ordered"),
            foot=_("n = {n} customers. Months that some of a cohort have yet to see are left out.").format(
                n=number(int(last["customers"].sum()))
            ),
            alt=_("Rising lines: {parts}").format(
                parts=listing(
                    (f"{foreign(row.cohort)} {number(row.actual, digits=2)}" for row in ends.itertuples()), style="unit"
                )
            ),
            data=table(ends, columns, title=_("Repeat orders by cohort"), rows=len(ends)),
        )

    def _repr_html_(self) -> str:
        return self.sentence()._repr_html_()

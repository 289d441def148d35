"""Migration: who moved between segments from one date to another, as a reader is told it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.figures import Figure, Theme, figure, percent_axis
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, day, language, number, percent
from helpers.segmentation.schemes import LAPSED, NEW, REACTIVATED

if TYPE_CHECKING:
    from datetime import datetime

    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class Migration(Result):
    """Moves between two dates.

    Attributes:
        counts: Customers by segment before (rows, with New and Reactivated) and after (columns, with Lapsed).
        revenue: One row a segment before: `segment`, `customers`, `before`, `after` (net revenue of the same customers
            in both windows), `moved`, `low`, `high`; the last row is all of them.
        sizes: One row a segment after: `segment`, `before`, `frozen`, `requantiled` (customers).
        start: First date.
        end: Second date.
        window_months: Length of the window before each date: what was asked for, or less where the log begins later.
        months_asked: Length that was asked for.
        thresholds_given: Whether the thresholds are the client's own, and not those of the earlier window.
        level: Coverage of the intervals.
    """

    counts: pd.DataFrame
    revenue: pd.DataFrame
    sizes: pd.DataFrame
    start: datetime
    end: datetime
    window_months: int
    months_asked: int
    thresholds_given: bool
    level: float

    @property
    def shares(self) -> pd.DataFrame:
        """Each row of `counts` as shares that add up to one."""
        return self.counts.div(self.counts.sum(axis=1), axis=0)

    def numbers(self) -> dict[str, Number]:
        """Customers that came and went, and revenue that moved with those who were there before."""
        if self.counts.empty:
            return {}
        total = int(self.counts.to_numpy().sum())
        there = self.counts.drop(index=[NEW, REACTIVATED], errors="ignore")
        lapsed = int(there[LAPSED].sum()) if LAPSED in there else 0
        found = {
            "migration.new": Number(value=self._row(NEW), unit="customers", n=total, definition="migration.new"),
            # Where the earlier window begins with the log, nobody can have been away for longer than it.
            "migration.reactivated": Number(
                value=self._row(REACTIVATED) or (None if self.shortened else 0),
                unit="customers",
                n=total,
                definition="migration.reactivated",
            ),
            "migration.lapsed": Number(value=lapsed, unit="customers", n=total, definition="migration.lapsed"),
        }
        everyone = self.revenue.iloc[-1]
        found["migration.moved_revenue"] = Number(
            value=float(everyone["moved"]),
            low=float(everyone["low"]),
            high=float(everyone["high"]),
            level=self.level,
            unit=language().currency,
            n=int(everyone["customers"]),
            definition="migration.moved_revenue",
        )
        return found

    def definitions(self) -> dict[str, Definition]:
        """Who is new, reactivated or lapsed."""
        texts = {
            "migration.new": (_("New"), _("First order ever after the first date.")),
            "migration.reactivated": (
                _("Reactivated"),
                _("Ordered before, but not in the window up to the first date."),
            ),
            "migration.lapsed": (
                _("Lapsed"),
                _("In a segment at the first date, no order in the window up to the second."),
            ),
            "migration.moved_revenue": (
                _("Moved revenue"),
                _(
                    "Net revenue of the same customers in the later window less that in the earlier one (customers drawn)."
                ),
            ),
        }
        return {key: Definition(name=name, text=text) for key, (name, text) in texts.items()}

    def checks(self) -> list[Check]:
        """Whether every customer of either date is in the matrix exactly once."""
        if self.counts.empty:
            message = _(
                "The data hold no window of a month or more before the period, so there is no migration to show."
            )
            return [Check(id="migration.reconciles", status="warn", message=message)]
        after = self.sizes.set_index("segment")["frozen"]
        before = self.sizes.set_index("segment")["before"]
        inside = [name for name in self.counts.index if name not in {NEW, REACTIVATED}]
        rows = all(self.counts.loc[name].sum() == before.get(name, 0) for name in inside)
        columns = all(self.counts[name].sum() == after.get(name, 0) for name in self.counts.columns if name != LAPSED)
        return [
            Check(
                id="migration.reconciles",
                status="pass" if rows and columns else "fail",
                message=_("Rows and columns of the migration add up to the segments at both dates."),
            )
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Counts, revenue and sizes."""
        return {
            "migration": self.counts.rename_axis("before").reset_index(),
            "migration_revenue": self.revenue,
            "migration_sizes": self.sizes,
        }

    def table(self) -> Table:
        """Shares of each row: where the customers of a segment are now."""
        shares = self.shares.rename_axis("before").reset_index()
        shares["before"] = [_(name) for name in shares["before"]]
        shares["n"] = self.counts.sum(axis=1).to_numpy()
        columns = {"before": Column(label=_("Before")), "n": Column(label=_("Customers"), kind="number")}
        columns |= {name: Column(label=_(name), kind="share") for name in self.counts.columns}
        foot = _("Each row adds up to 100 %. Thresholds are those of {start}.").format(start=day(self.start))
        return table(shares, columns, title=_("Where customers of each segment are now"), foot=foot, rows=len(shares))

    def revenue_table(self) -> Table:
        """Revenue that moved with the customers of each segment."""
        unit = language().currency
        title = _("Revenue of the same customers, then and now")
        columns = {
            "segment": Column(label=_("Segment before")),
            "customers": Column(label=_("Customers"), kind="number"),
            "before": Column(label=_("Earlier window, {currency}").format(currency=unit), kind="money"),
            "after": Column(label=_("Later window, {currency}").format(currency=unit), kind="money"),
            "moved": Column(label=_("Difference"), kind="money", low="low", high="high"),
        }
        if self.counts.empty:
            return table(self.revenue, columns, title=title, foot=self.sentence().text)
        foot = _(
            "Customers who were in a low segment tend to be in a higher one later and the other way round, with nothing "
            "done (regression to the mean). Without a control group, a difference here is no effect of anything. "
            "Intervals at {level}."
        ).format(level=percent(self.level, digits=0))
        foot = f"{self._windows()} {foot}"
        rows = len(self.revenue)
        return table(_named(self.revenue), columns, title=title, foot=foot, rows=rows, strong=(rows - 1,))

    def _windows(self) -> str:
        """How long both windows are, up to when, and what follows from their length."""
        told = [
            _("Each window has {months} months, the earlier one up to {start}, the later one up to {end}.").format(
                months=number(self.window_months), start=day(self.start), end=day(self.end)
            )
        ]
        if pd.Timestamp(self.end) - pd.DateOffset(months=self.window_months) < pd.Timestamp(self.start):
            told.append(_("They overlap: what lies in both counts in both."))
        same_day = (self.start.month, self.start.day) == (self.end.month, self.end.day)
        if self.window_months % 12 and not same_day:
            told.append(_("They are no whole years, so a season alone can make them differ."))
        return " ".join([*told, *self._shortened()])

    @property
    def shortened(self) -> bool:
        """Whether the windows are shorter than was asked for, since the log does not reach back so far."""
        return self.window_months < self.months_asked

    def _shortened(self) -> list[str]:
        """Why the windows are shorter than was asked for, and what rests on that; nothing where they are not."""
        if not self.shortened:
            return []
        told = _(
            "{asked} months were asked for, but orders of identified customers before {start} go back only {months} whole "
            "months: who came back after a longer pause cannot be told."
        ).format(asked=number(self.months_asked), start=day(self.start), months=number(self.window_months))
        if self.thresholds_given:
            return [told]
        return [told, _("The thresholds of that day rest on the shorter window too.")]

    def sentence(self) -> Sentence:
        """Came and went, in words."""
        if self.counts.empty:
            return Sentence(
                text=_(
                    "The data hold no window of a month or more before the period, so there is no migration to show."
                )
            )
        found = self.numbers()
        message = _(
            "From {start} to {end}: {new} customers were new, {back} came back who had no order in the whole window "
            "before, and {lapsed} have none left in it."
        )
        if found["migration.reactivated"].value is None:
            message = _(
                "From {start} to {end}: {new} customers were new, and {lapsed} who were there before have no order left in the "
                "whole window."
            )
        return Sentence(
            text=message.format(
                start=day(self.start),
                end=day(self.end),
                new=number(found["migration.new"].value),
                back=number(found["migration.reactivated"].value),
                lapsed=number(found["migration.lapsed"].value),
            )
        )

    def figure(self) -> Figure | Table:
        """Segment sizes now under frozen thresholds, beside re-quantiled ones; the empty table without a window before."""
        if self.counts.empty:
            return self.revenue_table()
        shown = self.sizes.iloc[::-1]
        total = self.sizes[["before", "frozen", "requantiled"]].sum().clip(lower=1)

        def draw(axes: Axes, theme: Theme) -> None:
            places = np.arange(len(shown))
            axes.hlines(
                places, shown["before"] / total["before"], shown["frozen"] / total["frozen"], color=theme.context
            )
            axes.plot(shown["before"] / total["before"], places, "o", color=theme.context)
            axes.plot(shown["frozen"] / total["frozen"], places, "o", color=theme.accent)
            axes.plot(
                shown["requantiled"] / total["requantiled"],
                places,
                "|",
                color=theme.muted,
                markersize=10,
            )
            # The top row names the marks: the outer ones beside it, the middle one above.
            top = shown.iloc[-1]
            marks = sorted(
                (top[key] / total[key], text, colour)
                for key, text, colour in (
                    ("before", _("before"), theme.muted),
                    ("frozen", _("now"), theme.accent),
                    ("requantiled", _("now, re-quantiled"), theme.muted),
                )
            )
            sides = (("right", (-9, 0)), ("center", (0, 13)), ("left", (9, 0)))
            for (share, text, colour), (side, shift) in zip(marks, sides, strict=True):
                axes.annotate(
                    text,
                    (share, places[-1]),
                    xytext=shift,
                    textcoords="offset points",
                    ha=side,
                    va="center",
                    color=colour,
                    fontsize=8.5,
                )
            axes.set_ylim(-0.6, len(shown))
            axes.set_yticks(places, [_(name) for name in shown["segment"]])
            axes.grid(axis="y", visible=False)
            axes.grid(axis="x", visible=True)
            percent_axis(axes.xaxis)

        counted = _(
            "n = {before} customers before, {now} now. Re-quantiled shares hide a decline of the whole base: read the dots."
        ).format(before=number(total["before"]), now=number(total["frozen"]))
        columns = {
            "segment": Column(label=_("Segment")),
            "before": Column(label=_("Before"), kind="number"),
            "frozen": Column(label=_("Now"), kind="number"),
            "requantiled": Column(label=_("Now, re-quantiled"), kind="number"),
        }
        return figure(
            draw,
            title=self.sentence().text,
            subtitle=_("Share of customers in each segment, before and now, under the thresholds of the first date"),
            foot=" ".join([counted, *self._shortened()]),
            alt=_("Dots: share of customers in each segment before and now"),
            data=table(_named(self.sizes), columns, title=_("Segment sizes"), rows=len(self.sizes)),
            height=1.4 + 0.32 * len(shown),
        )

    def _row(self, name: str) -> int:
        return int(self.counts.loc[name].sum()) if name in self.counts.index else 0

    def _repr_html_(self) -> str:
        return self.figure()._repr_html_()


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with their segments as a reader calls them."""
    return frame.assign(segment=[_(name) for name in frame["segment"]])

"""Cohorts: of the customers who first ordered in a month, how many order again, month by month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.figures import Figure, Theme, figure
from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, month_and_year, number, percent
from helpers.stats.intervals import wilson

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    from matplotlib.axes import Axes

READABLE = 14


@dataclass(frozen=True, kw_only=True)
class Cohorts(Result):
    """Monthly cohorts.

    Attributes:
        cells: One row a cohort and month since: `cohort` (first day), `month` (0, 1, ...), `customers`, `ordered`,
            `share`, `low`, `high`. Months that the data do not cover whole are not in it.
        shown: How many cohorts the figure shows.
        level: Coverage of the Wilson intervals.
    """

    cells: pd.DataFrame
    shown: int
    level: float

    def numbers(self) -> dict[str, Number]:
        """Share of customers who order in the month after their first, over all cohorts that were watched."""
        first = self.cells[self.cells["month"] == 1]
        n = int(first["customers"].sum())
        again = wilson(int(first["ordered"].sum()), n, level=self.level)
        return {
            "cohorts.month1": Number(
                value=again.value,
                low=again.low,
                high=again.high,
                level=self.level,
                unit="share",
                n=n,
                definition="cohorts.month1",
            )
        }

    def definitions(self) -> dict[str, Definition]:
        """What a cohort's share is."""
        return {
            "cohorts.month1": Definition(
                name=_("Ordering again in the next month"),
                text=_(
                    "Customers who ordered in the calendar month after that of their first order / customers of cohorts "
                    "for which that month is fully observed. Churn is not observed; no order is not the same as gone."
                ),
            )
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """All cells."""
        return {"cohorts": self.cells}

    def table(self) -> Table:
        """Cells, newest cohort last, with intervals."""
        columns = {
            "cohort": Column(label=_("First order in"), kind="month"),
            "month": Column(label=_("Months since"), kind="number"),
            "customers": Column(label=_("Customers"), kind="number"),
            "share": Column(label=_("Ordered in that month"), kind="share", low="low", high="high"),
        }
        later = self.cells[self.cells["month"] > 0]
        foot = _("Wilson intervals at {level}.").format(level=percent(self.level, digits=0))
        return table(later, columns, title=_("Monthly cohorts"), foot=foot, file="tables/pulse.cohorts.parquet")

    def figure(self) -> Figure | Table:
        """Heat map of the newest cohorts; the empty table where no later month was observed."""
        later = self.cells[self.cells["month"] > 0]
        if later.empty:
            return self.table()
        newest = sorted(later["cohort"].unique())[-self.shown :]
        grid = later[later["cohort"].isin(newest)].pivot_table(index="cohort", columns="month", values="share")
        grid = grid.iloc[:, : self.shown]
        sizes = later.groupby("cohort")["customers"].first()
        again = self.numbers()["cohorts.month1"]

        def draw(axes: Axes, theme: Theme) -> None:
            from matplotlib.colors import LinearSegmentedColormap

            scale = LinearSegmentedColormap.from_list("share", [theme.paper, theme.accent])
            top = float(np.nanmax(grid.to_numpy())) or 1.0
            axes.pcolormesh(grid.to_numpy(), cmap=scale, vmin=0, vmax=top, edgecolors=theme.paper, linewidth=1)
            axes.invert_yaxis()
            axes.grid(visible=False)
            axes.set_xticks(np.arange(grid.shape[1]) + 0.5, [number(month) for month in grid.columns])
            labels = [
                _("{name} ({n})").format(name=month_and_year(cohort), n=number(sizes[cohort])) for cohort in grid.index
            ]
            axes.set_yticks(np.arange(len(grid)) + 0.5, labels)
            axes.set_xlabel(_("Months since the month of the first order"))
            size = 7.5 if grid.shape[1] <= READABLE else 6.2
            for (row, column), share in np.ndenumerate(grid.to_numpy()):
                if not np.isnan(share):
                    colour = theme.paper if share > 0.6 * top else theme.ink
                    axes.text(
                        column + 0.5,
                        row + 0.5,
                        number(100 * share),
                        ha="center",
                        va="center",
                        fontsize=size,
                        color=colour,
                        in_layout=False,  # it stays within its cell
                    )

        return figure(
            draw,
            title=_("{share} of new customers order again in the next month").format(share=percent(again.value)),
            subtitle=_(
                "Share of each monthly cohort (with its size) that ordered, in %, by months since the first order"
            ),
            foot=_("n = {n} customers whose next month is fully observed. Blank: not yet fully observed.").format(
                n=number(again.n)
            ),
            alt=_("Heat map of monthly cohorts; one month on, {share} of all cohorts together ordered again").format(
                share=percent(again.value)
            ),
            data=self.table(),
            height=1.2 + 0.26 * len(grid),
        )

    def _repr_html_(self) -> str:
        return self.figure()._repr_html_()


def cohorts(orders: ir.Table, *, end: datetime, shown: int, level: float) -> Cohorts:
    """Monthly cohorts of identified customers, up to `end`; months that `end` cuts are masked.

    Args:
        orders: One row an order or refund; only orders count.
        end: First moment after the period and the data.
        shown: How many cohorts the figure shows.
        level: Coverage of the intervals.
    """
    bought = orders.filter((orders.kind == "order") & orders.customer_id.notnull() & (orders.ordered_at < end))
    months = bought.select("customer_id", at=bought.ordered_at.truncate("M")).distinct()
    first = months.group_by("customer_id").agg(cohort=months["at"].min())
    joined = months.join(first, "customer_id")
    cells = joined.group_by(["cohort", "at"]).agg(ordered=joined.count()).order_by(["cohort", "at"]).execute()
    # A month counts as whole only if the data reach its end.
    whole = pd.Timestamp(end).to_period("M").start_time - pd.Timedelta(days=1)
    observed = pd.period_range(cells["cohort"].min(), whole, freq="M") if len(cells) else []
    sizes = cells[cells["at"] == cells["cohort"]].set_index("cohort")["ordered"]
    counted = cells.set_index(["cohort", "at"])["ordered"]
    rows = []
    for cohort, size in sizes.items():
        for month, period in enumerate(period for period in observed if period.start_time >= cohort):
            ordered = int(counted.get((cohort, period.start_time), 0))
            share = wilson(ordered, int(size), level=level)
            rows.append((cohort, month, int(size), ordered, share.value, share.low, share.high))
    names = ["cohort", "month", "customers", "ordered", "share", "low", "high"]
    return Cohorts(cells=pd.DataFrame(rows, columns=names), shown=shown, level=level)

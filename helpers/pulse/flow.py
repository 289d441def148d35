"""Flow: who is new, who came again, who came back, and who stayed away since the period before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.figures import Figure, Theme, figure
from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, language, listing, money, number, percent
from helpers.stats.intervals import wilson
from helpers.stats.rounding import CENT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.pulse.activity import Activity
    from helpers.stats.bootstrap import Estimate

GROUPS = ("new", "returning", "reactivated", "lapsed")


@dataclass(frozen=True, kw_only=True)
class Flow(Result):
    """Customers between the period before and this one.

    Attributes:
        groups: `group`, `customers`, `revenue` (of this period; of the period before for `lapsed`). Empty where there
            is no full period before.
        returned: Share of the customers of the period before who ordered again in this one.
        apart: Net revenue in this period of customers who did not order in it: refunds of earlier orders.
    """

    groups: pd.DataFrame
    returned: Estimate | None
    apart: float

    def numbers(self) -> dict[str, Number]:
        """Customers a group, and the share that returned."""
        if self.returned is None:
            return {}
        count = int(self.groups["customers"].sum())
        found = {
            f"flow.{row.group}": Number(value=row.customers, unit="customers", n=count, definition=f"flow.{row.group}")
            for row in self.groups.itertuples()
        }
        back = self.returned
        return found | {
            "flow.return_share": Number(
                value=back.value,
                low=back.low,
                high=back.high,
                level=back.level,
                unit="share",
                n=back.n,
                definition="flow.return_share",
            )
        }

    def definitions(self) -> dict[str, Definition]:
        """Who belongs where."""
        texts = {
            "flow.new": (_("New"), _("First order ever in this period.")),
            "flow.returning": (_("Returning"), _("Ordered in this period and in the one before.")),
            "flow.reactivated": (
                _("Reactivated"),
                _("Ordered in this period and earlier, but not in the period before."),
            ),
            "flow.lapsed": (
                _("Lapsed"),
                _("Ordered in the period before and not in this one; a proxy, churn is not observed."),
            ),
            "flow.return_share": (
                _("Share that returned"),
                _("Returning / customers active in the period before (Wilson)."),
            ),
        }
        return {key: Definition(name=name, text=text) for key, (name, text) in texts.items()}

    def table(self) -> Table:
        """Groups with customers and revenue."""
        names = self.definitions()
        frame = self.groups.assign(name=[names[f"flow.{group}"].name for group in self.groups["group"]])
        columns = {
            "name": Column(label=_("Group")),
            "customers": Column(label=_("Customers"), kind="number"),
            "revenue": Column(label=_("Net revenue, {currency}").format(currency=language().currency), kind="money"),
        }
        foot = _("Revenue is this period’s; for lapsed customers that of the period before.")
        if abs(self.apart) >= CENT:
            rest = _("Refunds to customers who did not order in this period, {amount}, are in its net revenue as well.")
            foot = f"{foot} {rest.format(amount=money(self.apart))}"
        return table(frame, columns, title=_("Customers since the period before"), foot=foot)

    def sentence(self) -> Sentence:
        """The share that returned, with its interval."""
        if self.returned is None or self.returned.value is None:
            return Sentence(text=_("There is no full period before to compare with."))
        return Sentence(
            text=_("Of {n} customers of the period before, {share} ordered again ({low} to {high}).").format(
                n=number(self.returned.n),
                share=percent(self.returned.value),
                low=percent(self.returned.low),
                high=percent(self.returned.high),
            )
        )

    def figure(self) -> Figure | Table:
        """Gains to the right, losses to the left; the empty table where there is nothing to compare."""
        if self.returned is None:
            return self.table()
        names = self.definitions()
        counts = self.groups.set_index("group")["customers"]
        signed = [-counts[group] if group == "lapsed" else counts[group] for group in GROUPS]

        def draw(axes: Axes, theme: Theme) -> None:
            colours = [theme.accent, theme.context, theme.context, theme.muted]
            places = np.arange(len(GROUPS))[::-1]
            axes.barh(places, signed, color=colours, height=0.6)
            axes.axvline(0, color=theme.muted, linewidth=1)
            for place, value in zip(places, signed, strict=True):
                axes.annotate(
                    number(abs(value)),
                    (value, place),
                    xytext=(-5 if value < 0 else 5, 0),
                    textcoords="offset points",
                    va="center",
                    ha="right" if value < 0 else "left",
                )
            axes.set_yticks(places, [names[f"flow.{group}"].name for group in GROUPS])
            axes.set_xticks([])
            axes.grid(visible=False)
            axes.margins(x=0.12)

        gained = int(counts["new"] + counts["reactivated"])
        return figure(
            draw,
            title=_("{gained} customers came or came back, {lapsed} lapsed").format(
                gained=number(gained), lapsed=number(counts["lapsed"])
            ),
            subtitle=_("Customers active in this period or the one before"),
            foot=_("n = {n} customers active in either period. Counts, no estimates.").format(n=number(counts.sum())),
            alt=listing((f"{names[f'flow.{group}'].name} {number(counts[group])}" for group in GROUPS), style="unit"),
            data=self.table(),
            height=2.4,
        )

    def _repr_html_(self) -> str:
        return self.figure()._repr_html_()


def flow(seen: Activity, *, level: float) -> Flow:
    """Flow of customers from the window `last` of an activity to `now`."""
    people = seen.customers
    if "last" not in seen.windows:
        return Flow(groups=pd.DataFrame(columns=["group", "customers", "revenue"]), returned=None, apart=0.0)
    now, before = people["orders_now"] > 0, people["orders_last"] > 0
    start = pd.Timestamp(seen.windows["now"][0])
    new = now & (people["first_at"] >= start)
    groups = {"new": new, "returning": now & before, "reactivated": now & ~before & ~new, "lapsed": before & ~now}
    rows = [
        {
            "group": group,
            "customers": int(members.sum()),
            "revenue": float(people.loc[members, "revenue_last" if group == "lapsed" else "revenue_now"].sum()),
        }
        for group, members in groups.items()
    ]
    returned = wilson(int((now & before).sum()), int(before.sum()), level=level)
    return Flow(groups=pd.DataFrame(rows), returned=returned, apart=float(people.loc[~now, "revenue_now"].sum()))

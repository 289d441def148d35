"""Timing: when the next offer meets a customer best, from the purchase process that the `clv` topic found for the same study.

Of a customer who is still one, orders come at the rate of expected orders over the time expected alive, and a Poisson process has no
memory: the next order is one mean gap away whenever one asks. An offer belongs to an order that is near, and stands by itself where
none is; who has probably left is first to be won back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.findings import Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, number, percent
from helpers.upsell_lift.average import Empty

if TYPE_CHECKING:
    from helpers.reporting.findings import Findings
    from helpers.upsell_lift.target import TargetList

MONTH = 365.25 / 12
NEAR_DAYS = 30
LOST = 0.5
COLUMNS = ["customer", "p_alive", "days_to_order", "moment"]


@dataclass(frozen=True, kw_only=True)
class Timing(Result):
    """Next-best moments of the list's customers.

    Attributes:
        rows: `customer`, `p_alive`, `days_to_order` (expected, of one who is still a customer) and `moment`: `order`, `now` or
            `win_back`; `None` where the purchase process is not known.
        listed: Customers on the list.
        why: Why the purchase process is not known; empty where it is.
    """

    rows: pd.DataFrame | None
    listed: int
    why: str = ""

    def tables(self) -> dict[str, pd.DataFrame]:
        """Moments by customer."""
        return {} if self.rows is None else {"moments": self.rows}

    def sentence(self) -> Sentence | Empty:
        """Whether the moments are known, and of whom."""
        if not self.listed:
            return Empty()
        if self.rows is None:
            return Sentence(text=_("The next-best moment is missing: {why}").format(why=self.why))
        text = _("The purchase process knows {n} of the {all} customers on the list.")
        return Sentence(text=text.format(n=number(len(self.rows)), all=number(self.listed)))

    def table(self) -> Table | Empty:
        """Customers by moment."""
        if self.rows is None or self.rows.empty:
            return Empty()
        words = moment_words()
        rows = []
        for moment in words:
            own = self.rows[self.rows["moment"] == moment]
            rows.append(
                {
                    "moment": words[moment],
                    "customers": len(own),
                    "share": len(own) / len(self.rows),
                    "days": float(own["days_to_order"].median()) if len(own) else np.nan,
                }
            )
        columns = {
            "moment": Column(label=_("Moment")),
            "customers": Column(label=_("Customers"), kind="number"),
            "share": Column(label=_("Share"), kind="share"),
            "days": Column(label=_("Expected days to their next order, median"), kind="number"),
        }
        foot = _(
            "From P(alive) and expected orders of the topic clv. Near: within {days} days. Probably "
            "left: P(alive) below {share}. This says "
            "when customers are there, not that an offer does more then; only a test of moments can."
        )
        return table(
            pd.DataFrame(rows),
            columns,
            title=_("When to make the offer"),
            foot=foot.format(days=number(NEAR_DAYS), share=percent(LOST, digits=0)),
        )


def timing(
    target: TargetList, customers: pd.DataFrame | None, *, horizon_months: int, source: Findings | None = None
) -> Timing:
    """Next-best moments.

    Args:
        target: The list.
        customers: Table `customers` of the topic `clv`: `customer_id`, `p_alive`, `orders` expected within the horizon.
        horizon_months: Of those orders.
        source: Findings of the topic `clv`, which say why there is no such table.
    """
    if customers is None:
        return Timing(rows=None, listed=len(target.rows), why=_missing(source))
    known = customers.set_index(customers["customer_id"].astype(str))
    kept = target.rows.loc[target.rows["customer"].isin(known.index), "customer"]
    found = known.loc[kept, ["p_alive", "orders"]].to_numpy(dtype=float)
    if not len(kept):
        return Timing(
            rows=None, listed=len(target.rows), why=_("the purchase process knows none of the list’s customers.")
        )
    # Expected orders count the chance of having left; those of one who is still there come so much sooner.
    days = np.divide(
        horizon_months * MONTH * found[:, 0], found[:, 1], out=np.full(len(kept), np.inf), where=found[:, 1] > 0
    )
    moment = np.where(found[:, 0] < LOST, "win_back", np.where(days <= NEAR_DAYS, "order", "now"))
    rows = pd.DataFrame({"customer": kept.to_numpy(), "p_alive": found[:, 0], "days_to_order": days, "moment": moment})
    return Timing(rows=rows.replace(np.inf, np.nan), listed=len(target.rows))


def _missing(source: Findings | None) -> str:
    """Why the topic `clv` has no purchase process to give."""
    if source is None:
        return _("customer lifetime value was not run for this study.")
    texts = {
        "skipped": _("customer lifetime value was not run. {reason}"),
        "failed": _("customer lifetime value failed."),
        "blocked": _("its source, customer lifetime value, is held back. {reason}"),
    }
    return texts.get(source.status, _("customer lifetime value has no customers to tell of.")).format(
        reason=source.reason or ""
    )


def moment_words() -> dict[str, str]:
    """Moments as a reader sees them."""
    return {
        "order": _("With their next order, which is near"),
        "now": _("By a message of its own: no order is near"),
        "win_back": _("Win back first: probably left"),
    }

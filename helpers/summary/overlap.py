"""Overlap: which levers reach the same customers or move the same money, so that their profits are no parts of a sum."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, percent

if TYPE_CHECKING:
    from helpers.summary.lever import Lever
    from helpers.summary.levers import Levers


@dataclass(frozen=True, kw_only=True)
class Overlap(Result):
    """Pairs of levers that can be told.

    Attributes:
        pairs: `one`, `other` (ids), `one_name`, `other_name`, `both` (customers whom both reach), `share_one`, `share_other` (of
            each one's customers; missing where they are not known), `why`.
    """

    pairs: pd.DataFrame

    def numbers(self) -> dict[str, Number]:
        """Share of each lever's customers whom the other one reaches too, where both are known."""
        found = {}
        for row in self.pairs.dropna(subset=["both"]).to_dict("records"):
            for here, there, part in (("one", "other", "share_one"), ("other", "one", "share_other")):
                found[f"overlap.{row[here]}.{row[there]}"] = Number(
                    value=float(row[part]), unit="share", n=int(row[f"n_{here}"]), definition="summary.overlap"
                )
        return found

    def definitions(self) -> dict[str, Definition]:
        """What is shared."""
        text = _("Customers whom both levers reach / customers whom the first one reaches.")
        return {"summary.overlap": Definition(name=_("Overlap of two levers"), text=text)}

    def tables(self) -> dict[str, pd.DataFrame]:
        """All pairs."""
        return {"overlap": self.pairs}

    def sentence(self) -> Sentence:
        """Why nothing is added up."""
        if self.pairs.empty:
            return Sentence(text=_("There are no two levers that can be told, so nothing overlaps."))
        return Sentence(
            text=_(
                "The profits above are not added up: a customer whom two levers reach can be earned from only once, "
                "and what one of them brings changes what is left for the other."
            )
        )

    def table(self) -> Table | Sentence:
        """The pairs."""
        if self.pairs.empty:
            return self.sentence()
        columns = {
            "one_name": Column(label=_("Lever")),
            "other_name": Column(label=_("And")),
            "share_one": Column(label=_("Share of the first one’s customers"), kind="share"),
            "share_other": Column(label=_("Share of the other’s"), kind="share"),
            "why": Column(label=_("Why they are not added up"), kind="prose"),
        }
        return table(
            self.pairs, columns, title=_("Levers that overlap"), rows=len(self.pairs),
            foot=_("A dash: which customers a lever reaches is not known one by one."),
        )  # fmt: skip


def overlap(levers: Levers) -> Overlap:
    """Overlap of all pairs of levers that can be told.

    Args:
        levers: The levers.
    """
    rows = [_pair(one, other) for one, other in combinations(levers.told, 2)]
    names = ["one", "other", "one_name", "other_name", "n_one", "n_other", "both", "share_one", "share_other", "why"]
    kinds = {"both": float, "share_one": float, "share_other": float, "n_one": "Int64", "n_other": "Int64"}
    return Overlap(pairs=pd.DataFrame(rows, columns=names).astype(kinds))


def _pair(one: Lever, other: Lever) -> dict[str, Any]:
    row: dict[str, Any] = {"one": one.id, "other": other.id, "one_name": one.name, "other_name": other.name}
    if one.customers is None or other.customers is None:
        why = _(
            "Which customers one of them reaches is not in the findings; they may be the same, and so may their orders."
        )
        return row | {"why": why}
    both = len(one.customers & other.customers)
    sizes = len(one.customers), len(other.customers)
    row |= {
        "n_one": sizes[0], "n_other": sizes[1], "both": both,
        "share_one": both / sizes[0] if sizes[0] else 0.0, "share_other": both / sizes[1] if sizes[1] else 0.0,
    }  # fmt: skip
    if one.what_if and other.what_if and both:
        why = _("Both change the same expected orders of the same customers.")
    elif both:
        why = _("{share} of the first one’s customers are reached by both.").format(share=percent(row["share_one"]))
    else:
        why = _("No customer is reached by both, but each is measured with the other left as it is.")
    return row | {"why": why}

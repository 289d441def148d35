"""What the kit could not say of the study, why, and which data would let it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _

if TYPE_CHECKING:
    from helpers.reporting.findings import Findings
    from helpers.summary.sources import Sources

MOST = 30


@dataclass(frozen=True, kw_only=True)
class Unsaid(Result):
    """What could not be said.

    Attributes:
        rows: `topic`, `what` (could not be said), `why`, `needed`: the table or the section of the params that would let it.
    """

    rows: pd.DataFrame

    def numbers(self) -> dict[str, Number]:
        """How many things could not be said."""
        n = len(self.rows)
        return {"unsaid": Number(value=n, unit="ratio", n=n, definition="summary.unsaid")}

    def definitions(self) -> dict[str, Definition]:
        """What is counted."""
        text = _("Topics that were not run or failed, checks that failed, and params that are not given.")
        return {"summary.unsaid": Definition(name=_("Not said"), text=text)}

    def tables(self) -> dict[str, pd.DataFrame]:
        """All of it."""
        return {"unsaid": self.rows}

    def table(self) -> Table | Sentence:
        """What, why, and what is needed."""
        if self.rows.empty:
            return Sentence(text=_("Every topic has run, and none of its checks failed."))
        columns = {
            "what": Column(label=_("Not said"), kind="prose"),
            "why": Column(label=_("Why"), kind="prose"),
            "needed": Column(label=_("What would let it be said"), kind="prose"),
        }
        return table(
            self.rows, columns, title=_("What is missing, and what would let it be said"), rows=MOST,
            file="tables/summary.unsaid.parquet",
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def unsaid(sources: Sources, *, cac: float | None) -> Unsaid:
    """What could not be said.

    Args:
        sources: What other topics found.
        cac: Cost of a new customer, as the params have it.
    """
    rows = []
    for topic in dict.fromkeys((*asked(), *sources.found)):
        found = sources.found.get(topic)
        what = asked().get(topic, topic)
        if found is None:
            needed = _("Run it: valuebook run --topic {topic}.").format(topic=topic)
            rows.append((topic, what, sources.why_not(topic), needed))
        elif found.status == "skipped":
            rows.append((topic, what, found.reason or "", tables_needed().get(topic, "")))
        elif found.status == "failed":
            needed = _("Mend what its page names, and run it again.")
            rows.append((topic, what, found.reason or "", needed))
        else:
            rows += _checks(found, topic)
    people = sources.usable("segmentation")
    if people and "customers" not in people.provenance.get("data", {}):
        why = _("The client brought no table customers.")
        rows.append(
            (
                "segmentation",
                _("How segments differ by age, region, plan and the like"),
                why,
                _("The table customers, in data.tables of the params."),
            )
        )
    if cac is None and sources.usable("clv"):
        why = _("economics.cac of the params is not given.")
        rows.append(
            ("clv", _("Whether new customers earn what they cost"), why, _("economics.cac, or the table spend."))
        )
    return Unsaid(rows=pd.DataFrame(rows, columns=["topic", "what", "why", "needed"]))


def _checks(found: Findings, topic: str) -> list[tuple[str, str, str, str]]:
    """A row for each check that failed."""
    return [
        (topic, asked().get(topic, topic), check.message, mended_by().get(topic, _("See its page.")))
        for check in found.checks
        if check.status == "fail"
    ]


def asked() -> dict[str, str]:
    """What each topic answers."""
    return {
        "pulse": _("What customers brought, and what changed"),
        "segmentation": _("Who the customers are, and what to do with each segment"),
        "clv": _("What customers will bring, and what a point of retention, frequency or order value is worth"),
        "ab_test": _("Which tested changes to roll out"),
        "upsell_lift": _("Whom to make an offer, and what it earns"),
    }


def tables_needed() -> dict[str, str]:
    """Where the data of a topic go that has none."""
    return {
        "pulse": _("The table orders or order_lines, in data.tables of the params."),
        "segmentation": _("The table orders or order_lines with customer_id, in data.tables of the params."),
        "clv": _("The table orders, order_lines or subscriptions, in data.tables of the params."),
        "ab_test": _("The table experiments, in data.tables, and the tests in ab_test.tests of the params."),
        "upsell_lift": _(
            "The table offers with a control arm, in data.tables, and upsell_lift.outcomes of the params."
        ),
    }


def mended_by() -> dict[str, str]:
    """What would let a check of a topic pass."""
    return {
        "pulse": _("The table orders, mended where data health says."),
        "segmentation": _("The table orders, mended where data health says."),
        "clv": _(
            "A longer table orders whose last months are like those before, or another clv.process of the params."
        ),
        "ab_test": _("A new test in the table experiments whose split, units and plan hold."),
        "upsell_lift": _(
            "The table offers, dealt out by chance (column randomised) or with more of what was known before."
        ),
    }

"""Next-best action: for each customer exactly one, the best founded of those that are known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.findings import Check, Decision, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, language, number
from helpers.summary.lever import GRADES, grade_words

if TYPE_CHECKING:
    from helpers.summary.sources import Sources

COLUMNS = ("customer_id", "segment", "kind", "action", "evidence", "value", "profit")
FILE = "tables/summary.actions.parquet"


@dataclass(frozen=True, kw_only=True)
class Actions(Result):
    """One action a customer.

    Attributes:
        customers: `customer_id`, `segment` (empty for those in none), `kind` (`offer`, `hold`, `playbook` or `none`), `action`,
            `evidence` of the action (empty without one), `value` (expected of the customer, whatever is done) and `profit` (expected
            of the action; missing where it is not known).
        why: Why there are none; empty where there are.
        method: How `value` was predicted.
        modelled: Whether that was by the model of customer lifetime value.
        left_out: Why there is no `value`; empty where there is.
    """

    customers: pd.DataFrame
    why: str = ""
    method: str = ""
    modelled: bool = True
    left_out: str = ""

    @property
    def acted(self) -> int:
        """Customers who have an action; those of a segment without an entry in the playbook have none."""
        return int((self.customers["kind"] != "none").sum())

    def groups(self) -> pd.DataFrame:
        """One row a segment and action: `key`, `segment`, `kind`, `action`, `evidence`, `customers`, `value`, `profit`."""
        by = ["segment", "kind", "action", "evidence"]
        found = self.customers.groupby(by, sort=False).agg(
            customers=("customer_id", "size"), value=("value", _sum), profit=("profit", _sum)
        )
        rows = found.reset_index()
        rows["key"] = [f"{slug(segment)}.{kind}" for segment, kind in zip(rows["segment"], rows["kind"], strict=True)]
        # A segment may be made several offers: each has an id of its own.
        again = rows.groupby("key").cumcount()
        rows["key"] = rows["key"].where(again == 0, rows["key"] + "_" + (again + 1).astype(str))
        grade = {name: place for place, name in enumerate(GRADES)}
        rows["grade"] = rows["evidence"].map(grade).fillna(len(grade))
        by = ["grade", "kind", "value", "customers"]
        rows = rows.sort_values(by, ascending=[True, False, False, False], kind="stable")
        return rows.drop(columns="grade").reset_index(drop=True)

    def numbers(self) -> dict[str, Number]:
        """Customers with an action, and customers, value and profit of each group."""
        if self.customers.empty:
            return {}
        n, unit = len(self.customers), language().currency
        found = {
            "actions.customers": Number(value=self.acted, unit="customers", n=n, definition="summary.actions.customers")
        }
        for row in self.groups().to_dict("records"):
            size = int(row["customers"])
            parts = {"customers": (size, "customers"), "value": (row["value"], unit), "profit": (row["profit"], unit)}
            for part, (value, own) in parts.items():
                if np.isfinite(value):
                    found[f"action.{row['key']}.{part}"] = Number(
                        value=value, unit=own, n=n if part == "customers" else size, definition=f"summary.action.{part}"
                    )
        return found

    def definitions(self) -> dict[str, Definition]:
        """What is counted."""
        return {
            "summary.actions.customers": Definition(
                name=_("Customers with a next-best action"), text=_("Each customer stands in exactly one action.")
            ),
            "summary.action.customers": Definition(
                name=_("Customers of an action"), text=_("Customers of the segment for whom this is the action.")
            ),
            "summary.action.value": Definition(
                name=_("Value of an action’s customers"),
                text=_(
                    "What they are expected to bring whatever is done, from the segmentation. It is no effect of "
                    "the action."
                ),
            ),
            "summary.action.profit": Definition(
                name=_("Expected profit of an action"), text=_("Sum of what the list of offers expects of each.")
            ),
        }

    def checks(self) -> list[Check]:
        """Whether each customer has exactly one action."""
        if self.customers.empty:
            return []
        twice = int(self.customers["customer_id"].duplicated().sum())
        return [
            Check(
                id="summary.actions.once",
                status="fail" if twice else "pass",
                value=twice,
                message=_("{n} customers stand in more than one action.").format(n=number(twice))
                if twice
                else _("Each customer stands in exactly one action."),
            )
        ]

    def decisions(self) -> list[Decision]:
        """What the playbook says of each segment; the offers are decided with the levers."""
        return [
            Decision(
                id=f"action.{row['key']}",
                text=f"{_(row['segment'])}: {row['action']}",
                evidence="assumption",
                value={
                    "number": f"action.{row['key']}.customers",
                    "value": int(row["customers"]),
                    "segment": row["segment"],
                },
            )
            for row in (self.groups().to_dict("records") if len(self.customers) else [])
            if row["kind"] == "playbook"
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The list of customers, and its groups."""
        return {} if self.customers.empty else {"actions": self.customers, "action_groups": self.groups()}

    def sentence(self) -> Sentence:
        """Where the list is."""
        if self.customers.empty:
            return Sentence(text=self.why)
        if not self.acted:
            return Sentence(text=_("No customer has a next-best action: the playbook has no entry for any segment."))
        text = _(
            "{n} customers have one action each. An offer that its report advises comes before an entry of the "
            "playbook; who is held out of the offers is left alone, so that they can be judged. The list is in "
            "{file}."
        )
        told = text.format(n=number(self.acted), file=FILE)
        if without := len(self.customers) - self.acted:
            nothing = _("For {n} there is none: the playbook has no entry for their segment.")
            told = f"{told} {nothing.format(n=number(without))}"
        return Sentence(text=told)

    def table(self) -> Table | Sentence:
        """The actions by segment."""
        if self.customers.empty:
            return self.sentence()
        rows = self.by_segment()
        rows["name"] = [_(segment) if segment else _("In no segment") for segment in rows["segment"]]
        currency = language().currency
        columns = {"name": Column(label=_("Segment"))}
        if rows["offer"].sum() > 0:
            columns |= {
                "offer": Column(label=_("Get the offer"), kind="number"),
                "profit": Column(label=_("Expected of the offer, {currency}").format(currency=currency), kind="money"),
                "hold": Column(label=_("Left alone, held out"), kind="number"),
            }
        columns |= {
            "rest": Column(label=_("All others"), kind="number"),
            "action": Column(label=_("What to try with them"), kind="prose"),
        }
        if not self.left_out:
            label = (
                _("Expected of the segment, {currency}") if self.modelled else _("By the simple formula, {currency}")
            )
            columns["value"] = Column(label=label.format(currency=currency), kind="money")
        foot = _(
            "n = {n} customers. Evidence of the offer: {grade}; its profit adds up to what was shown on customers whom "
            "the choice was not learned from. What to try with all others is an "
            "assumption: test it against a control group."
        )
        if not rows["offer"].sum() > 0:
            foot = _("n = {n} customers. What to try is an assumption: test it against a control group.")
        foot = foot.format(n=number(len(self.customers)), grade=self._grade())
        if 0 < (rows["segment"] == "").sum() < len(rows):
            foot += " " + _(
                "In no segment: on the list of offers, but without an order in the months that the segments look at."
            )
        worth = (
            _("What segments are expected to bring is left out. {why}").format(why=self.left_out)
            if self.left_out
            else _("What is expected of a segment comes whatever is done. {method}").format(method=self.method)
        )
        return table(rows, columns, title=_("What to do with each segment"), foot=f"{foot} {worth}", rows=len(rows))

    def by_segment(self) -> pd.DataFrame:
        """One row a segment, the most valuable first, or the largest where values are left out.

        Columns: `segment`, customers of each kind, `action` of the others, `value`, `profit`.
        """
        kinds = self.customers.assign(kind=self.customers["kind"].replace({"playbook": "rest", "none": "rest"}))
        rows = pd.crosstab(kinds["segment"], kinds["kind"]).reindex(columns=["offer", "hold", "rest"], fill_value=0)
        by = self.customers.groupby("segment")
        rows["value"], rows["profit"] = by["value"].agg(_sum), by["profit"].agg(_sum)
        rest = kinds[kinds["kind"] == "rest"].drop_duplicates("segment").set_index("segment")["action"]
        rows["action"] = rest.reindex(rows.index).fillna("–")
        # Those in no segment are no segment: they come last.
        rows = rows.assign(size=by.size(), named=rows.index != "").reset_index()
        rows = rows.sort_values(["named", "value", "size"], ascending=False, na_position="last", kind="stable")
        return rows.drop(columns=["size", "named"]).reset_index(drop=True)

    def _grade(self) -> str:
        offered = self.customers.loc[self.customers["kind"] == "offer", "evidence"]
        return grade_words()[offered.iloc[0]] if len(offered) else "–"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def actions(sources: Sources) -> Actions:
    """One action for each customer of a segment or of the list of offers.

    Who is on the list gets the offer, or is left alone where held out. Everybody else gets what the playbook says of their segment.

    Args:
        sources: What other topics found.
    """
    segments = _segments(sources)
    offers = _offers(sources)
    if segments is None and offers is None:
        why = _("There are no next-best actions: {first} {second}").format(
            first=sources.why_not("segmentation"), second=sources.why_not("upsell_lift")
        )
        return Actions(customers=pd.DataFrame(columns=list(COLUMNS)), why=why)
    # What the list says of a customer comes before what the segmentation says.
    parts = [one.set_index("customer_id") for one in (offers, segments) if one is not None and len(one)]
    rows = parts[0] if parts else pd.DataFrame(index=pd.Index([], name="customer_id"))
    for own in parts[1:]:
        rows = rows.combine_first(own)
    rows = rows.reset_index().reindex(columns=list(COLUMNS))
    rows = rows.astype({"value": float, "profit": float})
    for name, otherwise in {"segment": "", "kind": "none", "action": "", "evidence": ""}.items():
        rows[name] = rows[name].astype(object).where(rows[name].notna(), otherwise).astype(str)
    rows.loc[rows["action"] == "", "action"] = _("No entry in the playbook.")
    order = rows["kind"].map({"offer": 0, "hold": 1, "playbook": 2, "none": 3})
    rows = rows.assign(order=order).sort_values(
        ["order", "profit", "value"], ascending=[True, False, False], kind="stable"
    )
    found = sources.usable("segmentation")
    told = found.definitions.get("value.predicted_mean") if found else None
    return Actions(
        customers=rows[list(COLUMNS)].reset_index(drop=True),
        method=told.text if told else "",
        modelled=sources.usable("clv") is not None,
        left_out=sources.why_not("clv") if _held_back(sources) else "",
    )


def slug(name: str) -> str:
    """A segment's name as part of an id; `none` for those in no segment."""
    return "".join(letter if letter.isalnum() else "_" for letter in re.sub("['’]", "", name.lower())) or "none"


def _segments(sources: Sources) -> pd.DataFrame | None:
    """Segment, value and playbook's action of each customer of the segmentation."""
    found = sources.usable("segmentation")
    customers = sources.published("segmentation", "customers") if found else None
    if customers is None:
        return None
    entries = {
        one.value["segment"]: one.value["action"]
        for name, one in sources.decided("segmentation").items()
        if name.startswith("playbook.")
    }
    rows = pd.DataFrame(
        {"customer_id": customers["customer_id"].astype(str), "segment": customers["segment"].astype(str)}
    )
    rows["action"] = pd.Series([entries.get(segment, "") for segment in rows["segment"]], index=rows.index, dtype="str")
    rows["kind"] = np.where(rows["action"] != "", "playbook", "none")
    rows["evidence"] = np.where(rows["action"] != "", "assumption", "")
    values = sources.published("segmentation", "value")
    if values is not None and not _held_back(sources):
        rows["value"] = rows["customer_id"].map(values.set_index(values["customer_id"].astype(str))["predicted_value"])
    return rows


def _held_back(sources: Sources) -> bool:
    """Whether the model of lifetime values came to nothing that may be used: a simpler formula, which knows less, is no way out."""
    found = sources.found.get("clv")
    return found is not None and found.status in {"blocked", "failed"}


def _offers(sources: Sources) -> pd.DataFrame | None:
    """Offer and expected profit of each customer of the list, where the list is what is advised."""
    decision = sources.decided("upsell_lift").get("upsell")
    if decision is None or decision.value.get("action") not in {"target", "all"}:
        return None
    listed = sources.published("upsell_lift", "list")
    if listed is None or listed.empty:
        return None
    held = listed["holdout"].astype(bool).to_numpy()
    make = [_("Make the offer: {offer}").format(offer=offer) for offer in listed["offer"]]
    return pd.DataFrame(
        {
            "customer_id": listed["customer"].astype(str),
            "kind": np.where(held, "hold", "offer"),
            "action": np.where(held, _("Leave alone: held out, so that the offers can be judged"), make),
            "evidence": decision.evidence,
            "profit": np.where(held, np.nan, listed["expected_profit"]),
        }
    )


def _sum(values: pd.Series) -> float:
    """Sum that is missing where all are."""
    return float(values.sum(min_count=1))

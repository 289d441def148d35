"""Where levers come from: each is read off the findings of one topic, or says why it cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.reporting.words import _, number, percent
from helpers.summary.lever import Kind, Lever

if TYPE_CHECKING:
    import pandas as pd

    from helpers.summary.sources import Sources
    from helpers.summary.topic import Effort

# A customer less likely than this to be still one counts as one to be won back.
LOST = 0.5
POINT = 0.01


def from_values(sources: Sources, effort: Effort) -> list[Lever]:
    """What a point of retention, frequency or order value, and of winning back, would be worth: topic `clv`."""
    names: dict[Kind, str] = {
        "retention": _("Retention: one point more likely to stay"),
        "frequency": _("Frequency: 1 % more orders"),
        "order_value": _("Order value: 1 % more an order"),
        "win_back": _("Win-back: one point more likely to be a customer again"),
    }
    found = sources.found.get("clv")
    stands = "lever" in sources.decided("clv")
    customers = sources.published("clv", "customers") if stands else None
    levers = []
    for kind, name in names.items():
        common: dict[str, Any] = {
            "id": kind,
            "kind": kind,
            "name": name,
            "topic": "clv",
            "effort": getattr(effort, kind),
        }
        if kind != "win_back" and found and f"lever.{kind}" in found.definitions:
            common["name"] = found.definitions[f"lever.{kind}"].name
        if not stands:
            levers.append(Lever(**common, why=sources.why_not("clv")))
        elif kind == "win_back":
            levers.append(_win_back(sources, customers, common))
        else:
            levers.append(_what_if(sources, customers, f"lever.{kind}", common))
    return levers


def _what_if(sources: Sources, customers: pd.DataFrame | None, key: str, common: dict[str, Any]) -> Lever:
    worth = sources.number("clv", key)
    if worth is None:
        return Lever(**common, why=_("clv did not publish {number}.").format(number=key))
    return Lever(
        **common, number=key, value=worth.value, low=worth.low, high=worth.high, level=worth.level, n=worth.n,
        reach=_("{n} customers of today").format(n=number(worth.n)),
        customers=None if customers is None else frozenset(customers["customer_id"].astype(str)),
        file=sources.file("clv", "customers"),
    )  # fmt: skip


def _win_back(sources: Sources, customers: pd.DataFrame | None, common: dict[str, Any]) -> Lever:
    """One point of P(alive) of those who have probably left.

    A customer's value is P(alive) x what one who is still a customer would bring, so a point of it is worth a hundredth of
    value / P(alive). Its interval is as wide, in proportion, as that of the values of all customers together (`clv.total`).
    """
    total = sources.number("clv", "clv.total")
    if customers is None or total is None or not total.value:
        return Lever(**common, why=_("clv did not publish what its customers are worth, one by one."))
    lost = customers[(customers["p_alive"] < LOST) & (customers["p_alive"] > 0)]
    if lost.empty:
        return Lever(**common, why=_("No customer has probably left, so there is nobody to win back."))
    value = float((lost["value"] / lost["p_alive"]).sum()) * POINT
    ends = [value * end / total.value if end is not None else None for end in (total.low, total.high)]
    return Lever(
        **common, number="clv.total", value=value, low=ends[0], high=ends[1], level=total.level, n=len(lost),
        reach=_("{n} customers less than {share} likely to be still one").format(
            n=number(len(lost)), share=percent(LOST, digits=0)
        ),
        customers=frozenset(lost["customer_id"].astype(str)), file=sources.file("clv", "customers"),
    )  # fmt: skip


def from_offers(sources: Sources, effort: Effort) -> list[Lever]:
    """What the next round of offers brings: topic `upsell_lift`."""
    common: dict[str, Any] = {
        "id": "upsell", "kind": "upsell", "name": _("Upsell: the next round of offers"), "topic": "upsell_lift",
        "effort": effort.upsell,
    }  # fmt: skip
    decision = sources.decided("upsell_lift").get("upsell")
    worth = sources.number("upsell_lift", "profit.round")
    if decision is None or worth is None:
        return [Lever(**common, why=sources.why_not("upsell_lift"))]
    advised = decision.value.get("action") in {"target", "all"}
    listed = sources.published("upsell_lift", "list") if advised else None
    contacted = None if listed is None else listed.loc[~listed["holdout"].astype(bool), "customer"].astype(str)
    reach = _("{n} customers of the campaign; its report does not advise it").format(n=number(worth.n))
    if advised:
        reach = _("{n} customers of the campaign").format(n=number(worth.n))
    if contacted is not None and len(contacted):
        reach = _("{n} customers on the list, without those held out").format(n=number(len(contacted)))
    return [
        Lever(
            **common, number="profit.round", value=worth.value, low=worth.low, high=worth.high, level=worth.level, n=worth.n,
            evidence=decision.evidence, advised=advised, reach=reach,
            customers=None if contacted is None else frozenset(contacted),
            file=sources.file("upsell_lift", "list") if advised else None,
            advice=" ".join([decision.text, *sources.warned("upsell_lift", "guardrail.")]) if advised else decision.text,
        )
    ]  # fmt: skip


def from_tests(sources: Sources, effort: Effort) -> list[Lever]:
    """What rolling out the tests that won brings, and what not rolling out the others saves: topic `ab_test`."""
    answers = {
        name.removesuffix(".decision"): decision
        for name, decision in sources.decided("ab_test").items()
        if decision.value.get("answer") in {"ship", "dont_ship"}
    }
    worth = sources.published("ab_test", "worth")
    levers = []
    for test, decision in answers.items():
        kind: Kind = "rollout" if decision.value["answer"] == "ship" else "avoided"
        rows = None if worth is None else _of_variant(worth, test, decision.value.get("variant"))
        shown = str(decision.value.get("title", test))
        text = _("Roll out {test}") if kind == "rollout" else _("Loss avoided, not rolled out: {test}")
        common: dict[str, Any] = {
            "id": f"{kind}.{test}", "kind": kind, "name": text.format(test=shown), "topic": "ab_test",
            "effort": getattr(effort, kind), "evidence": decision.evidence, "advice": decision.text,
        }  # fmt: skip
        if rows is None or rows.empty:
            why = _("It has no metric in money, so what it brings is not known; its verdict stands.")
            levers.append(Lever(**common, why=why))
            continue
        levers.append(_of_test(sources, rows.iloc[0].to_dict(), common))
    for kind in ("rollout", "avoided"):
        if not any(one.kind == kind for one in levers):
            levers.append(_no_test(sources, kind, effort))
    return levers


def _of_variant(worth: pd.DataFrame, test: str, variant: Any) -> pd.DataFrame:
    """Rows of one variant of one test, the one to be counted first: amounts as measured before amounts through lifetime values.

    A test may have several metrics in money. They are different measures of one effect, so only one of them counts.
    """
    ids = worth["id"].astype(str)
    rows = worth[ids.str.startswith(f"{test}.") & (ids.str.endswith(f".{variant}") if variant else True)]
    return rows.iloc[np.argsort(rows["through"].astype(str) != "", kind="stable")]


def _of_test(sources: Sources, row: dict[str, Any], common: dict[str, Any]) -> Lever:
    """The shrunk monthly margin, over the horizon where it is a month's, else once; a loss avoided has its sign turned."""
    key = f"{row['id']}.monthly{'_clv' if row['through'] else ''}.shrunk"
    worth = sources.number("ab_test", key)
    if worth is None or worth.value is None:
        return Lever(**common, why=_("ab_test did not publish {number}.").format(number=key))
    factor = sources.annuity if row["monthly"] else 1.0
    sign = 1 if common["kind"] == "rollout" else -1
    ends = sorted(factor * sign * end for end in (worth.low, worth.high) if end is not None)
    low, high = ends if len(ends) > 1 else (None, None)
    text = _("{n} units a month, such as visitors") if row["monthly"] else _("{n} units, once")
    return Lever(
        **common, number=key, value=factor * sign * worth.value, low=low, high=high, level=worth.level, n=worth.n,
        advised=True, reach=text.format(n=number(row["reached"])),
    )  # fmt: skip


def _no_test(sources: Sources, kind: Kind, effort: Effort) -> Lever:
    names = {"rollout": _("Roll out a test that won"), "avoided": _("Price of a failed test avoided")}
    whys = {
        "rollout": _("No test that may be read has won."),
        "avoided": _("No test that may be read has ended with the verdict not to ship."),
    }
    ran = sources.usable("ab_test") or sources.decided("ab_test")
    return Lever(
        id=kind, kind=kind, name=names[kind], topic="ab_test", effort=getattr(effort, kind),
        why=whys[kind] if ran else sources.why_not("ab_test"),
    )  # fmt: skip

"""Wording: how arms, outcomes, values and decisions are said. What is no effect is never called one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.reporting.words import _, chance, clauses, foreign, interval, language, money, number, percent
from helpers.upsell_lift.gates import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from helpers.upsell_lift.analyse import Analysis
    from helpers.upsell_lift.estimate import Effect
    from helpers.upsell_lift.policy import Value
    from helpers.upsell_lift.read import Campaign
    from helpers.upsell_lift.topic import Outcome

MONEY = ("revenue", "spend", "sales", "amount", "profit", "margin", "value", "earnings")


def title(analysis: Analysis) -> str:
    """The campaign as a reader sees it."""
    own = analysis.campaign.settings.title
    return own or analysis.campaign.name.replace("_", " ").capitalize()


def is_money(outcome: Outcome) -> bool:
    """Whether an outcome is printed in the client's currency."""
    if outcome.unit or outcome.type in {"binary", "count"}:
        return outcome.unit == "money"
    return outcome.role == "profit" or any(word in outcome.column.lower() for word in MONEY)


def unit_of(outcome: Outcome) -> str:
    """Unit of an outcome's values."""
    return "share" if outcome.type == "binary" else language().currency if is_money(outcome) else "ratio"


def value_text(outcome: Outcome, value: float) -> str:
    """A level of an outcome."""
    unit = unit_of(outcome)
    if unit == "share":
        return percent(value, digits=2)
    return number(value, digits=3) if unit == "ratio" else money(value)


def change_text(outcome: Outcome, value: float) -> str:
    """A difference in an outcome, with its sign; shares in percentage points."""
    unit = unit_of(outcome)
    if unit == "share":
        text = _("{n} points").format(n=number(100 * value, digits=2))
    else:
        text = number(value, digits=3) if unit == "ratio" else money(value)
    return f"+{text}" if value > 0 else text


def effect_text(outcome: Outcome, effect: Effect | Value) -> str:
    """A difference with its interval."""
    if unit_of(outcome) != "share":
        return _("{value} ({low} to {high})").format(
            value=change_text(outcome, effect.value),
            low=change_text(outcome, effect.low),
            high=change_text(outcome, effect.high),
        )
    plain = {name: number(100 * getattr(effect, name), digits=2) for name in ("value", "low", "high")}
    signed = {name: f"+{text}" if getattr(effect, name) > 0 else text for name, text in plain.items()}
    return _("{value} points ({low} to {high})").format(**signed)


def cost_text(campaign: Campaign) -> str:
    """What each offer costs, as it is taken off every profit."""
    each = []
    for arm, name in enumerate(campaign.arms[1:], start=1):
        own = campaign.settings.arms.get(name)
        redeemed = own.redemption_cost if own else 0.0
        facts = {
            "arm": foreign(campaign.label(arm)),
            "contact": money(float(campaign.contact_cost[arm])),
            "redeemed": money(redeemed),
        }
        text = _("{arm}, {contact} each time it is made")
        if not (campaign.contact_cost[arm] or redeemed):
            text = _("{arm}, nothing, since no cost of it is known")
        if redeemed:
            text = _("{arm}, {contact} each time it is made and {redeemed} each time it is taken up")
        each.append(text.format(**facts))
    return _("What offers cost is taken off: {offers}.").format(offers=clauses(each))


def round_size(analysis: Analysis) -> int:
    """Customers of one more round of the campaign whose profit counts: all but the share that is held out."""
    rows = analysis.target.rows
    kept = analysis.target.contacted / len(rows) if len(rows) else 1.0
    return round(analysis.campaign.n * kept)


def to_everyone(analysis: Analysis) -> Mapping[int, Value]:
    """Incremental profit a customer of each arm to all, by arm.

    Where picking is advised it is that of the customers whom the picks were tested on, so that the two can be compared; elsewhere that
    of all customers, which is known best.
    """
    if analysis.action == "target" and analysis.proof is not None:
        return analysis.proof.everyone
    return analysis.to_all


def total(analysis: Analysis) -> Value | None:
    """Incremental profit a customer of what is to be done; `None` where nothing is."""
    if analysis.action == "target" and analysis.proof is not None:
        return analysis.proof.value
    return analysis.to_all.get(analysis.arm)


def verdict_text(analysis: Analysis) -> str:
    """What to do and what it brings, as a sentence or two."""
    campaign, action = analysis.campaign, analysis.action
    if action == "withheld":
        return _withheld(analysis)
    value = total(analysis)
    assert value is not None  # noqa: S101 - every arm has a value where no gate failed
    n = round_size(analysis)
    facts = {
        "arm": campaign.label(analysis.arm),
        "n": number(analysis.target.contacted),
        "all": number(campaign.n),
        "total": money(value.value * n, compact=True),
        "ends": interval(value.low * n, value.high * n, language().currency),
        "loss": chance(value.p_loss),
        "each": money(value.value),
        "each_ends": interval(value.low, value.high, language().currency),
        "level": percent(value.level, digits=0),
    }
    if action == "target":
        text = _(
            "Make the offer to {n} of {all} customers: expect {total} more profit ({ends}); the chance of a loss is {loss}. "
            "Tested on customers it had not seen: this way of choosing earned more than offering to everyone, to no one, or to "
            "as many at random."
        )
        if analysis.budget_share is not None:
            text = _(
                "Make the offer to {n} of {all} customers, as far as the budget goes: expect "
                "{total} more profit ({ends}); the chance of "
                "a loss is {loss}. Tested on customers it had not seen: this way of choosing earned more "
                "than as many at random, or no one."
            )
        return text.format(**facts)
    if action == "all":
        text = _(
            "Offer {arm} to everyone: expect {total} more profit from {n} customers ({ends}); "
            "the chance of a loss "
            "is {loss}. {why}"
        )
        if analysis.budget_share is not None:
            value_total = value.value * analysis.target.contacted
            facts |= {
                "total": money(value_total, compact=True),
                "ends": interval(
                    value.low * analysis.target.contacted, value.high * analysis.target.contacted, language().currency
                ),
            }
            text = _(
                "Offer {arm} to as many as the budget reaches, picked at random: expect {total} "
                "more profit from {n} customers ({ends}); "
                "the chance of a loss is {loss}. {why}"
            )
        return text.format(**facts, why=why_not_target(analysis))
    if action == "none":
        text = _(
            "Don’t make this offer: {arm} brings {each} a customer ({each_ends}, {level} interval), "
            "and no other offer does better."
        )
        if len(campaign.arms) == 2:  # noqa: PLR2004 - the control and one offer
            text = _("Don’t make this offer: {arm} brings {each} a customer ({each_ends}, {level} interval).")
        return text.format(**facts)
    text = _(
        "Keep testing: {arm} brings {each} a customer, and that may as well be a gain as a loss "
        "({each_ends}, {level} interval). {why}"
    )
    return text.format(**facts, why=why_not_target(analysis))


def why_not_target(analysis: Analysis) -> str:
    """Why nobody is picked out."""
    proof = analysis.proof
    if proof is None:
        return _("There are too few customers, or too little is known of them, to learn who should get it.")
    if not proof.choice.any() or proof.share == 1:
        return _("Nobody stands out who should be treated otherwise.")
    return _("Picking customers is not shown to earn more, so nobody is picked.")


def _withheld(analysis: Analysis) -> str:
    """No decision, why, and what the data say without claiming more."""
    failed = [gate.message for gate in analysis.gates if gate.status == "fail"]
    parts = [_("No decision.")]
    outcome = analysis.campaign.settings.profit
    for arm in range(1, len(analysis.campaign.arms)):
        one = analysis.estimates.of(outcome.name, arm)
        facts = {"arm": analysis.campaign.label(arm), "outcome": shown(outcome)}
        if one.treated is None:
            continue
        text = _(
            "{arm}: as they are, its customers differ from the control by {naive} in {outcome}; "
            "against customers made comparable, by "
            "{adjusted}. Neither is proof that the offer is behind it."
        )
        parts.append(
            text.format(**facts, naive=change_text(outcome, one.naive.value), adjusted=effect_text(outcome, one.main))
        )
    # Where estimates were told, the page says what failed right above; elsewhere the ground is all there is to say.
    return " ".join(parts if len(parts) > 1 else [*parts, *failed[:1]])

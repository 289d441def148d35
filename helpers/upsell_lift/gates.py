"""Gates: what was looked at before anything is said, each with its outcome and what that means in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.reporting.words import _, foreign, listing, number, percent
from helpers.stats.split import SRM_ALPHA, ratio_p
from helpers.upsell_lift import assumptions
from helpers.upsell_lift.columns import PRE_DAYS

if TYPE_CHECKING:
    from helpers.reporting.findings import CheckStatus
    from helpers.upsell_lift.design import Design
    from helpers.upsell_lift.effects import ArmEffect, Estimates
    from helpers.upsell_lift.read import Campaign

LEAST_ARM = 50
PLACEBO_LIMIT = 0.01
BALANCE_LIMIT = 0.0005


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One assumption.

    Attributes:
        id: Its name in the findings.
        status: `fail` holds all decisions back, and takes the causal words away.
        message: What was found and what it means.
        value: What it was judged by.
        threshold: Its limit.
    """

    id: str
    status: CheckStatus
    message: str
    value: float | None = None
    threshold: str | None = None


def gates(campaign: Campaign, design: Design, found: Estimates) -> tuple[Gate, ...]:
    """Every gate of a campaign, in the order a reader should see them."""
    looked = [*_arms(campaign), *_outcomes(campaign)]
    for arm in range(1, len(campaign.arms)):
        looked += _balance(campaign, design, found, arm)
        if not campaign.randomised:
            looked.append(_overlap(campaign, found, arm))
    looked += [_placebo(campaign, one) for one in found.placebos]
    if not campaign.randomised:
        looked += [_strength(campaign, found, arm) for arm in range(1, len(campaign.arms))]
    if not campaign.randomised and not design.X.shape[1]:
        text = _("Nothing was known of the customers before the offer, so nothing can make them comparable.")
        looked.append(Gate(id="covariates", status="fail", message=text))
    return tuple(looked)


def _arms(campaign: Campaign) -> list[Gate]:
    counts = campaign.counts
    found = []
    if counts.min() < LEAST_ARM:
        name = campaign.label(int(counts.argmin()))
        text = _("{arm} has {n} customers, and fewer than {least} say nothing that would hold.")
        found.append(
            Gate(
                id="arms.size", status="fail", value=float(counts.min()), threshold=f">= {LEAST_ARM}",
                message=text.format(arm=name, n=number(counts.min()), least=number(LEAST_ARM)),
            )
        )  # fmt: skip
    if campaign.randomised:
        found.append(_split(campaign))
    if campaign.several_arms:
        text = _("{n} customers are in more than one arm, so nobody can say which of them worked.")
        found.append(
            Gate(
                id="arms.crossed",
                status="fail",
                value=campaign.several_arms,
                message=text.format(n=number(campaign.several_arms)),
            )
        )
    for column, level, n, arm in assumptions.empty_strata(campaign.covariates, campaign.arm, len(campaign.arms)):
        text = _(
            "{column} {level}: none of the {n} customers is in {arm}, so nothing can be compared there. Leave them out by `where`."
        )
        found.append(
            Gate(
                id=f"strata.{column}.{level}", status="fail", value=n,
                message=text.format(
                    column=column.replace("_", " "), level=level, n=number(n), arm=campaign.label(arm)
                ),
            )
        )  # fmt: skip
    return found


def _split(campaign: Campaign) -> Gate:
    """Sample-ratio mismatch: only where the split was planned is an uneven one a fault."""
    planned, counts = campaign.settings.shares, campaign.assigned
    shares = np.array([planned[name] if planned else 1.0 for name in campaign.arms])
    p = ratio_p(counts, shares / shares.sum())
    split = listing((f"{campaign.label(place)} {number(count)}" for place, count in enumerate(counts)), style="unit")
    text, status = _("The offers were dealt out as planned ({split})."), "pass"
    if not planned and p >= SRM_ALPHA:
        text = _("The offers were dealt out evenly, as chance would ({split}).")
    elif not planned:
        status = "warn"
        text = _(
            "The offers were dealt out unevenly ({split}); without planned shares, a loss of customers cannot be told."
        )
    elif p < SRM_ALPHA:
        status = "fail"
        text = _("The offers were not dealt out as planned ({split}): customers were lost or picked by hand.")
    return Gate(id="arms.srm", status=status, value=p, threshold=f">= {SRM_ALPHA}", message=text.format(split=split))  # type: ignore[arg-type]


def _outcomes(campaign: Campaign) -> list[Gate]:
    found = []
    profit = campaign.settings.profit
    if not np.ptp(campaign.outcomes[profit.name]) > 0:
        # Means without any spread look certain; that nobody bought is no proof that nobody would.
        text = _("{outcome} is the same for every customer, so nothing can be learned of what an offer changes in it.")
        found.append(
            Gate(id=f"outcome.{profit.name}.constant", status="fail", message=text.format(outcome=shown(profit)))
        )
    for name, n in campaign.early.items():
        text = _("{outcome} is dated before the offer for {n} customers: it cannot be what the offer did.")
        found.append(
            Gate(
                id=f"outcome.{name}.early",
                status="fail",
                value=n,
                message=text.format(outcome=name.replace("_", " "), n=number(n)),
            )
        )
    return found


def _balance(campaign: Campaign, design: Design, found: Estimates, arm: int) -> list[Gate]:
    if not design.X.shape[1]:
        return []
    frame = assumptions.balance(design, campaign.arm, found.weights[arm], treated=arm)
    name = campaign.label(arm)
    if campaign.randomised:
        p = balance_test(campaign, design, arm)
        text = (
            _("{arm} and the control are alike in what was known before.")
            if p >= BALANCE_LIMIT
            else _("{arm} and the control differ in what was known before by more than chance would make them.")
        )
        status: CheckStatus = "pass" if p >= BALANCE_LIMIT else "fail"
        threshold, value = f">= {BALANCE_LIMIT}", p
    else:
        worst = frame.loc[frame["after"].abs().idxmax()]
        value, threshold = float(abs(worst["after"])), f"<= {assumptions.MOST_IMBALANCE}"
        status = "pass" if value <= assumptions.MOST_IMBALANCE else "fail"
        text = (
            _("After weighting, {arm} and the control are alike in what was known before.")
            if status == "pass"
            else _("Even after weighting, {arm} and the control differ: most in {worst} ({size} standard deviations).")
        )
        text = text.format(arm=name, worst=str(worst["covariate"]).replace("_", " "), size=number(value, digits=2))
    return [
        Gate(
            id=f"balance.{campaign.arms[arm]}", status=status, value=value, threshold=threshold,
            message=text.format(arm=name) if campaign.randomised else text,
        )
    ]  # fmt: skip


def balance_test(campaign: Campaign, design: Design, arm: int) -> float:
    """Probability of all covariates together: the arms' distance in means against what chance makes (Hansen & Bowers 2008)."""
    from scipy.stats import chi2

    inside = (campaign.arm == arm) | (campaign.arm == 0)
    Z, now = design.X[inside], campaign.arm[inside] == arm
    if campaign.cluster is not None:
        # Groups were dealt out, so groups are compared.
        groups = np.unique(campaign.cluster[inside], return_inverse=True)[1]
        size = np.bincount(groups)
        Z = np.stack([np.bincount(groups, weights=column) / size for column in Z.T], axis=1)
        now = np.bincount(groups, weights=now) / size > 0.5  # noqa: PLR2004 - a group has one arm
    spread = np.cov(Z, rowvar=False).reshape(Z.shape[1], Z.shape[1])
    gap = Z[now].mean(axis=0) - Z[~now].mean(axis=0)
    inverse = np.linalg.pinv(spread * (1 / now.sum() + 1 / (~now).sum()), rcond=1e-10, hermitian=True)
    return float(chi2.sf(gap @ inverse @ gap, np.linalg.matrix_rank(spread, hermitian=True)))


def _overlap(campaign: Campaign, found: Estimates, arm: int) -> Gate:
    compared = found.of(campaign.settings.profit.name, arm).overlap
    assert compared is not None  # noqa: S101 - made for every arm that chance did not assign
    text = (
        _("{share} of the customers of {arm} and of the control have a counterpart on the other side.")
        if compared.passed
        else _(
            "{arm} and the control are hardly comparable: {share} have a counterpart, {effective} of {n} controls count."
        )
    )
    return Gate(
        id=f"overlap.{campaign.arms[arm]}",
        status="pass" if compared.passed else "fail",
        value=compared.inside,
        threshold=f">= {assumptions.LEAST_OVERLAP}",
        message=text.format(
            arm=campaign.label(arm),
            share=percent(compared.inside, digits=0),
            effective=number(compared.effective),
            n=number(compared.control),
        ),
    )


def _placebo(campaign: Campaign, one: ArmEffect) -> Gate:
    from scipy.stats import norm

    z = one.main.z
    p = float(2 * norm.sf(abs(z))) if math.isfinite(z) else 1.0
    facts: dict[str, Any] = {"outcome": shown(one.outcome), "arm": campaign.label(one.arm)}
    before = one.outcome.role == "placebo"
    good = (
        _("{arm}: no difference in {outcome}, which lies before the offer.")
        if before
        else _("{arm}: no difference in {outcome}, which the offer cannot move.")
    )
    bad = (
        _("{arm}: the same estimate finds a difference in {outcome}, from before the offer: something else differs.")
        if before
        else _("{arm}: the same estimate finds a difference in {outcome}, which the offer cannot move.")
    )
    passed = p >= PLACEBO_LIMIT
    return Gate(
        id=f"{one.outcome.role}.{one.outcome.name}.{campaign.arms[one.arm]}",
        status="pass" if passed else "fail",
        value=p,
        threshold=f">= {PLACEBO_LIMIT}",
        message=(good if passed else bad).format(**facts),
    )


def _strength(campaign: Campaign, found: Estimates, arm: int) -> Gate:
    one = found.of(campaign.settings.profit.name, arm)
    estimate, near = one.e_value or (math.nan, math.nan)
    text = (
        _(
            "{arm}: an unseen cause of both, {value} times as likely, could explain it all; {near} times, down to chance (E-value)."
        )
        if math.isfinite(estimate)
        else _("{arm}: there is no E-value.")
    )
    return Gate(
        id=f"e_value.{campaign.arms[arm]}", status="pass", value=near if math.isfinite(near) else None,
        message=text.format(arm=campaign.label(arm), value=number(estimate, digits=2), near=number(near, digits=2)),
    )  # fmt: skip


def shown(outcome: Any) -> str:
    """An outcome as a reader sees it."""
    if outcome.name == "revenue_before":
        return _("revenue of the {days} days before").format(days=number(PRE_DAYS))
    return foreign(outcome.label or outcome.name.replace("_", " ").capitalize())

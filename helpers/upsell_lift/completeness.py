"""Completeness: rows that do not count, outcomes that are missing, and covariates that tell nothing, each as a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.reporting.words import _, listing, number, percent
from helpers.upsell_lift.gates import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from helpers.upsell_lift.design import Design
    from helpers.upsell_lift.read import Campaign

MISSING_LIMIT = 0.0005


def completeness(campaign: Campaign, design: Design) -> tuple[Gate, ...]:
    """What is missing of a campaign, and whether chance left it out."""
    return (*_missing(campaign), *_covariates(design), *_left_out(campaign))


def _missing(campaign: Campaign) -> list[Gate]:
    """Whether customers without a value of some outcome were lost alike in every arm; chance must have left them out."""
    from scipy.stats import chi2_contingency

    kept, lost = campaign.counts, campaign.assigned - campaign.counts
    if not lost.any():
        return []
    p = float(chi2_contingency(np.stack([kept, lost]), correction=False).pvalue)
    each = listing(
        (
            _("{arm} {share}").format(arm=campaign.label(place), share=percent(share))
            for place, share in enumerate(lost / campaign.assigned)
        ),
        style="unit",
    )
    text = _("Customers without a value of some outcome are about as many in every arm ({each}).")
    if p < MISSING_LIMIT:
        text = _(
            "Customers without a value of some outcome are not as many in every arm ({each}), so those with one are not what "
            "was assigned. Say what no value means, such as 0, or take the outcome out."
        )
    return [
        Gate(
            id="rows.missing",
            status="pass" if p >= MISSING_LIMIT else "fail",
            value=p,
            threshold=f">= {MISSING_LIMIT}",
            message=text.format(each=each),
        )
    ]


def _covariates(design: Design) -> list[Gate]:
    texts = {
        "constant": _("{column} is the same for every customer and was not used."),
        "levels": _("{column} has many values; its {n} rarest were taken together."),
        "missing": _("{column} is not known of {n} customers; not knowing counts as a value of its own."),
    }
    found: dict[str, Mapping[str, int | None]] = {
        "constant": dict.fromkeys(design.constant),
        "levels": design.grouped,
        "missing": design.missing,
    }
    return [
        Gate(
            id=f"covariate.{name}.{kind}", status="warn", value=n,
            message=texts[kind].format(column=name.replace("_", " "), n=number(n)),
        )
        for kind, each in found.items()
        for name, n in each.items()
    ]  # fmt: skip


def _left_out(campaign: Campaign) -> list[Gate]:
    texts = {
        "left_out": _("{n} rows are of arms that the params leave out."),
        "later": _("{n} rows are later offers to the same customers; the first one counts."),
        "not_over": _("{n} customers were offered too recently for their outcomes to be known."),
        "undated": _("{n} customers have no moment of their offer; they count as assigned."),
        "no_arm": _("{n} customers have no arm and are left out."),
        "no_value": _("{n} customers have no value of some outcome and are left out."),
    }
    return [
        Gate(id=f"rows.{reason}", status="warn", value=n, message=texts[reason].format(n=number(n)))
        for reason, n in campaign.left_out.items()
        if n
    ]

"""Profits and costs by customer, and the matrix of outcomes that the models are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.upsell_lift.read import Campaign
    from helpers.upsell_lift.topic import Outcome


def worth(outcome: Outcome, *, margin: float) -> float:
    """Profit of one unit of the profit outcome."""
    return margin if outcome.worth is None else outcome.worth


def costs(campaign: Campaign) -> NDArray:
    """What each customer's own offer cost, shape (n,)."""
    known = campaign.settings.arms
    redeemed = np.array([own.redemption_cost if (own := known.get(name)) else 0.0 for name in campaign.arms])
    taken = campaign.accepted if campaign.accepted is not None else np.zeros(campaign.n)
    return campaign.contact_cost[campaign.arm] + redeemed[campaign.arm] * taken


def profits(campaign: Campaign, *, margin: float) -> NDArray:
    """Profit of each customer with the cost of the own offer taken off, shape (n,)."""
    outcome = campaign.settings.profit
    return worth(outcome, margin=margin) * campaign.outcomes[outcome.name] - costs(campaign)


def outcome_matrix(campaign: Campaign, *, margin: float) -> tuple[NDArray, tuple[str, ...]]:
    """Outcomes that models are made for, shape (n, m), and their names: profit first, cost last."""
    shown = campaign.settings.with_role("success", "guardrail")
    parts = [profits(campaign, margin=margin), *(campaign.outcomes[one.name] for one in shown), costs(campaign)]
    return np.column_stack(parts), ("profit", *(one.name for one in shown), "cost")

"""Scoring: what the list of the period before has brought, by its own holdout, in this period's outcomes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from helpers.upsell_lift.economics import profits
from helpers.upsell_lift.estimate import difference_in_means
from helpers.upsell_lift.target import stamp

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from helpers.upsell_lift.estimate import Effect
    from helpers.upsell_lift.read import Campaign

LEAST = 10


@dataclass(frozen=True, kw_only=True)
class Score:
    """The last list, judged.

    Attributes:
        state: `none` (there was no list), `changed` (its hash is another), `not_used` (nobody on it was offered anything in this
            period), `too_few` (its holdout is too small to judge by), or `scored`.
        period: The list's period.
        stamp: Its hash.
        listed: Customers on it.
        found: Of them, in this period's offers.
        offered: Share of those not held out who got an offer.
        expected: Expected incremental profit a customer.
        earned: Profit of those not held out less that of the holdout, a customer.
    """

    state: Literal["none", "changed", "not_used", "too_few", "scored"]
    period: str = ""
    stamp: str = ""
    listed: int = 0
    found: int = 0
    offered: float = 0.0
    expected: float = 0.0
    earned: Effect | None = None


def score_last(folder: Path | None, campaign: Campaign, *, start: datetime, margin: float) -> Score:
    """Judge the list of the period before.

    Everyone listed is counted as listed, whether the offer reached them or not: the holdout was drawn among all of them.

    Args:
        folder: The study folder of the period before; `None` where the data do not cover it.
        campaign: This period's customers.
        start: First moment of this period.
        margin: Share of revenue that is profit.
    """
    found = _read(folder)
    if folder is None or found is None:
        return Score(state="none")
    listed, written = found
    about: dict[str, Any] = {"period": folder.name, "stamp": written, "listed": len(listed)}
    if stamp(listed) != written:
        return Score(state="changed", **about)
    if campaign.offered is None or campaign.offered[0] < start:
        return Score(state="not_used", **about)
    place = pd.Series(np.arange(campaign.n), index=campaign.unit)
    rows = place.reindex(listed["customer"])
    known = rows.notna().to_numpy()
    mine = rows[known].to_numpy(dtype=int)
    free = ~listed["holdout"].to_numpy(dtype=bool)[known]
    offered = float((campaign.arm[mine][free] > 0).mean()) if free.any() else 0.0
    about |= {"found": int(known.sum()), "offered": offered, "expected": float(listed["expected_profit"].mean())}
    if not offered:
        return Score(state="not_used", **about)
    if min(free.sum(), (~free).sum()) < LEAST:
        return Score(state="too_few", **about)
    earned = difference_in_means(
        profits(campaign, margin=margin)[mine], free.astype(int), treated=1, level=campaign.settings.level
    )
    return Score(state="scored", **about, earned=earned)


def _read(folder: Path | None) -> tuple[pd.DataFrame, str] | None:
    """The list of a study folder and the hash that was written with it; `None` where there is none."""
    path = None if folder is None else folder / "upsell_lift.json"
    if folder is None or path is None or not path.is_file():
        return None
    tables = json.loads(path.read_text(encoding="utf-8"))["tables"]
    if "list" not in tables or "list_stamp" not in tables:
        return None
    listed = pd.read_parquet(folder / tables["list"])
    return None if listed.empty else (listed, str(pd.read_parquet(folder / tables["list_stamp"])["stamp"].iloc[0]))

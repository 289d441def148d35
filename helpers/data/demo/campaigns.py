"""What else the demo brings: touches, spend, events, surveys, an upsell campaign, a subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.data.demo.people import END, MONTH

if TYPE_CHECKING:
    from numpy.random import Generator

CPA = {"search": 24.0, "social": 31.0, "referral": 9.0, "shop window": 12.0}
UPSELL = {"age_18_34": 9.0, "age_55_plus": -5.0, "others": 3.0, "noise": 22.0}
SUBSCRIPTION = {"alpha": 0.9, "beta": 5.5, "share": 0.15, "price": 9.99}
TEXTS = (
    "Great service",
    "Giao hàng nhanh, cảm ơn!",
    "کیفیت خوب بود",
    "Parcel was late 😕",
    "<b>great</b> value",
    "=1+1",
    'It\'s "fine"',
    "Too many e-mails",
)


def make_touches(people: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Newsletters a quarter to everyone acquired by then."""
    parts = []
    for sent in pd.date_range("2023-03-15 09:00", END, freq="3MS"):
        there = people.loc[people["acquired_at"] < sent, "customer_id"].to_numpy()
        opened = rng.random(len(there)) < 0.34  # noqa: PLR2004 - share of e-mails opened
        clicked = opened & (rng.random(len(there)) < 0.15)  # noqa: PLR2004 - share of opened e-mails clicked
        wait = pd.to_timedelta(rng.integers(60, 172_800, len(there)), "s")
        parts.append(
            pd.DataFrame(
                {
                    "customer_id": there,
                    "campaign": f"newsletter {sent:%Y-%m}",
                    "channel": "email",
                    "sent_at": sent,
                    "opened_at": pd.Series(sent + wait).where(opened),
                    "clicked_at": pd.Series(sent + wait + pd.Timedelta(minutes=1)).where(clicked),
                    "cost": 0.01,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def make_spend(people: pd.DataFrame) -> pd.DataFrame:
    """Acquisition spend a day and channel, which makes the cost per new customer exactly `CPA`."""
    day = people["acquired_at"].dt.normalize()
    counts = people.groupby([day, "acquisition_channel"]).size().rename("new").reset_index()
    counts.columns = ["date", "channel", "new"]
    counts["amount"] = counts["new"] * counts["channel"].map(CPA)
    return counts[["date", "channel", "amount"]]


def make_events(people: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Sessions on web and app."""
    n = min(20 * len(people), 120_000)
    who = rng.integers(0, len(people), n)
    span = ((END - people["acquired_at"]) / pd.Timedelta(seconds=1)).to_numpy()[who]
    at = people["acquired_at"].to_numpy()[who] + pd.to_timedelta((rng.random(n) * span).astype("int64"), "s").to_numpy()
    frame = pd.DataFrame(
        {
            "customer_id": people["customer_id"].to_numpy()[who],
            "occurred_at": at,
            "source": rng.choice(["web", "app"], n, p=[0.6, 0.4]),
            "event": rng.choice(["visit", "search", "add_to_cart", "wishlist"], n, p=[0.6, 0.22, 0.13, 0.05]),
            "value": 1.0,
            "session_id": [f"S{number:07d}" for number in range(n)],
        }
    )
    return frame.sort_values("occurred_at", kind="stable", ignore_index=True)


def make_surveys(people: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """NPS, CES and CSAT answers, some with a text."""
    n = max(300, len(people) // 4)
    who = rng.integers(0, len(people), n)
    acquired = people["acquired_at"].to_numpy()[who]
    since = (np.datetime64(END) - acquired) / np.timedelta64(1, "s")
    question = rng.choice(["nps", "ces", "csat"], n, p=[0.6, 0.2, 0.2])
    top = np.select([question == "nps", question == "ces"], [10, 7], 5)
    low = np.where(question == "nps", 0, 1)
    score = low + np.round((top - low) * rng.beta(4.2, 1.4, n))
    text = pd.Series(rng.choice(TEXTS, n)).where(rng.random(n) < 0.4)  # noqa: PLR2004 - share of answers with a text
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"].to_numpy()[who],
            "answered_at": acquired + pd.to_timedelta((rng.random(n) * since).astype("int64"), "s").to_numpy(),
            "question": question,
            "score": score,
            "text": text,
        }
    )


def make_offers(people: pd.DataFrame, rng: Generator) -> tuple[pd.DataFrame, pd.Series]:
    """`premium_upgrade` to half of the customers of before July 2025; good for the young, harmful for the old."""
    there = people[people["acquired_at"] < "2025-07-01"].reset_index(drop=True)
    n = len(there)
    offered = rng.random(n) < 0.5  # noqa: PLR2004 - a fair coin
    effect = np.select(
        [there["age_band"] == "18-34", there["age_band"] == "55+"],
        [UPSELL["age_18_34"], UPSELL["age_55_plus"]],
        UPSELL["others"],
    )
    margin = rng.gamma(1.2, 15, n) + rng.normal(0, UPSELL["noise"], n) + effect * offered
    frame = pd.DataFrame(
        {
            "customer_id": there["customer_id"],
            "offer": "premium_upgrade",
            "offered_at": pd.Timestamp("2025-07-07 10:00"),
            "arm": np.where(offered, "offer", "control"),
            "randomised": True,
            "accepted": offered & (rng.random(n) < np.where(there["age_band"] == "18-34", 0.22, 0.09)),
            "cost": np.where(offered, 0.6, 0.0),
            "age_band": there["age_band"],
            "region": there["region"],
            "tenure_days": ((pd.Timestamp("2025-07-07") - there["acquired_at"]) / pd.Timedelta(days=1)).round(1),
            "margin_90d": np.round(margin, 2),
            "revenue_90d": np.round(margin / 0.42, 2),
            "opt_out": rng.random(n) < np.where(offered & (there["age_band"] == "55+"), 0.05, 0.01),
        }
    )
    return frame, pd.Series(effect, index=there["customer_id"], name="upsell_effect")


def make_subscriptions(people: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """A monthly plan whose churn is shifted beta-geometric."""
    chosen = people[rng.random(len(people)) < SUBSCRIPTION["share"]]
    churn = rng.beta(SUBSCRIPTION["alpha"], SUBSCRIPTION["beta"], len(chosen))
    months = rng.geometric(churn)
    started = chosen["acquired_at"].dt.normalize() + pd.Timedelta(days=14)
    ended = started + pd.to_timedelta(np.round(np.minimum(months, 1_000) * MONTH), "D")
    frame = pd.DataFrame(
        {
            "customer_id": chosen["customer_id"],
            "plan": "refill",
            "started_at": started,
            "price": SUBSCRIPTION["price"],
            "ended_at": ended.where(ended < END),
            "period": "month",
        }
    )
    return frame[frame["started_at"] < END].reset_index(drop=True)


def truths() -> dict[str, Any]:
    """What is planted, by name."""
    return {
        "upsell": {"offer": "premium_upgrade", "effect_on_margin_90d": UPSELL, "harmed": "age_band == '55+'"},
        "cost_per_new_customer": CPA,
        "subscriptions": {"alpha": SUBSCRIPTION["alpha"], "beta": SUBSCRIPTION["beta"]},
    }

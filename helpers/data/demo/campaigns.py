"""What else the demo brings: touches, spend, events, surveys, two experiments, an upsell campaign, a subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.data.demo.people import DAYS, END, MONTH, START

if TYPE_CHECKING:
    from numpy.random import Generator

CPA = {"search": 24.0, "social": 31.0, "referral": 9.0, "shop window": 12.0}
CHECKOUT = {"units": 20_000, "base": 0.10, "effect": 0.02}
HOMEPAGE = {"units": 16_000, "base": 0.12, "lost_share": 0.12}
UPSELL = {"age_18_34": 9.0, "age_55_plus": -5.0, "others": 3.0, "noise": 22.0}
SUBSCRIPTION = {"alpha": 0.9, "beta": 5.5, "share": 0.15, "price": 9.99}
TEXTS = ("Great service", "Giao hàng nhanh, cảm ơn!", "کیفیت خوب بود", "Parcel was late 😕", "<b>great</b> value", "=1+1",
         "It's \"fine\"", "Too many e-mails")


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
    question = rng.choice(["nps", "ces", "csat"], n, p=[0.6, 0.2, 0.2])
    top = np.select([question == "nps", question == "ces"], [10, 7], 5)
    low = np.where(question == "nps", 0, 1)
    score = low + np.round((top - low) * rng.beta(4.2, 1.4, n))
    text = pd.Series(rng.choice(TEXTS, n)).where(rng.random(n) < 0.4)  # noqa: PLR2004 - share of answers with a text
    return pd.DataFrame(
        {
            "customer_id": rng.choice(people["customer_id"], n),
            "answered_at": START + pd.to_timedelta(rng.integers(90, DAYS, n), "D"),
            "question": question,
            "score": score,
            "text": text,
        }
    )


def make_experiments(rng: Generator) -> pd.DataFrame:
    """`checkout_2025` has a planted effect; `homepage_2025` has none, and lost heavy users of one arm."""
    checkout = _units("checkout_2025", CHECKOUT["units"], rng)  # type: ignore[arg-type]
    lifted = CHECKOUT["base"] + CHECKOUT["effect"] * (checkout["variant"] == "treatment")
    homepage = _units("homepage_2025", HOMEPAGE["units"], rng)  # type: ignore[arg-type]
    heavy = homepage["pre_revenue"] > homepage["pre_revenue"].quantile(0.5)
    lost = (homepage["variant"] == "treatment") & heavy & (rng.random(len(homepage)) < HOMEPAGE["lost_share"] * 2)
    tests = [(checkout, lifted), (homepage, np.full(len(homepage), HOMEPAGE["base"]))]
    for frame, base in tests:
        tilt = 1 + 0.5 * (frame["pre_revenue"] / frame["pre_revenue"].mean() - 1).clip(-1, 1)
        frame["converted"] = (rng.random(len(frame)) < base * tilt).astype(int)
        frame["orders"] = frame["converted"] * (1 + rng.poisson(0.2, len(frame)))
        spend = rng.lognormal(3.4, 0.5, len(frame)) * (0.5 + 0.5 * frame["pre_revenue"] / frame["pre_revenue"].mean())
        frame["revenue"] = np.round(frame["orders"] * spend, 2)
    return pd.concat([checkout, homepage[~lost]], ignore_index=True)


def _units(name: str, n: int, rng: Generator) -> pd.DataFrame:
    assigned = pd.Timestamp("2025-05-05") + pd.to_timedelta(rng.integers(0, 28 * 86_400, n), "s")
    return pd.DataFrame(
        {
            "experiment": name,
            "unit_id": [f"{name[:2].upper()}{number:06d}" for number in range(n)],
            "variant": rng.choice(["control", "treatment"], n),
            "assigned_at": assigned,
            "exposed_at": assigned + pd.Timedelta(minutes=2),
            "pre_revenue": np.round(rng.gamma(1.6, 30, n), 2),
            "pre_orders": rng.poisson(1.4, n),
        }
    )


def make_offers(people: pd.DataFrame, rng: Generator) -> tuple[pd.DataFrame, pd.Series]:
    """`premium_upgrade` to half of the customers of before July 2025; good for the young, harmful for the old."""
    there = people[people["acquired_at"] < "2025-07-01"].reset_index(drop=True)
    n = len(there)
    offered = rng.random(n) < 0.5  # noqa: PLR2004 - a fair coin
    effect = np.select(
        [there["age_band"] == "18-34", there["age_band"] == "55+"], [UPSELL["age_18_34"], UPSELL["age_55_plus"]], UPSELL["others"]
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
        "experiments": {
            "checkout_2025": {"effect_on_conversion": CHECKOUT["effect"], "base": CHECKOUT["base"]},
            "homepage_2025": {"effect_on_conversion": 0.0, "base": HOMEPAGE["base"], "sample_ratio": "broken"},
        },
        "upsell": {"offer": "premium_upgrade", "effect_on_margin_90d": UPSELL, "harmed": "age_band == '55+'"},
        "cost_per_new_customer": CPA,
        "subscriptions": {"alpha": SUBSCRIPTION["alpha"], "beta": SUBSCRIPTION["beta"]},
    }

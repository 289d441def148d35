"""Trials: a test and a campaign on a client's own customers, with all that a column of a client's may hold."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
import pandas as pd

from helpers.ab_test.registration import Ahead, Covariate, Metric, Test
from helpers.ab_test.topic import Params as TestParams
from helpers.upsell_lift.topic import Params as LiftParams

if TYPE_CHECKING:
    from helpers.study import Study

LOG = {"from": "orders"}
TRIAL = Test(
    id="trial",
    metrics=(
        Metric(name="bought", type="proportion", column="orders", role="success", window_days=30, **LOG),
        Metric(name="revenue", type="mean", column="revenue", cap_quantile=0.95, window_days=30, **LOG),
        Metric(name="typical", type="mean", column="spent", scale="log"),
        Metric(name="order_value", type="ratio", numerator="revenue", denominator="orders", **LOG),
        Metric(name="median", type="quantile", column="spent"),
        Metric(name="answered", type="proportion", column="answer"),
        Metric(name="clicked", type="proportion", column="clicked", at="clicked_at"),
    ),
    covariates=(
        "score",
        "said",
        Covariate(name="before", column="revenue", window_days=90),
        Covariate(name="ever", column="orders"),
    ),
    segments=("region",),
    pool={"any": ("blue", "green")},
)  # fmt: skip
BY_SHOP = Test(
    id="by_shop",
    experiment="trial",
    cluster="shop",
    variants=("blue",),
    metrics=(Metric(name="spent", column="spent", role="success"), Metric(name="answered", column="answer")),
    covariates=("score",),
)
TESTS = TestParams(
    tests=(TRIAL, BY_SHOP),
    plan=Ahead(covariates=(Covariate(name="before", column="revenue", window_days=90),), traffic="orders"),
    replays=100,
)
OFFERS = LiftParams.model_validate(
    {
        "outcomes": [
            {"name": "spent", "column": "spent", "type": "spend", "role": "profit", "worth": 1, "window_days": 30},
            {"name": "left", "column": "left", "type": "binary", "role": "guardrail", "better": "less", "margin": 0.02},
        ],
        "covariates": ["score", "said", "region", "plan", "since"],
        "segments": ["region"],
    }
)


def with_trials(study: Study) -> dict[str, Any]:
    """The study's tables with a test of three variants and a campaign among its customers, made by chance of their names.

    What the client brought of tests and campaigns stays, as `own_experiments` and `own_offers`.
    """
    orders = study.orders
    con = orders.get_backend()
    found = orders.filter(orders.customer_id.notnull()).group_by("customer_id").agg(first=orders.ordered_at.min())
    people = found.order_by("customer_id").execute()
    units = _units(people)
    offers = _offers(people, units)
    kept = study.tables.kept
    own = {f"own_{name}": kept[name] for name in ("experiments", "offers") if name in kept}
    made = {
        "experiments": con.create_table("trial_units", ibis.memtable(units), temp=True),
        "offers": con.create_table("trial_offers", ibis.memtable(offers), temp=True),
    }
    return kept | own | made


def _chance(names: pd.Series, salt: str) -> np.ndarray:
    """Numbers between 0 and 1 that hang on a name alone."""
    drawn = (hashlib.sha256(f"{salt} {name}".encode()).digest()[:4] for name in names)
    return np.array([int.from_bytes(four, "big") for four in drawn]) / 2**32


def _units(people: pd.DataFrame) -> pd.DataFrame:
    names, first = people["customer_id"], people["first"].astype("datetime64[us]")
    arm = np.floor(_chance(names, "arm") * 3).astype(int)
    spent = np.round(np.exp(4 * _chance(names, "spent")) - 1, 2)
    gap, moment = _chance(names, "gap"), first + pd.to_timedelta(np.round(_chance(names, "at") * 60 * 86400), unit="s")
    return pd.DataFrame(
        {
            "experiment": "trial",
            "unit_id": names,
            "variant": np.array(["control", "blue", "green"])[arm],
            "assigned_at": moment,
            "exposed_at": moment + pd.Timedelta(minutes=5),
            "spent": np.where(gap < 0.05, np.nan, spent),
            "answer": np.where(_chance(names, "answer") < 0.1, None, np.where(spent > 5, "1", "0")),
            "clicked": _chance(names, "click") < 0.3,
            "clicked_at": (moment + pd.Timedelta(hours=1)).where(_chance(names, "click") < 0.3),
            "score": pd.array(np.floor(_chance(names, "score") * 100), dtype="Int64"),
            "said": np.where(gap > 0.9, None, np.round(spent / 3, 3).astype(str)),
            "region": np.where(gap > 0.95, None, np.array(["north", "South", "east"])[(gap * 1000).astype(int) % 3]),
            "shop": np.char.add("shop ", (arm * 10 + (gap * 9973).astype(int) % 10).astype(str)),
        }
    )


def _offers(people: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
    names = people["customer_id"]
    return pd.DataFrame(
        {
            "customer_id": names,
            "offer": np.where(_chance(names, "offer") < 0.1, "an old one", "the new one"),
            "offered_at": units["assigned_at"],
            "arm": np.where(_chance(names, "to") < 0.5, "offer", "control"),
            "randomised": True,
            "accepted": np.where(_chance(names, "took") < 0.2, "Yes", "no"),
            "cost": np.round(_chance(names, "cost"), 2),
            "spent": units["spent"].fillna(0.0),
            "left": _chance(names, "left") < 0.1,
            "score": units["score"],
            "said": units["said"],
            "region": units["region"],
            "plan": np.where(_chance(names, "plan") < 0.4, "basic", "Plus"),
            "since": people["first"].dt.date,
        }
    )

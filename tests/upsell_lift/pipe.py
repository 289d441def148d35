"""Campaigns for tests, and the topic's whole pipe: a frame of offers in, findings and everything shown out."""

from __future__ import annotations

import re

import ibis
import numpy as np
import pandas as pd

from helpers import upsell_lift
from helpers.reporting.findings import gather
from helpers.upsell_lift.topic import Params

OUTCOMES = (
    {"name": "margin", "column": "margin", "type": "spend", "role": "profit", "worth": 1},
    {"name": "bought", "column": "bought", "type": "binary", "role": "success"},
    {"name": "opt_out", "column": "opt_out", "type": "binary", "role": "guardrail", "better": "less", "margin": 0.03},
)


def campaign(n=3000, *, seed=1, effect=(6.0, 1.0, -6.0), cost=0.5, confounded=False, arms=("offer",)):
    """One row a customer: an offer whose effect differs by `plan` (a, b, c)."""
    rng = np.random.default_rng(seed)
    plan = rng.choice(["a", "b", "c"], n)
    age = rng.normal(45, 12, n).round(1)
    before = rng.gamma(2, 10, n).round(2)
    p = 1 / (1 + np.exp(-(age - 45) / 15)) if confounded else np.full(n, 0.5)
    offered = rng.random(n) < p
    arm = np.where(offered, rng.choice(list(arms), n), "control")
    gain = pd.Series(plan).map(dict(zip("abc", effect, strict=True))).to_numpy()
    margin = 0.4 * before + 0.2 * (age - 45) + gain * offered + rng.normal(0, 8, n)
    return pd.DataFrame(
        {
            "customer_id": [f"c{place:05d}" for place in range(n)],
            "offer": "upgrade",
            "offered_at": pd.Timestamp("2025-03-03 09:00"),
            "arm": arm,
            "randomised": not confounded,
            "accepted": offered & (rng.random(n) < 0.3),
            "cost": np.where(offered, cost, 0.0),
            "plan": plan,
            "age": age,
            "before": before,
            "margin": margin,
            "bought": rng.random(n) < 0.2 + 0.1 * offered * (plan == "a"),
            "opt_out": rng.random(n) < 0.01 + 0.01 * offered,
        }
    )


def held(frame):
    """A frame as the engine holds it."""
    made = frame.copy()
    for name in made.columns:
        if made[name].dtype.kind == "M":
            made[name] = made[name].astype("datetime64[us]")
    return ibis.duckdb.connect().create_table("offers", ibis.memtable(made))


def params(**changes):
    """Params of the campaign."""
    return Params(**({"outcomes": OUTCOMES, "covariates": ("plan", "age", "before")} | changes))


def analysed(frame, settings=None, *, orders=None, seed=1, **options):
    """The analysis of a frame."""
    options.setdefault("margin", 0.4)
    return upsell_lift.analyse(settings or params(), {"offers": held(frame), "orders": orders}, seed=seed, **options)


def results(analysis):
    """Everything that the notebook publishes."""
    return (
        upsell_lift.verdict(analysis),
        upsell_lift.average(analysis),
        upsell_lift.earnings(analysis),
        upsell_lift.heterogeneity(analysis),
        upsell_lift.guardrails(analysis),
        upsell_lift.listing(analysis),
        upsell_lift.timing(analysis.target, None, horizon_months=24),
        upsell_lift.assumed(analysis),
    )


def findings(analysis, *more):
    """What would be published."""
    return gather(*results(analysis), *more, client="c", period="all", topic="upsell_lift", tables={}, provenance={})


def drawn(analysis):
    """Everything that the notebook shows, as HTML without its pictures."""
    verdict, average, earnings, parts, guard, listed, moments, grounds = results(analysis)
    shown = [
        verdict.sentence(), earnings.figure(), earnings.table(), earnings.rule(), listed.sentence(), listed.table(),
        listed.profiles(), moments.sentence(), moments.table(), guard.table(), average.table(), average.taken_table(),
        parts.sentence(), parts.figure(), parts.table(), parts.calibration(), verdict.gate_table(), grounds.figure(),
        grounds.table(),
    ]  # fmt: skip
    return re.sub(r"data:image[^\"]+", "", "".join(part._repr_html_() for part in shown))

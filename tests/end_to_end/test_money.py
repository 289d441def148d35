"""Money through customer lifetime value: a client whose values pass their back-test, and a test that brings them customers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tests.end_to_end.conftest import client, valuebook

START = pd.Timestamp("2022-01-01")
DAYS = 730


def orders(customers=2500, seed=11):
    """Customers who order at a rate of their own until they leave after one of their orders (BG/NBD), amounts by gamma-gamma."""
    rng = np.random.default_rng(seed)
    rows = []
    for who in range(customers):
        now, rate, stop, level = (
            rng.uniform(0, 200),
            rng.gamma(0.8, 1 / 60),
            rng.beta(0.9, 6.0),
            1 / rng.gamma(6.0, 1 / 150),
        )
        while now < DAYS:
            rows.append((f"c{who}", START + pd.Timedelta(days=now), rng.gamma(4.0, level)))
            if rng.random() < stop:
                break
            now += rng.exponential(1 / rate)
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "revenue"])
    return frame.assign(order_id=range(len(frame)), ordered_at=frame["ordered_at"].dt.strftime("%Y-%m-%d %H:%M:%S"))


def visitors(n=6000):
    """A test of a landing page: 12 % convert, 16 % of the treated."""
    place = np.arange(n)
    treated = place % 2
    converted = (place // 2 * 7919 % 100 < np.where(treated, 16, 12)).astype(int)
    day = [f"2023-11-{1 + one:02d}" for one in place // 2 % 28]
    return pd.DataFrame(
        {
            "experiment": "landing",
            "unit_id": [f"v{one}" for one in place],
            "variant": np.where(treated, "treatment", "control"),
            "assigned_at": day,
            "converted": converted,
        }
    )


def offers(log, seed=12):
    """An offer to customers of the log, dealt out by chance; it earns 8 with those of the north and loses 4 with the others."""
    rng = np.random.default_rng(seed)
    who = log["customer_id"].unique()[:2000]
    treated, north = rng.random(len(who)) < 0.5, rng.random(len(who)) < 0.5
    margin = 20 + np.where(north, 8.0, -4.0) * treated + rng.normal(0, 6, len(who))
    return pd.DataFrame(
        {
            "customer_id": who,
            "offer": "upgrade",
            "offered_at": "2023-09-01",
            "arm": np.where(treated, "offer", "control"),
            "randomised": True,
            "region": np.where(north, "north", "south"),
            "margin": margin.round(2),
        }
    )


@pytest.mark.slow
def test_tests_and_offers_use_the_lifetime_values_that_the_same_run_has_found_and_proven(tmp_path):
    params, reports = tmp_path / "params", tmp_path / "reports"
    params.mkdir()
    log = orders()
    log.to_csv(tmp_path / "orders.csv", index=False)
    offers(log).to_csv(tmp_path / "offers.csv", index=False)
    visitors().to_csv(tmp_path / "tests.csv", index=False)
    tables = f"orders: {{from: {tmp_path}/orders.csv}}\n    experiments: {{from: {tmp_path}/tests.csv}}"
    tables += f"\n    offers: {{from: {tmp_path}/offers.csv}}"
    client(params, "acme", tables)
    with (params / "acme.yaml").open("a") as file:
        file.write(
            "ab_test:\n  replays: 100\n  tests:\n    - id: landing\n      planned_n: 6000\n      eligible_per_month: 1000\n"
            "      metrics: [{name: conversion, type: proportion, column: converted, role: success, counts: new_customers}]\n"
            "upsell_lift:\n  covariates: [region]\n"
            "  outcomes: [{name: margin, column: margin, type: spend, role: profit, worth: 1}]\n"
        )
    topics = ("summary", "upsell_lift", "ab_test", "clv")
    chosen = [part for topic in topics for part in ("--topic", topic)]
    done = valuebook("run", "acme", "--period", "all", *chosen, "--params", params, "--reports", reports)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = reports / "acme" / "all"
    found = {topic: json.loads((folder / f"{topic}.json").read_text()) for topic in topics}
    value = found["clv"]["numbers"]["clv.new_customer"]
    numbers = found["ab_test"]["numbers"]
    lift = numbers["landing.conversion.treatment.difference"]["value"]
    money = numbers["landing.conversion.treatment.monthly_clv.raw"]
    assert lift == pytest.approx(0.04)
    assert money["value"] == pytest.approx(lift * 1000 * value["value"], rel=1e-3)
    assert money["low"] < money["value"] < money["high"]
    assert numbers["landing.conversion.treatment.monthly_clv.shrunk"]["value"] < money["value"]
    assert "each new customer at their lifetime value" in (folder / "ab_test.html").read_text()

    offered = found["upsell_lift"]
    moments = pd.read_parquet(folder / offered["tables"]["moments"])
    listed = pd.read_parquet(folder / offered["tables"]["list"])
    values = pd.read_parquet(folder / found["clv"]["tables"]["customers"]).set_index("customer_id")
    assert set(moments["customer"]) == set(listed["customer"])
    assert moments["p_alive"].tolist() == pytest.approx(values.loc[moments["customer"], "p_alive"].tolist())
    assert set(moments["moment"]) == {"order", "now", "win_back"}
    assert "The next-best moment is missing" not in (folder / "upsell_lift.html").read_text()

    # The summary has the same numbers, each once.
    levers = {key: one for key, one in found["summary"]["numbers"].items() if key.startswith("lever.")}
    for name in ("retention", "frequency", "order_value"):
        mine, theirs = levers[f"lever.{name}.profit"], found["clv"]["numbers"][f"lever.{name}"]
        assert [mine[part] for part in ("value", "low", "high")] == [theirs[part] for part in ("value", "low", "high")]
    lost = values[values["p_alive"].between(0, 0.5, inclusive="neither")]
    won_back = (lost["value"] / lost["p_alive"]).sum() / 100
    assert levers["lever.win_back.profit"]["value"] == pytest.approx(won_back)
    assert levers["lever.win_back.profit"]["n"] == len(lost)
    annuity = sum(1.1 ** (-month / 12) for month in range(1, 25))
    shrunk = numbers["landing.conversion.treatment.monthly_clv.shrunk"]["value"]
    assert levers["lever.rollout.landing.profit"]["value"] == pytest.approx(shrunk * annuity)
    assert levers["lever.upsell.profit"]["value"] == offered["numbers"]["profit.round"]["value"]
    assert len(levers) == 6
    shared = pd.read_parquet(folder / found["summary"]["tables"]["overlap"]).set_index(["one", "other"])
    both = set(listed.loc[~listed["holdout"], "customer"]) & set(lost.index)
    assert shared.loc["upsell", "win_back"]["both"] == len(both)

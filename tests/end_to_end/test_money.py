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


@pytest.mark.slow
def test_the_effect_goes_through_lifetime_values_that_a_run_has_found_and_proven(tmp_path):
    params, reports = tmp_path / "params", tmp_path / "reports"
    params.mkdir()
    orders().to_csv(tmp_path / "orders.csv", index=False)
    visitors().to_csv(tmp_path / "tests.csv", index=False)
    tables = f"orders: {{from: {tmp_path}/orders.csv}}\n    experiments: {{from: {tmp_path}/tests.csv}}"
    client(params, "acme", tables)
    with (params / "acme.yaml").open("a") as file:
        file.write(
            "ab_test:\n  replays: 100\n  tests:\n    - id: landing\n      planned_n: 6000\n      eligible_per_month: 1000\n"
            "      metrics: [{name: conversion, type: proportion, column: converted, role: success}]\n"
        )
    found = {}
    for topic in ("clv", "ab_test"):
        done = valuebook("run", "acme", "--period", "all", "--topic", topic, "--params", params, "--reports", reports)
        assert done.returncode == 0, done.stdout + done.stderr
        found[topic] = json.loads((reports / "acme" / "all" / f"{topic}.json").read_text())
    value = found["clv"]["numbers"]["clv.new_customer"]
    numbers = found["ab_test"]["numbers"]
    lift = numbers["landing.conversion.treatment.difference"]["value"]
    money = numbers["landing.conversion.treatment.monthly_clv.raw"]
    assert lift == pytest.approx(0.04)
    assert money["value"] == pytest.approx(lift * 1000 * value["value"], rel=1e-3)
    assert money["low"] < money["value"] < money["high"]
    assert numbers["landing.conversion.treatment.monthly_clv.shrunk"]["value"] < money["value"]
    assert "each new customer at their lifetime value" in (reports / "acme" / "all" / "ab_test.html").read_text()

"""The gate on CDNOW's sample: BG/NBD promises too few orders, and the report must not be used."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from helpers import clv
from helpers.clv.backtest import normalised_gini
from helpers.clv.topic import Params
from helpers.reporting.findings import gather


@pytest.fixture(scope="module")
def log(public_data):
    frame = pd.read_csv(
        public_data / "cdnow/CDNOW_sample.txt",
        sep=r"\s+",
        header=None,
        names=["master", "customer", "day", "discs", "revenue"],
    )
    return [(f"{row.customer}", datetime.strptime(str(row.day), "%Y%m%d"), row.revenue) for row in frame.itertuples()]  # noqa: DTZ007


@pytest.mark.data
def test_cdnow_trips_the_gate(log, ledger):
    proof = clv.backtest(
        ledger(log),
        until=datetime(1998, 7, 1),
        first=datetime(1997, 1, 1),
        settings=Params(process="bg_nbd", origins=1),
        seed=1,
    )
    numbers = {key: number.value for key, number in proof.numbers().items()}
    assert numbers["backtest.actual"] == 1882
    assert numbers["backtest.predicted"] == pytest.approx(1653, rel=0.02)
    assert numbers["backtest.naive_bias"] == pytest.approx(0.557, abs=0.02)
    assert 0.85 <= numbers["backtest.coverage90"] <= 0.97
    told = proof.numbers()["backtest.predicted"]
    assert told.high < 1882
    findings = gather(proof, client="c", period="all", topic="clv", tables={}, provenance={})
    assert findings.status == "blocked"
    assert findings.decisions == ()
    assert "Do not decide on these values" in findings.reason


def test_every_origin_is_held_against_as_many_days_as_were_predicted(ledger):
    """One order a week and customer for as long as the log lasts: whatever the origin, the days ahead hold as many."""
    start, weeks = datetime(2023, 1, 2), 104
    log = [(f"c{i}", start + timedelta(weeks=week, hours=i), 10.0) for i in range(40) for week in range(weeks)]
    proof = clv.backtest(
        ledger(log),
        until=start + timedelta(weeks=weeks),
        first=start,
        settings=Params(origins=3, draws=400),
        seed=1,
    )
    assert len(proof.origins) >= 2
    assert (proof.origins["days"] == weeks * 7 // 2).all()
    assert (proof.origins["actual"] == 40 * weeks // 2).all()


def test_a_log_too_short_to_hold_back_says_so(ledger):
    proof = clv.backtest(
        ledger([("a", "2024-01-01", 5.0), ("b", "2024-01-20", 5.0)]),
        until=datetime(2024, 1, 21),
        first=datetime(2024, 1, 1),
        settings=Params(draws=400),
        seed=1,
    )
    assert proof.numbers() == {}
    assert "20 days" in proof.checks()[0].message
    assert "20 days" in proof.figure().text


def test_normalised_gini():
    actual = np.array([5.0, 3.0, 1.0, 0.0, 0.0])
    assert normalised_gini(actual, actual) == pytest.approx(1)
    assert normalised_gini(actual, -actual) == pytest.approx(-1)
    assert normalised_gini(actual, np.ones(5)) == pytest.approx(0)

"""A part of the calibrations, sized for CI; `make calibrate` runs them in full and rewrites the tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.clv.fit import families
from tests.calibration.clusters import NOISE, false_alarms, recovery
from tests.calibration.clv import ranks
from tests.calibration.coverage import coverage

HERE = Path(__file__).parent
RUNS, SEEDS = 200, 6


def test_in_the_full_calibration_every_interval_covers_93_to_97_percent():
    table = pd.read_csv(HERE / "coverage.csv")
    assert len(table) >= 17
    assert (table["runs"] >= 1000).all()
    assert table["coverage"].between(0.93, 0.97).all()


def test_in_the_full_calibration_noise_is_called_noise_and_planted_groups_are_found():
    table = pd.read_csv(HERE / "clusters.csv").set_index("data")
    assert set(table.index) == {*NOISE, "planted"}
    assert (table["seeds"] >= 50).all()
    assert (table["right"] >= 0.95).all()
    assert table.loc["planted", "least_ari"] > 0.9


def test_in_the_full_calibration_ranks_of_every_clv_model_are_uniform():
    table = pd.read_csv(HERE / "clv.csv")
    assert set(table["family"]) == set(families())
    assert (table["runs"] >= 100).all()
    # Bonferroni over the table's rows: a right sampler fails this once in a hundred tables.
    assert (table["p_uniform"] > 0.01 / len(table)).all()


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bg_nbd", "gamma_gamma", "sbg"])
def test_fresh_ranks_are_not_far_from_uniform(family):
    placed, _nuts, _again = ranks(family, runs=12, seed=77)
    # The mean rank of twelve uniform ones lies within four standard errors of the middle.
    assert np.abs(placed.mean(axis=0) / 99 - 0.5).max() < 4 * np.sqrt(1 / 12 / 12)


@pytest.mark.slow
def test_a_fresh_seed_covers_within_what_chance_allows():
    # Four standard errors of a share over the runs, beyond the 93 to 97 % of the target.
    slack = 4 * np.sqrt(0.95 * 0.05 / RUNS)
    for row in coverage(seed=99, runs=RUNS):
        assert 0.93 - slack <= row["coverage"] <= min(1.0, 0.97 + slack), row


@pytest.mark.slow
@pytest.mark.parametrize("kind", NOISE)
def test_fresh_noise_has_no_stable_segments(kind):
    # At most one of six seeds may be wrong, where one of twenty is allowed in the long run.
    assert false_alarms(kind, range(1000, 1000 + SEEDS))["right"] >= 1 - 1 / SEEDS


@pytest.mark.slow
def test_fresh_planted_groups_are_found():
    assert recovery(range(1000, 1000 + SEEDS))["right"] == 1

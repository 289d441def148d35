"""RATE against its definition, in every order of ties, and where nothing is to be found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.upsell_lift.rate import ranking


def by_definition(gamma, priority):
    """AUTOC and QINI as sums over the first k of n, for a ranking without ties."""
    order = np.argsort(-priority)
    n = len(gamma)
    toc = np.array([gamma[order[: k + 1]].mean() - gamma.mean() for k in range(n)])
    return toc.mean(), (toc * np.arange(1, n + 1) / n).mean()


@given(st.lists(st.floats(-50, 50), min_size=4, max_size=40), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_it_is_its_definition(values, seed):
    gamma = np.array(values)
    priority = np.random.default_rng(seed).permutation(len(gamma)).astype(float)
    found = ranking(gamma, priority, seed=1, replicates=5)
    assert (found.autoc.value, found.qini.value) == pytest.approx(by_definition(gamma, priority), abs=1e-9)


def test_equal_places_count_as_the_mean_over_all_their_orders():
    gamma, priority = np.array([4.0, 0.0, 1.0, -1.0]), np.array([2.0, 2.0, 1.0, 1.0])
    orders = [[0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 3, 2], [1, 0, 3, 2]]
    each = [by_definition(gamma[order], -np.arange(4.0)) for order in orders]
    found = ranking(gamma, priority, seed=1, replicates=5)
    assert (found.autoc.value, found.qini.value) == pytest.approx(np.mean(each, axis=0))


def test_a_ranking_without_any_difference_is_worth_nothing():
    gamma = np.random.default_rng(1).normal(size=500)
    found = ranking(gamma, np.ones(500), seed=1)
    assert (found.autoc.value, found.autoc.z) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-9))


def test_the_gain_of_everyone_is_the_mean_score():
    rng = np.random.default_rng(1)
    gamma = rng.normal(1, 1, 400)
    found = ranking(gamma, rng.random(400), seed=1, replicates=20)
    assert found.gain[-1] == pytest.approx(gamma.mean())
    assert found.share[-1] == 1


def test_a_right_ranking_is_found_and_a_wrong_one_is_called_wrong():
    rng = np.random.default_rng(1)
    effect = rng.normal(size=2000)
    gamma = effect + rng.normal(0, 2, 2000)
    assert ranking(gamma, effect, seed=1).autoc.low > 0
    assert ranking(gamma, -effect, seed=1).autoc.high < 0


def test_clusters_that_repeat_customers_do_not_make_it_surer():
    rng = np.random.default_rng(1)
    effect, noise = rng.normal(size=300), rng.normal(0, 2, 300)
    once = ranking(effect + noise, effect, seed=1)
    copies = np.repeat(np.arange(300), 4)
    several = ranking((effect + noise)[copies], effect[copies], seed=1, cluster=copies)
    assert several.autoc.se == pytest.approx(once.autoc.se, rel=0.15)
    assert ranking((effect + noise)[copies], effect[copies], seed=1).autoc.se < 0.7 * once.autoc.se

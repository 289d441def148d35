import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap

from helpers.stats.bootstrap import LARGEST, percentile, ratio, ratio_change, total_change


def skewed(n, seed=0):
    rng = np.random.default_rng(seed)
    orders = 1.0 + rng.poisson(rng.gamma(1, 1, n))
    return orders * rng.lognormal(3, 0.8, n), orders


def test_the_value_is_the_plain_ratio():
    assert ratio(np.array([1.0, 2, 3]), np.array([1.0, 1, 2]), level=0.95, seed=1).value == 6 / 4


def test_the_interval_agrees_with_scipys_bca_on_a_mean():
    amounts, _orders = skewed(800)
    ours = ratio(amounts, np.ones(800), level=0.95, seed=1, replicates=4000)
    bca = scipy_bootstrap((amounts,), np.mean, n_resamples=4000, method="BCa", rng=2).confidence_interval
    width = bca.high - bca.low
    assert abs(ours.low - bca.low) < 0.1 * width
    assert abs(ours.high - bca.high) < 0.1 * width


def test_a_change_is_zero_for_equal_periods_and_pairs_customers():
    amounts, orders = skewed(400)
    same = ratio_change(amounts, orders, amounts, orders, level=0.95, seed=1)
    assert same.value == pytest.approx(0, abs=1e-12)
    noise = np.random.default_rng(5).normal(1.1, 0.01, 400)
    paired = ratio_change(amounts * noise, orders, amounts, orders, level=0.95, seed=1)
    loose = ratio_change(np.roll(amounts, 7) * noise, np.roll(orders, 7), amounts, orders, level=0.95, seed=1)
    assert paired.value == pytest.approx(0.1, abs=0.01)
    assert paired.high - paired.low < 0.1 * (loose.high - loose.low)


def test_a_total_change_is_the_ratio_of_sums_less_one():
    assert total_change(np.array([3.0, 3.0]), np.array([2.0, 2.0]), level=0.95, seed=1).value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("top", "bottom", "value"),
    [
        ([], [], None),
        ([5.0], [2.0], 2.5),
        ([1.0, 2.0], [0.0, 0.0], None),
        ([2.0, 2.0], [1.0, 1.0], 2.0),
        ([0.0, 0.0], [1.0, 1.0], 0.0),
    ],
)
def test_where_the_data_do_not_tell_there_is_no_interval(top, bottom, value):
    found = ratio(np.array(top), np.array(bottom), level=0.95, seed=1)
    assert found.value == value
    assert (found.low, found.high) == (None, None)


def test_many_customers_are_drawn_in_groups_with_the_same_interval():
    amounts, orders = skewed(3 * LARGEST)
    grouped = ratio(amounts, orders, level=0.95, seed=1, replicates=600)
    spread = np.std(amounts - grouped.value * orders) / orders.mean() / np.sqrt(len(amounts))
    assert (grouped.high - grouped.low) / (2 * 1.96 * spread) == pytest.approx(1, abs=0.1)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 1e6), st.integers(0, 2**31))
def test_intervals_scale_with_the_currency(scale, seed):
    amounts, orders = skewed(60)
    plain = ratio(amounts, orders, level=0.9, seed=seed, replicates=200)
    scaled = ratio(amounts * scale, orders, level=0.9, seed=seed, replicates=200)
    assert scaled.low == pytest.approx(plain.low * scale, rel=1e-6)
    assert scaled.high == pytest.approx(plain.high * scale, rel=1e-6)
    assert plain.low <= plain.value <= plain.high


def test_percentile_intervals_hold_each_value():
    columns = np.column_stack(skewed(500))
    low, high = percentile(columns, lambda totals: totals, level=0.95, seed=1)
    assert (low < columns.sum(axis=0)).all()
    assert (columns.sum(axis=0) < high).all()

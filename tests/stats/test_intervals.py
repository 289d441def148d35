import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from helpers.stats.intervals import clustered_median, gini, gini_coefficient, net_promoter_score, wilson


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 10), (10, 10), (500, 1234)])
def test_wilson_is_statsmodels_wilson(count, n):
    ours = wilson(count, n, level=0.95)
    assert (ours.low, ours.high) == pytest.approx(proportion_confint(count, n, method="wilson"), abs=1e-12)


def test_wilson_refuses_more_successes_than_trials():
    with pytest.raises(ValueError, match=r"count == 3, must be within 0 and n == 2"):
        wilson(3, 2, level=0.95)
    assert wilson(0, 0, level=0.95).value is None


def test_net_promoter_score_is_the_adjusted_wald_interval():
    # n = 100: 50 promoters, 30 passives, 20 detractors; n' = 103, p = 50.75/103, d = 20.75/103.
    found = net_promoter_score(50, 30, 20, level=0.95)
    up, down = 50.75 / 103, 20.75 / 103
    half = 1.959964 * np.sqrt((up + down - (up - down) ** 2) / 103)
    assert found.value == pytest.approx(0.30)
    assert (found.low, found.high) == pytest.approx((up - down - half, up - down + half), abs=1e-6)


@pytest.mark.parametrize(("amounts", "expected"), [([1, 1, 1, 1], 0.0), ([0, 0, 0, 1], 0.75), ([1, 2, 3, 4], 0.25)])
def test_gini_has_its_textbook_values(amounts, expected):
    assert gini_coefficient(np.array(amounts, float)) == pytest.approx(expected)


def test_gini_is_half_the_relative_mean_difference():
    amounts = np.random.default_rng(1).lognormal(3, 1, 300)
    difference = np.abs(amounts[:, None] - amounts[None, :]).mean()
    assert gini_coefficient(amounts) == pytest.approx(difference / (2 * amounts.mean()))
    assert gini(amounts, level=0.95, seed=1).low < gini_coefficient(amounts) < gini(amounts, level=0.95, seed=1).high


def test_the_median_of_one_customers_orders_has_no_interval():
    found = clustered_median(np.array([1.0, 2, 9]), np.array(["a", "a", "a"]), level=0.95)
    assert (found.value, found.low, found.high) == (2.0, None, None)


@pytest.mark.parametrize(
    ("prices", "shares", "median"),
    [((10.0, 20.0), (0.52, 0.48), 10.0), ((5.0, 10.0, 20.0), (0.2, 0.33, 0.47), 10.0)],
)
def test_the_interval_of_the_median_holds_where_the_median_may_be_the_top_price(prices, shares, median):
    rng = np.random.default_rng(0)
    samples = [rng.choice(prices, 100, p=shares) for _ in range(400)]
    found = [clustered_median(values, np.arange(100), level=0.95) for values in samples]
    # In a quarter of the samples and more, the top price is the median by chance.
    assert sum(one.value == max(prices) for one in found) > 80
    assert np.mean([one.low <= median <= one.high for one in found]) > 0.93


def test_a_median_that_nearly_all_paid_is_sure():
    found = clustered_median(np.array([10.0] * 10 + [20.0] * 90), np.arange(100), level=0.95)
    assert (found.value, found.low, found.high) == (20, 20, 20)


def test_customers_with_many_orders_widen_the_interval_of_the_median():
    rng = np.random.default_rng(2)
    level_of = rng.normal(50, 10, 100)
    values = (level_of[:, None] + rng.normal(0, 1, (100, 20))).ravel()
    clustered = clustered_median(values, np.repeat(np.arange(100), 20), level=0.95)
    single = clustered_median(values, np.arange(2000), level=0.95)
    assert clustered.high - clustered.low > 3 * (single.high - single.low)

"""Many effects, shrunk effects, the Bayesian reading."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.ab_test.arms import Arm, Pair
from helpers.ab_test.bayes import FLAT, Prior, learned_prior, of_lift, posterior
from helpers.ab_test.estimate import compare
from helpers.ab_test.multiple import family, levels
from helpers.ab_test.shrink import exaggeration, winner
from helpers.stats.shrinkage import segments


def pair(z, n=1000):
    arm = {"variance": 0.5, "df": n - 1, "n": n}
    return Pair(control=Arm(value=10.0, **arm), treatment=Arm(value=10.0 + z, **arm))


@settings(max_examples=40)  # statsmodels' Holm collects garbage at every call
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.sampled_from(["none", "bonferroni", "holm", "bh"]))
def test_adjusted_p_and_adjusted_interval_are_one_verdict(zs, method):
    """spotify_confidence PR #101: every correction but Bonferroni's did nothing."""
    for found in family({str(place): pair(z) for place, z in enumerate(zs)}, method=method).values():
        assert (
            (found.p < 0.05)
            == found.rejected
            == found.effect.difference.excludes_zero
            == found.effect.lift.excludes_zero
        )


def test_each_correction_does_something():
    pairs = {str(place): pair(z) for place, z in enumerate((2.0, 2.2, 2.4, 2.6, 3.5))}
    widths = {
        method: [found.effect.alpha for found in family(pairs, method=method).values()]
        for method in ("none", "bonferroni", "holm", "bh")
    }
    assert widths["none"] == [0.05] * 5
    assert widths["bonferroni"] == [0.01] * 5
    assert widths["holm"] == pytest.approx([0.01, 0.01, 0.05 / 3, 0.0125, 0.01])
    assert widths["bh"] == [0.05] * 5


def test_effects_that_cannot_be_tested_do_not_count():
    still = Arm(value=1.0, variance=0.0, df=9, n=10)
    found = family({"a": pair(2.2), "b": Pair(control=still, treatment=still)}, method="bonferroni")
    assert found["a"].family == 1
    assert found["b"].p is None
    assert not found["b"].rejected


@pytest.mark.parametrize("method", ["bonferroni", "holm"])
def test_the_family_keeps_its_level(method):
    p = 2 * stats.norm.sf(np.abs(np.random.default_rng(3).normal(size=(4000, 5))))
    wrong = np.mean([(row < levels(row, alpha=0.05, method=method)).any() for row in p])
    assert wrong == pytest.approx(1 - 0.99**5, abs=3 * math.sqrt(0.05 * 0.95 / 4000))


def test_eight_schools():
    """Rubin 1981; Gelman et al. 2013, table 5.2: Q is not significant, and schools shrink to about 8 (A 10 to 12, C 6 to 7)."""
    found = segments([28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18])
    assert found.q == pytest.approx(4.707, abs=1e-3)
    assert found.p == pytest.approx(0.696, abs=1e-3)
    assert found.i2 == 0
    assert found.mean == pytest.approx(8, abs=0.5)
    assert 10 < found.value[0] < 12.5
    assert 5.5 < found.value[2] < 7.5
    assert 5 < found.tau < 8


def test_intervals_of_shrunk_segments_cover():
    rng = np.random.default_rng(11)
    errors, held = rng.uniform(0.5, 1.5, 6), []
    for _ in range(300):
        truth = 1 + rng.normal(0, 0.7, 6)
        found = segments(rng.normal(truth, errors), errors, level=0.9)
        held.append(np.mean((found.low <= truth) & (truth <= found.high)))
    assert 0.87 < np.mean(held) < 0.96


def test_segments_need_two_and_errors():
    with pytest.raises(ValueError, match="two or more, with errors > 0"):
        segments([1.0], [1.0])


@pytest.mark.parametrize(("power", "factor"), [(0.2, 2.26), (0.5, 1.41), (0.8, 1.12)])
def test_the_winners_curse(power, factor):
    assert exaggeration(power) == pytest.approx(factor, abs=6e-3)


def test_shrunk_winners_cover_the_truth_after_picking():
    """The best of ten tests, thousands of times: 90 % intervals hold in 88 to 92 %, raw ones do not."""
    rng = np.random.default_rng(12)
    truth = rng.normal(0.1, 1.0, (4000, 10))
    raw = truth + rng.normal(0, 1.2, truth.shape)
    best = raw.argmax(axis=1)
    shrunk, plain = [], []
    for row, place in enumerate(best):
        found = winner(raw[row, place], 1.2, prior_mean=0.1, prior_sd=1.0, level=0.9)
        shrunk.append(found.low <= truth[row, place] <= found.high)
        plain.append(abs(raw[row, place] - truth[row, place]) <= 1.6449 * 1.2)
    assert 0.88 < np.mean(shrunk) < 0.92
    assert np.mean(plain) < 0.85


def test_the_posterior_by_hand():
    """Prior N(0, 1), estimate 2 with error 1: N(1, 1/2)."""
    found = posterior(2.0, 1.0, prior=Prior(sd=1.0))
    assert (found.mean, found.sd**2) == pytest.approx((1.0, 0.5))
    assert found.p_better == pytest.approx(stats.norm.cdf(1 / math.sqrt(0.5)))
    flat = posterior(2.0, 1.0)
    assert (flat.mean, flat.sd, flat.prior) == (2.0, 1.0, FLAT)
    with pytest.raises(ValueError, match=r"error == 0, must be > 0"):
        posterior(1.0, 0)


@given(st.floats(-5, 5), st.floats(0.01, 5), st.floats(0.01, 5))
def test_expected_losses_differ_by_the_mean(estimate, error, sd):
    found = posterior(estimate, error, prior=Prior(sd=sd))
    assert found.loss_keep - found.loss_ship == pytest.approx(found.mean, abs=1e-9)
    turned = posterior(-estimate, error, prior=Prior(sd=sd), less_is_better=True)
    assert turned.p_better == pytest.approx(found.p_better)
    assert turned.loss_ship == pytest.approx(found.loss_ship, abs=1e-12)


def test_the_posterior_of_a_lift_needs_a_bounded_lift():
    found = of_lift(compare(pair(2.0)))
    assert found.mean == pytest.approx(0.2)
    near_zero = Pair(
        control=Arm(value=0.1, variance=1.0, df=99, n=100), treatment=Arm(value=5.0, variance=1.0, df=99, n=100)
    )
    assert of_lift(compare(near_zero)) is None


def test_a_prior_is_learned_from_past_tests():
    rng = np.random.default_rng(13)
    errors = rng.uniform(0.5, 1.5, 400)
    found = learned_prior(rng.normal(0.3, 0.8, 400) + rng.normal(0, errors), errors)
    assert (found.mean, found.sd) == pytest.approx((0.3, 0.8), abs=0.12)
    assert (found.source, found.tests) == ("past_tests", 400)
    assert learned_prior([1.0] * 4, [1.0] * 4) is None
    assert learned_prior([0.1] * 6, [1.0] * 6).sd > 0

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from helpers.ab_test import arms
from helpers.ab_test.clusters import clustered
from helpers.ab_test.moments import Moments
from helpers.ab_test.power import (
    Design,
    arm_spread,
    conditional_power,
    design_effect,
    duration,
    mde,
    mean_spread,
    power,
    proportion_spread,
    relative,
    sample_size,
    standard_error,
)


def test_sample_size_of_a_mean_is_statsmodels():
    per_arm = NormalIndPower().solve_power(0.1, alpha=0.05, power=0.8)
    assert sample_size(0.1, mean_spread(sd=1.0, value=1.0), design=Design()) == pytest.approx(2 * per_arm, abs=1)


def test_power_of_proportions_is_statsmodels():
    """Its null variance is pooled, ours is not: the two differ in the third digit."""
    theirs = power_proportions_2indep(0.01, 0.1, 8000, alpha=0.05).power
    ours = power(0.01, proportion_spread(control=0.1, treatment=0.11), n=16_000, design=Design())
    assert ours == pytest.approx(theirs, abs=2e-3)


def test_a_textbook_size():
    """Lehr's rule: 16 s^2 / d^2 an arm."""
    assert sample_size(0.2, mean_spread(sd=1.0, value=1.0), design=Design()) / 2 == pytest.approx(16 / 0.04, rel=0.02)


@given(
    st.floats(0.01, 10),
    st.floats(0.01, 10),
    st.floats(0.05, 0.95),
    st.floats(0.5, 0.95),
    st.booleans(),
    st.floats(1, 1.3),
)
def test_size_power_and_effect_are_one_relation(effect, sd, share, wanted, two_sided, inflation):
    design = Design(power=wanted, share=share, two_sided=two_sided, inflation=inflation)
    spread = mean_spread(sd=sd, value=1.0)
    n = sample_size(effect, spread, design=design)
    if n > 20:
        assert power(effect, spread, n=n, design=design) >= wanted - 1e-9
        assert power(effect, spread, n=n - 1, design=design) < wanted + 1e-9
        assert mde(spread, n=n, design=design) == pytest.approx(effect, rel=0.05)


def test_non_inferiority_is_a_one_sided_test_against_its_margin():
    design = Design(alpha=0.025, two_sided=False)
    spread = proportion_spread(control=0.1)
    n = sample_size(0.0, spread, design=design, margin=-0.002)
    # (1.96 + .8416)^2 x 2 x .09 / .002^2 an arm.
    assert n / 2 == pytest.approx(7.849 * 2 * 0.09 / 0.002**2, rel=1e-3)
    with pytest.raises(ValueError, match="lie above it"):
        sample_size(-0.003, spread, design=design, margin=-0.002)


def test_clusters_uneven_shares_and_cuped_scale_the_sample():
    spread, design = mean_spread(sd=1.0, value=2.0), Design()
    plain = sample_size(0.1, spread, design=design)
    assert design_effect(size=50, icc=0.02) == pytest.approx(1.98)
    assert design_effect(size=50, icc=0.02, size_cv=0.5) == pytest.approx(1 + (1.25 * 50 - 1) * 0.02)
    assert sample_size(0.1, spread.scaled(1.98), design=design) == pytest.approx(1.98 * plain, abs=2)
    assert sample_size(0.1, spread.scaled(1 - 0.7**2), design=design) == pytest.approx(0.51 * plain, abs=2)
    assert sample_size(0.1, spread, design=Design(share=0.1)) == pytest.approx(plain / (4 * 0.1 * 0.9), rel=1e-3)
    assert sample_size(0.1, spread, design=Design(inflation=1.03)) == pytest.approx(1.03 * plain, abs=2)
    assert relative(0.1, spread) == 0.05
    assert relative(0.1, mean_spread(sd=1, value=0)) == math.inf


def test_duration_counts_new_units_and_rounds_up_to_weeks():
    arrivals = 1000 * 0.9 ** np.arange(60)
    assert duration(5000, arrivals, whole_weeks=False) == 7
    assert duration(5600, arrivals) == 14
    assert duration(1e6, arrivals) is None


def test_conditional_power():
    """Halfway, on the planned path exactly: the planned power's z has half its spread."""
    found = conditional_power(2.8 * math.sqrt(0.5), 0.5, drift=2.8, critical=1.96)
    assert found == pytest.approx(0.8826, abs=1e-3)
    with pytest.raises(ValueError, match=r"fraction == 1, must be within 0 and 1"):
        conditional_power(1.0, 1, drift=1.0, critical=1.96)


def test_a_design_must_be_possible():
    with pytest.raises(ValueError, match=r"share == 1.0, must be within 0 and 1"):
        Design(share=1.0)
    with pytest.raises(ValueError, match=r"inflation == 0.5, must be >= 1"):
        Design(inflation=0.5)
    assert standard_error(mean_spread(sd=1, value=1), n=400, design=Design()) == pytest.approx(0.1)


def test_the_mde_of_a_ratio_and_of_clusters_comes_from_their_own_error():
    """2.8016 standard errors, with the units that the test will have: those of the linearisation, or clusters."""
    rng = np.random.default_rng(9)
    orders = 1.0 + rng.poisson(2, 4000)
    units = Moments.of(revenue=rng.gamma(2, 10, 4000) * orders, orders=orders)
    arm = arms.ratio(units, numerator="revenue", denominator="orders")
    found = mde(arm_spread(arm), n=8000, design=Design())
    assert found == pytest.approx(2.8016 * math.sqrt(2 * arm.variance), rel=1e-4)
    shops = rng.gamma(9, 1, (2, 20)) * 50, np.full((2, 20), 50.0)
    pair = clustered(
        numerator_control=shops[0][0],
        denominator_control=shops[1][0],
        numerator_treatment=shops[0][1],
        denominator_treatment=shops[1][1],
    )
    found = mde(arm_spread(pair.control), n=40, design=Design())
    assert found == pytest.approx(2.8016 * math.sqrt(2 * pair.control.variance), rel=1e-4)

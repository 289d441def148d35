import numpy as np
import pytest
from scipy import stats

from helpers.ab_test.moments import Moments
from helpers.ab_test.supported import lean, pooled_skewness, supported


def test_equal_arms_do_not_lean():
    assert lean(skewness=50, n_control=1000, n_treatment=1000) == 0
    assert lean(skewness=2, n_control=900, n_treatment=100) == lean(skewness=-2, n_control=100, n_treatment=900)


def test_the_lean_is_the_skewness_of_the_difference():
    """Of means of 3 and 30 exponential units: third cumulants 2 / n^2 of each, over the variance to the 3/2."""
    rng = np.random.default_rng(1)
    apart = rng.standard_gamma(3, 2_000_000) / 3 - rng.standard_gamma(30, 2_000_000) / 30
    assert lean(skewness=2, n_control=30, n_treatment=3) == pytest.approx(stats.skew(apart), rel=0.02)


@pytest.mark.parametrize(
    ("skewness", "sizes", "expected"),
    [
        (0.0, (100, 100), True),
        (0.0, (99, 5000), False),
        (50.0, (2000, 2000), False),
        (50.0, (25_000, 25_000), True),
        (50.0, (225_000, 25_000), False),
        (float("inf"), (10_000, 10_000), False),
    ],
)
def test_what_the_map_supports(skewness, sizes, expected):
    assert supported(skewness=skewness, n_control=sizes[0], n_treatment=sizes[1]) is expected


def test_an_effect_does_not_make_units_skewed():
    rng = np.random.default_rng(2)
    sides = [Moments.of(y=rng.normal(centre, 1, 4000)) for centre in (0, 50)]
    assert abs(pooled_skewness(*sides, "y")) < 0.1
    assert pooled_skewness(Moments.of(y=[1.0, 1.0]), Moments.of(y=[2.0]), "y") == np.inf

"""CUPED, strata, quantiles and proportions of few."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from helpers.ab_test import arms, cuped
from helpers.ab_test.estimate import compare
from helpers.ab_test.moments import Moments
from helpers.ab_test.proportions import proportions, score_of_difference
from helpers.ab_test.sturdy import influence, permutation


def sides(n=2000, rho=0.7, seed=1, **more):
    rng = np.random.default_rng(seed)
    found = []
    for lift in (0.0, 0.1):
        x = rng.normal(size=n)
        y = 5 + lift + rho * x + math.sqrt(1 - rho**2) * rng.normal(size=n)
        found.append({"x": x, "y": y} | {name: make(rng, n) for name, make in more.items()})
    return found


def both(columns):
    return [Moments.of(**side) for side in columns]


def test_cuped_takes_off_what_the_covariate_explains():
    """Deng et al. 2013: 1 - rho squared."""
    for rho in (0.3, 0.5, 0.7, 0.9):
        found = cuped.adjusted(*both(sides(20_000, rho)), "y", covariates=["x"])
        assert found.variance_ratio == pytest.approx(1 - rho**2, abs=0.015)


def test_several_covariates_are_ordinary_least_squares():
    columns = sides(800, w=lambda rng, n: rng.random(n))
    found = cuped.adjusted(*both(columns), "y", covariates=["x", "w"])
    design = np.column_stack(
        [
            np.repeat([0.0, 1.0], 800),
            np.ones(1600),
            *(np.concatenate([side[name] for side in columns]) for name in ("x", "w")),
        ]
    )
    expected = np.linalg.lstsq(design, np.concatenate([side["y"] for side in columns]), rcond=None)[0]
    assert (found.pair.difference, *found.theta) == pytest.approx((expected[0], *expected[2:]), rel=1e-9)


def test_useless_constant_and_repeated_covariates_cost_next_to_nothing():
    columns = sides(500, noise=lambda rng, n: rng.normal(size=n), flat=lambda _rng, n: np.full(n, 3.0))
    for side in columns:
        side["twice"] = 2 * side["x"]
    useless = cuped.adjusted(*both(columns), "y", covariates=["noise", "flat"])
    assert useless.variance_ratio < 1.003
    assert useless.theta[1] == 0
    once = cuped.adjusted(*both(columns), "y", covariates=["x"])
    twice = cuped.adjusted(*both(columns), "y", covariates=["x", "twice"])
    assert twice.pair.difference == pytest.approx(once.pair.difference)


def test_units_without_a_past_keep_their_place():
    columns = sides(3000)
    for side in columns:
        side["x"][:1000] = np.nan
        side["missing"] = np.isnan(side["x"]).astype(float)
        side["x"] = np.nan_to_num(side["x"])
    found = cuped.adjusted(*both(columns), "y", covariates=["x", "missing"])
    assert found.pair.control.n == 3000
    assert found.variance_ratio == pytest.approx(1 - 0.49 * 2 / 3, abs=0.04)


def test_cuped_of_a_ratio_is_narrower():
    rng = np.random.default_rng(3)
    columns = []
    for _ in range(2):
        level, visits = rng.gamma(2, 1, 4000), 1.0 + rng.poisson(2, 4000)
        columns.append(
            {
                "orders": rng.poisson(level * visits).astype(float),
                "visits": visits,
                "before": rng.poisson(level * 3).astype(float),
            }
        )
    moments = both(columns)
    found = cuped.adjusted(*moments, "orders", denominator="visits", covariates=["before"])
    raw = arms.independent(*(arms.ratio(side, numerator="orders", denominator="visits") for side in moments))
    assert found.pair.difference == pytest.approx(raw.difference, abs=4 * math.sqrt(raw.variance))
    assert found.variance_ratio < 0.75


def test_no_covariates_or_too_few_units_leave_the_estimate_alone():
    moments = both([{"x": np.arange(2.0), "w": np.ones(2), "y": np.array([1.0, 2.0])}] * 2)
    assert cuped.adjusted(*moments, "y", covariates=[]).variance_ratio == 1
    found = cuped.adjusted(*moments, "y", covariates=["x", "w"])
    assert (found.theta, found.variance_ratio) == ((0.0, 0.0), 1.0)


def test_strata_take_off_what_lies_between_them():
    rng = np.random.default_rng(5)
    stratum = [rng.integers(0, 3, 3000) for _ in range(2)]
    y = [2.0 * s + rng.normal(size=3000) for s in stratum]
    split = [{k: Moments.of(y=v[s == k]) for k in range(3)} for s, v in zip(stratum, y, strict=True)]
    found = arms.stratified(*split, "y")
    raw = arms.independent(*(arms.mean(Moments.of(y=v), "y") for v in y))
    assert found.variance == pytest.approx(raw.variance / (1 + 4 * 2 / 3), rel=0.1)
    assert abs(found.difference) < 4 * math.sqrt(found.variance)
    # Its lift counts what both arms owe to the draw of strata.
    assert found.control.variance > found.variance / 2
    del split[1][2]
    assert compare(arms.stratified(*split, "y")).reason == "empty_stratum"


def test_the_median_of_normal_units_has_its_textbook_error():
    """pi / 2 sigma^2 / n."""
    arm = arms.quantile(np.random.default_rng(6).normal(size=100_000), 0.5)
    assert arm.variance == pytest.approx(math.pi / 2 / 100_000, rel=0.25)
    assert arms.quantile([1.0], 0.5).reason == "too_few_units"


@pytest.mark.parametrize(
    ("draw", "probability"),
    [
        # Medians of counts call a difference in 47 % of tests where there is none, taken at half of Woodruff's width.
        (lambda rng, n: rng.poisson(2.674, n), 0.5),
        (lambda rng, n: rng.choice([10.0, 20.0, 50.0], size=n, p=[0.49, 0.31, 0.2]), 0.5),
        (lambda rng, n: np.round(rng.exponential(2, n)), 0.9),
    ],
)
def test_a_quantile_where_units_share_a_value_cannot_be_read(draw, probability):
    rng = np.random.default_rng(3)
    for _ in range(50):
        sides = [arms.quantile(draw(rng, 2000), probability) for _side in range(2)]
        effect = compare(arms.independent(*sides))
        assert (effect.p, effect.reason) == (None, "tied_values")
        assert np.isfinite(effect.control)


def test_a_quantile_of_finely_rounded_amounts_keeps_its_level():
    """Rounded to a hundredth, a value holds less than the median's share is known to: 5 % and three standard errors."""
    rng, runs, false = np.random.default_rng(4), 400, 0
    for _ in range(runs):
        sides = [arms.quantile(np.round(rng.exponential(1, 1000), 2), 0.5) for _side in range(2)]
        effect = compare(arms.independent(*sides))
        assert effect.reason is None
        false += effect.significant
    assert false / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5


CELLS = st.tuples(st.integers(1, 400), st.integers(1, 400)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


@given(CELLS, st.sampled_from([0.01, 0.05, 0.2]))
def test_score_intervals_and_p_are_one_verdict(cells, alpha):
    found = proportions(control=cells[0], n_control=cells[1], treatment=cells[2], n_treatment=cells[3], alpha=alpha)
    assert (found.p < alpha) == found.difference.excludes_zero == found.lift.excludes_zero
    assert found.difference.low <= found.difference.value + 1e-12
    assert found.difference.value - 1e-12 <= found.difference.high
    assert -1 <= found.difference.low <= found.difference.high <= 1
    assert found.lift.low >= -1


@given(CELLS)
def test_swapped_arms_turn_the_difference(cells):
    one = proportions(control=cells[0], n_control=cells[1], treatment=cells[2], n_treatment=cells[3])
    other = proportions(control=cells[2], n_control=cells[3], treatment=cells[0], n_treatment=cells[1])
    assert other.p == pytest.approx(one.p, rel=1e-9)
    assert (other.difference.low, other.difference.high) == pytest.approx(
        (-one.difference.high, -one.difference.low), abs=1e-9
    )


@pytest.mark.parametrize("delta", [-0.05, 0.0395722, 0.0877876])
def test_the_restricted_estimate_is_the_likelihoods_maximum(delta):
    """Where statsmodels 0.15 differs (1.96404 at .0395722): its estimate is not the maximum."""
    x, n, y, m = 383, 2738, 307, 1511

    def minus(p):
        q = p + delta
        return -(x * math.log(p) + (n - x) * math.log(1 - p) + y * math.log(q) + (m - y) * math.log(1 - q))

    ends = (max(0.0, -delta) + 1e-9, min(1.0, 1 - delta) - 1e-9)
    p = minimize_scalar(minus, bounds=ends, method="bounded", options={"xatol": 1e-12}).x
    variance = (p * (1 - p) / n + (p + delta) * (1 - p - delta) / m) * (n + m) / (n + m - 1)
    expected = (y / m - x / n - delta) / math.sqrt(variance)
    assert score_of_difference(delta, x, n, y, m) == pytest.approx(expected, abs=1e-6)


def test_miettinen_and_nurminens_example():
    """Newcombe 1998, table II (Miettinen-Nurminen): 56/70 less 48/80 gives .0528 to .3382."""
    found = proportions(control=48, n_control=80, treatment=56, n_treatment=70)
    assert (found.difference.low, found.difference.high) == pytest.approx((0.0528, 0.3382), abs=5e-5)


def test_empty_cells_have_answers():
    none = proportions(control=0, n_control=50, treatment=0, n_treatment=60)
    assert (none.p, none.lift.kind) == (1.0, "ray")
    assert none.difference.low < 0 < none.difference.high
    some = proportions(control=0, n_control=500, treatment=12, n_treatment=500)
    assert some.significant
    assert (some.lift.kind, some.reason) == ("ray", "control_near_zero")
    assert some.lift.low > 0
    with pytest.raises(ValueError, match=r"control == 3, must be within 0 and 2"):
        proportions(control=3, n_control=2, treatment=0, n_treatment=2)


def test_permutation_agrees_with_welch_where_both_hold():
    rng = np.random.default_rng(8)
    control, treatment = rng.normal(5, 1, 300), rng.normal(5.2, 1, 250)
    sturdy = permutation(control, treatment, seed=1)
    plain = compare(arms.independent(*(arms.mean(Moments.of(y=side), "y") for side in (control, treatment))))
    assert sturdy.p == pytest.approx(plain.p, abs=0.01)
    assert (sturdy.lift.low, sturdy.lift.high) == pytest.approx((plain.lift.low, plain.lift.high), abs=0.004)


@given(st.integers(0, 2**16), st.integers(3, 25), st.integers(3, 25), st.sampled_from([0.05, 0.1, 0.2]))
def test_a_permutation_test_has_one_verdict(seed, n, m, alpha):
    rng = np.random.default_rng(seed)
    control, treatment = rng.lognormal(0, 1, n) - 0.5, rng.lognormal(rng.normal() / 2, 1, m) - 0.5
    found = permutation(control, treatment, alpha=alpha, draws=199, seed=seed)
    assert found.difference.excludes_zero == (found.p < alpha)
    if found.lift.bounded:
        assert found.lift.excludes_zero == (found.p < alpha)


def test_permutation_says_when_it_cannot():
    assert permutation([1.0], [2.0, 3.0], seed=1).reason == "too_few_units"
    assert permutation([1.0, 1.0], [1.0, 1.0], seed=1).reason == "no_variation"
    with pytest.raises(ValueError, match=r"draws == 19, must be at least 40"):
        permutation([1.0, 2.0, 4.0], [2.0, 3.0], draws=19, seed=1)


def test_the_largest_customers_share():
    assert influence([100.0, 0.0, 50.0, 50.0], top=1) == (1, 0.5)
    assert influence([0.0, 0.0]) == (2, 0.0)

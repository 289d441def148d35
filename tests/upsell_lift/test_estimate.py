"""Estimators against statsmodels, econml and first principles."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.stats.meta_analysis import combine_effects

from helpers.errors import DataError
from helpers.upsell_lift.assumptions import balance, e_value, effective_size, empty_strata
from helpers.upsell_lift.design import MISSING, OTHER, encode
from helpers.upsell_lift.estimate import (
    Effect,
    aipw,
    aipw_treated,
    difference_in_means,
    kept_from_zero,
    mean_error,
    scores,
)
from helpers.upsell_lift.heldout import Ridge, stages
from helpers.upsell_lift.nuisance import Linear, cross_fitted, folds
from helpers.upsell_lift.segments import segment_effects


@pytest.fixture(scope="module")
def randomised():
    rng = np.random.default_rng(1)
    n = 600
    X = rng.normal(size=(n, 2))
    arm = rng.integers(0, 3, n)
    return X, X[:, 0] + arm * 0.5 + rng.normal(size=n), arm, rng.integers(0, 60, n)


def test_the_difference_and_its_error_are_those_of_robust_least_squares(randomised):
    _X, y, arm, _cluster = randomised
    inside = np.isin(arm, (0, 2))
    fitted = sm.OLS(y[inside], sm.add_constant((arm[inside] == 2).astype(float))).fit(cov_type="HC2")
    found = difference_in_means(y, arm, treated=2)
    assert (found.value, found.se) == (pytest.approx(fitted.params[1]), pytest.approx(fitted.bse[1]))


def test_clusters_are_those_of_least_squares_up_to_the_small_sample_factor(randomised):
    _X, y, arm, cluster = randomised
    inside = np.isin(arm, (0, 1))
    fitted = sm.OLS(y[inside], sm.add_constant((arm[inside] == 1).astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": cluster[inside], "use_correction": False}
    )
    groups = len(np.unique(cluster[inside]))
    found = difference_in_means(y, arm, treated=1, cluster=cluster)
    assert found.se == pytest.approx(fitted.bse[1] * np.sqrt(groups / (groups - 1)), rel=1e-9)


def test_other_arms_are_in_neither_mean(randomised):
    _X, y, arm, _cluster = randomised
    spoiled = np.where(arm == 2, 1e9, y)
    assert difference_in_means(spoiled, arm, treated=1) == difference_in_means(y, arm, treated=1)
    assert difference_in_means(y, arm, treated=1).n == np.isin(arm, (0, 1)).sum()


def test_an_empty_arm_is_an_error_that_says_which():
    with pytest.raises(DataError, match="the control has no customer"):
        difference_in_means(np.ones(4), np.ones(4, int), treated=1)


def test_constant_models_and_shares_give_the_difference_in_means(randomised):
    _X, y, arm, _cluster = randomised
    shares = np.bincount(arm) / len(arm)
    e = np.broadcast_to(shares, (len(y), 3))
    found = aipw(y, arm, np.zeros((len(y), 3)), e, treated=1)
    # With the arms' own shares, weighting by one over them is taking their means.
    assert found.value == pytest.approx(difference_in_means(y, arm, treated=1).value)


def test_adjusting_makes_the_interval_narrower_and_moves_it_little(randomised):
    X, y, arm, _cluster = randomised
    shares = np.bincount(arm) / len(arm)
    made = cross_fitted(X, y[:, None], arm, arms=3, shares=shares, fold=folds(len(y), seed=1), seed=1)
    plain, found = difference_in_means(y, arm, treated=2), aipw(y, arm, made.mu[:, :, 0], made.e, treated=2)
    assert found.se < 0.85 * plain.se
    assert abs(found.value - plain.value) < 2 * plain.se


def test_either_model_may_be_wrong():
    rng = np.random.default_rng(2)
    n = 40_000
    x = rng.normal(size=n)
    e1 = 1 / (1 + np.exp(-x))
    arm = (rng.random(n) < e1).astype(int)
    y = 2 * x + arm + rng.normal(size=n)
    e = np.column_stack([1 - e1, e1])
    right = np.column_stack([2 * x, 2 * x + 1])
    for mu, share in ((right, np.full((n, 2), 0.5)), (np.zeros((n, 2)), e)):
        for estimate in (aipw, aipw_treated):
            assert estimate(y, arm, mu, share, treated=1).value == pytest.approx(1, abs=0.06)
    assert difference_in_means(y, arm, treated=1).value > 1.5


def test_a_score_is_the_model_plus_what_it_missed():
    found = scores(np.array([5.0]), np.array([1]), np.array([[1.0, 2.0]]), np.array([[0.5, 0.25]]))
    assert found.tolist() == [[1.0, 2.0 + 3.0 / 0.25]]


def test_folds_and_stages_keep_clusters_together():
    cluster = np.repeat(np.arange(40), 5)
    fold = folds(200, seed=1, cluster=cluster)
    assert (pd.Series(fold).groupby(cluster).agg(lambda own: own.max() - own.min()) == 0).all()
    seen = []
    for train, test in stages(200, seed=1, cluster=cluster):
        assert not set(cluster[train]) & set(cluster[test])
        assert not set(test) & set(seen)
        seen += list(test)


def test_what_is_learned_from_comes_before_what_is_predicted():
    parts = list(stages(1000, seed=1))
    assert [len(train) for train, _test in parts] == [400, 600, 800]
    for (train, test), (later, _next) in pairwise(parts):
        assert set(train) | set(test) == set(later)


def test_ridge_finds_its_penalty():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 5))
    assert Ridge().fit(X, X[:, 0] * 3).predict(X) == pytest.approx(X[:, 0] * 3, abs=0.01)
    noise = rng.normal(size=400)
    assert Ridge().fit(X, noise).predict(X).std() < Linear().fit(X, noise).predict(X).std() * 0.6


def test_segments_are_drawn_towards_one_another():
    """As far as statsmodels' random-effects mean lies, whose variance between segments is one number, not a distribution."""
    rng = np.random.default_rng(5)
    groups = pd.DataFrame({"by": np.repeat(list("abcd"), 200)})
    gamma = np.repeat([1.0, 4.0, -2.0, 0.5], 200) + rng.normal(0, 14, 800)
    found = segment_effects(gamma, groups, level=0.9)
    oracle = combine_effects(found["raw"].to_numpy(), found["raw_se"].to_numpy() ** 2, method_re="iterated")
    assert ((found["effect"] - found["raw"]) * (oracle.mean_effect_re - found["raw"]) >= 0).all()
    assert np.ptp(found["effect"]) < np.ptp(found["raw"])
    # That nobody knows how much segments differ widens an interval by a tenth at most, here.
    assert (found["high"] - found["low"] < 2.2 * 1.65 * found["raw_se"]).all()


def test_balance_by_hand():
    design = encode(pd.DataFrame({"x": [1.0, 3.0, 2.0, 6.0]}))
    arm = np.array([0, 0, 1, 1])
    found = balance(design, arm, np.ones(4), treated=1)
    assert found["before"].iloc[0] == pytest.approx((4 - 2) / np.sqrt((4 + 1) / 2))


def test_effective_size_by_hand():
    assert effective_size(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)


def told(**known):
    return Effect(se=0.1, level=0.95, n_control=1, n_treated=1, n=2, method="x", **known)


def test_e_values_of_the_paper():
    """VanderWeele & Ding 2017: a risk ratio of 3.9 (1.8 to 8.7) has E-values of 7.26 and 3.0."""
    one = told(value=0.29, low=0.08, high=0.77, control=0.1, treated=0.39)
    assert e_value(one, binary=True, spread=1.0) == (pytest.approx(7.26, abs=0.005), pytest.approx(3.0, abs=0.005))


def test_a_covered_nothing_has_the_e_value_one():
    one = told(value=0.1, low=-0.1, high=0.3, control=1, treated=1)
    assert e_value(one, binary=False, spread=1.0)[1] == 1


def test_a_stratum_without_an_arm_is_named():
    frame = pd.DataFrame({"vip": ["yes"] * 50 + ["no"] * 50, "age": range(100)})
    arm = np.array([1] * 50 + [0, 1] * 25)
    assert empty_strata(frame, arm, 2) == [("vip", "yes", 50, 0)]


def test_a_stratum_that_lacks_a_small_arm_by_chance_is_none():
    """Of 63 customers, none is in an arm of 2 % in 28 of 100 campaigns; of 5,000 that would be no chance."""
    rng = np.random.default_rng(0)
    arm = (rng.random(5000) > 0.02).astype(int)
    plan = np.where(np.arange(5000) < 63, "small", "large")
    arm[:63] = 1
    assert empty_strata(pd.DataFrame({"plan": plan}), arm, 2) == []
    plan[:2500], arm[:2500] = "half", 1
    assert empty_strata(pd.DataFrame({"plan": plan}), arm, 2) == [("plan", "half", 2500, 0)]


def test_propensities_that_chance_gave_are_used_however_small_they_are():
    """The scores' spread is then that of the difference in means: with a control of .4 %, no smaller."""
    rng = np.random.default_rng(3)
    arm = (rng.random(30_000) > 0.004).astype(int)
    y = rng.normal(10, 5, 30_000)
    shares = np.bincount(arm) / len(arm)
    found = aipw(y, arm, np.tile([[10.0, 10.0]], (30_000, 1)), np.broadcast_to(shares, (30_000, 2)), treated=1)
    plain = difference_in_means(y, arm, treated=1)
    assert found.se == pytest.approx(plain.se, rel=0.1)
    # Learned ones that come near to nothing are still no comparison.
    learned = np.column_stack([np.linspace(0.0001, 0.5, 30_000), 1 - np.linspace(0.0001, 0.5, 30_000)])
    assert kept_from_zero(learned).min() == 0.01


def test_the_n_of_a_mean_of_scores_is_that_of_all_scores():
    rng = np.random.default_rng(1)
    arm = rng.integers(0, 3, 900)
    e = np.full((900, 3), 1 / 3)
    found = aipw(rng.normal(size=900), arm, np.zeros((900, 3)), e, treated=1)
    assert (found.n, found.n_control + found.n_treated) == (900, (arm < 2).sum())


def test_the_design_keeps_what_it_did_visible():
    frame = pd.DataFrame(
        {
            "same": [1.0] * 200, "plan": ["a"] * 150 + ["b"] * 50, "gap": [np.nan] * 20 + list(range(180)),
            "code": [f"k{place}" for place in range(200)],
        }
    )  # fmt: skip
    found = encode(frame)
    # All values of `code` are rare, so they are one.
    assert found.constant == ("same", "code")
    assert found.missing == {"gap": 20}
    assert found.grouped["code"] == 200
    assert [found.label(place) for place in range(len(found.columns))] == ["plan: b", "gap", f"gap: {MISSING}"]
    assert OTHER not in found.levels


def test_ten_thousand_levels_are_a_few_columns():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"code": rng.choice([f"k{place}" for place in range(10_000)], 30_000)})
    found = encode(frame.assign(code=frame["code"].where(rng.random(30_000) < 0.5, "usual")))
    assert found.X.shape[1] <= 13
    assert found.grouped["code"] > 7000


def test_a_mean_over_clusters_by_hand():
    values, cluster = np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1])
    mean, se = mean_error(values, cluster)
    assert (mean, se) == (4.0, pytest.approx(np.sqrt(2 * (4.0**2 + 4.0**2)) / 4))


@pytest.fixture(scope="module")
def oracles():
    path = Path(__file__).with_name("oracles.csv")
    with path.open() as file:
        return {(row["library"], row["quantity"]): float(row["value"]) for row in csv.DictReader(file)}


def test_econml_finds_the_same_doubly_robust_scores(oracles):
    """Its LinearDRLearner on given models; see `make_oracles.py`."""
    from tests.upsell_lift.make_oracles import data

    X, y, arm, mu, e = data()
    found = aipw(y, arm, mu, e, treated=1, level=0.95)
    assert found.value == pytest.approx(oracles["econml", "ate"], rel=1e-9)
    gamma = scores(y, arm, mu, e)
    fitted = sm.OLS(gamma[:, 1] - gamma[:, 0], sm.add_constant(X)).fit()
    for place in range(X.shape[1]):
        assert fitted.params[place + 1] == pytest.approx(oracles["econml", f"slope.{place}"], rel=1e-6)


def test_causalml_finds_the_same_effect_within_an_error(oracles):
    """Its S- and T-learner take the outcome models for the truth; where those are right, the effects are within an error of ours."""
    from tests.upsell_lift.make_oracles import data

    X, y, arm, _mu, _e = data()
    made = cross_fitted(X, y[:, None], arm, arms=2, shares=np.array([0.5, 0.5]), fold=folds(len(y), seed=1), seed=1)
    found = aipw(y, arm, made.mu[:, :, 0], made.e, treated=1, level=0.95)
    assert found.value == pytest.approx(oracles["causalml", "s_learner.ate"], abs=found.se)
    assert found.value == pytest.approx(oracles["causalml", "t_learner.ate"], abs=found.se)

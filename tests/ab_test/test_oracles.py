"""Agreement with scipy, statsmodels, tea-tasting and gbstats to 1e-6, and every place where we part from them on purpose.

| where | they | we | why |
|---|---|---|---|
| a lift's interval | tea-tasting: delta method on the log; gbstats: delta method | Fieller | theirs can contradict p |
| p of a lift | gbstats: a p of its own | the difference's | two p-values for one question |
| CUPED's theta | both: from both arms pooled, effect included | from within arms, as ANCOVA's | an effect must not move theta |
| CUPED's variance | both: as if theta were known | scaled by (N - 2) / (N - 2 - k) | theta costs degrees of freedom |
| CUPED's lift | both: arms as if independent | with the covariance of the arms' common shift | else it under-covers |
| CUPED of a ratio | tea-tasting: one covariate, a ratio before | its two columns as two covariates | never worse |
| p of clusters | statsmodels: t with G - 1 always | Satterthwaite's where arms differ in clusters | few treated clusters |
| quantile | gbstats: variance times (n - 1) / n | without | it is not a sample variance |
| score interval of a difference | statsmodels: another restricted estimate | the maximum likelihood | see test_adjustments.py |
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower, TTestIndPower
from statsmodels.stats.proportion import test_proportions_2indep as proportions_2indep
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from helpers.ab_test import arms, bayes, cuped, gates, multiple, sequential
from helpers.ab_test.clusters import clustered
from helpers.ab_test.estimate import above, compare
from helpers.ab_test.moments import Moments
from helpers.ab_test.power import Design, arm_spread, mean_spread, power
from helpers.ab_test.proportions import proportions
from tests.ab_test.units import arm

EXACT = {"rel": 1e-6, "abs": 1e-9}
CONTROL, TREATMENT = arm("control"), arm("treatment")


@pytest.fixture(scope="module")
def oracles():
    with Path(__file__).with_name("oracles.csv").open() as file:
        return {(row["library"], row["quantity"]): float(row["value"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def both():
    return Moments.of(**CONTROL), Moments.of(**TREATMENT)


def difference(both, column="y"):
    return arms.independent(*(arms.mean(side, column) for side in both))


def ratio(both):
    return arms.independent(*(arms.ratio(side, numerator="orders", denominator="sessions") for side in both))


def test_welch_is_scipys(both):
    effect = compare(difference(both))
    theirs = stats.ttest_ind(TREATMENT["y"], CONTROL["y"], equal_var=False)
    assert (effect.statistic, effect.p, effect.df) == pytest.approx(
        (theirs.statistic, theirs.pvalue, theirs.df), **EXACT
    )
    assert (effect.difference.low, effect.difference.high) == pytest.approx(
        tuple(theirs.confidence_interval()), **EXACT
    )


def test_welch_is_statsmodels(both):
    effect = compare(difference(both), alpha=0.1)
    theirs = CompareMeans(DescrStatsW(TREATMENT["y"]), DescrStatsW(CONTROL["y"]))
    low, high = theirs.tconfint_diff(alpha=0.1, usevar="unequal")
    assert (effect.difference.low, effect.difference.high) == pytest.approx((low, high), **EXACT)


def test_one_sided_margins_are_statsmodels(both):
    pair = difference(both)
    theirs = CompareMeans(DescrStatsW(TREATMENT["y"]), DescrStatsW(CONTROL["y"]))
    expected = theirs.ttest_ind(alternative="larger", usevar="unequal", value=-0.5)[1]
    assert above(pair, margin=-0.5, relative=False, alpha=0.05).p == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize(("name", "make"), [("mean", difference), ("ratio", ratio)])
def test_differences_are_those_of_tea_tasting_and_gbstats(name, make, both, oracles):
    effect = compare(make(both))
    for library, value in (("tea-tasting", "difference"), ("gbstats", "value")):
        found = (effect.difference.value, effect.difference.low, effect.difference.high, effect.p)
        theirs = tuple(oracles[library, f"{name}.{part}"] for part in (value, "low", "high", "p"))
        assert found == pytest.approx(theirs, **EXACT), library
    assert effect.lift.value == pytest.approx(oracles["tea-tasting", f"{name}.lift"], **EXACT)
    assert effect.statistic == pytest.approx(oracles["tea-tasting", f"{name}.statistic"], **EXACT)


@pytest.mark.parametrize(("name", "make"), [("mean", difference), ("ratio", ratio)])
def test_the_lifts_interval_parts_from_the_delta_methods_as_written_down(name, make, both, oracles):
    lift = compare(make(both)).lift
    for library in ("tea-tasting", "gbstats"):
        theirs = (oracles[library, f"{name}.lift.low"], oracles[library, f"{name}.lift.high"])
        assert (lift.low, lift.high) == pytest.approx(theirs, abs=0.006)
        assert (lift.low, lift.high) != pytest.approx(theirs, **EXACT)


def test_cuped_is_ancova_in_its_value_and_near_the_others_in_its_interval(both, oracles):
    found = cuped.adjusted(*both, "y", covariates=["x"])
    effect = compare(found.pair)
    frame = {
        "y": np.concatenate([CONTROL["y"], TREATMENT["y"]]),
        "x": np.concatenate([CONTROL["x"], TREATMENT["x"]]),
        "t": np.repeat([0.0, 1.0], [len(CONTROL["y"]), len(TREATMENT["y"])]),
    }
    ols = smf.ols("y ~ t + x", pd.DataFrame(frame)).fit()
    assert (effect.difference.value, found.theta[0]) == pytest.approx((ols.params["t"], ols.params["x"]), **EXACT)
    # OLS pools the arms' residual variances, and counts how far apart the arms' covariates are.
    assert effect.standard_error == pytest.approx(ols.bse["t"], rel=0.02)
    for library, value in (("tea-tasting", "difference"), ("gbstats", "value")):
        theirs = [oracles[library, f"mean.cuped.{part}"] for part in (value, "low", "high")]
        assert [effect.difference.value, effect.difference.low, effect.difference.high] == pytest.approx(
            theirs, abs=0.004
        )


def test_cuped_of_a_ratio_is_no_wider_than_tea_tastings(both, oracles):
    found = compare(
        cuped.adjusted(*both, "orders", denominator="sessions", covariates=["pre_orders", "pre_sessions"]).pair
    )
    low, high = (oracles["tea-tasting", f"ratio.cuped.{part}"] for part in ("low", "high"))
    assert found.difference.value == pytest.approx(oracles["tea-tasting", "ratio.cuped.difference"], abs=0.002)
    assert found.difference.high - found.difference.low < 1.01 * (high - low)


def test_quantiles_are_gbstats_up_to_their_factor(oracles):
    sides = [arms.quantile(side["y"], 0.9) for side in (CONTROL, TREATMENT)]
    effect = compare(arms.independent(*sides))
    assert effect.difference.value == pytest.approx(oracles["gbstats", "quantile.value"], **EXACT)
    theirs = (oracles["gbstats", "quantile.low"], oracles["gbstats", "quantile.high"])
    assert (effect.difference.low, effect.difference.high) == pytest.approx(theirs, rel=0.02)


def test_clusters_are_statsmodels_crv3():
    rng = np.random.default_rng(4)
    size = rng.integers(3, 30, 14)
    group = np.repeat(np.arange(14), size)
    t = (group % 2).astype(float)
    y = 5 + 0.3 * t + rng.normal(size=14)[group] + rng.normal(size=len(group))
    with np.errstate(all="ignore"):
        ols = smf.ols("y ~ t", pd.DataFrame({"y": y, "t": t})).fit(
            cov_type="cluster-crv3", cov_kwds={"groups": group}, use_t=True
        )
    sums, counts = arms.totals(y, group)
    pair = clustered(
        numerator_control=sums[::2],
        denominator_control=counts[::2],
        numerator_treatment=sums[1::2],
        denominator_treatment=counts[1::2],
    )
    effect = compare(pair)
    assert (effect.difference.value, effect.standard_error) == pytest.approx((ols.params["t"], ols.bse["t"]), **EXACT)
    assert effect.df == 13
    assert effect.p == pytest.approx(ols.pvalues["t"], **EXACT)
    # Where arms have other numbers of clusters we part from it on purpose: the error is CRV3's, its degrees are not G - 1.
    with np.errstate(all="ignore"):
        few = np.isin(group, [1, 3, 5]) | (t == 0)
        ols = smf.ols("y ~ t", pd.DataFrame({"y": y[few], "t": t[few]})).fit(
            cov_type="cluster-crv3", cov_kwds={"groups": group[few]}, use_t=True
        )
    pair = clustered(
        numerator_control=sums[::2],
        denominator_control=counts[::2],
        numerator_treatment=sums[1:6:2],
        denominator_treatment=counts[1:6:2],
    )
    effect = compare(pair)
    assert effect.standard_error == pytest.approx(ols.bse["t"], **EXACT)
    shares = np.array([pair.control.variance, pair.treatment.variance]) / pair.variance
    assert effect.df == pytest.approx(1 / (shares**2 / [6, 2]).sum())
    assert effect.p > ols.pvalues["t"]


def test_the_score_test_of_proportions_is_statsmodels():
    for cells in ((12, 240, 25, 250), (3, 90, 0, 60), (400, 1000, 380, 1100)):
        found = proportions(control=cells[0], n_control=cells[1], treatment=cells[2], n_treatment=cells[3])
        theirs = proportions_2indep(cells[2], cells[3], cells[0], cells[1], method="score", compare="diff")
        assert (found.statistic, found.p) == pytest.approx((theirs.statistic, theirs.pvalue), **EXACT)


def test_the_confidence_sequence_is_gbstats(oracles):
    """Their own test values: relative (-.55844, 1.56516) and absolute, tuned at 1,000 units."""
    sides = []
    for total, squares, n in ((1396.87, 52377.9767, 3000), (2422.7, 134698.29, 3461)):
        sides.append((total / n, (squares - total**2 / n) / (n - 1) / n, n))
    (a, v_a, n_a), (b, v_b, n_b) = sides
    critical = sequential.always_valid_critical(n_a + n_b, tuning=1000)
    error = (v_b / a**2 + v_a * b**2 / a**4) ** 0.5
    found = ((b - a) / a - critical * error, (b - a) / a + critical * error)
    assert found == pytest.approx((-0.55844, 1.56516), abs=1e-5)
    assert found == pytest.approx([oracles["gbstats", f"sequential.lift.{end}"] for end in ("low", "high")], **EXACT)
    error = (v_a + v_b) ** 0.5
    found = (b - a - critical * error, b - a + critical * error)
    assert found == pytest.approx([oracles["gbstats", f"sequential.{end}"] for end in ("low", "high")], **EXACT)
    p = sequential.always_valid_p((b - a) / error, n_a + n_b, tuning=1000)
    assert p == pytest.approx(oracles["gbstats", "sequential.p"], **EXACT)


def test_sample_ratios_are_scipys_tea_tastings_and_gbstats(oracles):
    counts = {"control": 1200, "treatment": 900}
    found = gates.srm(counts, expected={"control": 0.55, "treatment": 0.45})
    assert found.p == pytest.approx(oracles["gbstats", "srm.p"], **EXACT)
    assert found.p == pytest.approx(stats.chisquare([1200, 900], [1155, 945]).pvalue, **EXACT)
    few = gates.srm({"a": 3, "b": 4}, expected={"a": 1, "b": 1})
    assert few.p == pytest.approx(stats.binomtest(3, 7, 0.5).pvalue, **EXACT)
    # tea-tasting's is the exact binomial p; ours is chi-square where counts are large.
    whole = gates.srm(counts, expected={"control": 1, "treatment": 0.8})
    assert whole.p == pytest.approx(oracles["tea-tasting", "srm.p"], abs=0.01)


def test_the_posterior_is_gbstats(both, oracles):
    effect = compare(difference(both))
    found = bayes.posterior(effect.difference.value, effect.standard_error, prior=bayes.Prior(mean=0.5, sd=2.0))
    values = (found.mean, found.low, found.high, found.p_better, found.loss_keep, found.loss_ship)
    names = ("mean", "low", "high", "better", "loss_keep", "loss_ship")
    assert values == pytest.approx([oracles["gbstats", f"bayes.{name}"] for name in names], **EXACT)


@pytest.mark.parametrize("method", ["bonferroni", "holm", "bh"])
def test_adjusted_p_values_are_statsmodels(method):
    p = [0.001, 0.011, 0.02, 0.04, 0.3]
    expected = multipletests(p, method={"bh": "fdr_bh"}.get(method, method))[1]
    assert multiple.adjusted_p(p, method=method) == pytest.approx(list(expected), **EXACT)


def test_power_is_statsmodels_and_tea_tastings(both, oracles):
    spread, design = mean_spread(sd=3.0, value=1.0), Design(share=0.3)
    theirs = NormalIndPower().power(0.4 / 3.0, nobs1=700, alpha=0.05, ratio=300 / 700)
    assert power(0.4, spread, n=1000, design=design) == pytest.approx(theirs, **EXACT)
    # The t test's power differs from the normal one by little more than its degrees of freedom.
    exact = TTestIndPower().power(0.4 / 3.0, nobs1=700, alpha=0.05, ratio=300 / 700)
    assert power(0.4, spread, n=1000, design=design) == pytest.approx(exact, abs=0.002)
    planned = power(1.5, arm_spread(arms.mean(both[0], "y")), n=4000, design=Design())
    assert planned == pytest.approx(oracles["tea-tasting", "power"], **EXACT)

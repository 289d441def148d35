"""Looks of the whole pipe: by which test a metric is looked at, when a test has ended, and what stands after its end."""

import numpy as np
import pytest

from helpers.ab_test import arms, measure
from helpers.ab_test.judge import judge
from helpers.ab_test.looks import enter_look, looker
from helpers.ab_test.measure import Cell
from helpers.ab_test.moments import Moments
from helpers.ab_test.registration import Metric
from helpers.ab_test.registration import Test as Registered

SUCCESS = Metric(name="y", column="y", role="success")
SPENDING = Registered(id="t", metrics=(SUCCESS,), planned_n=2000, sequential="obrien_fleming")


def skewed(control, treatment):
    sides = [arms.mean(Moments.of(y=values), "y") for values in (control, treatment)]
    pair = arms.independent(*sides)
    return Cell(
        metric=SUCCESS, variant="b", pair=pair, raw=pair, uncapped=pair, way="permutation", values=(control, treatment)
    )


def few(control, n_control, treatment, n_treatment, metric):
    sides = [
        arms.Arm(value=count / n, variance=count / n * (1 - count / n) / (n - 1), df=n - 1, n=n)
        for count, n in ((control, n_control), (treatment, n_treatment))
    ]
    pair, counts = arms.independent(*sides), (control, n_control, treatment, n_treatment)
    return Cell(metric=metric, variant="b", pair=pair, raw=pair, uncapped=pair, way="score", counts=counts)


def test_a_look_at_skewed_values_of_uneven_arms_keeps_its_level(monkeypatch):
    """One look at the end spends all of the 5 %; Welch's test calls a difference in 16 % of these where there is none."""
    monkeypatch.setattr(measure, "LOOKED_PERMUTATIONS", 399)
    rng = np.random.default_rng(0)
    look = looker(enter_look((), SPENDING, n=2000, at="", complete=True), SPENDING, n=2000)
    false = welch = 0
    runs = 120
    for _ in range(runs):
        values = np.where(rng.random(2000) < 0.05, rng.lognormal(3, 2, 2000), 0.0)
        cell = skewed(values[:1800], values[1800:])
        (own,) = judge([cell], SPENDING, look=look)
        assert own.effect.method == ("permutation",)
        assert (own.p < 0.05) == own.effect.lift.excludes_zero or not own.effect.lift.bounded
        false += own.effect.significant
        welch += (
            abs(arms.independent(cell.pair.control, cell.pair.treatment).difference) > 1.96 * cell.pair.variance**0.5
        )
    # 5 % and three standard errors; the other shows that the data ask for it.
    assert false / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
    assert welch / runs > 0.11


def test_a_look_too_early_for_any_shuffle_concludes_nothing_and_says_why():
    """At a fifth of the units O'Brien-Fleming asks for 1e-6, and no shuffle of 9,999 is so rare."""
    rng = np.random.default_rng(1)
    look = looker(enter_look((), SPENDING, n=400, at="", complete=False), SPENDING, n=400)
    (own,) = judge([skewed(rng.lognormal(0, 1, 200), 50 + rng.lognormal(0, 1, 200))], SPENDING, look=look)
    assert (own.state, own.effect.reason) == ("undecided", "early_look")
    assert own.effect.difference.value == pytest.approx(50, rel=0.05)


def test_a_look_at_few_successes_is_the_score_test():
    """0 of 900 against 4 of 100: Wald's z is 2.03 and the score's 6.0; only a look's own test sees the same in both."""
    cell = few(0, 900, 4, 100, SUCCESS)
    (own,) = judge(
        [cell], SPENDING, look=looker(enter_look((), SPENDING, n=1000, at="", complete=False), SPENDING, n=1000)
    )
    assert own.effect.method == ("score",)
    assert own.effect.statistic == pytest.approx(cell.z)
    assert own.state == "better"


@pytest.mark.parametrize("better", ["more", "less"])
@pytest.mark.parametrize(("n_control", "n_treatment", "share"), [(3000, 300, 0.01), (900, 100, 0.1)])
def test_a_guardrails_verdict_is_that_of_the_interval_that_is_shown(better, n_control, n_treatment, share):
    """Where the truth lies on the margin, it is cleared in 2.5 %; Wald's interval clears it in up to 6.9 % of these."""
    metric = Metric(name="y", type="proportion", column="y", role="guardrail", margin=-0.5, better=better)
    test = Registered(id="t", metrics=(metric,))
    rng = np.random.default_rng(2)
    shown, runs = 0, 400
    for _ in range(runs):
        counts = rng.binomial(n_control, share), rng.binomial(n_treatment, share * (1.5 if better == "less" else 0.5))
        (own,) = judge([few(counts[0], n_control, counts[1], n_treatment, metric)], test)
        lift = own.effect.lift
        clear = lift.bounded and (lift.high < 0.5 if better == "less" else lift.low > -0.5)
        assert clear == (own.state == "non_inferior")
        shown += clear
    assert shown / runs <= 0.025 + 3 * (0.025 * 0.975 / runs) ** 0.5

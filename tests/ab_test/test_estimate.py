"""One verdict: p, interval of the difference and interval of the lift never part."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.ab_test import arms
from helpers.ab_test.arms import Arm, Pair
from helpers.ab_test.clusters import clustered
from helpers.ab_test.estimate import above, at_look, below, compare, z_of
from helpers.ab_test.fieller import fieller
from helpers.ab_test.moments import Moments
from helpers.ab_test.sequential import look

SIZES = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)
VARIANCES = st.floats(1e-9, 1e9)
COUNTS = st.integers(2, 10_000)


def pair(control, treatment, v_control, v_treatment, n_control=100, n_treatment=100, covariance=0.0):
    return Pair(
        control=Arm(value=control, variance=v_control, df=n_control - 1, n=n_control),
        treatment=Arm(value=treatment, variance=v_treatment, df=n_treatment - 1, n=n_treatment),
        covariance=covariance,
    )


PAIRS = st.builds(pair, SIZES, SIZES, VARIANCES, VARIANCES, COUNTS, COUNTS)


def contradicts(effect, alpha):
    rejected = effect.p < alpha
    lift = effect.lift.excludes_zero != rejected and effect.lift.kind != "none"
    return effect.difference.excludes_zero != rejected or lift


def test_there_is_no_contradiction_in_a_hundred_thousand_random_inputs():
    """Baselines of both signs, near zero and at zero; no variance in one arm; shared covariance; four levels."""
    rng = np.random.default_rng(20240229)
    kinds, wrong = dict.fromkeys(("bounded", "ray", "rays", "everything", "none"), 0), 0
    for _ in range(100_000):
        control, treatment = rng.normal(size=2) * 10 ** rng.uniform(-4, 4, 2)
        if rng.random() < 0.5:
            treatment = control * (1 + rng.normal() * 0.2)
        v_control, v_treatment = 10 ** rng.uniform(-9, 4, 2)
        special = rng.random()
        if special < 0.03:
            control = 0.0
        elif special < 0.06:
            v_control = 0.0
        elif special < 0.08:
            v_treatment = 0.0
        shared = rng.uniform(0, 0.5) * min(v_control, v_treatment)
        alpha = float(rng.choice([0.001, 0.01, 0.05, 0.2]))
        n = rng.integers(2, 2000, 2)
        effect = compare(
            pair(float(control), float(treatment), float(v_control), float(v_treatment), int(n[0]), int(n[1]), shared),
            alpha=alpha,
        )
        wrong += contradicts(effect, alpha)
        kinds[effect.lift.kind] += 1
    assert wrong == 0
    assert min(kinds["bounded"], kinds["rays"], kinds["everything"]) > 1000
    # A control that is zero without variance has no lift, and nothing else hasn't.
    assert kinds["none"] < 100


@given(PAIRS, st.sampled_from([0.01, 0.05, 0.2]), st.floats(1e-3, 1e3))
def test_scale_does_not_matter(given_pair, alpha, factor):
    one, other = compare(given_pair, alpha=alpha), compare(scaled(given_pair, factor), alpha=alpha)
    assert other.p == pytest.approx(one.p, rel=1e-9, abs=1e-300)
    assert other.lift.kind == one.lift.kind or abs(one.lift.low) > 1e9 or abs(one.lift.high) > 1e9
    if one.lift.bounded and other.lift.bounded:
        assert other.lift.value == pytest.approx(one.lift.value, rel=1e-6)
    assert other.difference.low == pytest.approx(factor * one.difference.low, rel=1e-9, abs=1e-9)


@given(PAIRS)
def test_turned_signs_turn_the_effect(given_pair):
    """A lift is relative to |control|: the mirror of a loss is a gain of the same size."""
    one, other = compare(given_pair), compare(scaled(given_pair, -1.0))
    assert other.p == one.p
    if one.lift.bounded:
        assert (other.lift.low, other.lift.high) == (-one.lift.high, -one.lift.low)
        assert other.lift.value == -one.lift.value


def scaled(given_pair, factor):
    return pair(
        given_pair.control.value * factor,
        given_pair.treatment.value * factor,
        given_pair.control.variance * factor**2,
        given_pair.treatment.variance * factor**2,
        given_pair.control.n,
        given_pair.treatment.n,
    )


@given(PAIRS)
def test_the_difference_lies_in_its_interval_and_the_lift_in_its_set(given_pair):
    effect = compare(given_pair)
    assert effect.difference.contains(effect.difference.value)
    if effect.lift.value is not None:
        slack = 1e-9 * max(1.0, abs(effect.lift.value))
        assert any(effect.lift.contains(effect.lift.value + way * slack) for way in (-1, 0, 1))


def test_more_is_more_below_zero_too():
    """growthbook PR #6658: a negative baseline flipped the lift's sign."""
    effect = compare(pair(-10.0, -8.0, 0.01, 0.01))
    assert effect.lift.value == pytest.approx(0.2)
    assert effect.lift.low > 0


def test_fieller_by_hand():
    """Fieller's textbook form: (m -+ sqrt(m^2 - ...)) / (1 - g), for c = 10, t = 12, variances .25 and .36, z = 2."""
    c, t, v_c, v_t, z = 10.0, 12.0, 0.25, 0.36, 2.0
    g = z**2 * v_c / c**2
    theta = t / c
    half = z / c * math.sqrt(v_t + theta**2 * v_c - g * v_t)
    found = fieller(control=c, treatment=t, variance_control=v_c, variance_treatment=v_t, critical=z)
    assert (found.low, found.high) == pytest.approx(
        ((theta - half) / (1 - g) - 1, (theta + half) / (1 - g) - 1), rel=1e-12
    )


def test_a_control_near_zero_has_an_unbounded_lift_and_says_so():
    effect = compare(pair(0.1, 5.0, 1.0, 1.0))
    assert effect.significant
    assert effect.lift.kind == "rays"
    assert effect.reason == "control_near_zero"
    assert effect.lift.excludes_zero
    vague = compare(pair(0.1, 0.5, 1.0, 1.0))
    assert (vague.lift.kind, vague.significant) == ("everything", False)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ([1.0], [1.0, 2.0], "too_few_units"),
        ([], [1.0, 2.0], "too_few_units"),
        ([3.0, 3.0, 3.0], [4.0, 4.0], "no_variation"),
        ([0.0] * 20, [0.0] * 20, "no_variation"),
        ([0.0] * 20, [0.0, 1.0] * 10, "control_zero"),
        ([math.nan] * 5, [1.0, 2.0], "too_few_units"),
    ],
)
def test_degenerate_data_have_a_reason_and_no_verdict_by_accident(control, treatment, reason):
    effect = compare(arms.independent(*(arms.mean(Moments.of(y=side), "y") for side in (control, treatment))))
    assert effect.reason == reason
    assert effect.lift.kind == "none"
    if reason == "control_zero":
        # The difference is still told.
        assert effect.significant
        assert effect.difference.value == 0.5
    else:
        assert effect.p is None
        assert not effect.significant


def test_a_ratio_without_denominator_has_a_reason():
    side = Moments.of(n=np.arange(9.0), d=np.zeros(9))
    arm = arms.ratio(side, numerator="n", denominator="d")
    assert compare(arms.independent(arm, arm)).reason == "zero_denominator"


def test_few_clusters_are_refused():
    two = [1.0, 2.0]
    found = compare(
        clustered(numerator_control=two, denominator_control=two, numerator_treatment=two, denominator_treatment=two)
    )
    assert (found.reason, found.p) == ("too_few_clusters", None)


@pytest.mark.parametrize(("control", "treatment"), [(30, 3), (4, 30), (40, 5), (10, 10)])
def test_few_clusters_of_one_arm_do_not_raise_false_alarms(control, treatment):
    """3,000 tests of nothing at 5 %: G - 1 degrees of freedom find something in 10.7, 8.2 and 7.5 % of the uneven ones."""
    rng, runs, found = np.random.default_rng([control, treatment]), 3000, 0
    for _ in range(runs):
        side = {
            "control": rng.normal(100, 10, control),
            "treatment": rng.normal(100, 10, treatment),
        }
        sums = {f"numerator_{name}": 1000 * levels for name, levels in side.items()}
        sizes = {f"denominator_{name}": np.full(len(levels), 1000.0) for name, levels in side.items()}
        found += compare(clustered(**sums, **sizes)).significant
    assert found / runs < 0.065


@given(PAIRS, st.floats(-0.5, 0.5), st.booleans(), st.sampled_from([0.01, 0.025, 0.1]))
def test_a_margin_is_shown_exactly_where_the_bound_lies_beyond_it(given_pair, margin, relative, alpha):
    for ask, sign in ((above, 1), (below, -1)):
        found = ask(given_pair, margin=margin, relative=relative, alpha=alpha)
        if found.bound is not None and abs(found.bound - margin) > 1e-7 * max(1.0, abs(found.bound)):
            assert found.shown == (sign * found.bound > sign * margin) == (found.p < alpha)


def test_non_inferiority_of_a_conversion():
    """At most 2 % may be lost (growthbook #5514): 50,000 units at 10 % against 10 % cannot show it, 500,000 can."""
    for n, shown in ((50_000, False), (500_000, True)):
        variance = 0.1 * 0.9 / n
        assert above(pair(0.1, 0.1, variance, variance, n, n), margin=-0.02, relative=True, alpha=0.025).shown is shown


@given(PAIRS, st.integers(1, 4))
def test_a_look_has_one_verdict_too(given_pair, k):
    fractions = np.linspace(0.3, 0.9, k) if k > 1 else [0.5]
    now = look(z_of(given_pair), fractions)
    effect = at_look(given_pair, critical=now.critical, p=now.p, alpha=0.05)
    # t and z are two scales of one nominal level: they agree beyond rounding.
    if abs(abs(z_of(given_pair)) - now.critical) > 1e-6:
        assert effect.difference.excludes_zero == now.crossed == (effect.p < 0.05)
        assert effect.lift.excludes_zero == now.crossed or effect.lift.kind == "none"


def test_alpha_and_half_given_procedures_are_refused():
    with pytest.raises(ValueError, match=r"alpha == 1.5, must be within 0 and 1"):
        compare(pair(1, 2, 1, 1), alpha=1.5)
    with pytest.raises(ValueError, match="give both or neither"):
        compare(pair(1, 2, 1, 1), critical=2.0)

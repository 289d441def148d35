"""Gates before verdicts: twelve ways to spoil a test, and clean ones that pass."""

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers.ab_test import gates
from helpers.ab_test.moments import Moments
from helpers.ab_test.sums import moments

EXPECTED = {"control": 1, "treatment": 1}
COVARIATES = ["pre_revenue", "pre_orders"]


def clean(seed, n=12_000):
    """One row a unit: two even arms, segments, a past and an outcome."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2024-03-01")
    assigned = start + pd.to_timedelta(rng.integers(0, 14 * 86_400, n), unit="s")
    level = rng.gamma(1.0, 1.0, n)
    return pd.DataFrame(
        {
            "unit_id": np.arange(n),
            "variant": np.where(rng.random(n) < 0.5, "control", "treatment"),
            "segment": rng.choice(["app", "web", "shop"], n, p=[0.5, 0.3, 0.2]),
            "assigned_at": assigned,
            "ordered_at": assigned + pd.to_timedelta(rng.integers(60, 86_400, n), unit="s"),
            "pre_revenue": level * rng.lognormal(3, 0.5, n),
            "pre_orders": rng.poisson(level * 2).astype(float),
        }
    )


def verdicts(frame):
    """Names of the gates that fail."""
    con = ibis.duckdb.connect()
    frame = frame.assign(**{name: frame[name].astype("datetime64[us]") for name in ("assigned_at", "ordered_at")})
    table = con.create_table("units", ibis.memtable(frame))
    sides = moments(table, by="variant", columns=COVARIATES)
    names = {"unit": "unit_id", "variant": "variant"}
    found = [
        gates.srm(gates.counts_by(table, **names), expected=EXPECTED),
        gates.srm_by_segment(gates.counts_by(table, **names, segment="segment"), expected=EXPECTED),
        gates.crossed_over(table, **names),
        gates.duplicates(table, **names),
        gates.outcome_before(table, unit="unit_id", assigned_at="assigned_at", outcome_at="ordered_at"),
        gates.imbalance(sides["control"], sides["treatment"], covariates=COVARIATES),
    ]
    return {gate.name: gate for gate in found if not gate.passed}


def treated(frame):
    return frame["variant"] == "treatment"


def keep(frame, mask):
    return frame[mask].reset_index(drop=True)


def lost_units(frame):
    return keep(frame, ~(treated(frame) & (frame["unit_id"] % 10 == 0)))


def extra_bots(frame):
    bots = clean(99, 900).assign(variant="treatment", unit_id=lambda bots: bots["unit_id"] + 1_000_000)
    return pd.concat([frame, bots], ignore_index=True)


def a_segment_that_was_not_logged(frame):
    return keep(frame, ~(treated(frame) & (frame["segment"] == "shop") & (frame["unit_id"] % 4 == 0)))


def segments_that_offset_each_other(frame):
    drop_app = treated(frame) & (frame["segment"] == "app") & (frame["unit_id"] % 6 == 0)
    drop_web = ~treated(frame) & (frame["segment"] == "web") & (frame["unit_id"] % 4 == 0)
    return keep(frame, ~(drop_app | drop_web))


def units_in_both_arms(frame):
    again = frame.sample(40, random_state=1)
    other = np.where(again["variant"] == "control", "treatment", "control")
    return pd.concat([frame, again.assign(variant=other)], ignore_index=True)


def one_unit_in_both_arms(frame):
    again = frame.head(1)
    return pd.concat([frame, again.assign(variant=np.where(treated(again), "control", "treatment"))], ignore_index=True)


def rows_that_a_join_doubled(frame):
    return pd.concat([frame, frame.sample(300, random_state=1)], ignore_index=True)


def one_row_twice(frame):
    return pd.concat([frame, frame.tail(1)], ignore_index=True)


def orders_before_assignment(frame):
    early = frame["unit_id"] % 50 == 0
    return frame.assign(ordered_at=frame["ordered_at"].where(~early, frame["assigned_at"] - pd.Timedelta(hours=1)))


def heavy_buyers_in_one_arm(frame):
    top = frame["pre_revenue"] > frame["pre_revenue"].quantile(0.99)
    return frame.assign(variant=np.where(top, "treatment", frame["variant"]))


def a_past_that_the_treatment_moved(frame):
    return frame.assign(pre_orders=frame["pre_orders"] + treated(frame) * (frame["unit_id"] % 3 == 0))


def a_past_that_is_missing_in_one_arm(frame):
    return frame.assign(pre_revenue=frame["pre_revenue"].where(~(treated(frame) & (frame["unit_id"] % 8 == 0)), 0.0))


CORRUPTIONS = {
    lost_units: "srm",
    extra_bots: "srm",
    a_segment_that_was_not_logged: "srm_segment",
    segments_that_offset_each_other: "srm_segment",
    units_in_both_arms: "crossed_over",
    one_unit_in_both_arms: "crossed_over",
    rows_that_a_join_doubled: "duplicates",
    one_row_twice: "duplicates",
    orders_before_assignment: "outcome_before",
    heavy_buyers_in_one_arm: "imbalance",
    a_past_that_the_treatment_moved: "imbalance",
    a_past_that_is_missing_in_one_arm: "imbalance",
}


@pytest.mark.parametrize(("spoil", "gate"), CORRUPTIONS.items(), ids=lambda part: getattr(part, "__name__", part))
def test_each_of_twelve_corruptions_is_caught(spoil, gate):
    found = verdicts(spoil(clean(7)))
    assert gate in found
    assert found[gate].offenders


def test_clean_data_pass():
    assert [seed for seed in range(15) if verdicts(clean(seed, 3000))] == []


def test_false_alarms_of_srm_over_28_looks_stay_under_half_a_percent():
    """At .0005 a look: .48 % in a large simulation."""
    rng = np.random.default_rng(5)
    share = rng.binomial(500, 0.5, size=(3000, 28)).cumsum(axis=1)
    n = 500 * np.arange(1, 29)
    chi2 = 4 * (share - n / 2) ** 2 / n
    # 12.116 is chi-square's quantile at .0005 with one degree of freedom.
    worst = share[np.arange(3000), chi2.argmax(axis=1)], n[chi2.argmax(axis=1)]
    alarms = [
        not gates.srm({"a": int(a), "b": int(m - a)}, expected={"a": 1, "b": 1}).passed
        for a, m in zip(*worst, strict=True)
    ]
    assert np.mean(alarms) < 0.01
    # 12.116 is chi-square's quantile at .0005 with one degree of freedom.
    assert np.mean(alarms) == (chi2 > 12.116).any(axis=1).mean()


def test_offenders_are_named_and_counted():
    found = verdicts(units_in_both_arms(clean(7)))["crossed_over"]
    assert (found.count, len(found.offenders)) == (40, gates.OFFENDERS)
    assert found.total == 12_000


def test_variants_without_a_plan_are_an_error():
    with pytest.raises(ValueError, match=r"variants \['b'\] have no planned share"):
        gates.srm({"a": 10, "b": 10}, expected={"a": 1})
    with pytest.raises(ValueError, match="every share must be > 0"):
        gates.srm({"a": 10}, expected={"a": 0})


def test_a_missing_variant_is_a_mismatch():
    assert not gates.srm({"control": 5000}, expected=EXPECTED).passed
    assert gates.srm({}, expected=EXPECTED).passed


def test_a_covariate_that_is_the_assignment_is_refused():
    control, treatment = Moments.of(x=np.zeros(50), y=np.arange(50)), Moments.of(x=np.ones(50), y=np.arange(50))
    found = gates.imbalance(control, treatment, covariates=["x", "y"])
    assert (found.passed, found.offenders) == (False, (("x", 0.0),))
    assert gates.imbalance(control, control, covariates=["x", "y"]).p == pytest.approx(1)


def test_many_clean_pasts_pass_at_the_tests_own_level():
    """The joint test of four covariates holds its level: 1,000 runs at 5 %."""
    rng = np.random.default_rng(6)
    passed = []
    for _ in range(1000):
        sides = [dict(zip("abcd", rng.standard_gamma(2, (4, n)), strict=True)) for n in (200, 120)]
        control, treatment = (Moments.of(**side) for side in sides)
        passed.append(gates.imbalance(control, treatment, covariates=list("abcd"), alpha=0.05).passed)
    assert 1 - np.mean(passed) == pytest.approx(0.05, abs=0.022)

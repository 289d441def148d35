"""Hostile units: each gives clear words or a defined result, and every part of the report can still be drawn."""

import numpy as np
import pytest

from helpers import ab_test
from helpers.errors import DataError, ParamsError
from tests.ab_test.pipe import analysed, drawn, findings, registered
from tests.ab_test.test_topic import units

REVENUE = [{"name": "revenue", "type": "mean", "column": "revenue", "role": "success"}]
RATIO = [{"name": "aov", "type": "ratio", "numerator": "revenue", "denominator": "converted", "role": "success"}]


def one_variant(frame):
    return frame[frame["variant"] == "control"]


def zero_variance(frame):
    return frame.assign(revenue=7.0)


def all_zeros(frame):
    return frame.assign(revenue=0.0, converted=0.0)


def negative_baseline(frame):
    return frame.assign(revenue=-frame["revenue"] - 5)


def control_mean_zero(frame):
    rng = np.random.default_rng(3)
    noise = rng.normal(size=len(frame))
    mask = (frame["variant"] == "control").to_numpy()
    noise[mask] -= noise[mask].mean()
    return frame.assign(revenue=noise)


def all_missing(frame):
    return frame.assign(revenue=np.nan)


def some_missing(frame):
    return frame.assign(revenue=frame["revenue"].where(frame["unit_id"] % 7 != 0))


def three_units(frame):
    return frame.head(3)


def unit_in_two_variants(frame):
    import pandas as pd

    again = frame.head(1)
    other = np.where(again["variant"] == "control", "treatment", "control")
    return pd.concat([frame, again.assign(variant=other)], ignore_index=True)


def assigned_after_exposure(frame):
    import pandas as pd

    return frame.assign(exposed_at=frame["assigned_at"] - pd.Timedelta(days=1))


@pytest.mark.parametrize(
    "spoil",
    [one_variant, zero_variance, all_zeros, negative_baseline, control_mean_zero, all_missing, some_missing, three_units,
     unit_in_two_variants, assigned_after_exposure],
    ids=lambda part: part.__name__,
)  # fmt: skip
@pytest.mark.parametrize("metrics", [REVENUE, RATIO], ids=["mean", "ratio"])
def test_hostile_units_are_told_and_drawn(spoil, metrics):
    analyses = analysed(spoil(units(600, lift=0.02)), registered(metrics=metrics))
    found = findings(analyses)
    html = drawn(ab_test.report(analyses))
    assert found.headline
    for word in ("nan", "inf%", "None"):
        assert word not in found.headline + html
    found.to_json()


@pytest.mark.parametrize(
    ("spoil", "gate"),
    [
        (one_variant, "there is nothing to compare"),
        (unit_in_two_variants, "some units were in two variants"),
        (assigned_after_exposure, "some units saw the variant before they were assigned"),
    ],
)
def test_what_cannot_be_compared_is_blocked_in_words(spoil, gate):
    found = findings(analysed(spoil(units(600)), registered(metrics=REVENUE)))
    assert (found.status, found.decisions) == ("blocked", ())
    assert gate in found.headline


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (zero_variance, "every unit has the same value"),
        (all_zeros, "every unit has the same value"),
        (all_missing, "too few units"),
    ],
)
def test_what_cannot_be_read_says_why(spoil, why):
    (one,) = analysed(spoil(units(600)), registered(metrics=REVENUE))
    assert (one.answer, one.verdict.cause) == ("invalid", "nothing_readable")
    assert why in findings((one,)).headline


def test_an_empty_planned_variant_is_a_gate_that_fails():
    settings = registered(metrics=REVENUE, shares={"control": 1, "treatment": 1, "blue": 1})
    frame = units(600)
    with pytest.raises(ParamsError, match="'blue' is not in the table"):
        analysed(frame, settings)


def test_with_a_negative_baseline_more_is_still_better():
    frame = units(6000)
    treated = frame["variant"] == "treatment"
    noise = np.random.default_rng(1).normal(size=len(frame))
    (one,) = analysed(frame.assign(revenue=-10 + treated * 1.0 + noise), registered(metrics=REVENUE))
    assert one.answer == "ship"
    assert one.judged[0].effect.lift.value == pytest.approx(0.1, abs=0.02)


def test_a_control_of_zero_has_a_difference_and_no_bounded_lift():
    (one,) = analysed(control_mean_zero(units(600)), registered(metrics=REVENUE))
    number = findings((one,)).numbers
    assert number["t.revenue.treatment.lift"].low is None
    assert number["t.revenue.treatment.difference"].low is not None


def test_an_unknown_control_is_named():
    with pytest.raises(ParamsError, match="'contrl' is not in the table; did you mean 'control'"):
        analysed(units(100), registered(control="contrl"))


def test_a_proportion_of_amounts_is_an_error_that_says_so():
    metrics = [{"name": "conversion", "type": "proportion", "column": "revenue", "role": "success"}]
    with pytest.raises(DataError, match="neither 0 nor 1"):
        analysed(units(100), registered(metrics=metrics))


def test_a_variants_name_stays_text():
    frame = units(600).assign(variant=lambda f: f["variant"].replace("treatment", "<script>alert(1)</script>"))
    analyses = analysed(frame, registered(metrics=REVENUE))
    assert "<script" not in drawn(ab_test.report(analyses))

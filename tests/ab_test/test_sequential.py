import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ab_test.ledger import Ledger, enter
from helpers.ab_test.power import expected_sample, sequential_inflation
from helpers.ab_test.sequential import (
    always_valid_critical,
    always_valid_p,
    boundary,
    crossing_probabilities,
    look,
    spend,
    spent,
    stagewise_p,
)

FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]
# Expected z of the fixed test with 80 % power.
PLANNED = 1.959964 + 0.841621
TIMES = (
    st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8, unique=True)
    .map(sorted)
    .filter(lambda times: (np.diff(times, prepend=0) > 0.005).all())
)


@pytest.mark.parametrize(
    ("spending", "expected", "digits"),
    [
        # gsDesign: sfLDOF, sfLDPocock, and its snapshot of sfHSD with gamma -4; .025 a side.
        ("obrien_fleming", [4.8769, 3.3570, 2.6803, 2.2898, 2.0310], 1e-4),
        ("pocock", [2.4380, 2.4268, 2.4101, 2.3966, 2.3859], 5e-4),
        ("hwang_shih_decani", [3.25, 2.99, 2.69, 2.37, 2.03], 5e-3),
    ],
)
def test_boundaries_are_gsdesigns(spending, expected, digits):
    assert boundary(FIVE, spending=spending).critical == pytest.approx(expected, abs=digits)


def test_five_looks_keep_level_and_nearly_all_power():
    found = boundary(FIVE)
    above, below = crossing_probabilities(found)
    assert above.sum() + below.sum() == pytest.approx(0.05, abs=1e-6)
    assert crossing_probabilities(found, drift=PLANNED)[0].sum() == pytest.approx(0.791, abs=1e-3)
    assert expected_sample(FIVE, drift=PLANNED) == pytest.approx(0.81, abs=0.01)


@pytest.mark.parametrize(
    ("looks", "rate"), [(2, 0.082), (5, 0.141), (10, 0.194), (14, 0.220), (20, 0.249), (28, 0.274)]
)
def test_peeking_has_the_false_positive_rates_of_armitage_mcpherson_and_rowe(looks, rate):
    plain = boundary(np.arange(1, looks + 1) / looks)
    peeking = type(plain)(fractions=plain.fractions, critical=np.full(looks, 1.959964), spent=plain.spent)
    assert sum(part.sum() for part in crossing_probabilities(peeking)) == pytest.approx(rate, abs=1.5e-3)


@pytest.mark.parametrize("looks", [5, 14, 28])
def test_the_inflation_of_the_sample_is_small(looks):
    factor = sequential_inflation(np.arange(1, looks + 1) / looks)
    assert 1.02 < factor < 1.07
    drift = PLANNED * factor**0.5
    found = boundary(np.arange(1, looks + 1) / looks)
    assert crossing_probabilities(found, drift=drift)[0].sum() == pytest.approx(0.8, abs=1e-6)


@given(TIMES, st.sampled_from(["obrien_fleming", "pocock", "hwang_shih_decani"]), st.sampled_from([0.01, 0.05, 0.1]))
def test_any_looks_spend_what_the_function_allows(times, spending, alpha):
    found = boundary(times, alpha=alpha, spending=spending)
    above, below = crossing_probabilities(found)
    assert np.cumsum(above + below) == pytest.approx(found.spent, abs=1e-7)
    assert found.spent[-1] == pytest.approx(spent(times[-1], alpha=alpha, spending=spending))


def test_one_look_at_the_end_is_the_fixed_test():
    assert boundary([1.0]).critical[0] == pytest.approx(1.959964, abs=1e-6)
    assert look(2.2, [1.0]).p == pytest.approx(0.0278, abs=1e-4)
    assert stagewise_p(2.2, boundary([1.0])) == pytest.approx(0.0278, abs=1e-4)


def test_the_last_look_spends_what_is_left():
    assert boundary([0.5, 0.8], final=True).spent[-1] == 0.05
    assert boundary([0.5, 0.8]).spent[-1] < 0.05
    # More units than were planned spend no more than alpha.
    assert boundary([0.5, 1.3]).spent[-1] == pytest.approx(0.05)


@settings(max_examples=30)
@given(TIMES, st.floats(-6, 6), st.sampled_from([0.01, 0.05]))
def test_p_is_below_alpha_exactly_where_the_boundary_is_crossed(times, statistic, alpha):
    found = look(statistic, times, alpha=alpha)
    assert (found.p < alpha) == found.crossed == (abs(statistic) > found.critical)


def test_the_stagewise_p_of_the_boundary_itself_is_alpha():
    found = boundary(FIVE)
    assert stagewise_p(float(found.critical[-1]), found) == pytest.approx(0.05, abs=1e-7)


def test_looks_must_bring_information():
    with pytest.raises(ValueError, match="grow from look to look"):
        boundary([0.5, 0.5])
    with pytest.raises(ValueError, match=r"fraction == 0, must be > 0"):
        spent(0, alpha=0.05, spending="pocock")


@given(st.floats(10, 1e7), st.floats(0, 8), st.sampled_from([0.01, 0.05]))
def test_the_always_valid_p_and_its_critical_value_agree(n, statistic, alpha):
    critical = always_valid_critical(n, alpha=alpha)
    if abs(statistic - critical) > 1e-9:
        assert (always_valid_p(statistic, n, alpha=alpha) < alpha) == (statistic > critical)


def test_the_ledger_remembers_what_was_spent():
    ledger, seen = Ledger(maximum=1000, planned=(0.25, 0.5, 0.75, 1.0)), []
    for information, statistic in ((250, 1.0), (500, 1.5), (750, 2.5)):
        entry = enter(ledger, at=str(information), information=information, statistic=statistic)
        ledger = entry.ledger
        seen.append(entry.look.critical)
    assert seen == pytest.approx(list(boundary([0.25, 0.5, 0.75]).critical))
    assert ledger.stopped.at == "750"
    assert not ledger.unplanned


def test_a_rerun_on_the_same_data_is_the_same_look():
    ledger = enter(Ledger(maximum=1000), at="monday", information=400, statistic=1.0).ledger
    again = enter(ledger, at="tuesday", information=400, statistic=1.0)
    assert again.repeated
    assert len(again.ledger.records) == 1
    assert again.ledger.records[0].spent == ledger.records[0].spent


def test_an_unplanned_look_is_found_and_still_spends_properly():
    ledger = Ledger(maximum=1000, planned=(0.5, 1.0))
    for information in (300, 510, 520, 1000):
        ledger = enter(ledger, at=str(information), information=information, statistic=0.5).ledger
    assert [record.at for record in ledger.unplanned] == ["300", "520"]
    times = np.array([300, 510, 520, 1000]) / 1000
    assert [record.critical for record in ledger.records] == pytest.approx(list(boundary(times).critical))


def test_a_changed_maximum_does_not_spend_twice():
    ledger = enter(Ledger(maximum=1000), at="a", information=800, statistic=1.0).ledger
    longer = Ledger(maximum=2000, records=ledger.records)
    entry = enter(longer, at="b", information=2000, statistic=1.0)
    # All of alpha less what the first look spent when it was nearly the last.
    edges = spend(np.array([0.4, 1.0]), np.array([ledger.records[0].spent, 0.05]))
    assert entry.look.critical == pytest.approx(edges.critical[-1])
    assert entry.look.critical > boundary([0.4, 1.0]).critical[-1]


def test_fewer_data_than_before_are_no_look():
    ledger = enter(Ledger(maximum=1000), at="a", information=500, statistic=1.0).ledger
    entry = enter(ledger, at="b", information=400, statistic=9.0)
    assert (entry.look, entry.reason) == (None, "information_shrank")
    assert entry.ledger == ledger

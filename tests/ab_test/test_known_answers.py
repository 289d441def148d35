"""A real test: Hillstrom's e-mails, three arms of 64,000 customers, against No E-Mail."""

import ibis
import pytest

from helpers.ab_test import arms, gates
from helpers.ab_test.estimate import compare
from helpers.ab_test.sums import moments

CONTROL = "No E-Mail"
# Effect and standard error: truth for the kit, recomputed from the public file.
EFFECTS = {
    ("Mens E-Mail", "visit"): (0.076590, 0.003386),
    ("Mens E-Mail", "conversion"): (0.006805, 0.000921),
    ("Mens E-Mail", "spend"): (0.769827, 0.145247),
    ("Womens E-Mail", "visit"): (0.045233, 0.003234),
    ("Womens E-Mail", "conversion"): (0.003111, 0.000823),
    ("Womens E-Mail", "spend"): (0.424412, 0.130333),
}


@pytest.fixture(scope="module")
def hillstrom(public_data):
    return ibis.duckdb.connect().read_csv(str(public_data / "hillstrom/hillstrom.csv.gz"))


@pytest.mark.data
def test_all_six_effects_and_their_errors(hillstrom):
    found = moments(hillstrom, by="segment", columns=["visit", "conversion", "spend"], pairs=[])
    for (name, metric), expected in EFFECTS.items():
        effect = compare(arms.independent(arms.mean(found[CONTROL], metric), arms.mean(found[name], metric)))
        assert (effect.difference.value, effect.standard_error) == pytest.approx(expected, abs=1e-6)
        assert effect.significant


@pytest.mark.data
def test_its_variants_have_the_units_they_should(hillstrom):
    counts = {
        row["segment"]: row["n"]
        for row in hillstrom.group_by("segment").agg(n=hillstrom.count()).to_pyarrow().to_pylist()
    }
    found = gates.srm(counts, expected=dict.fromkeys(counts, 1))
    assert found.p == pytest.approx(0.904, abs=5e-4)

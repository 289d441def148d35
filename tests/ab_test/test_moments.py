from itertools import pairwise

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from helpers.ab_test import cuped
from helpers.ab_test.moments import Moments, total
from helpers.ab_test.sums import moments, quantile_caps

LENGTHS = st.integers(0, 40)


@pytest.fixture
def table():
    """Make a DuckDB table from columns."""
    con = ibis.duckdb.connect()

    def make(**columns):
        return con.create_table("units", ibis.memtable(pd.DataFrame(columns)))

    return make


def drawn(n, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    x = rng.lognormal(0, 1, n)
    return {"x": x + offset, "y": 0.5 * x + rng.normal(size=n), "z": rng.random(n)}


def same(left, right, rel=1e-9):
    assert left.columns == right.columns
    assert (left.n, left.rows, left.nulls) == (right.n, right.rows, right.nulls)
    np.testing.assert_allclose(left.mean, right.mean, rtol=rel, atol=1e-12)
    np.testing.assert_allclose(left.cross, right.cross, rtol=rel, atol=1e-8)
    np.testing.assert_allclose(left.third, right.third, rtol=1e-6, atol=1e-6)


def test_moments_are_numpys_and_scipys():
    columns = drawn(500)
    found = Moments.of(**columns)
    assert found.variance("x") == pytest.approx(columns["x"].var(ddof=1))
    assert found.covariance("x", "y") == pytest.approx(np.cov(columns["x"], columns["y"])[0, 1])
    assert found.skewness("x") == pytest.approx(stats.skew(columns["x"]))


@given(st.lists(LENGTHS, min_size=1, max_size=6), st.integers(0, 2**16))
def test_merged_parts_are_the_whole(lengths, seed):
    columns = drawn(sum(lengths), seed)
    edges = np.cumsum([0, *lengths])
    parts = [
        Moments.of(**{name: values[start:end] for name, values in columns.items()}) for start, end in pairwise(edges)
    ]
    same(total(parts), Moments.of(**columns))


def test_the_engine_finds_what_arrays_do(table):
    columns = drawn(3000)
    variant = np.where(np.arange(3000) % 3, "control", "treatment")
    found = moments(table(variant=variant, **columns), by="variant", columns=["x", "y", "z"], skewed=["x", "y", "z"])
    assert list(found) == ["control", "treatment"]
    for name, part in found.items():
        same(part, Moments.of(**{column: values[variant == name] for column, values in columns.items()}))


def test_digits_survive_a_mean_far_from_zero(table):
    columns = drawn(3000, offset=1e9)
    # The first thousand rows mislead the rough centre.
    columns["x"][:1100] = 0.0
    variant = np.where(np.arange(3000) < 1100, "early", "late")
    late = moments(table(variant=variant, **columns), by="variant", columns=["x", "y"])["late"]
    assert late.variance("x") == pytest.approx(columns["x"][1100:].var(ddof=1), rel=1e-6)


def test_variant_and_day_add_up_to_the_variant(table):
    columns = drawn(900)
    units = table(variant=["a", "b", "b"] * 300, day=np.repeat([1, 2, 3], 300), **columns)
    whole = moments(units, by="variant", columns=["x", "y"], skewed=["x", "y"])
    daily = moments(units, by=["variant", "day"], columns=["x", "y"], skewed=["x", "y"])
    assert len(daily) == 6
    same(total(part for (variant, _), part in daily.items() if variant == "b"), whole["b"])


def test_units_without_a_value_are_counted_not_dropped_in_silence(table):
    columns = drawn(300)
    columns["x"][:7] = np.nan
    columns["z"][5:9] = np.nan
    units = table(variant=["a"] * 300, **columns)
    # pandas' NaN reaches DuckDB as NULL or NaN; both are no value.
    found = moments(units, by="variant", columns=["x", "y", "z"])["a"]
    assert (found.rows, found.n, found.nulls) == (300, 291, (7, 0, 4))
    assert found.mean_of("y") == pytest.approx(columns["y"][9:].mean())


def test_a_filled_column_brings_its_indicator(table):
    columns = drawn(300)
    columns["x"][:50] = np.nan
    found = moments(table(variant=["a"] * 300, **columns), by="variant", columns=["y", "x"], fill={"x": 0.0})["a"]
    assert found.columns == ("y", "x", "x__missing")
    assert (found.n, found.mean_of("x__missing")) == (300, pytest.approx(1 / 6))
    assert found.mean_of("x") == pytest.approx(np.nan_to_num(columns["x"]).mean())


def test_caps_are_pooled_quantiles_and_leave_the_raw_column_alone(table):
    columns = drawn(1000)
    units = table(variant=["a", "b"] * 500, **columns)
    caps = quantile_caps(units, columns=["x"], tail=0.01)
    assert caps["x"] == pytest.approx(tuple(np.quantile(columns["x"], [0.01, 0.99])))
    found = total(moments(units, by="variant", columns=["x"], caps=caps).values())
    assert found.mean_of("x__capped") == pytest.approx(columns["x"].clip(*caps["x"]).mean())
    assert found.mean_of("x") == pytest.approx(columns["x"].mean())


def test_only_pairs_asked_for_have_covariances(table):
    units = table(variant=["a"] * 50, **drawn(50))
    found = moments(units, by="variant", columns=["x", "y", "z"], pairs=[("y", "x")])["a"]
    assert np.isfinite(found.covariance("x", "y"))
    assert np.isfinite(found.variance("z"))
    with pytest.raises(KeyError, match=r"pair \(x, z\)"):
        found.covariance("x", "z")
    with pytest.raises(KeyError, match="some pairs were not asked for"):
        cuped.adjusted(found, found, "y", covariates=["x", "z"])


def test_a_weighted_sum_of_columns_is_a_column():
    columns = drawn(100)
    found = Moments.of(**columns).combined({"x": 2.0, "z": -1.0}, name="l")
    expected = Moments.of(**columns, l=2 * columns["x"] - columns["z"])
    np.testing.assert_allclose(found.cross, expected.cross)
    np.testing.assert_allclose(found.mean, expected.mean)


def test_an_empty_table_has_no_variants(table):
    units = table(variant=["a"], x=[1.0])
    assert moments(units.filter(units.x > 2), by="variant", columns=["x"]) == {}

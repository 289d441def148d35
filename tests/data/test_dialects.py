"""Columns as numbers."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest

from helpers.data.dialects import as_number


@pytest.mark.parametrize(
    ("said", "meant"),
    [("12", 12.0), (" -1.5 ", -1.5), (".5e3", 500.0), ("1d", None), ("1_000", None), ("Infinity", None), ("", None)],
)
def test_a_text_is_a_number_where_every_engine_takes_it_for_one(said, meant):
    found = ibis.duckdb.connect().execute(as_number(ibis.memtable({"said": [said]}).said))[0]
    assert found == meant or (meant is None and pd.isna(found))


def test_yes_and_no_are_one_and_zero_and_neither_is_missing():
    table = ibis.memtable({"flag": [True, False, None]}, schema={"flag": "boolean"})
    assert ibis.duckdb.connect().execute(as_number(table.flag)).tolist()[:2] == [1.0, 0.0]
    assert ibis.duckdb.connect().execute(as_number(table.flag).isnull().sum()) == 1

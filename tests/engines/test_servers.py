"""The servers that the other tests of this folder stand on."""

from __future__ import annotations

import pandas as pd


def test_postgres_answers(postgres_backend):
    """A real server counts rows."""
    table = postgres_backend.create_table("answers", pd.DataFrame({"a": [1, 2, 3]}), temp=True)
    assert table.a.sum().execute() == 6


def test_spark_answers(spark_backend):
    """A real Spark sums them."""
    table = spark_backend.create_table("answers", pd.DataFrame({"a": [1, 2, 3]}), overwrite=True)
    assert table.a.sum().execute() == 6

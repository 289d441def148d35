"""A Spark session whose Java process dies: the load that was at it says so, and the next load has a session that lives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from tests.conftest import ROOT

# In a process of its own, so that all other tests keep their session.
DIES = """
import sys
from pathlib import Path

from pyspark import SparkContext

from helpers.data import load
from helpers.data.servers import connect_server
from helpers.errors import DataError
from helpers.params import ClientParams

data = {"backend": "pyspark", "connection": {"url_env": "ACME_DB"}, "tables": {"orders": {"from": "log"}}}
params = ClientParams.model_validate({"client": "acme", "name": "Acme", "currency": "GBP", "data": data})
whole = load.keep


def dying(con, name, expression):
    table = whole(con, name, expression)
    SparkContext._gateway.proc.kill()
    SparkContext._gateway.proc.wait()
    return table


def rows():
    # This Spark's catalogue lives in its own memory and dies with it.
    session = connect_server(params.data)._session
    session.sql(f"CREATE TABLE IF NOT EXISTS log USING parquet LOCATION '{sys.argv[1]}'")
    return load.load_tables(params, names=None, expand=lambda path, key: Path(path)).health["orders"].rows_kept


load.keep = dying
try:
    rows()
except DataError as error:
    print("told:", error)
load.keep = whole
print("rows:", rows())
"""
SETTINGS = "spark.master=local[1]&spark.ui.enabled=false&spark.sql.shuffle.partitions=1&spark.driver.host=127.0.0.1&secret=s3cret"


@pytest.mark.full
def test_a_session_that_dies_between_two_steps_is_told_and_the_next_load_has_a_new_one(tmp_path):
    pytest.importorskip("pyspark", reason="the extra `pyspark` is not installed")
    if shutil.which("java") is None:
        pytest.skip("no Java on this machine")
    log = tmp_path / "log.parquet"
    dates = {"ordered_at": ["2024-01-05", "2024-01-06"], "revenue": ["1", "2"]}
    pd.DataFrame({"order_id": ["1", "2"], "customer_id": ["ann", "bob"], **dates}).to_parquet(log, index=False)
    environment = {**os.environ, "ACME_DB": f"pyspark://?{SETTINGS}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DIES, str(log)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "told: data.connection: the connection by the URL in ACME_DB was lost" in done.stdout
    assert "rows: 2" in done.stdout
    assert "s3cret" not in done.stdout

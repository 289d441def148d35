"""One PostgreSQL server and one Spark session for all tests of other engines in a process."""

from __future__ import annotations

import gc
import shutil

import ibis
import pytest

from tests.engines.servers import postgres_programs, postgres_server, spark_session

# Spark's gateway lets go of its sockets without closing them.
SOCKETS = "ignore:Exception ignored in.*socket:pytest.PytestUnraisableExceptionWarning"


# Every query costs Spark a second: CI asks it these, and `make test-full` all.
SPOT_CHECKS = (
    "test_spark_answers",
    "test_spark_gives_what_duckdb_gives[pulse.activity-demo]",
    "test_spark_gives_what_duckdb_gives[clv.histories-demo]",
    "test_rows_are_put_aside_under_the_same_rules[pyspark]",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Let tests of Spark, and no others, leave the gateway's sockets to the collector; most of them are the long form."""
    for item in items:
        if "spark_backend" in getattr(item, "fixturenames", ()) or "[pyspark" in item.name:
            item.add_marker(pytest.mark.filterwarnings(SOCKETS))
            if item.name not in SPOT_CHECKS:
                item.add_marker(pytest.mark.full)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server (`tests.engines.servers.Postgres`); its tests are skipped, visibly, where none is installed."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with postgres_server(programs) as server:
        yield server


@pytest.fixture
def postgres_backend(postgres):
    """A connection of its own to the server."""
    con = ibis.connect(postgres.url)
    yield con
    con.disconnect()


@pytest.fixture
def spark_backend(_spark):
    """Spark as an Ibis backend."""
    yield _spark
    gc.collect()


@pytest.fixture(scope="session")
def _spark(tmp_path_factory):
    """Spark; its tests are skipped, visibly, where pyspark or Java is missing."""
    pytest.importorskip("pyspark", reason="the extra `pyspark` is not installed")
    if shutil.which("java") is None:
        pytest.skip("no Java on this machine")
    with spark_session(tmp_path_factory.mktemp("spark")) as session:
        yield ibis.pyspark.connect(session)

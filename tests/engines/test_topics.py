"""Every topic's engine steps give on PostgreSQL and on Spark what they give on DuckDB."""

from __future__ import annotations

from types import SimpleNamespace

import ibis
import numpy as np
import pytest
from ibis.common.exceptions import OperationNotDefinedError

from helpers.data.demo import make_demo
from tests.engines.same import assert_same
from tests.engines.steps import STEPS, track
from tests.engines.trials import with_trials
from tests.engines.twins import Rows, demo_study, on, overheard, retail_study

# Exact quantiles of a group are no aggregate there: capped metrics wait for a way around it.
QUANTILE = "Compilation rule for 'Quantile' operation is not defined"
LACKING = {("bigquery", step): {QUANTILE} for step in ("ab_test.analyse", "own tests and campaign")}
# All that `track` asks of a model, of a single draw: what is drawn from it is no matter of the engine's.
MODEL = SimpleNamespace(
    process="mbg_nbd",
    level=0.9,
    shares=np.ones(1),
    parameters=lambda: {name: np.array([[value]]) for name, value in {"r": 0.6, "alpha": 60, "a": 0.5, "b": 3}.items()},
)
CLIENTS = ("demo", "online_retail")
steps = pytest.mark.parametrize("step", STEPS)
clients = pytest.mark.parametrize("client", CLIENTS)


@pytest.fixture(scope="module")
def at_home(request, tmp_path_factory):
    """A client's study in DuckDB; it is read once, and so is what each step gives there."""
    studies, known = {}, {}

    def study(client):
        if client not in studies:
            if client == "demo":
                folder = make_demo(tmp_path_factory.mktemp("engines") / "demo", seed=5, customers=700)
                read = demo_study(folder, period="2025-Q4")
            else:
                request.getfixturevalue("public_data")
                read = retail_study(tmp_path_factory.mktemp("engines"), period="2011-Q3")
            studies[client] = on(read, with_trials(read))
        return studies[client]

    def gave(client, step):
        if (client, step) not in known:
            known[client, step] = STEPS[step](study(client))
        return known[client, step]

    return study, gave


@pytest.fixture(scope="module")
def on_postgres(postgres, at_home):
    """A client's study in PostgreSQL; each step is taken there once, and what it asked the server for is kept."""
    con, twins, taken = ibis.connect(postgres.url), {}, {}

    def study(client):
        if client not in twins:
            read = at_home[0](client)
            twins[client] = on(read, Rows.of(read).to_postgres(con))
        return twins[client]

    def gave(client, step):
        if (client, step) not in taken:
            own = study(client)
            with overheard(con) as asked:
                taken[client, step] = STEPS[step](own), asked
        return taken[client, step]

    yield study, gave
    con.disconnect()


@pytest.fixture(scope="module")
def on_spark(_spark, at_home, tmp_path_factory):
    """A client's study in Spark."""
    twins = {}

    def study(client):
        if client not in twins:
            read = at_home[0](client)
            folder = tmp_path_factory.mktemp(client)
            twins[client] = on(read, Rows.of(read).to_spark(_spark, folder))
        return twins[client]

    return study


@clients
@steps
def test_postgresql_gives_what_duckdb_gives(on_postgres, at_home, client, step):
    """All topics, with rows in another order."""
    assert_same(on_postgres[1](client, step)[0], at_home[1](client, step))


@pytest.mark.parametrize("warehouse", ["bigquery", "snowflake", "databricks"])
@steps
def test_warehouses_have_words_for_all_that_is_asked(on_postgres, step, warehouse):
    """No connection is made: expressions are written out as SQL, which nobody runs."""
    _found, asked = on_postgres[1]("demo", step)
    lacking = set()
    for expression in asked:
        try:
            assert ibis.to_sql(expression.unbind(), dialect=warehouse)
        except OperationNotDefinedError as error:
            lacking.add(str(error))
    assert asked
    assert lacking == LACKING.get((warehouse, step), set())


@pytest.mark.usefixtures("spark_backend")
@clients
@steps
def test_spark_gives_what_duckdb_gives(on_spark, at_home, client, step):
    """All topics, with rows in another order."""
    assert_same(STEPS[step](on_spark(client)), at_home[1](client, step))


def test_postgresql_tracks_a_model_as_duckdb_does(on_postgres, at_home):
    """Months, cohorts and the regularity of orders."""
    assert_same(track(on_postgres[0]("demo"), MODEL), track(at_home[0]("demo"), MODEL))


@pytest.mark.usefixtures("spark_backend")
def test_spark_tracks_a_model_as_duckdb_does(on_spark, at_home):
    """Months, cohorts and the regularity of orders."""
    assert_same(track(on_spark("demo"), MODEL), track(at_home[0]("demo"), MODEL))

"""Every topic's engine steps give on PostgreSQL and on Spark what they give on DuckDB."""

from __future__ import annotations

import ibis
import pytest

from helpers import clv
from helpers.clv.topic import Params as ClvParams
from helpers.data.demo import make_demo
from tests.engines.same import assert_same
from tests.engines.steps import STEPS, histories, track
from tests.engines.trials import with_trials
from tests.engines.twins import Rows, demo_study, on, retail_study

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
    """A client's study in PostgreSQL."""
    con, twins = ibis.connect(postgres.url), {}

    def study(client):
        if client not in twins:
            read = at_home[0](client)
            twins[client] = on(read, Rows.of(read).to_postgres(con))
        return twins[client]

    yield study
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


@pytest.fixture(scope="module")
def model(at_home):
    """A purchase model of the demo's customers."""
    study = at_home[0]("demo")
    base = clv.histories(study.orders, as_of=study.end)
    return clv.fit_model(base, settings=ClvParams(tier="fast"), seed=1)


@clients
@steps
def test_postgresql_gives_what_duckdb_gives(on_postgres, at_home, client, step):
    """All topics, with rows in another order."""
    assert_same(STEPS[step](on_postgres(client)), at_home[1](client, step))


@pytest.mark.usefixtures("spark_backend")
@clients
@steps
def test_spark_gives_what_duckdb_gives(on_spark, at_home, client, step):
    """All topics, with rows in another order."""
    assert_same(STEPS[step](on_spark(client)), at_home[1](client, step))


def test_postgresql_tracks_a_model_as_duckdb_does(on_postgres, at_home, model):
    """Months, cohorts and the regularity of orders."""
    assert_same(track(on_postgres("demo"), model), track(at_home[0]("demo"), model))


@pytest.mark.usefixtures("spark_backend")
def test_spark_tracks_a_model_as_duckdb_does(on_spark, at_home, model):
    """Months, cohorts and the regularity of orders."""
    assert_same(track(on_spark("demo"), model), track(at_home[0]("demo"), model))

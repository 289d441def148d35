"""Runs: `valuebook run` on a PostgreSQL server's tables finds, to the last word, what it finds in files of the same rows."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest

from helpers.data.demo import make_demo
from helpers.running.verify import ROUNDING
from tests.conftest import ROOT
from tests.engines.same import NEAR, assert_same
from tests.engines.servers import copy_to_postgres
from tests.running.conftest import World

CANARY = "s3cret-canary"
PERIOD = "2025-Q4"
QUICK = ("pulse", "segmentation")
READ = ("order_lines", "customers", "subscriptions")
# Text in this database is sorted as an English dictionary sorts it, and not by its bytes, as DuckDB does.
DICTIONARY = "CREATE DATABASE shop TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-GB' LOCALE 'C'"
PARAMS = """client: {name}
name: Harbour & Hill
currency: GBP
timezone: Europe/London
data:
  {held}
  tables:
    {tables}
economics: {{margin: 0.4, cac: 20}}
pulse: {{replicates: 200}}
segmentation: {{replicates: 200, clusters: 4}}
"""


def write_params(world, name, *, held, tables):
    """Params of a client whose tables are named."""
    listed = "\n    ".join(f"{table}: {{from: {place}}}" for table, place in tables.items())
    (world.params / f"{name}.yaml").write_text(PARAMS.format(name=name, held=held, tables=listed))


def with_names_of_both_cases(folder):
    """Rewrite the demo so that the order of its customers by bytes is not that of a dictionary."""
    for path in folder.glob("*.parquet"):
        frame = pd.read_parquet(path)
        if "customer_id" in frame:
            odd = frame["customer_id"].str[-1].isin(list("13579"))
            frame["customer_id"] = frame["customer_id"].where(~odd, frame["customer_id"].str.lower())
            frame.to_parquet(path, index=False)


@pytest.fixture(scope="module")
def shop(postgres, tmp_path_factory):
    """Two clients, `home` in files and `away` on the server, which holds the same rows in another order."""
    world = World(tmp_path_factory.mktemp("runs"))
    world.notebooks, world.period = ROOT / "notebooks", PERIOD
    demo = make_demo(world.base / "demo", seed=5, customers=300)
    with_names_of_both_cases(demo)
    write_params(world, "home", held="backend: duckdb", tables={name: demo / f"{name}.parquet" for name in READ})
    server = "backend: postgres\n  connection: {url_env: SHOP_DB}"
    write_params(world, "away", held=server, tables={name: name for name in READ})
    con = ibis.connect(postgres.url)
    con.raw_sql(DICTIONARY).close()
    con.disconnect()
    con, duck = ibis.connect(postgres.url_of("shop")), ibis.duckdb.connect()
    for name in READ:
        shuffled = duck.read_parquet(demo / f"{name}.parquet").order_by(ibis.random())
        copy_to_postgres(con, name, shuffled)
    con.disconnect()
    return world


def run(world, server, *topics):
    """Run topics of both clients."""
    chosen = [part for topic in topics for part in ("--topic", topic)]
    done = world.run("home", "away", *chosen, "--jobs", 2, SHOP_DB=server.url_of("shop", password=CANARY))
    assert done.returncode in {0, 3}, done.stdout + done.stderr
    return done


def assert_both_found_the_same(world, topic, *, near=NEAR):
    """Hold the published findings and tables of `away` against those of `home`."""
    home, away = world.findings("home", topic), world.findings("away", topic)
    assert home["status"] not in {"failed", "skipped"}, home["reason"]
    assert len(home["numbers"]) > 5
    for found in (home, away):
        del found["client"], found["provenance"]
    assert_same(away, home, near=near)
    for name, place in home["tables"].items():
        if place.endswith(".parquet"):
            here, there = (pd.read_parquet(world.reports / client / PERIOD / place) for client in ("home", "away"))
            assert_same(there, here, name, near=near)


def test_a_run_on_a_server_finds_what_a_run_on_files_finds_and_its_password_is_nowhere(shop, postgres):
    done = run(shop, postgres, *QUICK)
    for topic in QUICK:
        assert_both_found_the_same(shop, topic)
    written = [path for path in (*shop.reports.rglob("*"), *(shop.base / "cache").rglob("*")) if path.is_file()]
    assert len(written) > 20
    assert not [path for path in written if CANARY.encode() in path.read_bytes()]
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.full
def test_and_so_does_what_is_fitted_to_it(shop, postgres):
    run(shop, postgres, "clv")
    assert_both_found_the_same(shop, "clv", near=ROUNDING)

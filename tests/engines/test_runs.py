"""Runs: `valuebook run` on a server's tables, or Spark's, finds to the last word what it finds in files of the same rows."""

from __future__ import annotations

import json
import shutil

import ibis
import nbformat
import pandas as pd
import pytest

from helpers.data.demo import make_demo
from helpers.running.verify import ROUNDING
from tests.conftest import ROOT
from tests.engines.metastore import metastore, register
from tests.engines.same import NEAR, assert_same
from tests.engines.servers import copy_to_postgres, postgres_programs, postgres_server
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


def make_world(base, *, backend):
    """Two clients, `home` in files and `away` in tables of a backend; and the tables, whose rows have another order."""
    world = World(base)
    world.notebooks, world.period = ROOT / "notebooks", PERIOD
    demo = make_demo(world.base / "demo", seed=5, customers=300)
    with_names_of_both_cases(demo)
    write_params(world, "home", held="backend: duckdb", tables={name: demo / f"{name}.parquet" for name in READ})
    held = f"backend: {backend}\n  connection: {{url_env: SHOP_DB}}"
    write_params(world, "away", held=held, tables={name: name for name in READ})
    duck = ibis.duckdb.connect()
    return world, {name: duck.read_parquet(demo / f"{name}.parquet").order_by(ibis.random()) for name in READ}


def make_shop(base, server):
    """Both clients, `away` on a PostgreSQL server."""
    world, tables = make_world(base, backend="postgres")
    con = ibis.connect(server.url)
    con.raw_sql(DICTIONARY).close()
    con.disconnect()
    con = ibis.connect(server.url_of("shop"))
    for name, table in tables.items():
        copy_to_postgres(con, name, table)
    con.disconnect()
    return world


@pytest.fixture(scope="module")
def shop(postgres, tmp_path_factory):
    """Clients whose server lives as long as the tests."""
    return make_shop(tmp_path_factory.mktemp("runs"), postgres)


@pytest.fixture
def mortal(tmp_path):
    """Clients whose server a test may kill, and that server."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with postgres_server(programs) as server:
        yield make_shop(tmp_path, server), server


@pytest.fixture
def lake(tmp_path):
    """Both clients, `away` in tables of a metastore that Spark sessions share; and that metastore's URL."""
    pytest.importorskip("pyspark", reason="the extra `pyspark` is not installed")
    if shutil.which("java") is None:
        pytest.skip("no Java on this machine")
    for folder in (tmp_path / "metastore", tmp_path / "lake"):
        folder.mkdir()
    world, tables = make_world(tmp_path, backend="pyspark")
    paths = [tmp_path / "lake" / f"{name}.parquet" for name in tables]
    for path, table in zip(paths, tables.values(), strict=True):
        # Spark knows no nanoseconds, which pandas writes.
        spans = {c: "timestamp(6)" for c, kind in table.schema().items() if kind.is_timestamp()}
        table.cast(spans).to_parquet(path)
    with metastore(tmp_path / "metastore") as url:
        register(url, paths)
        yield world, url


def run(world, server, *topics, how=(), codes=(0, 3)):
    """Run topics of both clients, and look for the server's password in all that the run leaves and says."""
    chosen = [part for topic in topics for part in ("--topic", topic)]
    done = world.run("home", "away", *chosen, *how, "--jobs", 2, SHOP_DB=server.url_of("shop", password=CANARY))
    assert_well(world, done, codes)
    return done


def assert_well(world, done, codes=(0, 3)):
    """A run ended as expected, and has the password nowhere."""
    assert done.returncode in codes, done.stdout + done.stderr
    written = [path for path in (*world.reports.rglob("*"), *(world.base / "cache").rglob("*")) if path.is_file()]
    assert len(written) > 10
    assert not [path for path in written if CANARY.encode() in path.read_bytes()]
    assert CANARY not in done.stdout + done.stderr


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
    run(shop, postgres, *QUICK)
    for topic in QUICK:
        assert_both_found_the_same(shop, topic)


@pytest.mark.full
def test_and_so_does_what_is_fitted_to_it(shop, postgres):
    run(shop, postgres, "clv")
    assert_both_found_the_same(shop, "clv", near=ROUNDING)


@pytest.mark.full
def test_a_run_on_spark_finds_what_a_run_on_files_finds(lake):
    world, url = lake
    topics = (*QUICK, "clv")
    chosen = [part for topic in topics for part in ("--topic", topic)]
    # In a process of its own: its session knows another catalogue than that of all other tests.
    done = world.run_apart("home", "away", *chosen, "--kernel", "warm", SHOP_DB=f"{url}&secret={CANARY}")
    assert_well(world, done)
    for topic in topics:
        assert_both_found_the_same(world, topic, near=NEAR if topic in QUICK else ROUNDING)


def with_a_step_before(world, topic, asked, code):
    """Give the world a copy of a topic's notebook with a cell more, before the one in which something is asked."""
    content = nbformat.read(ROOT / "notebooks" / f"{topic}.ipynb", as_version=4)
    place = next(place for place, cell in enumerate(content.cells) if asked in cell.source)
    content.cells.insert(place, nbformat.v4.new_code_cell(code))
    world.notebooks = world.base / "notebooks"
    nbformat.write(content, world.notebooks / f"{topic}.ipynb")


def assert_nothing_is_half_written(world):
    """Every file of the reports is whole, and none is of the kind that comes before a whole one."""
    files = [path for path in world.reports.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.startswith(".") or path.parent.name.startswith(".run-")]
    for path in files:
        if path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>"), path
        elif path.suffix in {".json", ".ipynb"}:
            json.loads(path.read_text())
        elif path.suffix == ".parquet":
            pd.read_parquet(path)


def test_a_server_that_dies_between_two_steps_ends_one_study_alone_and_the_next_run_completes_it(mortal):
    world, server = mortal
    died = world.base / "died"
    with_a_step_before(
        world,
        "pulse",
        "pulse.cohorts(",
        f"from pathlib import Path\n\ndied = Path({str(died)!r})\nif client == 'away' and not died.exists():\n"
        f"    died.touch()\n    {server.stopping().replace(chr(10), chr(10) + '    ')}",
    )
    done = run(world, server, "pulse", codes=[1])
    lost = "DataError: data.connection: the connection by the URL in SHOP_DB was lost"
    assert world.findings("home")["status"] in {"ok", "warn"}
    failed = world.findings("away")
    assert failed["status"] == "failed"
    assert failed["reason"].startswith(lost)
    assert not failed["numbers"]
    assert not failed["tables"]
    page = (world.reports / "away" / PERIOD / "pulse.html").read_text()
    assert "This report could not be made." in page
    assert lost in page
    assert f"failed: away {PERIOD} pulse: {lost}"[:60] in done.stdout
    assert_nothing_is_half_written(world)

    # While there is no server, what was there stays as it is.
    before = world.record("away")
    done = run(world, server, "pulse", codes=[2])
    assert "away: data.connection: no connection by the URL in SHOP_DB" in done.stderr
    assert world.record("away") == before

    server.start()
    run(world, server, "pulse", how=["--retry-failed"], codes=[0])
    assert_both_found_the_same(world, "pulse")
    assert_nothing_is_half_written(world)

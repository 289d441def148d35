import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import duckdb
import pytest

from helpers.data import engine
from helpers.data.load import load_tables
from helpers.errors import DataError, ParamsError
from helpers.params import Data, expand, load_params

ROOT = Path(__file__).parents[2]
HEAD = "client: acme\nname: Acme\ncurrency: GBP\ndata:\n"


def data(**said):
    return Data.model_validate({"tables": {"orders": {"from": "orders.csv"}}, **said})


def setting(con, name):
    return con.raw_sql(f"SELECT current_setting('{name}')").fetchone()[0]


@pytest.fixture
def spill(tmp_path, monkeypatch):
    """A temporary folder of its own for what engines spill."""
    folder = tmp_path / "spill"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def make_log(path, orders):
    duckdb.sql(
        f"COPY (SELECT 'o' || lpad((i * 7919 % {orders})::VARCHAR, 9, '0') order_id, "  # noqa: S608 - made here
        f"'c' || (i * 31 % ({orders} // 10)) customer_id, "
        f"TIMESTAMP '2023-01-01' + INTERVAL 1 SECOND * (i * 60000000 // {orders}) ordered_at, 1.5 AS revenue "
        f"FROM range({orders}) t(i)) TO '{path}'"
    )


def test_the_engine_keeps_to_the_memory_of_the_params(spill):
    con = engine.connect(data(memory="300MB"), expand=expand)
    assert setting(con, "memory_limit") == "286.1 MiB"


def test_without_a_word_the_engine_takes_half_of_what_its_process_may_hold(spill, monkeypatch):
    monkeypatch.setattr(engine, "allowed_memory", lambda: 3 << 30)
    assert setting(engine.connect(data(), expand=expand), "memory_limit") == "1.5 GiB"


def test_a_process_with_a_limit_of_its_own_may_hold_no_more_than_that():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (6 * 10**8, 6 * 10**8)); "
        "from helpers.data.engine import allowed_memory; print(allowed_memory())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert int(done.stdout) == 6 * 10**8


def test_a_memory_that_is_no_size_is_told(params_folder):
    folder = params_folder("acme", f"{HEAD}  memory: lots\n  tables:\n    orders: {{from: DATA/o.csv}}\n")
    with pytest.raises(ParamsError, match=r"data.memory.*'lots'"):
        load_params("acme", folder=folder)


def test_the_spill_folder_goes_with_its_connection(spill):
    con = engine.connect(data(), expand=expand)
    assert len(list(spill.iterdir())) == 1
    con.disconnect()
    del con
    assert list(spill.iterdir()) == []


def test_what_a_killed_process_spilled_goes_when_the_next_one_connects(spill):
    code = textwrap.dedent("""
        import os, signal
        from helpers.data.engine import connect
        from helpers.params import Data, expand
        con = connect(Data.model_validate({"memory": "60MB", "tables": {"orders": {"from": "orders.csv"}}}), expand=expand)
        con.raw_sql("CREATE TEMP TABLE t AS SELECT hash(i) AS a, hash(i + 1) AS b FROM range(6000000) t(i)")
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    environment = {**os.environ, "TMPDIR": str(spill), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (left,) = spill.iterdir()
    assert {path.name for path in left.iterdir()} > {engine.LOCK}
    con = engine.connect(data(), expand=expand)
    assert not left.exists()
    # A folder whose process lives is left alone.
    engine.sweep()
    assert len(list(spill.iterdir())) == 1
    con.disconnect()


def test_a_full_disk_stops_the_study_with_a_clear_error(spill, params_folder, tmp_path, monkeypatch):
    make_log(tmp_path / "orders.parquet", 1_000_000)
    usual = engine.settings

    def full(memory, *, folder):
        return {**usual(memory, folder=folder), "max_temp_directory_size": "1MB"}

    monkeypatch.setattr(engine, "settings", full)
    folder = params_folder("acme", f"{HEAD}  memory: 30MB\n  tables:\n    orders: {{from: DATA/orders.parquet}}\n")
    with pytest.raises(DataError, match=r"data.tables.orders: there is not enough room .*data.memory.*the disk of"):
        load_tables(load_params("acme", folder=folder), names=None, expand=expand)


WORK = """
import json, re, sys
from datetime import datetime
from pathlib import Path
from helpers.data.customers import customer_states, order_days
from helpers.data.load import load_tables
from helpers.params import ClientParams
source = {"orders": {"from": sys.argv[1]}}
data = {"memory": sys.argv[2], "tables": source}
params = ClientParams.model_validate({"client": "a", "name": "A", "currency": "GBP", "data": data})
tables = load_tables(params, names=("orders",), expand=lambda path, key: Path(path))
states = customer_states(order_days(tables.kept["orders"], as_of=datetime(2026, 1, 1)))
row = states.agg(customers=states.count(), days=(states.x + 1).sum(), revenue=states.total.sum()).execute().iloc[0]
health = tables.health["orders"]
# The peak of this program alone: getrusage would count what its parent held when it was started.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print("\\n" + json.dumps({**{name: float(row[name]) for name in row.index}, "rows": health.rows_kept, "mb": peak}))
"""


@pytest.mark.parametrize(
    ("orders", "memory", "most"),
    [
        (2_000_000, "150MB", 700),
        pytest.param(50_000_000, "1GB", 2000, marks=(pytest.mark.slow, pytest.mark.full)),
    ],
)
def test_orders_that_do_not_fit_into_memory_are_worked_on_by_spilling(tmp_path, spill, orders, memory, most):
    path = tmp_path / "orders.parquet"
    make_log(path, orders)
    environment = {**os.environ, "TMPDIR": str(spill), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WORK, str(path), memory]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    # The engine may have drawn a bar before.
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["rows"] == orders
    assert found["customers"] == orders // 10
    assert found["revenue"] == pytest.approx(1.5 * orders)
    # What Python and its libraries take comes on top of the engine's limit.
    assert found["mb"] < most
    assert list(spill.iterdir()) == []

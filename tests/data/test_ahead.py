"""Tables read ahead are the tables that a notebook would have read itself, and are lent to nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile

import duckdb
import pandas as pd
import pytest

from helpers.data import ahead, engine
from helpers.data.ahead import VARIABLE, ReadAhead
from helpers.data.load import load_tables
from helpers.params import ROOT, expand, load_params

HEAD = "client: acme\nname: Acme\ncurrency: GBP\ndata:\n"
LINES = """order_id,customer_id,ordered_at,product_id,quantity,unit_price
1,a,2024-01-05,x,2,10
1,a,2024-01-05,y,1,5
2,b,2024-02-01,x,many,10
3,,2024-02-03,x,-1,10
3,,2024-02-03,x,-1,10
4,c,2024-03-01,x,1,0
"""
TABLES = f"""{HEAD}  limits: {{quarantine_share: .9}}
  tables:
    order_lines: {{from: DATA/lines.csv}}
    customers: {{from: DATA/customers.csv}}
"""
CUSTOMERS = "customer_id,segment\na,x\nb,\n"


@pytest.fixture
def params(params_folder, tmp_path):
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    return load_params("acme", folder=params_folder("acme", TABLES))


@pytest.fixture
def shelf(params):
    made = ReadAhead()
    made.put(params, load_tables(params, names=None, expand=expand))
    return made


@pytest.mark.parametrize("names", [None, ("orders",), ("order_lines", "customers"), ("orders", "offers")])
def test_what_was_read_ahead_equals_what_is_read_anew(params, shelf, monkeypatch, names):
    anew = load_tables(params, names=names, expand=expand)
    monkeypatch.setenv(VARIABLE, shelf.of("acme")[VARIABLE])
    monkeypatch.setattr("helpers.data.load.read_source", None)  # the files are not looked at
    read = load_tables(params, names=names, expand=expand)
    assert list(read.kept) == list(anew.kept)
    for name, rows in anew.kept.items():
        assert read.kept[name].schema() == rows.schema()
        pd.testing.assert_frame_equal(read.kept[name].execute(), rows.execute())
    assert (read.sha256, read.first, read.last, read.dated) == (anew.sha256, anew.first, anew.last, anew.dated)
    assert list(read.health) == list(anew.health)
    for name, health in anew.health.items():
        pd.testing.assert_frame_equal(read.health[name].quarantine, health.quarantine)
        for part in ("table", "source", "rows_in", "rows_kept", "value_in", "value_kept", "faults", "notes"):
            assert getattr(read.health[name], part) == getattr(health, part)
    assert len(anew.health["order_lines"].faults) == 2


@pytest.mark.parametrize("more", ["timezone: Asia/Ho_Chi_Minh\n", "  memory: 200MB\n"])
def test_tables_are_lent_only_to_the_same_client_with_the_same_params(
    shelf, params_folder, tmp_path, monkeypatch, more
):
    monkeypatch.setenv(VARIABLE, shelf.of("acme")[VARIABLE])
    (tmp_path / "lines.csv").write_text(LINES.replace("2,b,2024-02-01,x,many,10", "2,b,2024-02-01,x,7,10"))
    other = TABLES + more if more.startswith("  ") else more + TABLES
    for params, rows in (
        (("acme", other), 5),
        (("beta", TABLES.replace("client: acme", "client: beta")), 5),
        (("acme", TABLES), 4),
    ):
        found = load_tables(load_params(params[0], folder=params_folder(*params)), names=None, expand=expand)
        assert found.health["order_lines"].rows_kept == rows


def test_where_there_is_no_room_notebooks_read_for_themselves(params, monkeypatch):
    monkeypatch.setattr(ahead, "SHARE_OF_DISK", 1e-15)
    small = ReadAhead()
    small.put(params, load_tables(params, names=None, expand=expand))
    assert small.of("acme") == {}
    assert [path.name for path in small.folder.iterdir()] == [engine.LOCK]


@pytest.mark.parametrize("error", [OSError("No space left"), duckdb.OutOfMemoryException("could not allocate")])
def test_no_room_after_all_leaves_nothing_half_written(params, monkeypatch, error):
    tables = load_tables(params, names=None, expand=expand)
    monkeypatch.setattr(pd.DataFrame, "to_parquet", lambda *_a, **_k: (_ for _ in ()).throw(error))
    shelf = ReadAhead()
    shelf.put(params, tables)
    assert shelf.of("acme") == {}
    assert [path.name for path in shelf.folder.iterdir()] == [engine.LOCK]
    monkeypatch.undo()
    assert tables.kept["orders"].count().execute() == 3


def test_only_its_user_may_enter_and_it_goes_with_the_run():
    shelf = ReadAhead()
    folder = shelf.folder
    assert folder.stat().st_mode & 0o077 == 0
    del shelf
    assert not folder.exists()


def test_what_a_killed_run_left_goes_when_the_next_process_connects(tmp_path, monkeypatch):
    code = "import os, signal; from helpers.data.ahead import ReadAhead; shelf = ReadAhead(); os.kill(os.getpid(), signal.SIGKILL)"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    engine.sweep()
    assert list(tmp_path.iterdir()) == []

"""How the demo's folder comes to be: whole, or not at all."""

import pandas as pd
import pytest

from helpers.data.demo import make, make_demo
from helpers.errors import DataError


def test_a_run_that_breaks_leaves_what_was_there(tmp_path, monkeypatch):
    def broken(folder, **_):
        (folder / "half.parquet").write_bytes(b"")
        raise OSError("disk full")

    before = make_demo(tmp_path / "demo", customers=300)
    monkeypatch.setattr(make, "_write", broken)
    with pytest.raises(OSError, match="disk full"):
        make_demo(tmp_path / "demo", customers=310)
    assert len(pd.read_parquet(before / "customers.parquet")) == 300
    with pytest.raises(OSError, match="disk full"):
        make_demo(tmp_path / "other", customers=310)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_two_runs_at_a_time_leave_one_whole_folder(tmp_path, monkeypatch):
    write = make._write

    def second_while_first(folder, **how):
        monkeypatch.setattr(make, "_write", write)
        make_demo(tmp_path / "demo", **how)
        write(folder, **how)

    monkeypatch.setattr(make, "_write", second_while_first)
    make_demo(tmp_path / "demo", customers=300)
    assert len(pd.read_parquet(tmp_path / "demo/customers.parquet")) == 300
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_folder_with_a_stamp_that_cannot_be_read_is_made_anew(tmp_path):
    folder = make_demo(tmp_path / "demo", customers=300)
    (folder / "version.json").write_text("{", encoding="utf-8")
    (folder / "spend.parquet").unlink()
    make_demo(folder, customers=300)
    assert (folder / "spend.parquet").is_file()


def test_other_peoples_files_are_not_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(DataError, match="not the demo's"):
        make_demo(tmp_path / "mine", customers=300)
    assert (tmp_path / "mine/notes.txt").read_text(encoding="utf-8") == "keep"

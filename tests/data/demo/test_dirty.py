"""The faults of the dirty copy, found by plain reading."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest

from helpers.data.demo import make_dirty


@pytest.fixture(scope="module")
def dirty(demo_data, tmp_path_factory):
    """Rows of the dirty copy as text, its faults, and which lines of the file are not UTF-8."""
    folder = tmp_path_factory.mktemp("faults")
    content = make_dirty(folder, source=demo_data).read_bytes()
    lines, recoded = [], []
    for place, line in enumerate(content.splitlines(keepends=True)):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252"))
            recoded.append(place - 1)
    rows = pd.DataFrame(csv.DictReader(io.StringIO("".join(lines))))
    faults = json.loads((folder / "faults.json").read_text(encoding="utf-8"))
    return rows, faults, rows.index.isin(recoded)


@pytest.fixture(scope="module")
def found(dirty, demo_data):
    """Which rows show each fault."""
    rows, _faults, recoded = dirty
    clean = pd.read_parquet(demo_data / "order_lines.parquet")
    guests = set(clean.loc[clean["customer_id"].isna(), "order_id"])
    return {
        "duplicate_lines": rows.duplicated().to_numpy(),
        "future_dates": rows["ordered_at"].str.startswith("2099").to_numpy(),
        "text_in_number": ~rows["quantity"].str.fullmatch(r"-?\d+").to_numpy(),
        "missing_order_id": (rows["order_id"] == "").to_numpy(),
        "missing_customer_id": ((rows["customer_id"] == "") & ~rows["order_id"].isin(guests)).to_numpy(),
        "mixed_currencies": (rows["currency"] != "GBP").to_numpy(),
        "not_utf8": recoded,
        "time_zones": rows["ordered_at"].str.contains(r"[+]\d\d:\d\d$").to_numpy(),
    }


def test_faults_are_told_to_the_row(dirty, found):
    _rows, faults, _recoded = dirty
    assert {kind: int(shown.sum()) for kind, shown in found.items()} == {
        kind: told["rows"] for kind, told in faults.items()
    }


def test_no_row_shows_two_faults(found):
    assert np.sum(list(found.values()), axis=0).max() == 1


def test_the_orders_a_fault_names_are_the_ones_that_show_it(dirty, found):
    rows, faults, _recoded = dirty
    for kind, told in faults.items():
        shown = set(rows.loc[found[kind], "order_id"])
        if kind == "time_zones":
            assert set(rows.loc[found[kind], "customer_id"]) == set(told["customers"])
        elif kind != "missing_order_id":
            assert shown == set(told["order_ids"]), kind


def test_one_customer_has_times_in_two_zones(dirty, found):
    rows, _faults, _recoded = dirty
    assert set(rows.loc[found["time_zones"], "ordered_at"].str[-6:]) == {"+00:00", "+07:00"}


def test_text_that_is_not_ascii_is_utf8_but_for_the_planted_rows(dirty, found):
    rows, _faults, _recoded = dirty
    foreign = ~rows["description"].str.isascii().to_numpy()
    assert (foreign & ~found["not_utf8"]).sum() > 100
    assert set(rows.loc[found["not_utf8"], "description"]) == {"Café crème"}


def test_a_dirty_copy_is_the_same_for_the_same_seed(demo_data, tmp_path):
    one, other, third = (
        make_dirty(tmp_path / name, source=demo_data, seed=seed).read_bytes()
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == other
    assert one != third

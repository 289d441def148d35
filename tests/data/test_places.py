import gzip

import pandas as pd
import pytest

from helpers.data.load import load_tables
from helpers.data.places import fetched
from helpers.errors import DataError
from helpers.params import expand, load_params

HEAD = "client: acme\nname: Acme\ncurrency: GBP\ndata:\n  tables:\n    "


@pytest.fixture
def load(params_folder):
    def run(tables):
        return load_tables(load_params("acme", folder=params_folder("acme", HEAD + tables)), names=None, expand=expand)

    return run


def part(month, *, rows=2):
    return pd.DataFrame(
        {
            "order_id": [f"{month}-{row}" for row in range(rows)],
            "customer_id": "ann",
            "ordered_at": pd.Timestamp(f"2024-{month}-05"),
            "revenue": 1.5,
        }
    )


def write(frame, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    else:
        frame.to_csv(path, index=False)


def channels(tables):
    frame = tables.kept["orders"].order_by("order_id").execute()
    return dict(zip(frame["order_id"], frame["channel"], strict=True))


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz"])
def test_a_partitioned_folder_is_one_table_and_its_partitions_are_columns(load, tmp_path, suffix):
    for month in ("01", "02"):
        write(part(month), tmp_path / "log" / f"channel={month}" / f"data.{suffix}")
    (tmp_path / "log" / "_SUCCESS").write_text("")
    (tmp_path / "log" / ".hidden.csv").write_text("x")
    tables = load("orders: {from: DATA/log}")
    assert channels(tables) == {"01-0": "01", "01-1": "01", "02-0": "02", "02-1": "02"}
    assert tables.health["orders"].rows_in == 4


def test_a_partition_whose_file_is_not_utf8_keeps_its_column(load, tmp_path):
    for month in ("01", "02"):
        path = tmp_path / "log" / f"channel={month}" / "data.csv"
        write(part(month).assign(customer_id="Zoë"), path)
        path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252"))
    tables = load("orders: {from: DATA/log/*/*.csv}")
    assert set(channels(tables).values()) == {"01", "02"}
    assert tables.kept["orders"].customer_id.execute().unique().tolist() == ["Zoë"]


def test_files_that_gained_a_column_are_read_by_name(load, tmp_path):
    write(part("01"), tmp_path / "log1.csv")
    write(
        part("02").assign(channel="web")[["channel", "revenue", "ordered_at", "order_id", "customer_id"]],
        tmp_path / "log2.csv",
    )
    found = channels(load("orders: {from: DATA/log*.csv}"))
    assert found["02-0"] == "web"
    assert pd.isna(found["01-0"])


def test_a_folder_of_several_formats_is_told(load, tmp_path):
    write(part("01"), tmp_path / "log" / "a.csv")
    write(part("02"), tmp_path / "log" / "b.parquet")
    with pytest.raises(DataError, match=r"data.tables.orders.from: files of several formats"):
        load("orders: {from: DATA/log}")


@pytest.mark.parametrize("place", ["log", "log/**/*.parquet", "log/channel=01/data.parquet"])
def test_files_elsewhere_are_fetched_and_read(load, tmp_path, place):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for month in ("01", "02"):
        path = tmp_path / "here" / f"channel={month}" / "data.parquet"
        write(part(month), path)
        memory.pipe(f"/shop/log/channel={month}/data.parquet", path.read_bytes())
    try:
        tables = load(f"orders: {{from: 'memory://shop/{place}'}}")
    finally:
        memory.rm("/shop", recursive=True)
    assert channels(tables)["01-0"] == "01"
    assert tables.health["orders"].rows_in == (2 if place.endswith("data.parquet") else 4)


def test_a_url_with_nothing_behind_it_is_told(load):
    pytest.importorskip("fsspec")
    with pytest.raises(DataError, match=r"data.tables.orders.from: no file at memory://nowhere/orders.parquet"):
        load("orders: {from: 'memory://nowhere/orders.parquet'}")


def test_a_protocol_without_its_package_is_told_and_a_secret_in_a_url_is_not(tmp_path):
    pytest.importorskip("fsspec")
    with pytest.raises(DataError) as error:
        fetched("nosuch://canary-secret@host/orders.csv", key="data.tables.orders.from", into=tmp_path)
    assert "canary-secret" not in str(error.value)

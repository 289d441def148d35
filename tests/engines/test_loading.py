"""Loading: what a server or Spark holds gives the tables, and the health, that the same rows in files give to DuckDB."""

from datetime import datetime
from pathlib import Path

import ibis
import pandas as pd
import pytest

from helpers.data import load
from helpers.data.customers import customer_states, order_days, with_exposure
from helpers.data.demo import make_demo
from helpers.data.load import load_tables
from helpers.errors import DataError
from helpers.params import ClientParams
from tests.engines.servers import copy_to_postgres

AS_OF = datetime(2025, 7, 1)
RETAIL = {
    "columns": {
        "order_id": "InvoiceNo",
        "customer_id": "CustomerID",
        "ordered_at": "InvoiceDate",
        "product_id": "StockCode",
        "quantity": "Quantity",
        "unit_price": "UnitPrice",
        "description": "Description",
    },
    "cancelled": "InvoiceNo LIKE 'C%'",
    "where": "Country = 'United Kingdom'",
}
# Each row breaks another rule, or only just does not.
DIRTY = [
    ("1", "ann", "2024-01-05 10:00:00", "10.50", "web", "GBP"),
    ("2", " bob ", "2024-01-06", "20", "", "GBP"),
    ("3", "ann", "2024-07-31T23:30:00Z", "-10.50", "web", "GBP"),
    ("4", "", "2024/02/02 08:00", "5e1", "web", "gbp"),
    ("5", "ann", "2024-02-30", "5", "web", "GBP"),
    ("6", "ann", "2024-02-29 23:59:59.5", ".5", "web", "GBP"),
    ("7", "ann", "2023-02-29", "5", "web", "GBP"),
    ("8", "ann", "2024-03-01 10:00:00+07", "1,000", "web", "GBP"),
    ("9", "ann", "2024-03-01 10:00:00+07:00", "7", "web", "EUR"),
    ("10", "ann", "2199-01-01", "7", "web", "GBP"),
    ("11", "ann", "someday", "7", "web", "GBP"),
    ("12", "ann", "2024-03-05", "nan", "web", "GBP"),
    ("13.0", "17850.0", "2024-03-05", "inf", "web", "GBP"),
    ("", "ann", "2024-03-05", "1", "web", "GBP"),
    ("14", "ann", "2024-03-05", "", "web", "GBP"),
    ("15.0", "17850.0", "2024-03-05", "+1.", "web", "GBP"),
    ("16", "eve", "2024-03-06", "4", "web", "GBP"),
    ("16", "eve", "2024-03-06", "4", "web", "GBP"),
    ("17", "eve", "2024-03-06", "4", "web", "GBP"),
    ("17", "eve", "2024-03-07", "4", "web", "GBP"),
    ("18", "eve", "2024-07-31 23:30:00 UTC", "4", "web", "GBP"),
    ("19", "eve", "2024-07-31 23:30:00.5 GMT", "4", "web", "GBP"),
    ("20", "eve", "2024-07-31 23:30:00 -0500", "4", "web", "GBP"),
    ("21", "eve", "2024-07-31 23:30:00 Europe/London", "4", "web", "GBP"),
    ("22", "eve", "2024-07-31 11:30 PM", "4", "web", "GBP"),
]
NAMES = ["order_id", "customer_id", "ordered_at", "revenue", "channel", "currency"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("demo") / "demo", customers=400)


@pytest.fixture(params=["postgres", "pyspark"])
def engine(request, monkeypatch, tmp_path):
    """Put tables of DuckDB into a server: `engine.put(name, table)`, and load them: `engine.load(tables)`."""
    backend = request.getfixturevalue({"postgres": "postgres_backend", "pyspark": "spark_backend"}[request.param])
    url = request.getfixturevalue("postgres").url if request.param == "postgres" else "pyspark://"
    monkeypatch.setenv("ACME_DB", url)
    engine = Engine(backend, request.param, tmp_path)
    yield engine
    for name in engine.made:
        backend.raw_sql(f"DROP TABLE {name}")


class Engine:
    def __init__(self, con, name, folder):
        self.con, self.name, self.folder, self.made = con, name, folder, []

    def put(self, name, table):
        self.made.append(name)
        if self.name == "postgres":
            copy_to_postgres(self.con, name, table)
            return
        # Spark does not know the nanoseconds that pandas writes.
        table = table.cast({c: "timestamp(6)" for c, kind in table.schema().items() if kind.is_timestamp()})
        table.to_parquet(self.folder / f"{name}.parquet")
        self.con._session.read.parquet(str(self.folder / f"{name}.parquet")).write.saveAsTable(name)

    def load(self, tables, **data):
        return loaded(tables, backend=self.name, connection={"url_env": "ACME_DB"}, **data)


def loaded(tables, **data):
    said = {"client": "acme", "name": "Acme", "currency": "GBP", "timezone": "Europe/London"}
    data = {"tables": tables, "limits": {"quarantine_share": 1.0}, **data}
    return load_tables(
        ClientParams.model_validate({**said, "data": data}), names=None, expand=lambda path, key: Path(path)
    )


def texts(table):
    return table.select(**{column: table[column].cast("string") for column in table.columns})


def frame(table, columns=None):
    found = table.select(*(columns or table.columns)).execute()
    for column in found.columns:
        if pd.api.types.is_datetime64_any_dtype(found[column]):
            found[column] = found[column].astype("datetime64[us]")
    return found.sort_values(list(found.columns)).reset_index(drop=True)


def customers(tables):
    days = order_days(tables.kept["orders"], as_of=AS_OF)
    return frame(with_exposure(customer_states(days, channel="channel" in days.columns), as_of=AS_OF))


def assert_same(found, expected, *, typed=True):
    assert found.kept.keys() == expected.kept.keys()
    assert (found.first, found.last) == (expected.first, expected.last)
    for name, kept in expected.kept.items():
        assert sorted(found.kept[name].columns) == sorted(kept.columns)
        # What the contract does not name is handed on as it came.
        columns = [c for c in kept.columns if typed or name not in load.TABLES or c in load.TABLES[name].columns]
        same(frame(found.kept[name], columns), frame(kept, columns))
    for name, health in expected.health.items():
        other = found.health[name]
        assert [(f.rule, f.rows) for f in other.faults] == [(f.rule, f.rows) for f in health.faults]
        assert money(other) == pytest.approx(money(health), rel=1e-9, abs=1e-9)
        assert (other.rows_in, other.rows_kept, other.notes) == (health.rows_in, health.rows_kept, health.notes)
        columns = [column for column in health.quarantine if column != "row"]
        put_aside = [h.quarantine[columns].fillna("").sort_values(columns).to_numpy().tolist() for h in (other, health)]
        assert not typed or put_aside[0] == put_aside[1]
    if "orders" in expected.kept:
        same(customers(found), customers(expected))


def money(health):
    return [value or 0.0 for value in (health.value_in, health.value_kept, *(fault.value for fault in health.faults))]


def same(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-9)


def test_the_demos_tables_are_what_duckdb_makes_of_them(engine, demo):
    duck, paths = ibis.duckdb.connect(), {path.stem: path for path in sorted(demo.glob("*.parquet"))}
    for name, path in paths.items():
        engine.put(name, duck.read_parquet(path))
    found = engine.load({name: {"from": name} for name in paths})
    assert_same(found, loaded({name: {"from": str(path)} for name, path in paths.items()}))


def test_and_so_are_they_where_the_server_holds_everything_as_text(engine, demo):
    duck, names = ibis.duckdb.connect(), ["order_lines", "customers", "subscriptions", "spend"]
    for name in names:
        engine.put(f"{name}_text", texts(duck.read_parquet(demo / f"{name}.parquet")))
    found = engine.load({name: {"from": f"{name}_text"} for name in names})
    assert_same(found, loaded({name: {"from": str(demo / f"{name}.parquet")} for name in names}), typed=False)


def test_rows_are_put_aside_under_the_same_rules(engine, tmp_path):
    pd.DataFrame(DIRTY, columns=NAMES).to_csv(tmp_path / "dirty.csv", index=False)
    engine.put("dirty", ibis.duckdb.connect().read_csv(tmp_path / "dirty.csv", all_varchar=True))
    expected = loaded({"orders": {"from": str(tmp_path / "dirty.csv")}})
    assert len(expected.health["orders"].faults) > 6
    assert_same(engine.load({"orders": {"from": "dirty"}}), expected)


def test_orders_of_lines_that_came_back_later_or_were_cancelled_are_those_of_duckdb(engine, tmp_path):
    lines = [
        ("A", "ann", "2024-12-20 10:00", "p", "2", "50", "paid"),
        ("A", "ann", "2025-01-10", "p", "-1", "50", "paid"),
        ("A", "ann", "2025-01-10 09:00", "q", "-1", "50", "paid"),
        ("B", "bob", "2024-12-21", "p", "2", "50", "paid"),
        ("B", "bob", "2024-12-21", "q", "1", "9", "Void"),
        ("C", "bob", "2024-12-22", "p", "1", "9", "void"),
        ("D", "eve", "2024-12-23", "p", "3", "9", ""),
        ("D", "eve", "2024-12-23", "q", "-1", "9", "cancelled"),
    ]
    columns = ["order_id", "customer_id", "ordered_at", "product_id", "quantity", "unit_price", "status"]
    pd.DataFrame(lines, columns=columns).to_csv(tmp_path / "lines.csv", index=False)
    engine.put("lines", ibis.duckdb.connect().read_csv(tmp_path / "lines.csv", all_varchar=True))
    expected = loaded({"order_lines": {"from": str(tmp_path / "lines.csv")}})
    assert sorted(expected.kept["orders"].order_id.execute()) == ["A", "A@2025-01-10", "B", "C", "D"]
    assert_same(engine.load({"order_lines": {"from": "lines"}}), expected)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("%d.%m.%Y", ["05.01.2024", "31.4.2024", "2024-01-05", "29.02.2024"]),
        ("%Y%m%d", ["20240105", "20240230", "1", "19970131"]),
        ("%m/%d/%y %H:%M", ["1/5/24 7:05", "12/31/99 23:59", "13/1/24 0:00", "1/5/24"]),
    ],
)
def test_moments_are_read_by_a_format(engine, tmp_path, form, said):
    rows = [(str(place), "ann", moment, "1") for place, moment in enumerate(said)]
    pd.DataFrame(rows, columns=NAMES[:4]).to_csv(tmp_path / "log.csv", index=False)
    engine.put("log", ibis.duckdb.connect().read_csv(tmp_path / "log.csv", all_varchar=True))
    source = {"formats": {"ordered_at": form}}
    expected = loaded({"orders": {"from": str(tmp_path / "log.csv"), **source}})
    assert_same(engine.load({"orders": {"from": "log", **source}}), expected)


@pytest.mark.data
@pytest.mark.parametrize("as_text", [False, pytest.param(True, marks=pytest.mark.full)])
def test_online_retail_is_what_duckdb_makes_of_it(engine, public_data, as_text):
    path = public_data / "online_retail" / "online_retail.parquet"
    raw = ibis.duckdb.connect().read_parquet(path)
    engine.put("retail", texts(raw) if as_text else raw)
    found = engine.load({"order_lines": {"from": "retail", **RETAIL}})
    # A number that is text on the server is put aside as it was written there, 0.0 for 0.
    assert_same(found, loaded({"order_lines": {"from": str(path), **RETAIL}}), typed=not as_text)


@pytest.mark.parametrize("after", ["vb_orders_said", "vb_orders"])
def test_a_server_that_goes_away_is_told_and_the_study_can_be_run_again(postgres, monkeypatch, after):
    url = postgres.url.replace("valuebook@", "valuebook:s3cret@")
    monkeypatch.setenv("ACME_DB", url)
    with_rows = ibis.connect(url)
    with_rows.create_table("log", pd.DataFrame([DIRTY[0]], columns=NAMES))
    with_rows.disconnect()
    whole = load.keep

    def kept(con, name, expression):
        table = whole(con, name, expression)
        if name == after:
            postgres.stop()
        return table

    tables = {"orders": {"from": "log"}}
    server = {"backend": "postgres", "connection": {"url_env": "ACME_DB"}}
    with monkeypatch.context() as patched:
        patched.setattr(load, "keep", kept)
        with pytest.raises(DataError, match=r"data.connection: the connection by the URL in ACME_DB was lost") as told:
            loaded(tables, **server)
    assert "s3cret" not in str(told.value)
    with pytest.raises(DataError, match=r"data.connection: no connection by the URL in ACME_DB"):
        loaded(tables, **server)
    postgres.start()
    assert loaded(tables, **server).health["orders"].rows_kept == 1
    again = ibis.connect(url)
    again.raw_sql("DROP TABLE log")
    again.disconnect()


def test_a_url_of_another_backend_is_told(postgres, monkeypatch):
    monkeypatch.setenv("ACME_DB", postgres.url)
    with pytest.raises(DataError, match=r"data.backend == 'mysql', but the URL in ACME_DB is one of postgres"):
        loaded({"orders": {"from": "log"}}, backend="mysql", connection={"url_env": "ACME_DB"})

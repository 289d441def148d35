import gzip
from datetime import UTC, datetime

import duckdb
import pandas as pd
import pytest

from helpers.data.load import load_tables
from helpers.errors import DataError, ParamsError
from helpers.params import expand, load_params

HEAD = "client: acme\nname: Acme\ncurrency: GBP\ntimezone: Europe/London\n"
CSV = """order_id,customer_id,ordered_at,revenue
1,ann,2024-01-05 10:00:00,10.50
2,bob,2024-01-06,20
3,ann,2024-02-01T23:30:00Z,-10.50
4,,2024-02-02 08:00,5
"""


@pytest.fixture
def load(params_folder):
    def run(tables, **files):
        folder = params_folder(
            "acme", f"{HEAD}data:\n  limits: {{quarantine_share: 0.9}}\n  tables:\n    {tables}\n", **files
        )
        return load_tables(load_params("acme", folder=folder), names=None, expand=expand)

    return run


def rows(table):
    return table.order_by("order_id").execute()


def test_a_csv_of_orders_is_typed_and_its_kinds_are_told(load):
    tables = load("orders: {from: DATA/orders.csv}", orders__csv=CSV)
    frame = rows(tables.kept["orders"])
    assert list(frame["revenue"]) == [10.5, 20, -10.5, 5]
    assert list(frame["kind"]) == ["order", "order", "refund", "order"]
    assert frame["customer_id"].isna().tolist() == [False, False, False, True]
    assert (str(tables.first), str(tables.last)) == ("2024-01-05", "2024-02-02")
    health = tables.health["orders"]
    assert (health.rows_in, health.rows_kept, health.value_in) == (4, 4, 25.0)
    assert {note.id: note.rows for note in health.notes}["guests"] == 1


@pytest.mark.parametrize("form", ["tsv", "semicolon", "blanks", "gzip", "parquet", "excel", "utf16"])
def test_every_format_gives_the_same_orders(load, tmp_path, form):
    frame = pd.DataFrame(
        {
            "order_id": ["1", "2"],
            "customer_id": ["ann", "bob"],
            "ordered_at": ["2024-01-05", "2024-01-06"],
            "revenue": ["10.5", "20"],
        }
    )
    text = frame.to_csv(index=False)
    sources = {
        "tsv": ("orders.tsv", text.replace(",", "\t").encode()),
        "semicolon": ("orders.csv", text.replace(",", ";").encode()),
        "blanks": ("orders.txt", text.replace(",", "   ").encode()),
        "gzip": ("orders.csv.gz", gzip.compress(text.encode())),
        "utf16": ("orders.csv", text.encode("utf-16")),
        "parquet": ("orders.parquet", None),
        "excel": ("orders.xlsx", None),
    }
    name, content = sources[form]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    elif form == "parquet":
        frame.astype({"revenue": float, "ordered_at": "datetime64[us]"}).to_parquet(tmp_path / name)
    else:
        frame.astype({"revenue": float, "order_id": int, "ordered_at": "datetime64[us]"}).to_excel(
            tmp_path / name, index=False, engine="xlsxwriter"
        )
    extra = ", format: blanks" if form == "blanks" else ""
    found = rows(load(f"orders: {{from: DATA/{name}{extra}}}").kept["orders"])
    assert found["order_id"].tolist() == ["1", "2"]
    assert found["revenue"].tolist() == [10.5, 20.0]
    assert found["ordered_at"].tolist() == [pd.Timestamp("2024-01-05"), pd.Timestamp("2024-01-06")]


def test_a_duckdb_file_is_read_and_not_written(params_folder, tmp_path):
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(
            "CREATE TABLE sales AS SELECT 'o1' order_id, 'ann' customer_id, TIMESTAMP '2024-01-05' ordered_at, 3.5 revenue"
        )
    before = path.read_bytes()
    text = f"{HEAD}data:\n  connection: {{path: {path}}}\n  tables:\n    orders: {{from: sales}}\n"
    params = load_params("acme", folder=params_folder("acme", text))
    assert rows(load_tables(params, names=None, expand=expand).kept["orders"])["revenue"].tolist() == [3.5]
    assert path.read_bytes() == before


def test_several_files_of_a_glob_are_one_table(load):
    second = CSV.replace("\n1,", "\n11,").replace("\n2,", "\n12,").replace("\n3,", "\n13,").replace("\n4,", "\n14,")
    tables = load("orders: {from: DATA/part*.csv}", part1__csv=CSV, part2__csv=second)
    assert tables.health["orders"].rows_in == 8
    assert tables.health["orders"].rows_kept == 8


def test_times_with_an_offset_are_moved_to_the_clients_zone(load):
    text = CSV.replace("2024-02-01T23:30:00Z", "2024-07-31T23:30:00Z")
    frame = rows(load("orders: {from: DATA/orders.csv}", orders__csv=text).kept["orders"])
    assert frame["ordered_at"].iloc[2] == datetime(2024, 8, 1, 0, 30)


@pytest.mark.parametrize("ending", [" UTC", " GMT", "UTC", "Z", " Z", "+00:00", " +0000", "+00", ".000 UTC"])
def test_utc_by_any_of_its_names_is_an_offset_of_zero(load, ending):
    text = CSV.replace("2024-02-01T23:30:00Z", f"2024-07-31 23:30:00{ending}")
    tables = load("orders: {from: DATA/orders.csv}", orders__csv=text)
    assert rows(tables.kept["orders"])["ordered_at"].iloc[2] == datetime(2024, 8, 1, 0, 30)
    assert tables.health["orders"].faults == ()


@pytest.mark.parametrize("ending", [" Europe/London", " EST", " Etc/GMT+7", " GMT+0700", " PM", " +07 UTC"])
def test_a_time_with_another_zones_name_is_put_aside_and_not_taken_as_local(load, ending):
    text = CSV.replace("2024-02-01T23:30:00Z", f"2024-07-31 11:30:00{ending}")
    health = load("orders: {from: DATA/orders.csv}", orders__csv=text).health["orders"]
    assert [(fault.rule, fault.offenders) for fault in health.faults] == [
        ("orders.ordered_at.type", (f"3: 2024-07-31 11:30:00{ending}",))
    ]


def test_columns_are_mapped_and_rows_chosen(load):
    text = 'No,Who,When,Sum,Country\n1,ann,05.01.2024,"1.234,50",UK\n2,bob,06.01.2024,"20",FR\n'
    tables = load(
        "orders: {from: DATA/orders.csv, columns: {order_id: No, customer_id: Who, ordered_at: When, revenue: Sum}, "
        "formats: {ordered_at: '%d.%m.%Y'}, decimal: ',', where: \"Country = 'UK'\"}",
        orders__csv=text,
    )
    frame = rows(tables.kept["orders"])
    assert frame["revenue"].tolist() == [1234.5]
    assert frame["ordered_at"].tolist() == [pd.Timestamp("2024-01-05")]


def test_blanks_around_a_text_are_no_part_of_it_and_a_number_read_as_a_fraction_is_whole(load, tmp_path):
    frame = pd.DataFrame(
        {
            "order_id": [" 1", "2\t", "\n3\r", "4 4", "5.0"],
            "customer_id": [17850.0, 17850.5, None, 12.0, 3.0],
            "ordered_at": pd.to_datetime(["2024-01-05"] * 5).astype("datetime64[us]"),
            "revenue": [1, 2, 3, 4, 5],
            "channel": ["", "  ", "web ", "web", None],
        }
    )
    frame.to_parquet(tmp_path / "orders.parquet")
    found = rows(load("orders: {from: DATA/orders.parquet}").kept["orders"])
    assert found["order_id"].tolist() == ["1", "2", "3", "4 4", "5"]
    assert found["customer_id"].fillna("").tolist() == ["17850", "17850.5", "", "12", "3"]
    assert found["channel"].fillna("").tolist() == ["", "", "web", "web", ""]


LINES = """order_id,customer_id,ordered_at,product_id,quantity,unit_price
1,ann,2024-01-05,a,2,10
1,ann,2024-01-05,b,1,5
C2,ann,2024-01-09,a,-2,10
3,bob,2024-01-10,a,-1,4
4,bob,2024-01-11,a,3,0
"""


def test_orders_are_derived_from_lines(load):
    tables = load("order_lines: {from: DATA/lines.csv, cancelled: \"order_id LIKE 'C%'\"}", lines__csv=LINES)
    frame = rows(tables.kept["orders"]).set_index("order_id")
    assert frame["revenue"].to_dict() == {"1": 25, "3": -4, "4": 0, "C2": -20}
    assert frame["kind"].to_dict() == {"1": "order", "3": "refund", "4": "order", "C2": "cancelled"}
    notes = {note.id: note.rows for note in tables.health["order_lines"].notes}
    assert notes == {"cancelled": 1, "returns": 1, "free": 1}


def test_what_a_cancelled_order_would_have_brought_is_no_revenue(load):
    text = "order_id,customer_id,ordered_at,revenue,status\n1,ann,2024-01-05,10,paid\n2,ann,2024-01-06,99,Cancelled\n"
    frame = rows(load("orders: {from: DATA/orders.csv}", orders__csv=text).kept["orders"])
    assert frame["kind"].tolist() == ["order", "cancelled"]
    assert frame["revenue"].tolist() == [10, 0]


def test_rows_that_break_the_contract_are_put_aside_and_add_up(load):
    text = (
        CSV
        + "5,ann,2099-01-01,1\n6,ann,2024-01-01,n/a\n,ann,2024-01-01,4\n7,ann,someday,2\n"
        + "1,ann,2024-01-05 10:00:00,10.50\n2,eve,2024-01-06,7\n"
    )
    health = load("orders: {from: DATA/orders.csv}", orders__csv=text).health["orders"]
    found = {fault.rule.removeprefix("orders."): fault.rows for fault in health.faults}
    assert found == {
        "ordered_at.future": 1,
        "revenue.type": 1,
        "order_id.missing": 1,
        "ordered_at.type": 1,
        "row.duplicate": 1,
        "order_id.duplicate": 1,
    }
    assert health.rows_kept + health.rows_quarantined == health.rows_in == 10
    assert health.value_kept + sum(fault.value for fault in health.faults) == pytest.approx(health.value_in, abs=1e-9)
    assert len(health.quarantine) == 6
    assert health.quarantine.set_index("rule").loc["revenue.type", "revenue"] == "n/a"
    assert "6: n/a" in {offender for fault in health.faults for offender in fault.offenders}


def test_too_many_bad_rows_stop_the_study(params_folder):
    text = "order_id,customer_id,ordered_at,revenue\n1,a,2024-01-01,1\n2,b,2024-01-01,x\n3,c,2024-01-01,y\n"
    params = f"{HEAD}data:\n  tables:\n    orders: {{from: DATA/orders.csv}}\n"
    loaded = load_params("acme", folder=params_folder("acme", params, orders__csv=text))
    with pytest.raises(
        DataError, match=r"2 of 3 rows .*quarantine_share is 0.3.*orders.revenue.type 2 rows \(row 2: x, row 3: y\)"
    ):
        load_tables(loaded, names=None, expand=expand)


@pytest.mark.parametrize(
    ("tables", "files", "told"),
    [
        ("orders: {from: DATA/gone.csv}", {}, "data.tables.orders.from: no file at .*gone.csv"),
        ("orders: {from: DATA/o.csv}", {"o__csv": "order_id,customer_id,ordered_at,revenue\n"}, "has no rows"),
        (
            "orders: {from: DATA/o.csv}",
            {"o__csv": "order_id,customer,ordered_at,revenue\n1,a,2024-01-01,2\n"},
            "has no customer_id; map",
        ),
        (
            "orders: {from: DATA/o.csv, columns: {revenue: Totl}}",
            {"o__csv": "order_id,customer_id,ordered_at,Total\n1,a,2024-01-01,2\n"},
            "did you mean 'Total'",
        ),
        ("orders: {from: DATA/o.bin}", {"o__bin": "x"}, "cannot tell the format of o.bin"),
        ("orders: {from: DATA/o.parquet}", {"o__parquet": "no parquet"}, "cannot be read as parquet"),
        ("orders: {from: DATA/o.xlsx}", {"o__xlsx": "no workbook"}, "cannot be read as excel"),
        (
            "orders: {from: DATA/o.csv, where: 'revenue >'}",
            {"o__csv": CSV},
            "data.tables.orders.where: .* is no SQL condition",
        ),
        ("orders: {from: DATA/o.csv, where: '1=1; DROP TABLE x'}", {"o__csv": CSV}, "is no SQL condition"),
        ("orders: {from: DATA/o.csv, where: 'Land = 1'}", {"o__csv": CSV}, "no column Land"),
    ],
)
def test_a_source_that_cannot_be_used_is_named_with_its_key(load, tables, files, told):
    with pytest.raises(DataError, match=told):
        load(tables, **files)


def test_a_secret_url_is_read_from_the_environment_and_never_repeated(params_folder, monkeypatch):
    text = f"{HEAD}data:\n  backend: postgres\n  connection: {{url_env: ACME_DB}}\n  tables:\n    orders: {{from: orders}}\n"
    params = load_params("acme", folder=params_folder("acme", text))
    monkeypatch.delenv("ACME_DB", raising=False)
    with pytest.raises(DataError, match="environment variable ACME_DB is not set"):
        load_tables(params, names=None, expand=expand)
    monkeypatch.setenv("ACME_DB", "nosuch://user:canary-secret@host/db")
    with pytest.raises(DataError) as error:
        load_tables(params, names=None, expand=expand)
    assert "canary-secret" not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.data
def test_cdnow_has_its_known_totals(public_data, monkeypatch):
    monkeypatch.setenv("VALUEBOOK_DATA", str(public_data))
    params = load_params("cdnow", folder=expand("params/examples", key=""))
    tables = load_tables(params, names=("orders",), expand=expand)
    health, orders = tables.health["orders"], tables.kept["orders"]
    assert (health.rows_in, health.rows_quarantined) == (69_659, 0)
    assert health.value_kept == pytest.approx(2_500_315.63, abs=0.005)
    assert orders.customer_id.nunique().execute() == 23_570
    assert (str(tables.first), str(tables.last)) == ("1997-01-01", "1998-06-30")


@pytest.mark.data
def test_online_retail_adds_up_to_the_row_and_the_cent(public_data, monkeypatch):
    monkeypatch.setenv("VALUEBOOK_DATA", str(public_data))
    params = load_params("online_retail", folder=expand("params/examples", key=""))
    health = load_tables(params, names=("orders",), expand=expand).health["order_lines"]
    notes = {note.id: note.rows for note in health.notes}
    assert health.rows_kept + health.rows_quarantined == health.rows_in == 541_909
    assert health.value_in == pytest.approx(9_747_747.934, abs=0.005)
    assert health.value_kept + sum(fault.value for fault in health.faults) == pytest.approx(9_747_747.934, abs=0.005)
    assert notes["cancelled"] == 9_288
    assert notes["guests"] == 135_080


TEST = "id,arm,spend\n7,a,1.5\n8,b,\n9,a,2\n"


def test_a_file_of_one_test_gets_its_name_and_its_ids(load):
    source = "experiments: {from: DATA/test.csv, columns: {variant: arm}, generate: {experiment: mail, unit_id: row}}"
    tables = load(source, test__csv=TEST)
    frame = tables.kept["experiments"].order_by("unit_id").execute()
    assert frame["experiment"].unique().tolist() == ["mail"]
    assert frame["unit_id"].tolist() == ["1", "2", "3"]
    assert frame["variant"].tolist() == ["a", "b", "a"]
    # Without any date, all that is known is the day on which it was read.
    assert tables.first == tables.last
    assert abs((tables.last - datetime.now(UTC).date()).days) <= 1


def test_a_client_of_tests_alone_has_the_days_of_their_assignments(load):
    text = "experiment,unit_id,variant,assigned_at\nt,1,a,2024-03-01\nt,2,b,2024-03-09\n"
    tables = load("experiments: {from: DATA/test.csv}", test__csv=text)
    assert (str(tables.first), str(tables.last)) == ("2024-03-01", "2024-03-09")


def test_a_rule_that_makes_no_ids_is_told(load):
    with pytest.raises(ParamsError, match="unit_id == 'customer_day', must be row"):
        load("experiments: {from: DATA/test.csv, generate: {unit_id: customer_day}}", test__csv=TEST)

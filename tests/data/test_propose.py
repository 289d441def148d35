import pandas as pd
import pytest
import yaml

from helpers.data.load import load_tables
from helpers.data.propose import moment_format, propose
from helpers.errors import DataError, ParamsError
from helpers.params import expand, load_params
from helpers.running.new import write_params


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["2024-01-05", "2024-12-31 23:59"], ""),
        (["19970101", "19980630"], "%Y%m%d"),
        (["31/12/2024 08:26", "01/02/2024 10:00"], "%d/%m/%Y %H:%M"),
        (["12/31/2024", "02/01/2024"], "%m/%d/%Y"),
        (["31.12.2024"], "%d.%m.%Y"),
        (["hello"], None),
        ([], None),
    ],
)
def test_the_way_dates_are_written_is_found_out(values, form):
    assert moment_format(pd.Series(values, dtype="string")) == form


def test_a_log_of_lines_is_recognised_with_its_cancellations():
    frame = pd.DataFrame(
        {
            "InvoiceNo": ["536365", "536366", "536367", "C536379"],
            "StockCode": ["85123A", "71053", "84406B", "D"],
            "Description": ["HEART", "LANTERN", "COAT HANGER", "Discount"],
            "Quantity": ["6", "6", "8", "-1"],
            "InvoiceDate": ["2010-12-01 08:26:00"] * 4,
            "UnitPrice": ["2.55", "3.39", "2.75", "27.5"],
            "CustomerID": ["17850", "17850", "13047", "14527"],
            "Country": ["United Kingdom"] * 4,
        }
    )
    found = propose(frame, name="log.csv")
    assert found.table == "order_lines"
    assert found.source["columns"] == {
        "order_id": "InvoiceNo",
        "customer_id": "CustomerID",
        "ordered_at": "InvoiceDate",
        "product_id": "StockCode",
        "quantity": "Quantity",
        "unit_price": "UnitPrice",
        "description": "Description",
    }
    assert found.source["cancelled"] == "InvoiceNo LIKE 'C%'"


def test_decimal_commas_and_the_currency_are_found_out():
    frame = pd.DataFrame(
        {
            "order number": ["1", "2"],
            "client": ["a", "b"],
            "date": ["31.12.2024", "30.12.2024"],
            "total": ["1.234,50", "20,00"],
            "currency": ["EUR", "EUR"],
        }
    )
    found = propose(frame, name="log.csv")
    assert (found.source["decimal"], found.currency) == (",", "EUR")
    assert found.source["formats"] == {"ordered_at": "%d.%m.%Y"}


def test_a_log_without_dates_says_what_is_not_found():
    with pytest.raises(DataError, match="no column looks like ordered_at"):
        propose(
            pd.DataFrame({"customer_id": ["1", "2"], "order_id": ["x", "y"], "revenue": ["1.5", "2.5"]}), name="log.csv"
        )


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text("Order ID;Customer;Date;Total\n1;ann;2024-01-05;10.5\n2;bob;2024-01-06;20\n3;ann;2024-01-07;5\n")
    return path


def test_new_writes_params_that_load(tmp_path, log):
    written = write_params("acme", orders=log, folder=tmp_path)
    params = load_params("acme", folder=tmp_path)
    tables = load_tables(params, names=None, expand=expand)
    assert tables.health["orders"].value_kept == 35.5
    assert any("currency" in line for line in written.said)


def test_new_never_overwrites(tmp_path, log):
    write_params("acme", orders=log, folder=tmp_path)
    before = (tmp_path / "acme.yaml").read_text()
    with pytest.raises(ParamsError, match="is there already"):
        write_params("acme", orders=log, folder=tmp_path)
    assert (tmp_path / "acme.yaml").read_text() == before


@pytest.mark.parametrize("name", ["../evil", "Upper", "defaults"])
def test_new_takes_no_name_that_is_a_path(tmp_path, log, name):
    with pytest.raises(ParamsError, match="client =="):
        write_params(name, orders=log, folder=tmp_path)


def test_new_says_that_there_is_no_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        write_params("acme", orders=tmp_path / "gone.csv", folder=tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("cdnow/CDNOW_master.txt", {"customer_id": "customer_id", "ordered_at": "date", "revenue": "dollar_value"}),
        (
            "online_retail/online_retail.parquet",
            {"order_id": "InvoiceNo", "customer_id": "CustomerID", "ordered_at": "InvoiceDate", "quantity": "Quantity"},
        ),
    ],
)
def test_real_logs_are_mapped_without_a_question(public_data, tmp_path, name, columns):
    written = write_params("acme", orders=public_data / name, folder=tmp_path)
    (source,) = yaml.safe_load(written.path.read_text())["data"]["tables"].values()
    assert columns.items() <= source["columns"].items()

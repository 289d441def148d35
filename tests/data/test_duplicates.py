import duckdb
import numpy as np
import pandas as pd
import pytest

from helpers.data.load import load_tables
from helpers.params import expand, load_params

HEAD = "client: acme\nname: Acme\ncurrency: GBP\ndata:\n  limits: {quarantine_share: 1.0}\n  tables:\n    "
LINES = ["order_id", "customer_id", "ordered_at", "product_id", "quantity", "unit_price"]


@pytest.fixture
def load(params_folder, tmp_path):
    def run(tables):
        return load_tables(load_params("acme", folder=params_folder("acme", HEAD + tables)), names=None, expand=expand)

    return run


def dirty(seed, n=400):
    """Orders of which many repeat another one, in all or in the key alone, and some are broken besides."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "order_id": rng.integers(0, 300, n).astype(str),
            "customer_id": rng.choice(["ann", "bob", ""], n),
            "ordered_at": rng.choice(
                ["2024-01-05", "2024-01-06", "someday", "2199-01-01"], n, p=[0.6, 0.3, 0.05, 0.05]
            ),
            "revenue": rng.choice(["10", "10.0", "20", "x"], n, p=[0.5, 0.2, 0.2, 0.1]),
        }
    )
    frame.loc[rng.random(n) < 0.05, "order_id"] = ""
    return frame


def judged(frame):
    """Each row's fault, judged row by row."""
    rows, keys, found = set(), set(), []
    for row in frame.itertuples(index=False):
        copy, again = tuple(row) in rows, row.order_id in keys
        rows.add(tuple(row))
        keys.add(row.order_id)
        found.append(
            "ordered_at.type" if row.ordered_at == "someday"
            else "revenue.type" if row.revenue == "x"
            else "order_id.missing" if not row.order_id
            else "ordered_at.future" if row.ordered_at > "2100"
            else "row.duplicate" if copy
            else "order_id.duplicate" if again
            else None
        )  # fmt: skip
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_every_row_gets_the_fault_that_judging_row_by_row_gives_it(load, tmp_path, seed):
    frame = dirty(seed)
    frame.to_csv(tmp_path / "orders.csv", index=False)
    tables = load("orders: {from: DATA/orders.csv}")
    expected = pd.Series(judged(frame), index=[str(place) for place in range(1, len(frame) + 1)]).dropna()
    quarantine = tables.health["orders"].quarantine.set_index("row")
    assert quarantine["rule"].to_dict() == expected.to_dict()
    assert quarantine.index.tolist() == expected.index.tolist()
    assert tables.kept["orders"].count().execute() == len(frame) - len(expected)
    shown = quarantine["revenue"].fillna("").tolist()
    assert shown == frame["revenue"].loc[[int(row) - 1 for row in quarantine.index]].tolist()


def test_lines_that_say_the_same_number_in_other_words_are_no_copies(load, tmp_path):
    rows = [["1", "ann", "2024-01-05", "a", "1", price] for price in ("2.5", "2.50", "2.5")]
    pd.DataFrame(rows, columns=LINES).to_csv(tmp_path / "lines.csv", index=False)
    health = load("order_lines: {from: DATA/lines.csv}").health["order_lines"]
    assert [(fault.rule, fault.rows, fault.offenders) for fault in health.faults] == [
        ("order_lines.row.duplicate", 1, ("3: 1",))
    ]


def test_rows_of_several_parquet_files_are_numbered_through(load, tmp_path):
    for place, count in enumerate((3, 2, 4)):
        pd.DataFrame(
            {
                "order_id": [f"{place}-{row}" for row in range(count)],
                "customer_id": "ann",
                "ordered_at": pd.Timestamp("2024-01-05"),
                "revenue": [1.0] * (count - 1) + [float("inf")],
            }
        ).to_parquet(tmp_path / f"part{place}.parquet")
    health = load("orders: {from: DATA/part*.parquet}").health["orders"]
    assert health.quarantine["row"].tolist() == ["3", "5", "9"]
    assert health.faults[0].offenders == ("3: inf", "5: inf", "9: inf")
    assert health.rows_in == 9


def test_not_a_number_in_a_parquet_file_is_a_missing_value(load, tmp_path):
    duckdb.sql(
        f"COPY (SELECT '1' order_id, 'ann' customer_id, TIMESTAMP '2024-01-05' ordered_at, 'nan'::DOUBLE revenue, 1.0 AS cost "
        f"UNION ALL SELECT '2', 'ann', TIMESTAMP '2024-01-05', 5, 'nan'::DOUBLE) TO '{tmp_path / 'orders.parquet'}'"
    )
    tables = load("orders: {from: DATA/orders.parquet}")
    assert [(fault.rule, fault.rows) for fault in tables.health["orders"].faults] == [("orders.revenue.missing", 1)]
    assert tables.kept["orders"].cost.isnull().execute().tolist() == [True]

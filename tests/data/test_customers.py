from datetime import datetime, timedelta
from itertools import pairwise

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers.data.checks import FAULT, judge
from helpers.data.customers import customer_states, merged_states, order_days, with_exposure, with_first_day
from helpers.data.orders import orders_from_orders
from helpers.data.sources import CANCELLED, ROW
from helpers.data.typed import typed
from helpers.params import TableSource

AS_OF = datetime(2024, 3, 1)
START = datetime(2024, 1, 1)


def by_hand(rows):
    """The customer table by plain pandas, day by day."""
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "revenue", "kind"])
    frame = frame[(frame["kind"] == "order") & frame["customer_id"].notna() & (frame["ordered_at"] < AS_OF)]
    days = (
        frame.assign(on=frame["ordered_at"].dt.normalize())
        .groupby(["customer_id", "on"])["revenue"]
        .sum()
        .reset_index()
    )
    found = {}
    for customer, own in days.groupby("customer_id"):
        first, last = own["on"].min(), own["on"].max()
        opening = own.loc[own["on"] == first, "revenue"].sum()
        found[customer] = (
            len(own) - 1,
            (last - first).days,
            (pd.Timestamp(AS_OF) - first).days - 1,
            opening,
            own["revenue"].sum() - opening,
        )
    return found


def a_log(seed, n=600):
    rng = np.random.default_rng(seed)
    names = [None, *(f"c{place}" for place in range(80))]
    hours = rng.integers(0, 90 * 24, n)
    return [
        (names[who], START + timedelta(hours=int(hour)), float(value), kind)
        for who, hour, value, kind in zip(
            rng.integers(0, len(names), n),
            hours,
            rng.integers(-50, 500, n),
            rng.choice(["order", "order", "refund", "cancelled"], n),
            strict=True,
        )
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_customer_table_is_what_counting_by_hand_finds(ledger, seed):
    rows = a_log(seed)
    table = ledger(rows)
    states = with_exposure(customer_states(order_days(table, as_of=AS_OF)), as_of=AS_OF).execute()
    found = {row.customer_id: (row.x, row.t_x, row.T, row.first_value, row.spend_total) for row in states.itertuples()}
    expected = by_hand(rows)
    assert found.keys() == expected.keys()
    assert all(found[customer] == pytest.approx(expected[customer]) for customer in expected)


def test_the_channel_is_that_of_the_first_day_also_where_it_is_not_known(ledger):
    rows = [("ann", "2024-01-05", 1), ("ann", "2024-01-06", 2), ("bob", "2024-01-05", 3), ("bob", "2024-01-09", 4)]
    table = ledger(rows)
    table = table.mutate(channel=(table.revenue == 1).ifelse(None, (table.revenue == 3).ifelse("shop", "web")))
    states = customer_states(order_days(table, as_of=AS_OF), channel=True).order_by("customer_id").execute()
    assert states["channel"].isna().tolist() == [True, False]
    assert states["channel"].iloc[1] == "shop"


def test_each_order_day_knows_its_customers_first(ledger):
    table = ledger([("ann", "2024-01-05", 1), ("ann", "2024-01-06", 2), ("bob", "2024-01-09", 3)])
    days = with_first_day(order_days(table, as_of=AS_OF)).order_by(["customer_id", "on"]).execute()
    assert days["first"].astype(str).tolist() == ["2024-01-05", "2024-01-05", "2024-01-09"]


def test_customers_can_be_asked_of_a_warehouse_that_is_not_connected():
    columns = {"customer_id": "string", "ordered_at": "timestamp", "revenue": "float64", "kind": "string"}
    states = customer_states(order_days(ibis.table(columns, name="orders"), as_of=AS_OF))
    for dialect in ("bigquery", "snowflake", "postgres", "databricks"):
        assert "over (" not in ibis.to_sql(states, dialect=dialect).lower()


@pytest.mark.parametrize("cut", [1, 30, 45, 89])
def test_stored_states_and_a_new_month_are_what_the_whole_log_gives(ledger, cut):
    table = ledger(a_log(seed=cut))
    table = table.mutate(channel=(table.revenue > 200).ifelse(None, (table.revenue > 100).ifelse("shop", "web")))
    midnight = START + timedelta(days=cut)
    until = START + timedelta(days=90)
    stored = customer_states(order_days(table, as_of=midnight), channel=True)
    newer = customer_states(order_days(table, as_of=until, since=midnight), channel=True)
    whole = customer_states(order_days(table, as_of=until), channel=True)
    found = merged_states(stored, newer).order_by("customer_id").execute()
    pd.testing.assert_frame_equal(found[list(whole.columns)], whole.order_by("customer_id").execute())


def test_states_may_be_stored_and_merged_again_and_again(ledger, tmp_path):
    table = ledger(a_log(seed=5))
    con, path = table.get_backend(), str(tmp_path / "states.parquet")
    edges = [START + timedelta(days=days) for days in (0, 20, 40, 90)]
    customer_states(order_days(table, as_of=edges[1])).to_parquet(path)
    for since, until in pairwise(edges[1:]):
        newer = customer_states(order_days(table, as_of=until, since=since))
        merged = merged_states(con.read_parquet(path), newer).order_by("customer_id").execute()
        merged.to_parquet(path)
    whole = customer_states(order_days(table, as_of=edges[-1])).order_by("customer_id").execute()
    pd.testing.assert_frame_equal(merged[list(whole.columns)], whole, check_dtype=False)


@pytest.mark.parametrize("dialect", ["bigquery", "snowflake", "postgres", "databricks"])
def test_loading_can_be_written_for_a_warehouse_that_is_not_connected(dialect):
    columns = {"No": "string", "who": "int64", "day": "string", "sum": "string", "note": "string", ROW: "int64"}
    raw = ibis.table({**columns, CANCELLED: "boolean"}, name="sales")
    named = {"order_id": "No", "customer_id": "who", "ordered_at": "day", "revenue": "sum", "status": "note"}
    source = TableSource.model_validate({"from": "sales", "columns": named, "formats": {"ordered_at": "%d.%m.%Y"}})
    judged = judge(typed(raw, "orders", source, timezone="UTC"), "orders", currency="GBP", now=AS_OF)
    kept = judged.filter(judged[FAULT].isnull())
    days = order_days(orders_from_orders(kept), as_of=AS_OF)
    states = with_exposure(customer_states(days), as_of=AS_OF)
    assert "customer_id" in ibis.to_sql(states, dialect=dialect)

"""Orders from lines: what comes back later is a refund of its own day, and cancelled lines are judged one by one."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers.data.orders import orders_from_lines

COLUMNS = ["order_id", "customer_id", "ordered_at", "product_id", "quantity", "unit_price", "status"]


def orders(lines):
    """Orders by id; `lines` are rows of COLUMNS, the last of which may be left out."""
    frame = pd.DataFrame([(*line, "completed")[: len(COLUMNS)] for line in lines], columns=COLUMNS)
    frame = frame.astype({"ordered_at": "datetime64[us]", "quantity": float, "unit_price": float})
    found = orders_from_lines(ibis.memtable(frame.assign(vb_cancelled=False))).execute()
    return found.sort_values("order_id").set_index("order_id")


def told(found):
    return {order: (str(row.ordered_at.date()), row.revenue, row.kind) for order, row in found.iterrows()}


def test_what_comes_back_on_another_day_is_a_refund_of_that_day():
    found = orders(
        [
            ("A", "ann", "2024-12-20 10:00", "p", 2, 50),
            ("A", "ann", "2025-01-10 12:00", "p", -1, 50),
            ("A", "ann", "2025-01-10 09:00", "p", -1, 50),
            ("B", "bob", "2024-12-21", "p", 3, 10),
            ("B", "bob", "2024-12-28", "p", -1, 10),
            ("B", "bob", "2025-01-05", "p", -1, 10),
        ]
    )
    assert told(found) == {
        "A": ("2024-12-20", 100, "order"),
        "A@2025-01-10": ("2025-01-10", -100, "refund"),
        "B": ("2024-12-21", 30, "order"),
        "B@2024-12-28": ("2024-12-28", -10, "refund"),
        "B@2025-01-05": ("2025-01-05", -10, "refund"),
    }
    assert found.loc["A@2025-01-10", ["customer_id", "ordered_at"]].tolist() == [
        "ann",
        pd.Timestamp("2025-01-10 09:00"),
    ]


def test_what_comes_back_on_the_day_itself_is_part_of_the_order_and_so_is_what_is_sent_later():
    found = orders(
        [
            ("A", "ann", "2024-12-20 10:00", "p", 2, 50),
            ("A", "ann", "2024-12-20 18:00", "p", -1, 50),
            ("A", "ann", "2024-12-23", "q", 1, 5),
        ]
    )
    assert told(found) == {"A": ("2024-12-20", 55, "order")}


def test_a_return_without_an_order_stays_a_refund_of_the_day_it_began():
    lines = [("R", "ann", "2024-12-20", "p", -1, 50), ("R", "ann", "2024-12-23", "q", -1, 5)]
    assert told(orders(lines)) == {"R": ("2024-12-20", -50, "refund"), "R@2024-12-23": ("2024-12-23", -5, "refund")}


@pytest.mark.parametrize(
    ("lines", "revenue", "kind", "status"),
    [
        ([(2, 50, "delivered"), (1, 5, "cancelled")], 100, "order", "delivered"),
        ([(2, 50, "delivered"), (1, 900, "VOID")], 100, "order", "delivered"),
        ([(2, 50, "Cancelled"), (1, 5, "void")], 0, "cancelled", "Cancelled"),
        # What was taken off again within a cancelled part is nothing, and what was given back by it is.
        ([(2, 50, "delivered"), (1, 5, "cancelled"), (-1, 5, "cancelled")], 100, "order", "delivered"),
        ([(2, 50, "delivered"), (-1, 50, "cancelled")], 50, "order", "delivered"),
        ([(-1, 50, "returned"), (1, 50, "cancelled")], -50, "refund", "returned"),
        ([(2, 50, "delivered"), (1, 5, None)], 105, "order", "delivered"),
    ],
)
def test_cancelled_lines_are_judged_one_by_one(lines, revenue, kind, status):
    found = orders([("A", "ann", "2024-12-20", "p", *line) for line in lines]).loc["A"]
    assert (found.revenue, found.kind, found.status) == (revenue, kind, status)


def test_costs_and_discounts_go_where_the_lines_go():
    lines = [
        ("A", "ann", "2024-12-20", 2, 50, 20, 4, "delivered"),
        ("A", "ann", "2024-12-20", 1, 90, 30, 9, "cancelled"),
        ("A", "ann", "2025-01-02", -1, 50, 20, -2, "delivered"),
    ]
    columns = ["order_id", "customer_id", "ordered_at", "quantity", "unit_price", "unit_cost", "discount", "status"]
    frame = pd.DataFrame(lines, columns=columns).astype({"ordered_at": "datetime64[us]"}).assign(vb_cancelled=False)
    found = orders_from_lines(ibis.memtable(frame)).execute().set_index("order_id")
    assert found.loc["A", ["revenue", "cost", "discount"]].tolist() == [100, 40, 4]
    assert found.loc["A@2025-01-02", ["revenue", "cost", "discount"]].tolist() == [-50, -20, -2]


@pytest.mark.parametrize("seed", range(5))
def test_orders_and_refunds_of_a_day_add_up_to_the_lines_of_that_day_to_the_cent(seed):
    rng = np.random.default_rng(seed)
    n = 300
    # Goods leave on the first day of an order; what comes back does so on any later one.
    frame = pd.DataFrame({"order_id": rng.integers(0, 60, n).astype(str)}).assign(customer_id="ann", product_id="p")
    came_back = rng.random(n) < 0.4
    days = np.where(came_back, rng.integers(0, 20, n), 0)
    frame["ordered_at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D")
    frame["quantity"] = np.where(came_back, -1.0, rng.integers(1, 4, n))
    frame["unit_price"] = rng.integers(1, 10_000, n) / 100
    frame = frame[frame.groupby("order_id")["quantity"].transform("max") > 0]
    found = orders(frame[COLUMNS[:-1]].itertuples(index=False))
    assert found.index.is_unique
    by_day = found.groupby("ordered_at")["revenue"].sum()
    lines = (frame["quantity"] * frame["unit_price"]).groupby(frame["ordered_at"]).sum()
    assert by_day.round(2).to_dict() == lines.round(2).to_dict()
    assert found.loc[found["kind"] == "refund", "revenue"].lt(0).all()

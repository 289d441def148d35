"""Data health: what came in, was kept and was put aside add up, to the cent where sums are exact to it."""

import pandas as pd
import pytest

from helpers.data.checks import TableHealth
from helpers.periods import parse_period
from helpers.reporting.health import DataHealth


def status(value_in, value_kept):
    health = TableHealth(
        table="orders", source="o.csv", rows_in=10, rows_kept=10, value_in=value_in, value_kept=value_kept, faults=(),
        notes=(), quarantine=pd.DataFrame(),
    )  # fmt: skip
    page = DataHealth(tables_read=(health,), period=parse_period("2025-Q4"), complete=True, through="")
    return next(check.status for check in page.checks() if check.id == "data.orders.adds_up")


@pytest.mark.parametrize(
    ("value_in", "value_kept", "expected"),
    [
        (100.0, 100.0, "pass"),
        (100.0, 99.99, "fail"),
        # 200,000 orders of ten million rials: the engine's sum in any order is off by a cent.
        (1_837_490_086_238.543, 1_837_490_086_238.554, "pass"),
        # Five in a hundred million are no rounding.
        (1_837_490_086_238.543, 1_837_490_000_000.0, "fail"),
    ],
)
def test_a_cent_is_a_cent_and_rounding_of_large_sums_is_none(value_in, value_kept, expected):
    assert status(value_in, value_kept) == expected

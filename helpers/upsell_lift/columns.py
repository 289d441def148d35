"""Columns: what is read of each row of a campaign, as expressions of the engine, and revenue from before the offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd

from helpers.data.dialects import as_number
from helpers.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from numpy.typing import NDArray

    from helpers.upsell_lift.topic import Params

PRE_DAYS = 90


def columns_read(settings: Params, table: ir.Table, moment: str | None) -> dict[str, Any]:
    """Everything that is read of a row, under names of our own."""
    made: dict[str, Any] = {}
    if moment:
        made["vb_at"] = table[moment]
    for outcome in settings.outcomes:
        made[f"y_{outcome.name}"] = _number(table, outcome.column, settings.source)
        if outcome.at:
            made[f"t_{outcome.name}"] = table[outcome.at].cast("timestamp")
    words = _texts(table, [*settings.covariates, *settings.segments])
    for name in settings.covariates:
        value = table[name]
        if value.type().is_boolean() or name in words or not (value.type().is_numeric() or value.type().is_string()):
            made[f"x_{name}"] = value.cast("string")
        else:
            made[f"x_{name}"] = value.cast("float64")
    made |= {f"g_{name}": table[name].cast("string") for name in settings.segments}
    if settings.cluster:
        made["vb_cluster"] = table[settings.cluster].cast("string")
    if settings.accepted in table.columns:
        made["vb_accepted"] = _number(table, settings.accepted, settings.source).fill_null(0.0)
    for name in ("cost", "randomised"):
        if name in table.columns:
            made[f"vb_{name}"] = _number(table, name, settings.source)
    return made


def _number(table: ir.Table, column: str, source: str) -> Any:
    """A column as numbers; yes and no as 1 and 0.

    Raises:
        DataError: It holds text that is neither.
    """
    value = table[column]
    if not value.type().is_string():
        return as_number(value)
    plain = value.lower()
    number = ibis.cases((plain.isin(["true", "yes"]), 1.0), (plain.isin(["false", "no"]), 0.0), else_=as_number(value))
    wrong = table.filter(value.notnull() & (value != "") & number.isnull()).select(bad=value).limit(3)
    if found := wrong.to_pyarrow()["bad"].to_pylist():
        raise DataError(f"{source}.{column}: no number in {', '.join(map(repr, found))}")
    return number


def _texts(table: ir.Table, names: list[str]) -> set[str]:
    """Text columns that hold something that is no number."""
    asked = {
        name: (table[name].notnull() & (table[name] != "") & as_number(table[name]).isnull()).sum()
        for name in dict.fromkeys(names)
        if table[name].type().is_string()
    }
    if not asked:
        return set()
    row = table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    return {name for name, count in row.items() if count}


def revenue_before(frame: pd.DataFrame, orders: ir.Table | None) -> NDArray | None:
    """Each customer's revenue of the days before the offer; `None` where the log does not know these customers."""
    if orders is None:
        return None
    offers = ibis.memtable(
        pd.DataFrame({"customer_id": frame["vb_unit"], "vb_at": frame["vb_at"].astype("datetime64[us]")})
    )
    log = orders.select("customer_id", "ordered_at", "revenue")
    both = log.inner_join(offers, "customer_id")
    inside = (both.ordered_at < both.vb_at) & (both.ordered_at >= both.vb_at - ibis.interval(days=PRE_DAYS))
    found = both.filter(inside).group_by("customer_id").aggregate(revenue=both.revenue.sum())
    backend = orders.get_backend()
    sums = backend.execute(found).set_index("customer_id")["revenue"]
    if sums.empty:
        return None
    return frame["vb_unit"].map(sums).fillna(0.0).to_numpy(dtype=float)

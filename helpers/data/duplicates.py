"""Duplicates: which rows repeat an earlier one, found by a group-by over fingerprints.

Only rows whose fingerprint occurs twice are compared in full, so that a clean log is never sorted and the group-by is
one over integers, which the engine can run in parallel and spill.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import ibis

from helpers.data.dialects import fingerprint
from helpers.data.held import held as held_rows
from helpers.data.held import keep
from helpers.data.sources import CANCELLED, ROW

if TYPE_CHECKING:
    import ibis.expr.types as ir

FINGERPRINT = "vb_fingerprint"
COPY = "vb_copy"
AGAIN = "vb_again"


def duplicates(con: Any, name: str, *, held: ir.Table, said: ir.Table, key: tuple[str, ...]) -> ir.Table | None:
    """Rows that repeat an earlier one: in all that the source said, or in their key.

    Args:
        con: The backend, which keeps the few rows that are found.
        name: Contract table, for the names of what the backend keeps.
        held: Typed rows with `vb_row`.
        said: The same rows with what the source said of each value; read only where fingerprints meet.
        key: Columns that name a row; empty where rows have no key. Rows without a whole key are passed over.

    Returns:
        vb_row, vb_copy (the row is an exact copy) and vb_again (its key came before); `None` where no row repeats one.
    """
    keyed = held.filter(*(held[column].notnull() for column in key)) if key else held
    columns = key or tuple(column for column in held.columns if column not in {ROW, CANCELLED})
    prints = keyed.select(ROW, **{FINGERPRINT: _fingerprint(keyed, columns)})
    counted = prints.group_by(FINGERPRINT).agg(rows=prints.count())
    with held_rows(counted.filter(counted.rows > 1).select(FINGERPRINT)) as met:
        if not met.count().execute():
            return None
        with held_rows(prints.semi_join(met, FINGERPRINT).select(ROW)) as suspects:
            rows = said.semi_join(suspects, ROW)
            everything = [column for column in rows.columns if column != ROW]
            again = ibis.row_number().over(group_by=list(key), order_by=ROW) > 0 if key else ibis.literal(value=False)
            copy = ibis.row_number().over(group_by=everything, order_by=ROW) > 0
            found = rows.select(ROW, **{COPY: copy, AGAIN: again})
            return keep(con, f"vb_{name}_repeated", found.filter(found[COPY] | found[AGAIN]))


def _fingerprint(table: ir.Table, columns: tuple[str, ...]) -> ir.IntegerValue:
    """One integer a row; equal for equal values, and rarely for others."""
    hashes = [fingerprint(table[column]).fill_null(0) for column in columns]
    # Hashing on the way keeps equal values in two columns from cancelling out.
    return reduce(lambda before, value: before.hash() ^ value, hashes)

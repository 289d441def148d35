"""Held tables: what the engine works out once because it is asked several times, and lets go of afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ibis

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis.expr.types as ir


@contextmanager
def held(expression: ir.Table) -> Iterator[ir.Table]:
    """The rows of an expression as a temporary table of its backend, for the length of a `with`."""
    con = expression.get_backend()
    name = ibis.util.gen_name("vb_held")
    table = con.create_table(name, expression, temp=True)
    try:
        yield table
    finally:
        let_go(con, name)


def let_go(con: Any, *names: str) -> None:
    """Drop temporary tables."""
    for name in names:
        con.raw_sql(f'DROP TABLE "{name}"')

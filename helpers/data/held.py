"""Held tables: what the engine works out once because it is asked several times, and lets go of afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ibis
from sqlglot import to_identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis.expr.types as ir


@contextmanager
def held(expression: ir.Table) -> Iterator[ir.Table]:
    """The rows of an expression as a temporary table of its backend, for the length of a `with`."""
    con = expression.get_backend()
    name = ibis.util.gen_name("vb_held")
    table = keep(con, name, expression)
    try:
        yield table
    finally:
        let_go(con, name)


def keep(con: Any, name: str, expression: ir.Table) -> ir.Table:
    """The rows of an expression, worked out now and kept by a backend under a name that its session alone sees.

    Spark has no temporary tables: its cache holds the rows, in memory and then on disk, behind a temporary view.
    PostgreSQL plans by what it knows of a table, and of a new one it knows nothing until it is told to look. And it sorts
    text by the rules of its database's language, unless a column says otherwise; what is drawn by chance goes by the
    order of customers, so that here too they are sorted by bytes.
    """
    if con.name == "pyspark":
        rows = con.raw_sql(con.compile(expression)).persist()
        rows.count()
        rows.createTempView(name)
        return con.table(name)
    table = con.create_table(name, expression, temp=True)
    if con.name == "postgres":
        texts = [_quoted(con, column) for column, kind in table.schema().items() if kind.is_string()]
        if texts:
            sorted_by_bytes = ", ".join(f'ALTER COLUMN {text} TYPE text COLLATE "C"' for text in texts)
            con.raw_sql(f"ALTER TABLE {_quoted(con, name)} {sorted_by_bytes}").close()
        con.raw_sql(f"ANALYZE {_quoted(con, name)}").close()
    return table


def let_go(con: Any, *names: str) -> None:
    """Drop what `keep` kept."""
    for name in names:
        kind = "TABLE"
        if con.name == "pyspark":
            con.raw_sql(f"UNCACHE TABLE {name}")
            kind = "VIEW"
        con.raw_sql(f"DROP {kind} {_quoted(con, name)}")


def _quoted(con: Any, name: str) -> str:
    """A name in a backend's own quotes; servers fold names that have none."""
    return to_identifier(name, quoted=True).sql(con.dialect)

"""Refresh: customer states (x, first and last day, sums) up to a midnight, carried on by reading new files alone.

The result is what reading everything would give. Where that cannot be known from the new files, everything is read and
the refresh says why: an old file changed or is gone; params, code, engine or columns are others; an order is dated
before the midnight; an order id came before (of ids a hash each is kept, 8 bytes); a row lay in the future when it was read.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis

from helpers.data.customers import customer_states, merged_states, order_days
from helpers.data.held import held
from helpers.data.load import load_tables
from helpers.data.places import files_at, is_url, partitions, sha256_of, suffix_format
from helpers.errors import DataError, ParamsError
from helpers.reporting.export import alone, replacing
from helpers.states.record import Counts, File, Record, made_of, next_number, read_record, write_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import ibis.expr.types as ir

    from helpers.data.load import Tables

ID = "id"


@dataclass(frozen=True, kw_only=True)
class States:
    """Stored states after a refresh.

    Attributes:
        path: Parquet file, one row a customer: customer_id, x, first_on, last_on, first_value, total, and channel
            where the log has it, from `helpers.data.customers.customer_states`. The next refresh replaces it.
        until: First moment that is not in them, a midnight; `with_exposure(..., as_of=until)` adds t_x and T.
        customers: Rows.
        counts: Rows and revenue of all files, those of earlier refreshes too.
        read: Files that this refresh read.
        passed_over: How many were read by earlier ones.
        whole: Why everything was read; `None` where only new files were.
    """

    path: Path
    until: datetime
    customers: int
    counts: Counts
    read: tuple[Path, ...]
    passed_over: int
    whole: str | None

    @property
    def refunds(self) -> float:
        """Share of gross revenue of identified customers that was given back."""
        return 1 - self.counts.net / self.counts.gross if self.counts.gross > 0 else 0.0

    def table(self) -> ir.Table:
        """The states in an embedded engine of their own."""
        return ibis.duckdb.connect().read_parquet(str(self.path))


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Files that were read together.

    Attributes:
        files: The files as they were before they were read.
        orders: Their kept orders.
        ids: Hashes of their order ids; `None` where an id that comes again says nothing.
        columns: Their columns and types.
        counts: Their rows and revenue.
        first: Midnight of the first order's day.
        until: Midnight after the last one's.
    """

    files: tuple[File, ...]
    orders: ir.Table
    ids: ir.Table | None
    columns: tuple[str, ...]
    counts: Counts
    first: datetime
    until: datetime


def refresh_states(params: Any, *, folder: Path, expand: Callable[..., Path], whole: bool = False) -> States:
    """Bring a client's stored states up to date.

    Args:
        params: From `helpers.params.load_params`. The orders (or order lines) must come from files of this machine.
        folder: Where the states are kept, one client a folder.
        expand: Fills `${VAR}` in paths (`helpers.params.expand`).
        whole: Read everything, whatever is stored.

    Raises:
        ParamsError: The orders do not come from files of this machine.
        DataError: A source is missing, unreadable or too dirty, changed while it was read, or what is stored is damaged.
    """
    table = "orders" if "orders" in params.data.tables else "order_lines"
    paths = _paths(params, table, expand)
    made = made_of(params, table)
    with alone(folder / "lock"):
        stored = None if whole else read_record(folder)
        why = "it was asked for" if whole else _why_anew(stored, made=made, paths=paths)
        if stored is not None and why is None:
            known = {file.path for file in stored.files}
            new = tuple(path for path in paths if str(path) not in known)
            if not new:
                return _told(folder, stored, read=(), whole=None)
            batch = _read_apart(params, table, new, expand)
            why = _why_not_by_itself(batch, stored, folder)
            if batch is not None and why is None:
                record = _store(folder, batch, made=made, onto=stored)
                return _told(folder, record, read=new, whole=None)
        batch = _read(params, table, paths, expand)
        if _paths(params, table, expand) != paths:
            raise DataError(f"data.tables.{table}.from: files came or went while they were read; refresh again")
        return _told(folder, _store(folder, batch, made=made, onto=None), read=paths, whole=why)


def _told(folder: Path, record: Record, *, read: tuple[Path, ...], whole: str | None) -> States:
    path = folder / record.states
    return States(
        path=path,
        until=record.until,
        customers=int(ibis.duckdb.connect().read_parquet(str(path)).count().execute()),
        counts=record.counts,
        read=read,
        passed_over=len(record.files) - len(read),
        whole=whole,
    )


def _paths(params: Any, table: str, expand: Callable[..., Path]) -> tuple[Path, ...]:
    """The source's files, in the order of their names."""
    if table not in params.data.tables:
        raise ParamsError("data.tables: stored states need orders or order_lines")
    key, at = f"data.tables.{table}.from", params.data.tables[table].source
    if params.data.connection.url_env or params.data.connection.path or is_url(at):
        raise ParamsError(f"{key}: stored states need files on this machine, of which one can tell which are new")
    pattern = expand(at, key=key)
    if not (paths := files_at(pattern)):
        raise DataError(f"{key}: no file at {pattern}")
    return paths


def _why_anew(stored: Record | None, *, made: str, paths: tuple[Path, ...]) -> str | None:
    """Why what is stored cannot be carried on, before any new file is read."""
    if stored is None:
        return "nothing was stored yet"
    if stored.made_of != made:
        return "params, code or engine are not those that the stored states were made with"
    if stored.counts.future:
        return f"{stored.counts.future} rows lay in the future when they were read"
    there = {str(path) for path in paths}
    for file in stored.files:
        if file.path not in there:
            return f"{file.path} is gone"
        if not file.still():
            return f"{file.path} changed"
    return None


def _why_not_by_itself(batch: _Batch | None, stored: Record, folder: Path) -> str | None:
    """Why new files do not tell all that is new."""
    if batch is None:
        return "the new files cannot be judged without the others"
    if batch.columns != stored.columns:
        return "the new files have other columns or types"
    if batch.first < stored.until:
        return f"an order of {batch.first:%Y-%m-%d} came late: what was stored goes to {stored.until:%Y-%m-%d}"
    if batch.ids is None:
        return None
    seen = batch.orders.get_backend().read_parquet([str(folder / name) for name in stored.ids])
    if met := int(seen.semi_join(batch.ids, ID).count().execute()):
        return f"{met} order ids of the new files came before"
    return None


def _read_apart(params: Any, table: str, paths: tuple[Path, ...], expand: Callable[..., Path]) -> _Batch | None:
    """New files read by themselves; `None` where they cannot be, as when one is empty or too dirty without the others.

    They are linked into a folder of their own, under the folders that tell what their rows share.
    """
    source = params.data.tables[table]
    with tempfile.TemporaryDirectory(prefix="valuebook-states-") as scratch:
        for place, path in enumerate(paths):
            home = Path(scratch, f"{place:06}", *partitions(path))
            home.mkdir(parents=True)
            # A folder stands for the files whose format is known; of others the params tell it.
            (home / (path.name if suffix_format(path) else f"{path.name}.txt")).symlink_to(path.absolute())
        own = source.model_copy(update={"source": scratch})
        data = params.data.model_copy(update={"tables": params.data.tables | {table: own}})
        try:
            return _read(params.model_copy(update={"data": data}), table, paths, expand)
        except DataError:
            # Reading everything says what is wrong in the files' own names, if it is still wrong then.
            return None


def _read(params: Any, table: str, paths: tuple[Path, ...], expand: Callable[..., Path]) -> _Batch:
    files = tuple(File.of(path) for path in paths)
    tables = load_tables(params, names=(table,), expand=expand)
    for file in files:
        if not file.still():
            raise DataError(f"{file.path}: changed while it was read; refresh again")
    orders, health = tables.kept["orders"], tables.health[table]
    known = orders.filter(orders.customer_id.notnull())
    # Where nobody is identified, there is no sum.
    gross = known.revenue.sum(where=known.kind == "order").fill_null(0.0)
    money = known.agg(gross=gross, net=known.revenue.sum().fill_null(0.0)).execute().iloc[0]
    return _Batch(
        files=files,
        orders=orders,
        ids=_ids(tables, table, params.data.tables[table]),
        columns=_columns(tables, table, paths, kind=params.data.tables[table].format),
        counts=Counts(
            rows_in=health.rows_in,
            rows_kept=health.rows_kept,
            future=sum(fault.rows for fault in health.faults if fault.rule.endswith(".future")),
            gross=float(money["gross"]),
            net=float(money["net"]),
        ),
        first=datetime.combine(tables.first, datetime.min.time()),
        until=datetime.combine(tables.last, datetime.min.time()) + timedelta(days=1),
    )


def _ids(tables: Tables, table: str, source: Any) -> ir.Table | None:
    """Hashes of the order ids that must not come again: also of rows put aside, whose ids make later rows duplicates."""
    kept_copies = source.duplicates == "keep" or bool(source.generate)
    if source.generate.get("order_id") == "row" or (table == "orders" and kept_copies):
        return None
    orders = tables.kept["orders"].select("order_id")
    aside = tables.health[table].quarantine
    if "order_id" in aside.columns and len(aside):
        orders = orders.union(ibis.memtable(aside[["order_id"]], schema={"order_id": "string"}))
    return orders.filter(orders.order_id.notnull()).select(**{ID: orders.order_id.hash()})


def _columns(tables: Tables, table: str, paths: Sequence[Path], *, kind: str | None) -> tuple[str, ...]:
    """The contract's columns that came, and the files' own with their types, which decide how values are read."""
    import pyarrow.parquet as pq

    typed = {
        f"{field.name}: {field.type}"
        for path in paths
        if (kind or suffix_format(path)) == "parquet"
        for field in pq.read_schema(path)
    }
    return (*sorted(tables.kept[table].columns), *sorted(typed))


def _store(folder: Path, batch: _Batch, *, made: str, onto: Record | None) -> Record:
    """Write states and ids under new names, then the record that makes them count."""
    con, number = batch.orders.get_backend(), next_number(folder)
    days = order_days(batch.orders, as_of=batch.until)
    states = customer_states(days, channel="channel" in days.columns)
    files, counts, parts = batch.files, batch.counts, {}
    if onto is not None:
        states = merged_states(con.read_parquet(str(folder / onto.states)), states)
        files, counts = (*onto.files, *files), onto.counts.plus(counts)
        parts = {name: onto.parts[name] for name in onto.ids}
    # Held first: the engine would write its own sum of counts, a number of 128 bits, as one that is not whole.
    with held(states) as rows:
        written = {f"states-{number:06}.parquet": rows.order_by("customer_id")}
        if batch.ids is not None:
            written[f"ids-{number:06}.parquet"] = batch.ids
        for name, expression in written.items():
            with replacing(folder / name) as scratch:
                expression.to_parquet(scratch)
            parts[name] = sha256_of(folder / name)
    record = Record(made_of=made, until=batch.until, columns=batch.columns, counts=counts, files=files, parts=parts)
    write_record(folder, record)
    return record

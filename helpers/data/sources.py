"""Sources: files, globs, workbooks, DuckDB files and warehouses, each as an Ibis table of what came in.

Text files are read as text, whatever their columns hold, so that a value of the wrong type can be counted and
quarantined later instead of stopping the reader or turning into a gap.
"""

from __future__ import annotations

import codecs
import hashlib
import tempfile
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops
import sqlglot
from sqlglot.errors import SqlglotError

from helpers.data.dialects import row_numbers
from helpers.data.places import fetched, files_at, filled, is_url, one_format, partitions
from helpers.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    import ibis.expr.types as ir
    import pandas as pd

    from helpers.params import Data, TableSource

CHUNK = 1 << 20
BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# Order of the rows in the source: what a message about row 17 means.
ROW = "vb_row"
FILE = "vb_file"
START = "vb_start"
CANCELLED = "vb_cancelled"


@dataclass(frozen=True, kw_only=True)
class Source:
    """One raw table.

    Attributes:
        table: All rows and columns of the source that `where` lets through, with `vb_row` and `vb_cancelled`.
        paths: Files it came from; empty for a table of a backend.
        sha256: Hash over the files' contents; `None` for a table of a backend.
        recoded: Lines that were not UTF-8 and were read as Windows-1252, and the number of the first.
        repeatable: Whether `vb_row` names the same row whenever the table is read.
        held: Tables that the backend holds for this one, and that can go when it has been checked.
    """

    table: ir.Table
    paths: tuple[Path, ...] = ()
    sha256: str | None = None
    recoded: tuple[int, int] | None = None
    repeatable: bool = True
    held: tuple[str, ...] = ()


def read_source(con: Any, name: str, source: TableSource, *, data: Data, expand: Callable[..., Path]) -> Source:
    """One table as it came in.

    Raises:
        DataError: A file or table is missing, empty or unreadable; the message names it and the params' key.
    """
    key = f"data.tables.{name}"
    if data.connection.url_env or data.connection.path:
        return _read_backend(con, name, source, data)
    at = source.source
    if is_url(at):
        copies = Path(str(con.raw_sql("SELECT current_setting('temp_directory')").fetchone()[0])) / name
        paths = fetched(filled(at, key=f"{key}.from"), key=f"{key}.from", into=copies)
    else:
        pattern = expand(at, key=f"{key}.from")
        at, paths = str(pattern), files_at(pattern)
    if not paths:
        raise DataError(f"{key}.from: no file at {at}")
    kind = source.format or one_format(paths, key=f"{key}.from")
    if kind is None:
        raise DataError(
            f"{key}.format: cannot tell the format of {paths[0].name}; say csv, tsv, blanks, parquet or excel"
        )
    recoded = None
    try:
        if kind == "parquet":
            numbered = _parquet(con, paths)
        else:
            if kind == "excel":
                raw = con.create_table(f"{name}_text", ibis.memtable(_excel(paths, source)), temp=True)
            elif kind == "blanks":
                raw = con.create_table(f"{name}_text", ibis.memtable(_blanks(paths, source)), temp=True)
            else:
                raw, recoded = _delimited(con, name, paths, source, tab=kind == "tsv")
            numbered = raw.mutate(**{ROW: raw.rowid() + 1})
    except (OSError, ValueError, _duckdb_error()) as error:
        if isinstance(error, _out_of_memory()):
            raise
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{key}: {paths[0]} cannot be read as {kind}: {first_line}") from error
    table = _conditions(numbered, name, source, dialect="duckdb")
    held = () if kind == "parquet" else (f"{name}_text",)
    return Source(table=table, paths=paths, sha256=_hash(paths), recoded=recoded, held=held)


def _parquet(con: Any, paths: tuple[Path, ...]) -> ir.Table:
    """All rows with `vb_row`, which the reader itself can tell: no row has to wait for those before it."""
    files = [str(path) for path in paths]
    if len(files) == 1:
        rows = con.read_parquet(files, file_row_number=True, **_partitioned(paths))
        return rows.mutate(**{ROW: rows.file_row_number + 1}).drop("file_row_number")
    rows = con.read_parquet(files, file_row_number=True, filename=FILE, union_by_name=True, **_partitioned(paths))
    counted = con.raw_sql(
        "SELECT file_name, num_rows FROM parquet_file_metadata($files)", parameters={"files": files}
    ).fetchall()
    sizes = dict(counted)
    before = [0, *accumulate(sizes[file] for file in files)]
    starts = ibis.memtable({FILE: files, START: before[:-1]}, schema={FILE: "string", START: "int64"})
    placed = rows.join(starts, FILE)
    return placed.mutate(**{ROW: placed[START] + placed.file_row_number + 1}).drop("file_row_number", FILE, START)


def _partitioned(paths: tuple[Path, ...]) -> dict[str, bool]:
    """Options by which the reader takes columns from the files' folders, as text: 01 is no number."""
    return {"hive_partitioning": True, "hive_types_autocast": False} if all(map(partitions, paths)) else {}


def _duckdb_error() -> type[Exception]:
    """DuckDB's base error, imported where it is needed."""
    import duckdb

    return duckdb.Error


def _out_of_memory() -> type[Exception]:
    """What says nothing about the file."""
    import duckdb

    return duckdb.OutOfMemoryException


def _read_backend(con: Any, name: str, source: TableSource, data: Data) -> Source:
    *path, table = source.source.split(".")
    database = ("source", "main") if data.connection.path else tuple(path) or None
    try:
        raw = con.table(source.source if data.connection.path else table, database=database)
    except ibis.common.exceptions.TableNotFound as error:
        raise DataError(f"data.tables.{name}.from: no table {source.source!r} in the {data.backend} backend") from error
    numbered = raw.mutate(**{ROW: row_numbers(raw)})
    # A server may number its rows otherwise when it is asked again.
    return Source(table=_conditions(numbered, name, source, dialect=con.dialect), repeatable=False)


def _conditions(raw: ir.Table, name: str, source: TableSource, *, dialect: Any) -> ir.Table:
    """Rows (which have their `vb_row`) that pass `where`, with `vb_cancelled`."""
    numbered = raw.mutate(**{CANCELLED: ibis.literal(value=False)})
    key = f"data.tables.{name}"
    cancelled = _condition(source.cancelled, raw, key=f"{key}.cancelled", dialect=dialect)
    where = _condition(source.where, raw, key=f"{key}.where", dialect=dialect)
    if not cancelled and not where:
        return numbered
    names = [sqlglot.to_identifier(column, quoted=True).sql(dialect) for column in raw.columns]
    query = (
        f"SELECT {', '.join(names)}, coalesce({cancelled or 'FALSE'}, FALSE) AS {CANCELLED} "  # noqa: S608 - one parsed condition
        f"FROM numbered WHERE {where or 'TRUE'}"
    )
    aliased = numbered.alias("numbered")
    return ops.SQLStringView(parent=aliased.op(), query=query, schema=numbered.schema()).to_expr()


def _condition(text: str | None, table: ir.Table, *, key: str, dialect: Any) -> str | None:
    """One SQL condition of the params, parsed and written out again, so that it cannot be two statements."""
    if text is None:
        return None
    try:
        tree = sqlglot.parse_one(text, into=sqlglot.exp.Condition, dialect=dialect)
    except SqlglotError as error:
        raise DataError(f"{key}: {text!r} is no SQL condition") from error
    if unknown := {column.name for column in tree.find_all(sqlglot.exp.Column)} - set(table.columns):
        raise DataError(f"{key}: no column {', '.join(sorted(unknown))}; there are {', '.join(table.columns)}")
    for column in tree.find_all(sqlglot.exp.Column):
        # Some servers fold names that are not quoted to lower case, others to upper.
        column.this.set("quoted", True)  # noqa: FBT003 - its second argument has no name to give
    return f"({tree.sql(dialect=dialect)})"


def _delimited(
    con: Any, name: str, paths: tuple[Path, ...], source: TableSource, *, tab: bool
) -> tuple[ir.Table, tuple[int, int] | None]:
    options: dict[str, Any] = {"all_varchar": True, "header": source.header is None, "filename": False}
    options |= _partitioned(paths)
    if len(paths) > 1 and not source.header:
        options["union_by_name"] = True
    if tab:
        options["delim"] = "\t"
    if source.header:
        options["names"] = list(source.header)
    with tempfile.TemporaryDirectory(prefix="valuebook-") as scratch:
        homes = [Path(scratch, str(place), *partitions(path)) for place, path in enumerate(paths)]
        copies = [_as_utf8(path, source.encoding, home / "copy") for path, home in zip(paths, homes, strict=True)]
        faults = [found for _copy, found in copies if found]
        raw = con.read_csv([str(copy) for copy, _found in copies], table_name=f"{name}_file", **options)
        # The engine takes the rows over before the UTF-8 copies go away.
        held = con.create_table(f"{name}_text", raw, temp=True)
    return held, (sum(count for count, _first in faults), faults[0][1]) if faults else None


def _as_utf8(path: Path, encoding: str | None, copy: Path) -> tuple[Path, tuple[int, int] | None]:
    """The file, or a UTF-8 copy of it; and how many lines had to be read as Windows-1252, from which on."""
    if path.suffix == ".gz" and encoding is None:
        return path, None
    with path.open("rb") as file:
        marked = BYTE_ORDER_MARKS.get(file.read(2))
    if encoding is None and marked is None and _is_utf8(path):
        return path, None
    copy.parent.mkdir(parents=True, exist_ok=True)
    if encoding or marked:
        with (
            path.open(encoding=encoding or marked, newline="") as text,
            copy.open("w", encoding="utf-8", newline="") as out,
        ):
            while part := text.read(CHUNK):
                out.write(part)
        return copy, None
    count, first = 0, 0
    with path.open("rb") as lines, copy.open("wb") as out:
        for place, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
                out.write(line)
            except UnicodeDecodeError:
                count, first = count + 1, first or place
                out.write(line.decode("cp1252", errors="replace").encode("utf-8"))
    return copy, (count, first)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while part := file.read(CHUNK):
                decoder.decode(part)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _blanks(paths: tuple[Path, ...], source: TableSource) -> pd.DataFrame:
    import pandas as pd

    frames = [
        pd.read_csv(path, sep=r"\s+", dtype=str, header=None if source.header else 0, names=source.header)
        for path in paths
    ]
    return pd.concat(frames, ignore_index=True)


def _excel(paths: tuple[Path, ...], source: TableSource) -> pd.DataFrame:
    import pandas as pd
    from python_calamine import CalamineError

    try:
        frames = [pd.read_excel(path, sheet_name=source.sheet or 0, dtype=str, engine="calamine") for path in paths]
    except CalamineError as error:
        raise ValueError(str(error)) from error
    return pd.concat(frames, ignore_index=True)


def _hash(paths: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while part := file.read(CHUNK):
                digest.update(part)
    return digest.hexdigest()

"""Tables read ahead: what a run's plan has read and checked already, lent to its notebooks.

Every notebook of a client would read and check the same files again. They lie in a private folder for as long as the run
takes; a run that was killed leaves it to the next process that connects to the engine.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.data.checks import Fault, Note, TableHealth
from helpers.data.engine import locked_folder

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from helpers.data.load import Tables

VARIABLE = "VALUEBOOK_AHEAD"
# Of what is free on the disk: other runs need theirs.
SHARE_OF_DISK = 0.25
BYTES_A_VALUE = 8
ENGINE, ABOUT, AS = "tables.duckdb", "tables.json", "ahead"


class ReadAhead:
    """A private folder of checked tables, by client."""

    def __init__(self) -> None:
        self.folder = locked_folder(self)
        self.left = SHARE_OF_DISK * shutil.disk_usage(self.folder).free

    def put(self, params: Any, tables: Tables) -> None:
        """Write a client's tables, unless a server holds them or there is no room for them: then notebooks read for themselves."""
        import duckdb

        con = next(iter(tables.kept.values())).get_backend()
        values = sum(found.rows_kept * len(tables.kept[name].columns) for name, found in tables.health.items())
        if con.name != "duckdb" or BYTES_A_VALUE * values > self.left:
            return
        folder = self.folder / params.client
        folder.mkdir()
        try:
            con.raw_sql(f"ATTACH {_text(folder / ENGINE)} AS {AS}")
            for name, rows in tables.kept.items():
                con.raw_sql(f'CREATE TABLE {AS}."{name}" AS {con.compile(rows)}')
            con.raw_sql(f"DETACH {AS}")
            for name, found in tables.health.items():
                found.quarantine.to_parquet(folder / f"{name}.parquet")
            told = {name: _told(found) for name, found in tables.health.items()}
            about = {"of": _of(params), "health": told, "sha256": dict(tables.sha256), "kept": list(tables.kept)}
            (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        except (duckdb.Error, OSError):
            # The disk was full after all, or the engine's memory: the client's own reading will say so, if it matters to that.
            shutil.rmtree(folder)
            return
        self.left -= sum(path.stat().st_size for path in folder.iterdir())

    def of(self, client: str) -> dict[str, str]:
        """What tells a client's notebooks where their tables are, as environment variables."""
        return {VARIABLE: str(self.folder / client)} if (self.folder / client / ABOUT).is_file() else {}


@dataclass(frozen=True, kw_only=True)
class Lent:
    """A client's tables that were read ahead.

    Attributes:
        kept: Names of the tables.
        health: Health by table that came in.
        sha256: Hash by table that came from files.
    """

    folder: Path
    kept: tuple[str, ...]
    health: dict[str, TableHealth]
    sha256: dict[str, str]

    def attach(self, con: Any, names: set[str]) -> dict[str, ir.Table]:
        """Some of the tables, in the contract's order, as a connection of this process holds them."""
        con.raw_sql(f"ATTACH {_text(self.folder / ENGINE)} AS {AS} (READ_ONLY)")
        return {name: con.table(name, database=(AS, "main")) for name in self.kept if name in names}


def lent(params: Any) -> Lent | None:
    """What the run that this notebook belongs to has read ahead of the same client with the same params; `None` where nothing is."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named)
    if not (folder / ABOUT).is_file():
        return None
    about = json.loads((folder / ABOUT).read_bytes())
    if about["of"] != _of(params):
        return None
    health = {name: _health(told, folder / f"{name}.parquet") for name, told in about["health"].items()}
    return Lent(folder=folder, kept=tuple(about["kept"]), health=health, sha256=about["sha256"])


def _told(health: TableHealth) -> dict[str, Any]:
    return {name: value for name, value in asdict(health).items() if name != "quarantine"}


def _health(told: dict[str, Any], quarantine: Path) -> TableHealth:
    faults = tuple(Fault(**fault | {"offenders": tuple(fault["offenders"])}) for fault in told["faults"])
    notes = tuple(Note(**note) for note in told["notes"])
    return TableHealth(**told | {"faults": faults, "notes": notes, "quarantine": pd.read_parquet(quarantine)})


def _of(params: Any) -> str:
    """Whose tables they are, and all that reading and checking them hangs on."""
    read_by = params.model_dump_json(include={"client", "data", "currency", "timezone"})
    return hashlib.sha256(read_by.encode()).hexdigest()


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"

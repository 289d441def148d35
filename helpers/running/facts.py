"""Facts of a client's data that a plan needs: the days they cover and the hashes of the tables.

Reading the tables takes seconds a client. What was learned is remembered, under the hash of all that it was learned from,
so a plan of hundreds of studies whose data did not change reads none.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from helpers.data.places import files_at, is_url, partitions
from helpers.params import expand, topics
from helpers.reporting.export import write_json
from helpers.running.digests import Memory, memory_folder, of_json, of_modules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.data.load import Tables

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a client's data.

    Attributes:
        first: Day of the first order or contract.
        last: Day of the last.
        sha256: Hash by table that came from files; a warehouse's tables are missing.
        moves: Whether the same data would be read otherwise on another day, since they hold days to come or none at all.
        today: The client's day on which this was learned.
    """

    first: date
    last: date
    sha256: dict[str, str]
    moves: bool
    today: str


def facts_of(
    client: str,
    params: Any,
    *,
    folder: Path,
    memory: Memory,
    reading: Callable[[], None] = lambda: None,
    learned: Callable[[Any, Tables], None] = lambda _params, _tables: None,
) -> Facts:
    """Facts of a client's data, remembered or learned by reading and checking all its tables.

    Args:
        client: Its name.
        params: Its params.
        folder: Where they are.
        memory: Hashes of files.
        reading: Called before the data are read, which means that the client's jobs have yet to run.
        learned: Is given params and tables when these were read.

    Raises:
        DataError: A table is missing, unreadable or too dirty.
        ParamsError: A section of the params names what the tables lack.
    """
    today = datetime.now(ZoneInfo(params.timezone)).date().isoformat()
    hashes = _hashes(params, memory)
    learned_from = of_json([SCHEMA, params.model_dump(mode="json"), hashes, _reader()])
    path = memory_folder() / "facts" / f"{of_json([str(folder.resolve()), client])[:24]}.json"
    if len(hashes) == len(params.data.tables) and (known := _remembered(path, learned_from, today)):
        return known
    reading()
    from helpers.data.load import load_tables
    from helpers.study import preflight

    tables = load_tables(params, names=None, expand=expand)
    preflight(params, tables)
    if params.data.demo:
        hashes = _hashes(params, memory)  # the demo's files were made on the way
        learned_from = of_json([SCHEMA, params.model_dump(mode="json"), hashes, _reader()])
    facts = Facts(first=tables.first, last=tables.last, sha256=hashes, moves=_moves(tables, today), today=today)
    if len(hashes) == len(params.data.tables):
        content = asdict(facts) | {"first": facts.first.isoformat(), "last": facts.last.isoformat()}
        write_json(path, {"learned_from": learned_from, "facts": content})
    learned(params, tables)
    return facts


def _remembered(path: Path, learned_from: str, today: str) -> Facts | None:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if content.get("learned_from") != learned_from:
        return None
    known = content["facts"]
    if known["moves"] and known["today"] != today:
        return None
    return Facts(**(known | {"first": date.fromisoformat(known["first"]), "last": date.fromisoformat(known["last"])}))


def _hashes(params: Any, memory: Memory) -> dict[str, str]:
    """Hash by table that comes from files which are there."""
    data = params.data
    if data.connection.url_env:
        return {}
    if data.connection.path:
        path = expand(data.connection.path, key="data.connection.path")
        return dict.fromkeys(data.tables, memory.of_file(path)) if path.is_file() else {}
    found: dict[str, str] = {}
    for name, source in data.tables.items():
        if is_url(source.source):
            continue  # what lies elsewhere may change unseen
        paths = files_at(expand(source.source, key=f"data.tables.{name}.from"))
        if paths:
            found[name] = of_json([[*partitions(path), path.name, memory.of_file(path)] for path in paths])
    return found


@cache
def _reader() -> str:
    """Hash of the code that reads, checks and preflights."""
    return of_modules("helpers.study", *(f"helpers.{name}.topic" for name in topics()))


def _moves(tables: Tables, today: str) -> bool:
    """Whether another day would read the same files otherwise."""
    if any(fault.rule.endswith(".future") for health in tables.health.values() for fault in health.faults):
        return True
    dated = {"orders", "order_lines"} & tables.kept.keys()
    return not dated or tables.last.isoformat() >= today

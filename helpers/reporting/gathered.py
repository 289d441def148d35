"""`findings.parquet`: the numbers of all studies in one table, for a tool that draws dashboards."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from helpers.reporting.export import alone, clear, replacing
from helpers.reporting.findings import SCHEMA
from helpers.reporting.tables import clean

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

FILE = "findings.parquet"
LOCK = ".runs/findings.lock"
MADE_OF = b"valuebook.findings"
TEXTS = ("client", "period", "topic", "status", "key")
NUMBERS = ("value", "low", "high", "level")


def write_all_findings(reports: Path) -> bool:
    """Bring `findings.parquet` up to date with all findings under a folder of reports.

    The table has one row a number: client, period, topic, status, key, value, low, high, level, unit, n, definition,
    definition_name, generated_at. Rows of findings that did not change since the last time are taken from the old table, so
    that only new ones are parsed. Where nothing changed the file is left as it is.

    Args:
        reports: The folder, with `<client>/<period>/<topic>.json` below it.

    Returns:
        Whether it was written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = reports / FILE
    # Of two runs that end together, the later one must have read what the earlier one left.
    with alone(reports / LOCK):
        clear(path)
        contents = {
            str(found.relative_to(reports)): found.read_bytes()
            for found in sorted(reports.glob("*/*/*.json"))
            if found.name != "manifest.json"
        }
        now = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        old = _read(path)
        before: dict[str, str] = json.loads(old.schema.metadata[MADE_OF]) if old is not None else {}
        if old is not None and before == now:
            return False
        fresh = {name for name in now if before.get(name) != now[name]}
        rows = [row for name in sorted(fresh) for row in _rows(name, json.loads(contents[name]))]
        made = pa.Table.from_pylist(rows, schema=_schema())
        if old is not None:
            kept = {_study_of(name) for name in now.keys() - fresh}
            names = zip(*(old.column(name).to_pylist() for name in TEXTS[:3]), strict=True)
            held = old.filter(pa.array([name in kept for name in names], pa.bool_()))
            made = pa.concat_tables([held.cast(_schema()), made])
        made = made.sort_by([(name, "ascending") for name in ("client", "period", "topic", "key")])
        with replacing(path) as scratch:
            pq.write_table(made.replace_schema_metadata({MADE_OF: json.dumps(now)}), scratch)
    return True


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            *((name, pa.string()) for name in TEXTS),
            *((name, pa.float64()) for name in NUMBERS),
            ("unit", pa.string()),
            ("n", pa.int64()),
            ("definition", pa.string()),
            ("definition_name", pa.string()),
            ("generated_at", pa.timestamp("s", tz="UTC")),
        ]
    )


def _read(path: Path) -> pa.Table | None:
    """The table as it was left; `None` where there is none of ours, which makes it new from all findings."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError):
        return None
    ours = table.schema.metadata and MADE_OF in table.schema.metadata and table.column_names == _schema().names
    return table if ours else None


def _study_of(name: str) -> tuple[str, str, str]:
    client, period, file = name.split("/")
    return client, period, file.removesuffix(".json")


def _rows(name: str, content: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a number; none of a file that holds no findings."""
    from datetime import datetime

    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        return []
    made = content["provenance"].get("generated_at")
    about = dict(zip(TEXTS[:3], _study_of(name), strict=True)) | {"status": content["status"]}
    return [
        about
        | {part: None if told[part] is None else float(told[part]) for part in NUMBERS}
        | {
            "key": clean(key),
            "unit": told["unit"],
            "n": told["n"],
            "definition": told["definition"],
            "definition_name": clean(content["definitions"][told["definition"]]["name"]),
            "generated_at": datetime.fromisoformat(made) if made else None,
        }
        for key, told in content["numbers"].items()
    ]

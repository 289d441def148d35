"""Record: what stored states were made of, one JSON beside them. It names the files that count; others in the folder do not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.data.places import sha256_of
from helpers.errors import DataError
from helpers.reporting.export import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = 1
NAME = "states.json"
CODE = Path(__file__).parents[1] / "data"
REMEDY = "refresh with `whole` to make the states anew from all files"


@dataclass(frozen=True, kw_only=True)
class File:
    """A source file as it was when it was read."""

    path: str
    size: int
    modified: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> File:
        """A file as it is now."""
        told = path.stat()
        return cls(path=str(path), size=told.st_size, modified=told.st_mtime_ns, sha256=sha256_of(path))

    def still(self) -> bool:
        """Whether the file is what it was; its bytes are read only where its time changed and its size did not."""
        told = Path(self.path).stat()
        if told.st_size != self.size:
            return False
        return told.st_mtime_ns == self.modified or sha256_of(Path(self.path)) == self.sha256


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What came in and what was kept, over all that was ever read; revenue is of identified customers.

    Attributes:
        rows_in: Rows of the source.
        rows_kept: Those not put into quarantine.
        future: Rows put aside because they lay in the future when they were read.
        gross: Revenue of orders.
        net: Revenue of orders and refunds.
    """

    rows_in: int
    rows_kept: int
    future: int
    gross: float
    net: float

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


@dataclass(frozen=True, kw_only=True)
class Record:
    """What stored states are and what they were made of.

    Attributes:
        made_of: Hash over the params that matter, the code that reads tables, and the engine's version.
        until: First moment that is not in the states, a midnight.
        columns: The source's columns, and the types of those files that have types.
        counts: Rows and revenue.
        files: Source files that were read.
        parts: Files of the folder, with their hashes: the states and the order ids.
    """

    made_of: str
    until: datetime
    columns: tuple[str, ...]
    counts: Counts
    files: tuple[File, ...]
    parts: dict[str, str]

    @property
    def states(self) -> str:
        """Name of the states' file."""
        return next(name for name in self.parts if name.startswith("states"))

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the files of order ids."""
        return tuple(name for name in self.parts if name.startswith("ids"))


def made_of(params: Any, table: str) -> str:
    """Hash over all but the source's files that decides what the states are."""
    import duckdb

    code = [(path.name, sha256_of(path)) for path in sorted(CODE.glob("*.py"))]
    said = {
        "table": table,
        "source": params.data.tables[table].model_dump(mode="json"),
        "timezone": params.timezone,
        "currency": params.currency,
        "code": code,
        # Hashes of order ids are the engine's own.
        "engine": duckdb.__version__,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def write_record(folder: Path, record: Record) -> None:
    """Write the record, at once or not at all; from then on its parts are the folder's states, and all others go."""
    content = asdict(record) | {"until": record.until.isoformat(), "schema": SCHEMA}
    write_json(folder / NAME, content)
    _sweep(folder, keep=record.parts)


def read_record(folder: Path) -> Record | None:
    """The folder's record; `None` where there is none.

    Raises:
        DataError: It cannot be read, or one of its parts is gone or holds something else; the message names the file.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        found = _record(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: is no record of stored states ({error}); {REMEDY}") from error
    for name, sha256 in found.parts.items():
        part = folder / name
        if not part.is_file():
            raise DataError(f"{part}: is gone, and {NAME} counts on it; {REMEDY}")
        if sha256_of(part) != sha256:
            raise DataError(f"{part}: does not hold what was stored; {REMEDY}")
    return found


def _record(content: Any) -> Record:
    if content.pop("schema") != SCHEMA:
        raise ValueError("it has another schema")
    typed = {
        "until": datetime.fromisoformat(content["until"]),
        "columns": tuple(content["columns"]),
        "counts": Counts(**content["counts"]),
        "files": tuple(File(**file) for file in content["files"]),
    }
    return Record(**content | typed)


def next_number(folder: Path) -> int:
    """A number that no part in the folder has."""
    taken = (path.stem.rpartition("-")[2] for path in folder.glob("*-*.parquet"))
    return max((int(number) for number in taken if number.isdigit()), default=0) + 1


def _sweep(folder: Path, *, keep: Iterable[str]) -> None:
    """Remove what earlier or killed refreshes left; only for who holds the folder's lock."""
    kept = set(keep)
    for path in folder.glob("*.parquet"):
        if path.name not in kept:
            path.unlink()

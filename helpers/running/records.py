"""Records: `.runs/<topic>.json` beside a report says what a finished job was made of. It is written last, and makes it count.

A job is begun by taking its record away and ended by writing it, so a run that is killed at any moment leaves either a
finished job or one that will run again, and nothing in between.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from helpers.data.places import sha256_of
from helpers.errors import ParamsError
from helpers.reporting.export import write_json
from helpers.running.digests import of_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SCHEMA = 1
FOLDER = ".runs"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished job.

    Attributes:
        key: Hash over the ingredients; `None` where they could not be told.
        ingredients: Hash by ingredient.
        status: Of its findings.
        reason: Of its findings.
        seconds: It took.
        files: Size and SHA-256 of each file it left, by path within the study's folder.
        finished: Moment, ISO 8601.
    """

    key: str | None
    ingredients: dict[str, str]
    status: str
    reason: str | None
    seconds: float
    files: dict[str, tuple[int, str]]
    finished: str
    whole: bool

    def holds(self, ingredients: Mapping[str, str]) -> bool:
        """Whether it was made of the same and its files are all there."""
        return self.whole and self.key == of_json(ingredients)

    def changed(self, ingredients: Mapping[str, str]) -> list[str]:
        """Names of the ingredients that differ."""
        names = {*self.ingredients, *ingredients}
        return sorted(name for name in names if self.ingredients.get(name) != ingredients.get(name))


@contextlib.contextmanager
def locked(folder: Path, topic: str) -> Iterator[None]:
    """Hold one job, so that two runs at once do not both do it; a killed run lets go by dying.

    Raises:
        ParamsError: The folder of reports leads out of itself by a link.
    """
    inside(folder.parent.parent, folder / FOLDER)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows: one run at a time
        yield
        return
    with (folder / FOLDER / f"{topic}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def inside(reports: Path, path: Path) -> None:
    """Raise unless a path, with all links followed, is within the folder of reports.

    Raises:
        ParamsError: It is not; the message names the link.
    """
    root = reports.resolve()
    for part in [path, *path.parents]:
        if part == reports:
            return
        if part.is_symlink() and not part.resolve().is_relative_to(root):
            raise ParamsError(f"{part}: is a link to {part.resolve()}, outside the folder of reports; remove it")


def begin(folder: Path, topic: str) -> None:
    """Take a job's record and findings away, and what a killed run left of it."""
    for name in (f"{FOLDER}/{topic}.json", f"{topic}.json", f"{topic}.html", f"{topic}.pdf", f"{topic}.ipynb"):
        (folder / name).unlink(missing_ok=True)
    sweep(folder, topic)


def sweep(folder: Path, topic: str) -> None:
    """Take away a job's tables, and what was left of files that were not written to their end."""
    for left in folder.glob(f".run-{topic}-*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in [*folder.glob(f".{topic}.*"), *folder.glob(f"*/.{topic}.*")]:
        left.unlink(missing_ok=True)
    for old in (folder / "tables").glob(f"{topic}.*"):
        old.unlink()


def commit(
    folder: Path, topic: str, *, ingredients: Mapping[str, str] | None, status: str, reason: str | None, seconds: float
) -> None:
    """Write the record of a job whose files are all written."""
    files = {
        str(path.relative_to(folder)): (path.stat().st_size, sha256_of(path))
        for path in sorted([*folder.glob(f"{topic}.*"), *(folder / "tables").glob(f"{topic}.*")])
    }
    content = {
        "schema": SCHEMA,
        "key": of_json(ingredients) if ingredients is not None else None,
        "ingredients": dict(ingredients or {}),
        "status": status,
        "reason": reason,
        "seconds": round(seconds, 3),
        "files": files,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(folder / FOLDER / f"{topic}.json", content)


def read_record(folder: Path, topic: str) -> Record | None:
    """A job's record; `None` where it never finished. `whole` tells whether all its files have their sizes."""
    try:
        content: dict[str, Any] = json.loads((folder / FOLDER / f"{topic}.json").read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return None  # not ours, or of a disk that lost it: the job runs again
    if content.pop("schema", None) != SCHEMA:
        return None
    files = {name: (size, digest) for name, (size, digest) in content.pop("files").items()}
    return Record(files=files, whole=all(_size(folder / name) == size for name, (size, _) in files.items()), **content)


def told(record: Record) -> dict[str, Any]:
    """A record as the manifest tells it."""
    content = asdict(record)
    del content["whole"]
    return content


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1

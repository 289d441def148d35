"""Files that stand beside a report. Each appears whole or not at all: temporary file, flush to disk, rename."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        with scratch.open("rb") as written:
            os.fsync(written.fileno())
        scratch.chmod(0o644)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def clear(path: Path) -> None:
    """Take away what killed processes left while they wrote a file; only for who alone may write it."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of bytes."""
    with replacing(path) as scratch:
        scratch.write_bytes(content)


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Add lines to a file's end, under a lock: processes beside each other lose none of one another's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        _lock(file, alone=True)
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[str]:
    """Lines of a file that others append to; none where it is not there."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        # Without it, a line that another process is writing at this moment would be read by half.
        _lock(file, alone=False)
        return file.read().splitlines()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file, so that processes beside each other go one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        _lock(file, alone=True)
        yield


def _lock(file: IO[str], *, alone: bool) -> None:
    """Hold the file until it is closed, alone or with other readers. Windows knows no such lock; there, one run at a time."""
    if os.name == "nt":
        return
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file; numbers that JSON does not know are an error."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a Parquet file."""
    with replacing(path) as scratch:
        frame.to_parquet(scratch, index=False)

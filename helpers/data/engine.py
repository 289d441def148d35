"""Engine: the Ibis backend that holds a client's tables, within a limit of memory and with a folder to spill into."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import ibis

from helpers.data.servers import connect_server
from helpers.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from helpers.params import Connection, Data

SPILL = "valuebook-spill-"
LOCK = "lock"
# Of what this process may hold; pandas, models and pictures need the rest.
SHARE = 0.5
MIB = 1 << 20


def connect(data: Data, *, expand: Callable[..., Path]) -> Any:
    """The Ibis backend that holds, or will hold, the client's tables.

    The embedded engine keeps to `data.memory` and spills what is more into a folder of its own, which goes when the
    connection does. What a killed process left behind goes when the next one connects.

    Args:
        data: The `data` section of the params.
        expand: Fills `${VAR}` in a path (`helpers.params.expand`).

    Raises:
        DataError: The backend cannot be reached, or its environment variable is not set.
    """
    if data.backend == "duckdb" and not data.connection.url_env:
        con = ibis.duckdb.connect()
        sweep()
        for setting, value in settings(data.memory, folder=locked_folder(con)).items():
            con.raw_sql(f"SET {setting} = '{value.replace("'", "''")}'")
        _attach(con, data.connection, expand)
        return con
    return connect_server(data)


def settings(memory: str | None, *, folder: Path) -> dict[str, str]:
    """Settings of the embedded engine, by name."""
    return {
        # No network at run time: DuckDB must not fetch an extension on its own.
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "TimeZone": "UTC",
        "memory_limit": memory or f"{int(SHARE * allowed_memory() / MIB)}MiB",
        "temp_directory": str(folder),
    }


def allowed_memory() -> int:
    """Bytes that this process may hold: the machine's memory, or the container's or the process's own limit below it."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    container = Path("/sys/fs/cgroup/memory.max")
    if container.is_file() and (said := container.read_text(encoding="utf-8").strip()).isdigit():
        limits.append(int(said))
    import resource

    own, _hard = resource.getrlimit(resource.RLIMIT_DATA)
    return min([*limits, own] if own != resource.RLIM_INFINITY else limits)


@contextlib.contextmanager
def unordered(con: Any) -> Iterator[None]:
    """Let the embedded engine keep rows in any order for a while, which takes less memory; rows carry their number."""
    if con.name != "duckdb":
        yield
        return
    con.raw_sql("SET preserve_insertion_order = false")
    try:
        yield
    finally:
        con.raw_sql("SET preserve_insertion_order = true")


@contextlib.contextmanager
def told_when_full(key: str) -> Iterator[None]:
    """Say in the params' words that the engine ran out of memory or disk.

    Raises:
        DataError: It did.
    """
    import duckdb

    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        first_line = str(error).strip().splitlines()[0]
        if isinstance(error, duckdb.IOException) and "space" not in first_line:
            raise
        raise DataError(
            f"{key}: there is not enough room to work on this table: {first_line} Give the engine more memory "
            f"(data.memory), or make room on the disk of {tempfile.gettempdir()}"
        ) from error


def locked_folder(owner: Any) -> Path:
    """A new private folder, locked for as long as this process lives, that goes with its owner."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=SPILL))
        lock = (folder / LOCK).open("w")
        # Another process may have swept the folder away before the lock was taken.
        if _locked(lock) and (folder / LOCK).exists():
            weakref.finalize(owner, _remove, folder, lock)
            return folder
        lock.close()


def sweep() -> None:
    """Remove the locked folders of processes that are no more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SPILL}*"):
        with contextlib.suppress(OSError), (folder / LOCK).open("r+") as lock:
            if _locked(lock):
                shutil.rmtree(folder, ignore_errors=True)


def _locked(lock: IO[str]) -> bool:
    """Whether the lock was free and is now this file's; the system frees it when its process ends, however it ends."""
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(folder: Path, lock: IO[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()


def _attach(con: Any, connection: Connection, expand: Callable[..., Path]) -> None:
    if not connection.path:
        return
    path = expand(connection.path, key="data.connection.path")
    if not path.is_file():
        raise DataError(f"data.connection.path: {path} is not there")
    con.attach(str(path), name="source", read_only=True)

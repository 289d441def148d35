"""A PostgreSQL server and a Spark session for the tests, each started when first asked for and gone when they end."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis.expr.types as ir

USER = "valuebook"
DATABASE = "postgres"
# A server for an hour of tests: nothing has to outlive a power cut.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "timezone": "UTC"}


def postgres_programs() -> Path | None:
    """Folder of the newest installed server's programs; `None` where there is no server."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return installed[-1].parent if installed else None


class Postgres:
    """A server in a folder of its own, on a free port of this machine alone; it may be killed and started again."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        # The server refuses to run as root; the package made a user for it.
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            shutil.chown(folder, self.user)
        self._run("initdb", "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    @property
    def url(self) -> str:
        """For `ibis.connect`."""
        return self.url_of()

    def url_of(self, database: str = DATABASE, *, password: str | None = None) -> str:
        """For `ibis.connect`; the server believes any password."""
        user = USER if password is None else f"{USER}:{password}"
        return f"postgres://{user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = SETTINGS | {"port": str(self.port), "listen_addresses": "127.0.0.1"}
        settings |= {"unix_socket_directories": str(self.folder)}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._control("start", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, *, how: str = "immediate") -> None:
        """Stop it; `immediate` is what a crash looks like to those who are connected."""
        self._control("stop", "-m", how)

    def stopping(self) -> str:
        """Python that stops it as `stop` does, for what runs in another process."""
        command = [str(self.programs / "pg_ctl"), "stop", "-m", "immediate", "-D", str(self.folder / "data"), "-w"]
        run = f"subprocess.run({command!r}, user={self.user!r}, cwd={str(self.folder)!r}, check=True)"
        return f"import subprocess\n\n{run}"

    def _control(self, do: str, *more: str) -> None:
        self._run("pg_ctl", do, "-D", str(self.folder / "data"), "-w", *more)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            user=self.user,
            cwd=self.folder,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}")


@contextlib.contextmanager
def postgres_server(programs: Path) -> Iterator[Postgres]:
    """A running server."""
    with tempfile.TemporaryDirectory(prefix="valuebook-pg-", ignore_cleanup_errors=True) as folder:
        server = Postgres(programs, Path(folder))
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(RuntimeError):  # a test may have stopped it
                server.stop()


def copy_to_postgres(con: Any, name: str, table: ir.Table) -> None:
    """Make a table of a server from one of DuckDB's."""
    # The server knows no nanoseconds, which pandas writes.
    table = table.cast({c: "timestamp(6)" for c, kind in table.schema().items() if kind.is_timestamp()})
    con.create_table(name, schema=table.schema())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        table.to_csv(path)
        with con.con.cursor() as cursor, cursor.copy(f'COPY "{name}" FROM STDIN (FORMAT csv, HEADER)') as copy:
            copy.write(path.read_bytes())


@contextlib.contextmanager
def spark_session(folder: Path) -> Iterator[Any]:
    """A Spark session of this process, with its warehouse in a folder; no page to look at and no network."""
    from pyspark.sql import SparkSession

    built = (
        SparkSession.builder.master("local[2]")
        .appName("valuebook-tests")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "2g")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.driver.extraJavaOptions", f"-Duser.timezone=UTC -Dderby.system.home={folder}")
        .getOrCreate()
    )
    try:
        yield built
    finally:
        built.stop()

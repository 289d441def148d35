"""A Hive metastore from PySpark's own jars: it names tables for all Spark sessions of a site, as a data lake's does."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SITE = """<configuration>
<property><name>javax.jdo.option.ConnectionURL</name><value>jdbc:derby:;databaseName={folder}/db;create=true</value></property>
<property><name>datanucleus.schema.autoCreateAll</name><value>true</value></property>
<property><name>hive.metastore.schema.verification</name><value>false</value></property>
<property><name>hive.metastore.warehouse.dir</name><value>{folder}/warehouse</value></property>
<property><name>hive.metastore.thrift.bind.host</name><value>127.0.0.1</value></property>
<property><name>hive.async.log.enabled</name><value>false</value></property>
</configuration>"""
# What its serialiser looks into, which Java 17 keeps closed.
OPENED = ("java.lang", "java.net", "java.nio", "java.util", "java.util.concurrent")
PATIENCE = 60.0
REGISTER = """
import sys
from pathlib import Path
from helpers.data.servers import connect_server
from helpers.params import Data

held = {"backend": "pyspark", "connection": {"url_env": "SPARK_URL"}, "tables": {"orders": {"from": "orders"}}}
session = connect_server(Data.model_validate(held))._session
session.sql("CREATE DATABASE shop")
for path in map(Path, sys.argv[1:]):
    session.sql(f"CREATE TABLE shop.{path.stem} USING parquet LOCATION '{path}'")
"""


@contextlib.contextmanager
def metastore(folder: Path) -> Iterator[str]:
    """A running metastore; gives the URL of its database `shop` without what a test may add, as `&name=value`."""
    import pyspark

    jars = Path(pyspark.__file__).parent / "jars"
    (folder / "hive-site.xml").write_text(SITE.format(folder=folder))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    classes = f"{folder}{os.pathsep}{jars}/*"
    command = ["java", *opened, f"-Dderby.system.home={folder}", "-cp", classes]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "org.apache.hadoop.hive.metastore.HiveMetaStore", "-p", str(port)],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(server, port, folder / "log")
        settings = {
            "spark.master": "local[1]",
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.sql.catalogImplementation": "hive",
            "spark.hadoop.hive.metastore.uris": f"thrift://127.0.0.1:{port}",
        }
        yield f"pyspark:///shop?{urlencode(settings)}"
    finally:
        server.kill()
        server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    raise RuntimeError(f"the metastore did not start: {log.read_text()[-2000:]}")


def register(url: str, paths: Sequence[Path]) -> None:
    """Name Parquet files as tables of `shop`, each after its file; by a session that ends, in a process of its own."""
    environment = {**os.environ, "SPARK_URL": url.replace("/shop", "", 1), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", REGISTER, *map(str, paths)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])

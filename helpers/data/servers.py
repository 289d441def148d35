"""Servers: a warehouse by the URL in an environment variable, and what is said when it cannot be reached any more."""

from __future__ import annotations

import os
import weakref
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import ibis

from helpers.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.params import Data

# By these the kit and Ibis itself ask a backend for anything.
ASKING = ("execute", "to_pyarrow", "to_pyarrow_batches", "raw_sql", "create_table", "table")


def connect_server(data: Data) -> Any:
    """The Ibis backend at the URL that an environment variable holds.

    Spark has no URL of its own: `pyspark://` is the session of this process, `/name` after it a database, and what
    follows a `?` are Spark's own settings, as in `pyspark:///sales?spark.master=spark://host:7077`.

    Args:
        data: The `data` section of the params.

    Raises:
        DataError: The variable is not set, nothing answers at its URL, it is another backend's, or the backend's
            package is not installed. Neither here nor later does a message repeat the URL.
    """
    name = data.connection.url_env or ""
    url = os.environ.get(name)
    if not url:
        raise DataError(f"data.connection.url_env: environment variable {name} is not set")
    try:
        con = _spark(url) if url.startswith("pyspark://") else ibis.connect(url)
    except ImportError:
        raise DataError(
            f"data.backend: {data.backend} needs a package that is not installed; install the extra of its name, of "
            f"this kit for postgres and pyspark and of ibis-framework for others"
        ) from None
    except Exception as error:  # noqa: BLE001 - drivers raise what they like
        # The driver's own message may repeat the URL with its password, so only the error's type is told.
        raise DataError(f"data.connection: no connection by the URL in {name} ({type(error).__name__})") from None
    if con.name != data.backend:
        con.disconnect()
        raise DataError(f"data.backend == {data.backend!r}, but the URL in {name} is one of {con.name}")
    if con.name == "postgres":
        weakref.finalize(con, con.con.close)
    for method in ASKING:
        setattr(con, method, _telling(weakref.ref(con), method, url_env=name))
    return con


def _spark(url: str) -> Any:
    from pyspark.sql import SparkSession

    _forget_dead_session()
    parts = urlsplit(url)
    builder = SparkSession.builder.appName("valuebook").config("spark.ui.showConsoleProgress", "false")
    for setting, value in parse_qsl(parts.query):
        builder = builder.config(setting, value)
    # A session of its own: two studies of one process may keep tables under one name.
    session = builder.getOrCreate().newSession()
    if database := parts.path.strip("/"):
        session.catalog.setCurrentDatabase(database)
    return ibis.pyspark.connect(session)


def _forget_dead_session() -> None:
    """Let PySpark start anew where the Java process that this one started is no more; it would go on asking it for ever."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    java = getattr(SparkContext._gateway, "proc", None)  # noqa: SLF001 - PySpark has no public word for it
    if java is None or java.poll() is None:
        return
    for owner, names in (
        (SparkContext, ("_active_spark_context", "_gateway", "_jvm")),
        (SparkSession, ("_instantiatedSession",)),
    ):
        for name in names:
            setattr(owner, name, None)


def _telling(con: weakref.ref[Any], method: str, *, url_env: str) -> Callable[..., Any]:
    """A method of a backend that says in the params' words when the connection is lost."""
    plain = getattr(type(con()), method)

    @wraps(plain)
    def asked(*arguments: Any, **options: Any) -> Any:
        backend = con()
        try:
            return plain(backend, *arguments, **options)
        except Exception as error:
            if not _lost(backend, error):
                raise
            raise DataError(
                f"data.connection: the connection by the URL in {url_env} was lost ({type(error).__name__}); "
                f"run the study again when the server answers"
            ) from None

    return asked


def _lost(con: Any, error: Exception) -> bool:
    """Whether an error is that of a connection that is no more."""
    if con.name == "postgres":
        return bool(con.con.closed)
    if con.name == "pyspark":
        from py4j.protocol import Py4JNetworkError

        return isinstance(error, (Py4JNetworkError, ConnectionError))
    return isinstance(error, ConnectionError)

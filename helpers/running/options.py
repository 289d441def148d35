"""What commands of the command line share: their options, consoles and exit codes, and the folders they work in."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from helpers.params import params_folder

if TYPE_CHECKING:
    import contextlib

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

FAILED, BAD_INPUT, BLOCKED, STOPPED = 1, 2, 3, 130


class Kernels(StrEnum):
    """Kinds of kernels."""

    warm = "warm"
    plain = "plain"


class Executors(StrEnum):
    """Where jobs run."""

    local = "local"
    dask = "dask"


Clients = Annotated[list[str] | None, typer.Argument(help="Clients; all of the params folder when none is named.")]
ParamsDir = Annotated[Path | None, typer.Option("--params", help="Folder of params files.")]
ReportsDir = Annotated[Path | None, typer.Option("--reports", help="Folder that reports go to.")]
ParamsPath = Annotated[str | None, typer.Option("--params", help="Folder of params files, or its URL (s3://...).")]
ReportsPath = Annotated[str | None, typer.Option("--reports", help="Folder that reports go to, or its URL (s3://...).")]
Periods = Annotated[list[str] | None, typer.Option("--period", help="latest, all, 2024, 2024-Q4, 2024-11, ...")]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Topics; all when none is named.")]
Jobs = Annotated[int, typer.Option(min=1, help="Notebooks that run side by side.")]
KernelKind = Annotated[
    Kernels | None,
    typer.Option("--kernel", help="Forks of a preloaded process, or a new process each; warm where it can be had."),
]
ExecutorKind = Annotated[Executors, typer.Option("--executor", help="This machine, or a Dask cluster.")]
Scheduler = Annotated[str | None, typer.Option("--scheduler", help="Address of the Dask scheduler: tcp://host:8786.")]
Force = Annotated[bool, typer.Option("--force", help="Run also what is done and unchanged.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Run again what failed and is unchanged.")]
Pdf = Annotated[bool, typer.Option("--pdf", help="Print each report and cover as PDF too, where there is a Chromium.")]


def local_folder(path: str | None, stack: contextlib.ExitStack) -> Path | None:
    """A folder as it is on this machine; what stands at a URL is fetched, and what was written is sent back at the end."""
    if path is None or "://" not in path:
        return Path(path) if path else None
    import tempfile

    from helpers.running.cluster import Mirror

    mirror = Mirror(path, folder=Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="valuebook-"))))
    stack.callback(mirror.push)
    return mirror.pull()


def use_params(params: Path | None) -> Path:
    """The params folder; kernels learn of it through the environment."""
    folder = (params or params_folder()).resolve()
    os.environ["VALUEBOOK_PARAMS"] = str(folder)
    return folder


def use_reports(reports: Path | None) -> Path:
    """The reports folder; kernels learn of it through the environment."""
    if reports:
        os.environ["VALUEBOOK_REPORTS"] = str(reports.resolve())
    from helpers.shelf import reports_folder

    return reports_folder()


def complain(message: str) -> None:
    """Say what is wrong, on stderr."""
    err.print(message, style="red", markup=False, soft_wrap=True)

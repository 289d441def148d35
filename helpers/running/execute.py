"""Execution: one job through papermill, and its report."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.params import ROOT, expand, load_params
from helpers.reporting.export import write_json, write_text
from helpers.reporting.findings import Findings
from helpers.reporting.html import Brand, Provenance, render
from helpers.reporting.pages import failure_page
from helpers.reporting.words import use_language
from helpers.running.plan import Job, notebook
from helpers.study import read_findings, study_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_REASON = 500


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one job ended."""

    job: Job
    status: str
    reason: str | None
    seconds: float


def run_job(job: Job, *, params: Path, reports: Path) -> Outcome:
    """Run one job: execute its notebook and write its report.

    A notebook that fails leaves findings that say so and an error page; nothing it half wrote stays.

    Args:
        job: What to run.
        params: Folder of params files.
        reports: Folder of reports.
    """
    started = time.monotonic()
    with _folders(params, reports):
        content = load_params(job.client, folder=params)
        use_language(content.locale, content.currency)
        folder = study_folder(job.client, job.period)
        (folder / f"{job.topic}.json").unlink(missing_ok=True)
        if job.skip:
            return _without_report(job, "skipped", job.skip, folder, started)
        try:
            executed = _execute(job, folder)
            findings = read_findings(folder / f"{job.topic}.json")
            page = _page(executed, findings, content, seconds=time.monotonic() - started)
        except Exception as error:  # noqa: BLE001 - whatever stops a job is told in its own page and the exit code
            reason = _reason(error)
            trace = "".join(traceback.format_exception(error))
            write_text(
                folder / f"{job.topic}.html",
                failure_page(client=content.name, period=job.period, topic=job.topic, reason=reason, trace=trace),
            )
            return _without_report(job, "failed", reason, folder, started)
        write_text(folder / f"{job.topic}.html", page)
        seconds = time.monotonic() - started
        return Outcome(job=job, status=findings.status, reason=findings.reason, seconds=seconds)


def _without_report(job: Job, status: Any, reason: str, folder: Path, started: float) -> Outcome:
    findings = Findings(client=job.client, period=job.period, topic=job.topic, status=status, reason=reason)
    write_json(folder / f"{job.topic}.json", findings.to_json())
    return Outcome(job=job, status=status, reason=reason, seconds=time.monotonic() - started)


def _execute(job: Job, folder: Path) -> Any:
    """The executed notebook; the file appears whole, also when a cell failed."""
    import papermill

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".run-") as scratch:
        written = Path(scratch) / f"{job.topic}.ipynb"
        try:
            executed = papermill.execute_notebook(
                str(notebook(job.topic)),
                str(written),
                parameters={"client": job.client, "period": job.period},
                kernel_name="python3",
                cwd=str(ROOT),
                progress_bar=False,
                kernel_manager_class=_local_kernels(),
            )
        finally:
            if written.exists():
                written.replace(folder / written.name)
    return executed


@cache
def _local_kernels() -> type:
    """Kernels that are spoken to through files of this user: TCP would be open to everyone on the machine."""
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class LocalKernelManager(AsyncKernelManager):
        @default("transport")
        def _transport(self) -> str:
            return "tcp" if os.name == "nt" else "ipc"

    return LocalKernelManager


def _page(executed: Any, findings: Findings, params: Any, *, seconds: float) -> str:
    made = findings.provenance
    digests = [table["sha256"] for table in made["data"].values() if table["sha256"]]
    provenance = Provenance(
        data_hash=" ".join(digest[:12] for digest in digests) or "–",
        data_through=date.fromisoformat(made["data_through"]),
        code_version=made["code_version"],
        seed=made["seed"],
        versions=made["versions"],
        duration_seconds=seconds,
        generated_at=datetime.now(UTC),
    )
    return render(executed, findings=findings, provenance=provenance, brand=brand(params))


def brand(params: Any) -> Brand:
    """The client's look."""
    logo = expand(params.brand.logo, key="brand.logo") if params.brand.logo else None
    return Brand(name=params.name, colour=params.brand.colour, logo=logo)


def _reason(error: Exception) -> str:
    """The error in one short line: for an error in a cell, the cell's own."""
    name = getattr(error, "ename", type(error).__name__)
    text = str(getattr(error, "evalue", error)).strip()
    return f"{name}: {text}"[:LONGEST_REASON]


@contextlib.contextmanager
def _folders(params: Path, reports: Path) -> Iterator[None]:
    """Tell this process and its kernels where params and reports are."""
    before = {name: os.environ.get(name) for name in ("VALUEBOOK_PARAMS", "VALUEBOOK_REPORTS")}
    os.environ |= {"VALUEBOOK_PARAMS": str(params.resolve()), "VALUEBOOK_REPORTS": str(reports.resolve())}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value

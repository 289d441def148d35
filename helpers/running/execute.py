"""Execution: one job through papermill, and its report."""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any

from helpers.errors import TopicSkippedError
from helpers.params import expand, load_params
from helpers.reporting.export import write_json, write_text
from helpers.reporting.findings import Findings
from helpers.reporting.html import Brand, Provenance, render
from helpers.reporting.pages import failure_page
from helpers.reporting.words import use_language
from helpers.running.plan import Job, notebook
from helpers.study import read_findings, study_folder

LONGEST_REASON = 500
LONGEST_LOG = 4_000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one job ended."""

    job: Job
    status: str
    reason: str | None
    seconds: float


def run_job(job: Job, *, params: Path) -> Outcome:
    """Run one job: execute its notebook and write its report.

    A notebook that fails leaves findings that say so and an error page; nothing it half wrote stays.

    Args:
        job: What to run.
        params: Folder of params files.
    """
    started = time.monotonic()
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
        if getattr(error, "ename", None) == TopicSkippedError.__name__:
            return _without_report(job, "skipped", str(getattr(error, "evalue", reason)), folder, started)
        trace = "".join(traceback.format_exception(error))
        failure = failure_page(client=content.name, period=job.period, topic=job.topic, reason=reason, trace=trace)
        write_text(folder / f"{job.topic}.html", failure)
        return _without_report(job, "failed", reason, folder, started)
    write_text(folder / f"{job.topic}.html", page)
    return Outcome(job=job, status=findings.status, reason=findings.reason, seconds=time.monotonic() - started)


def _without_report(job: Job, status: Any, reason: str, folder: Path, started: float) -> Outcome:
    findings = Findings(client=job.client, period=job.period, topic=job.topic, status=status, reason=reason)
    write_json(folder / f"{job.topic}.json", findings.to_json())
    return Outcome(job=job, status=status, reason=reason, seconds=time.monotonic() - started)


def _execute(job: Job, folder: Path) -> Any:
    """The executed notebook; the file appears whole, also when a cell failed."""
    import papermill

    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".run-") as scratch,
        tempfile.TemporaryDirectory(prefix="vb-") as sockets,
        tempfile.TemporaryFile() as log,
    ):
        written = Path(scratch) / f"{job.topic}.ipynb"
        try:
            executed = papermill.execute_notebook(
                str(notebook(job.topic)),
                str(written),
                parameters={"client": job.client, "period": job.period},
                kernel_name="python3",
                progress_bar=False,
                kernel_manager_class=_local_kernels(sockets, log),
            )
        except Exception as error:
            log.seek(0)
            if said := log.read().decode(errors="replace").strip():
                error.add_note(f"The kernel said: {said[-LONGEST_LOG:]}")
            raise
        finally:
            if written.exists():
                written.replace(folder / written.name)
    return executed


def _local_kernels(sockets: str, log: IO[bytes]) -> type:
    """Kernels that are spoken to through sockets in a folder of their own.

    TCP would be open to everyone on the machine; and without a folder each, two kernels that start at the same moment
    could take the same sockets.

    Args:
        sockets: A private folder with a short path.
        log: Takes what the kernel itself says.
    """
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class LocalKernelManager(AsyncKernelManager):
        @default("transport")
        def _transport(self) -> str:
            return "tcp" if os.name == "nt" else "ipc"

        @default("ip")
        def _ip(self) -> str:
            return "127.0.0.1" if os.name == "nt" else str(Path(sockets) / "k")

        async def _async_pre_start_kernel(self, **options: Any) -> Any:
            # What the kernel itself says is for the error page, not for the terminal of a batch.
            return await super()._async_pre_start_kernel(**options, stderr=log)

    return LocalKernelManager


def _page(executed: Any, findings: Findings, params: Any, *, seconds: float) -> str:
    made = findings.provenance
    digests = [table["sha256"] for table in made["data"].values() if table["sha256"]]
    provenance = Provenance(
        data_hash=" ".join(digest[:12] for digest in digests) or "–",
        data_through=date.fromisoformat(made["data_through"]) if made["data_through"] else None,
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

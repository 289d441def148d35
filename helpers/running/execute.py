"""Execution: one job through papermill, its report, and the record that says it is done."""

from __future__ import annotations

import contextlib
import tempfile
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import TopicSkippedError
from helpers.params import expand, load_params
from helpers.reporting.export import write_json, write_text
from helpers.reporting.findings import Findings
from helpers.reporting.html import Brand, Provenance, render
from helpers.reporting.pages import failure_page
from helpers.reporting.words import _, use_language
from helpers.running.kernels import SPEC, Guard, InterruptedJobError, Kind, environment, manager_class, memory_limit
from helpers.running.lease import sockets
from helpers.running.plan import Job, notebook
from helpers.running.records import begin, commit, locked, read_record, sweep
from helpers.running.schemas import load_schemas
from helpers.running.secrets import Secrets
from helpers.shelf import read_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from helpers.data.ahead import ReadAhead

LONGEST_REASON = 500
LONGEST_LOG = 4_000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one job ended.

    Attributes:
        cached: Whether it was found done and did not run.
    """

    job: Job
    status: str
    reason: str | None
    seconds: float
    cached: bool = False


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all jobs of a run share.

    Attributes:
        params: Folder of params files.
        reports: Folder of reports.
        kernel: Kind of kernels.
        jobs: How many run side by side, which is how many share the memory.
        force: Whether jobs run that are done already.
        retry_failed: Whether jobs run again that failed and are unchanged.
        ahead: Tables that were read for the plan.
    """

    params: Path
    reports: Path
    kernel: Kind = "plain"
    jobs: int = 1
    force: bool = False
    retry_failed: bool = False
    ahead: ReadAhead | None = None


def run_job(
    job: Job,
    *,
    setting: Setting,
    ingredients: Mapping[str, str] | None,
    watch: Callable[[Guard], None] = lambda _guard: None,
) -> Outcome:
    """Run one job: execute its notebook and write its report, then the record that makes it count.

    A notebook that fails leaves findings that say so and an error page; nothing it half wrote stays.

    Args:
        job: What to run.
        setting: What all jobs of the run share.
        ingredients: What its key is made of; `None` where what it reads cannot be told apart from what it read last time.
        watch: Is given the guard, so that the job can be stopped.

    Raises:
        InterruptedJobError: It was stopped.
    """
    load_schemas()
    folder = setting.reports / job.client / job.period
    with locked(folder, job.topic), _own_loop():
        # Another run may have done it while this one waited for the lock.
        if found := done(job, setting=setting, ingredients=ingredients):
            return found
        started = time.monotonic()
        begin(folder, job.topic)
        content = load_params(job.client, folder=setting.params)
        use_language(content.locale, content.currency)
        secrets = Secrets.of(content)
        try:
            with Guard(
                seconds=content.run.timeout_minutes * 60, memory=memory_limit(content.run.memory_gb, jobs=setting.jobs)
            ) as guard:
                watch(guard)
                status, reason = _attempt(job, folder, content, setting=setting, guard=guard, secrets=secrets)
            seconds = time.monotonic() - started
            commit(folder, job.topic, ingredients=ingredients, status=status, reason=reason, seconds=seconds)
        except OSError as error:
            return _unwritten(job, folder, setting=setting, error=error)
        return Outcome(job=job, status=status, reason=reason, seconds=seconds)


def lost(job: Job, *, setting: Setting, reason: str) -> Outcome:
    """The outcome of a job that left no word of its own, with an error page; unchanged as it is, it will run again."""
    folder = setting.reports / job.client / job.period
    content = load_params(job.client, folder=setting.params)
    use_language(content.locale, content.currency)
    failure = failure_page(client=content.name, period=job.period, topic=job.topic, reason=reason, trace=reason)
    write_text(folder / f"{job.topic}.html", failure)
    status, told = _without_report(job, "failed", reason, folder)
    commit(folder, job.topic, ingredients=None, status=status, reason=told, seconds=0.0)
    return Outcome(job=job, status=status, reason=told, seconds=0.0)


def _unwritten(job: Job, folder: Path, *, setting: Setting, error: OSError) -> Outcome:
    """The outcome of a job whose files could not be written, because the disk is full or for another reason of the system's.

    Where not even the error page can be written, nothing is left. Unchanged as it is, the job will run again.
    """
    begin(folder, job.topic)
    reason = _("Its files could not be written: {error}").format(error=error)
    try:
        return lost(job, setting=setting, reason=reason)
    except OSError:
        begin(folder, job.topic)
        return Outcome(job=job, status="failed", reason=reason, seconds=0.0)


@contextlib.contextmanager
def _own_loop() -> Iterator[None]:
    """Close the event loop that nbclient makes in the thread at hand, with the threads that it started."""
    from jupyter_core.utils import ensure_event_loop

    loop = ensure_event_loop()
    try:
        yield
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def done(job: Job, *, setting: Setting, ingredients: Mapping[str, str] | None) -> Outcome | None:
    """How a job ended that is done already with the same ingredients and has all its files; else `None`."""
    if setting.force or ingredients is None:
        return None
    record = read_record(setting.reports / job.client / job.period, job.topic)
    if record is None or not record.holds(ingredients):
        return None
    if record.status == "failed" and setting.retry_failed:
        return None
    return Outcome(job=job, status=record.status, reason=record.reason, seconds=record.seconds, cached=True)


def _attempt(
    job: Job, folder: Path, content: Any, *, setting: Setting, guard: Guard, secrets: Secrets
) -> tuple[str, str | None]:
    """Status and reason of a job that was run to its end, whichever that was."""
    from nbclient.exceptions import DeadKernelError

    if job.skip:
        return _without_report(job, "skipped", job.skip, folder)
    started = time.monotonic()
    try:
        try:
            executed = _execute(job, folder, setting=setting, guard=guard, secrets=secrets)
        except DeadKernelError:
            # A kernel that somebody else killed deserves a second one; what kills itself will do so again.
            if guard.why or guard.interrupted:
                raise
            executed = _execute(job, folder, setting=setting, guard=guard, secrets=secrets)
        findings = secrets.checked(read_findings(folder / f"{job.topic}.json"))
        page = _page(executed, findings, content, seconds=time.monotonic() - started)
    except Exception as error:
        if guard.interrupted:
            (folder / f"{job.topic}.json").unlink(missing_ok=True)
            raise InterruptedJobError from error
        reason = guard.death() if isinstance(error, DeadKernelError) or guard.why else _reason(error, guard)
        reason = secrets.out_of(reason)
        if getattr(error, "ename", None) == TopicSkippedError.__name__:
            return _without_report(job, "skipped", str(getattr(error, "evalue", reason)), folder)
        trace = secrets.out_of("".join(traceback.format_exception(error)))
        failure = failure_page(client=content.name, period=job.period, topic=job.topic, reason=reason, trace=trace)
        write_text(folder / f"{job.topic}.html", failure)
        return _without_report(job, "failed", reason, folder)
    write_text(folder / f"{job.topic}.html", secrets.out_of(page))
    return findings.status, findings.reason


def _without_report(job: Job, status: Any, reason: str, folder: Path) -> tuple[str, str]:
    """Leave findings that say why there are no others, and no table."""
    sweep(folder, job.topic)
    findings = Findings(client=job.client, period=job.period, topic=job.topic, status=status, reason=reason)
    write_json(folder / f"{job.topic}.json", findings.to_json())
    return status, reason


def _execute(job: Job, folder: Path, *, setting: Setting, guard: Guard, secrets: Secrets) -> Any:
    """The executed notebook; the file appears whole, also when a cell failed or the kernel died."""
    import papermill

    from helpers.running.engine import ENGINE

    extra = {"VALUEBOOK_PARAMS": str(setting.params), "VALUEBOOK_REPORTS": str(setting.reports)}
    extra |= setting.ahead.of(job.client) if setting.ahead else {}
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=f".run-{job.topic}-") as scratch,
        sockets() as private,
        tempfile.TemporaryFile() as log,
    ):
        written = Path(scratch) / f"{job.topic}.ipynb"
        try:
            executed = papermill.execute_notebook(
                str(notebook(job.topic)),
                str(written),
                engine_name=ENGINE,
                parameters={"client": job.client, "period": job.period},
                kernel_name=SPEC,
                progress_bar=False,
                kernel_manager_class=manager_class(
                    setting.kernel, sockets=private, log=log, guard=guard, env=environment(extra)
                ),
                shutdown_kernel="immediate",
            )
        except Exception as error:
            log.seek(0)
            if said := log.read().decode(errors="replace").strip():
                error.add_note(f"The kernel said: {said[-LONGEST_LOG:]}")
            raise
        finally:
            if written.exists() and not guard.interrupted:
                write_text(folder / written.name, secrets.out_of(written.read_text(encoding="utf-8")))
    return executed


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


def _reason(error: Exception, guard: Guard) -> str:
    """The error in one short line: for an error in a cell, the cell's own."""
    name = getattr(error, "ename", type(error).__name__)
    text = str(getattr(error, "evalue", error)).strip()
    told = f"{name}: {text}"[:LONGEST_REASON]
    if name == MemoryError.__name__ and guard.memory:
        return f"{_('It ran out of memory.')} {guard.memory_note()}"
    return told

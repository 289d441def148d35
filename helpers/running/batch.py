"""A batch: the jobs of a plan, each as soon as what it waits for has ended, then manifests and index pages."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from helpers.reporting.export import alone, clear, write_json, write_parquet, write_text
from helpers.reporting.gathered import write_all_findings
from helpers.reporting.pages import period_before, portal_page, study_page
from helpers.reporting.words import use_language
from helpers.running.digests import of_json
from helpers.running.execute import Outcome, Setting, brand, done, run_job
from helpers.running.ingredients import ingredients
from helpers.running.kernels import WORTH_IT, Guard, InterruptedJobError, Kind, kind_of
from helpers.running.plan import previous
from helpers.running.records import FOLDER, inside, read_record, told
from helpers.shelf import study_findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from helpers.reporting.findings import Findings
    from helpers.running.plan import Job, Plan

MANIFEST_SCHEMA = 2
QUARANTINE = "quarantine.parquet"


class Watcher(Protocol):
    """Is told how a batch goes."""

    def started(self, job: Job) -> None:
        """A job runs now."""

    def ended(self, outcome: Outcome) -> None:
        """A job ended, or was found done."""


class Executor(Protocol):
    """Where jobs run."""

    def submit(self, job: Job, made_of: Mapping[str, str] | None, *, before: str | None) -> Future[Outcome]:
        """Start a job; `before` is the label of the period before its own."""

    def stop(self) -> None:
        """Stop all jobs that run; they leave nothing."""

    def close(self) -> None:
        """Let go of what was held."""


class LocalExecutor:
    """Jobs in threads of this process: the work is done in the kernels, which are processes of their own."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.pool = ThreadPoolExecutor(setting.jobs, thread_name_prefix="job")
        self.guards: set[Guard] = set()
        self.stopping = threading.Event()

    def submit(self, job: Job, made_of: Mapping[str, str] | None, *, before: str | None) -> Future[Outcome]:  # noqa: ARG002
        """Start a job as soon as a thread is free."""
        return self.pool.submit(run_job, job, setting=self.setting, ingredients=made_of, watch=self._watch)

    def stop(self) -> None:
        """Kill the kernels of all jobs that run."""
        self.stopping.set()
        for guard in list(self.guards):
            guard.interrupt()

    def close(self) -> None:
        """Wait for the threads, which have nothing more to do."""
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _watch(self, guard: Guard) -> None:
        self.guards.add(guard)
        if self.stopping.is_set():
            guard.interrupt()


class Covers:
    """Writes a client's covers as soon as its last job has ended, beside the jobs of others."""

    def __init__(self, plan: Plan, reports: Path) -> None:
        self.plan, self.reports = plan, reports
        self.left = Counter(job.client for job in plan.jobs)
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="covers")
        self.written: dict[str, Future[None]] = {}

    def ended(self, job: Job) -> None:
        """A job ended."""
        self.left[job.client] -= 1
        if not self.left[job.client]:
            self.written[job.client] = self.pool.submit(self._write, job.client)

    def finish(self) -> None:
        """Write the covers of clients whose jobs did not all end, and wait for all others."""
        for client in self.left.keys() - self.written.keys():
            self.written[client] = self.pool.submit(self._write, client)
        self.pool.shutdown(wait=True)
        for written in self.written.values():
            written.result()

    def _write(self, client: str) -> None:
        for period in dict.fromkeys(job.period for job in self.plan.jobs if job.client == client):
            started = self.reports / client / period / FOLDER
            # Where a link led out of the folder of reports, the jobs were refused and nothing is written either.
            if started.is_dir() and started.resolve().is_relative_to(self.reports.resolve()):
                write_study(client, period, params=self.plan.params[client], reports=self.reports)


class Judge:
    """Says which jobs of a plan are done already. What it found stands until a job of the same client begins."""

    def __init__(self, plan: Plan, setting: Setting) -> None:
        self.plan, self.setting = plan, setting
        self._found: dict[str, dict[tuple[str, str, str], Outcome]] = {}

    def made_of(self, job: Job) -> dict[str, str] | None:
        """A job's ingredients."""
        params, facts = self.plan.params[job.client], self.plan.facts[job.client]
        return ingredients(job, params=params, facts=facts, reports=self.setting.reports)

    def done(self, job: Job) -> Outcome | None:
        """How a job ended that is done with the same ingredients; `None` for one that is to run."""
        found = self._found.setdefault(job.client, {})
        if job.name not in found and (ended := done(job, setting=self.setting, ingredients=self.made_of(job))):
            found[job.name] = ended
        return found.get(job.name)

    def began(self, job: Job) -> None:
        """A job runs: other jobs of its client may read what it will find."""
        self._found.pop(job.client, None)


def kernels_for(judge: Judge, *, asked: Kind | None) -> tuple[Kind, str | None]:
    """The kind of kernels for a plan, and why they are plain where warm ones were asked for or are usual.

    Where all is done already, or one job is left, a zygote would cost more than it saves, unless it is asked for.
    """
    if asked is None:
        to_run = (job for job in judge.plan.jobs if job.skip is None and judge.done(job) is None)
        if len(list(islice(to_run, WORTH_IT))) < WORTH_IT:
            return "plain", None
    return kind_of(asked)


def run_batch(judge: Judge, *, setting: Setting, watcher: Watcher, executor: Executor | None = None) -> list[Outcome]:
    """Run a plan's jobs; one that reads another's findings starts after it.

    Args:
        judge: Of the plan.
        setting: What all jobs share.
        watcher: Told of each job.
        executor: Where jobs run; this machine unless given.

    Raises:
        KeyboardInterrupt: The run was stopped. What had ended stays, and covers are written over it.
        ParamsError: The folder of reports leads out of itself by a link.
    """
    plan = judge.plan
    studies = list(dict.fromkeys((job.client, job.period) for job in plan.jobs))
    for client, period in studies:
        inside(setting.reports, setting.reports / client / period / "tables")
    runs_on = executor or LocalExecutor(setting)
    covers = Covers(plan, setting.reports)
    outcomes: list[Outcome] = []
    try:
        _run(judge, outcomes, setting=setting, watcher=watcher, executor=runs_on, covers=covers)
    except BaseException:
        runs_on.stop()
        raise
    finally:
        runs_on.close()
        covers.finish()
        write_portal(setting.reports)
        write_all_findings(setting.reports)
    return outcomes


def _run(
    judge: Judge, outcomes: list[Outcome], *, setting: Setting, watcher: Watcher, executor: Executor, covers: Covers
) -> None:
    plan = judge.plan
    waiting: dict[tuple[str, str, str], Job] = {job.name: job for job in plan.jobs}
    running: dict[Future[Outcome], Job] = {}
    failure: BaseException | None = None

    def end(outcome: Outcome) -> None:
        outcomes.append(outcome)
        watcher.ended(outcome)
        covers.ended(outcome.job)

    while waiting or running:
        unfinished = {*waiting, *(job.name for job in running.values())}
        for job in [job for job in waiting.values() if not unfinished.intersection(job.after)]:
            if len(running) >= setting.jobs:
                break
            del waiting[job.name]
            if found := judge.done(job):
                unfinished.discard(job.name)
                end(found)
                continue
            judge.began(job)
            watcher.started(job)
            before = previous(job.period, facts=plan.facts[job.client], params=plan.params[job.client])
            running[executor.submit(job, judge.made_of(job), before=before)] = job
        if not running:
            continue
        # A wait without end would not let Ctrl-C through on every system.
        ended, _running = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in ended:
            del running[future]
            try:
                end(future.result())
            except InterruptedJobError as error:
                failure = error
        if failure and not running:
            raise KeyboardInterrupt


def write_study(client: str, period: str, *, params: Any, reports: Path) -> None:
    """A study's cover page, its manifest and its quarantine, from all findings and records in its folder."""
    folder = reports / client / period
    with alone(folder / FOLDER / "cover.lock"):
        # Covers are written while other clients' jobs run: a run that is killed then may leave one half written.
        for path in (folder / "index.html", folder / "manifest.json", folder / "tables" / QUARANTINE):
            clear(path)
        _write_study(folder, params=params)


def _write_study(folder: Path, *, params: Any) -> None:
    client, period = folder.parts[-2:]
    use_language(params.locale, params.currency)
    found = study_findings(folder)
    last = period_before(period)
    before = study_findings(folder.parent / last) if last else ()
    _write_cover(folder, study_page(brand=brand(params), period=period, findings=found, before=before))
    records = {item.topic: read_record(folder, item.topic) for item in found}
    manifest = {
        "schema": MANIFEST_SCHEMA,
        "client": client,
        "period": period,
        "topics": {
            item.topic: {
                "status": item.status,
                "reason": item.reason,
                "seconds": round(record.seconds, 2) if (record := records[item.topic]) else None,
                "record": told(record) if record else None,
                "provenance": item.provenance,
            }
            for item in found
        },
    }
    _write_quarantine(folder)
    manifest["workbook"] = _write_workbook(folder, found, of_json([str(params.locale), manifest["topics"]]))
    write_json(folder / "manifest.json", manifest)


def _write_cover(folder: Path, page: str) -> None:
    """The cover; a PDF of an earlier one goes."""
    path = folder / "index.html"
    if not path.is_file() or path.read_text(encoding="utf-8") != page:
        path.with_suffix(".pdf").unlink(missing_ok=True)
        write_text(path, page)


def _write_quarantine(folder: Path) -> None:
    """`tables/quarantine.parquet`: the rows that any topic of the study found put aside, each once."""
    paths = sorted((folder / "tables").glob(f"*.{QUARANTINE}"))
    if not paths:
        return
    import pandas as pd

    rows = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    write_parquet(folder / "tables" / QUARANTINE, rows.drop_duplicates(ignore_index=True))


def _write_workbook(folder: Path, found: Sequence[Findings], made_of: str) -> dict[str, str] | None:
    """The study's workbook, unless the last manifest says that it is made of the same; how the manifest tells it."""
    last = folder / "manifest.json"
    told = json.loads(last.read_bytes()).get("workbook") if last.is_file() else None
    if told and told["made_of"] == made_of and (folder / told["file"]).is_file():
        return dict(told)
    from helpers.reporting.workbook import workbook_file, write_workbook

    with alone(folder / FOLDER / "workbook.lock"):
        clear(folder / workbook_file(*folder.parts[-2:]))
        path = write_workbook(folder, found)
    return {"file": str(path.relative_to(folder)), "made_of": made_of} if path else None


def write_portal(reports: Path) -> None:
    """The page over all studies in a reports folder."""
    studies = [study_findings(folder) for folder in sorted({path.parent for path in reports.glob("*/*/manifest.json")})]
    use_language("en_GB", "GBP")
    write_text(reports / "index.html", portal_page(studies))

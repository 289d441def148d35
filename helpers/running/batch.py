"""A batch: all jobs of a plan, side by side where asked, then manifests and index pages."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import TYPE_CHECKING

from helpers.params import load_params
from helpers.reporting.export import write_json, write_text
from helpers.reporting.pages import portal_page, study_page
from helpers.reporting.words import use_language
from helpers.running.execute import Outcome, brand, run_job
from helpers.running.plan import depth
from helpers.study import read_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from helpers.reporting.findings import Findings
    from helpers.running.plan import Job, Plan

MANIFEST_SCHEMA = 1


def run_batch(plan: Plan, *, params: Path, reports: Path, jobs: int, told: Callable[[Outcome], None]) -> list[Outcome]:
    """Run a plan's jobs; a topic that reads what another found runs after it.

    Args:
        plan: From `make_plan`.
        params: Folder of params files.
        reports: Folder of reports.
        jobs: How many notebooks run side by side.
        told: Called with each outcome as it comes.
    """
    outcomes: list[Outcome] = []
    for level in sorted({depth(job.topic) for job in plan.jobs}):
        wave = [job for job in plan.jobs if depth(job.topic) == level]
        with _folders(params, reports):
            outcomes += _wave(wave, params=params, jobs=jobs, told=told)
    for client, period in dict.fromkeys((job.client, job.period) for job in plan.jobs):
        write_study(client, period, outcomes, params=params, reports=reports)
    write_portal(reports)
    return outcomes


def _wave(wave: list[Job], *, params: Path, jobs: int, told: Callable[[Outcome], None]) -> list[Outcome]:
    run = partial(run_job, params=params)
    outcomes = []
    if jobs == 1 or len(wave) < 2:  # noqa: PLR2004 - nothing to run side by side
        for job in wave:
            outcomes.append(run(job))
            told(outcomes[-1])
        return outcomes
    # A thread a notebook is enough: the work is done in the kernel, a process of its own.
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(run, job) for job in wave]):
            outcomes.append(done.result())
            told(outcomes[-1])
    return outcomes


def write_study(client: str, period: str, outcomes: list[Outcome], *, params: Path, reports: Path) -> None:
    """A study's cover page and its manifest, from all findings in its folder."""
    folder = reports / client / period
    content = load_params(client, folder=params)
    use_language(content.locale, content.currency)
    found = _findings(folder)
    write_text(folder / "index.html", study_page(brand=brand(content), period=period, findings=found))
    seconds = {o.job.topic: o.seconds for o in outcomes if (o.job.client, o.job.period) == (client, period)}
    manifest = {
        "schema": MANIFEST_SCHEMA,
        "client": client,
        "period": period,
        "topics": {
            item.topic: {
                "status": item.status,
                "reason": item.reason,
                "seconds": round(seconds[item.topic], 2) if item.topic in seconds else None,
                "provenance": item.provenance,
            }
            for item in found
        },
    }
    write_json(folder / "manifest.json", manifest)


def write_portal(reports: Path) -> None:
    """The page over all studies in a reports folder."""
    studies = [_findings(folder) for folder in sorted({path.parent for path in reports.glob("*/*/manifest.json")})]
    use_language("en_GB", "GBP")
    write_text(reports / "index.html", portal_page(studies))


def _findings(folder: Path) -> list[Findings]:
    paths = sorted(path for path in folder.glob("*.json") if path.name != "manifest.json")
    return [read_findings(path) for path in paths]


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

"""Progress: a live table of jobs on a terminal, plain lines elsewhere, and what is said when a run ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.table import Table

from helpers.running.records import read_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from helpers.running.execute import Outcome
    from helpers.running.plan import Job

STATUS_STYLE = {"ok": "green", "warn": "yellow", "blocked": "red", "failed": "red", "skipped": "dim"}
MOST_ROWS = 20
WAITING, RUNNING = "waiting", "running"


class Lines:
    """A line for each job that ended; where nobody watches, such as in CI."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_told: object) -> None:
        """Nothing is held."""

    def started(self, job: Job) -> None:
        """Say nothing yet."""

    def ended(self, outcome: Outcome) -> None:
        """Say how it ended."""
        job, style = outcome.job, STATUS_STYLE[outcome.status]
        took = "cached" if outcome.cached else f"{outcome.seconds:.1f} s"
        self.console.print(f"[{style}]{outcome.status:8}[/] {job.client} {job.period} {job.topic}  {took}")
        if outcome.reason:
            self.console.print(f"         {outcome.reason}", markup=False, style="dim", soft_wrap=True)


class LiveTable:
    """A table of the jobs that run, wait and failed, each with elapsed and expected seconds."""

    def __init__(
        self, console: Console, jobs: Sequence[Job], *, expected: Mapping[tuple[str, str, str], float]
    ) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.expected = expected
        self.began: dict[tuple[str, str, str], float] = {}
        self.outcomes: dict[tuple[str, str, str], Outcome] = {}
        self.live = Live(console=console, get_renderable=self.table, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *_told: object) -> None:
        """Take the table away; the summary stands in its place."""
        self.live.stop()

    def started(self, job: Job) -> None:
        """Its clock runs."""
        self.began[job.name] = time.monotonic()

    def ended(self, outcome: Outcome) -> None:
        """It has a result; what needs an eye stays above the table."""
        self.outcomes[outcome.job.name] = outcome
        if outcome.status in {"failed", "blocked"}:
            Lines(self.live.console).ended(outcome)

    def table(self) -> Table:
        """The table as it stands now: first what runs, then what waits, then what ended last."""
        running = [name for name in self.began if name not in self.outcomes]
        waiting = [name for name in self.jobs if name not in self.began and name not in self.outcomes]
        ended = [name for name in reversed(self.outcomes) if not self.outcomes[name].cached]
        shown = Table("client", "period", "topic", "state", "elapsed", "expected", box=None, header_style="bold")
        for name in [*running, *waiting, *ended][:MOST_ROWS]:
            shown.add_row(*name, *self._row(name))
        left = len(self.jobs) - len(self.outcomes)
        cached = sum(outcome.cached for outcome in self.outcomes.values())
        shown.caption = f"{len(self.outcomes)} of {len(self.jobs)} done, {cached} of them cached{self._left(left)}"
        return shown

    def _row(self, name: tuple[str, str, str]) -> tuple[str, str, str]:
        expected = f"{self.expected[name]:.0f} s" if name in self.expected else "–"
        if name in self.outcomes:
            outcome = self.outcomes[name]
            return f"[{STATUS_STYLE[outcome.status]}]{outcome.status}[/]", f"{outcome.seconds:.1f} s", expected
        if name in self.began:
            return f"[bold]{RUNNING}[/]", f"{time.monotonic() - self.began[name]:.0f} s", expected
        return f"[dim]{WAITING}[/]", "", expected

    def _left(self, left: int) -> str:
        known = [self.expected[name] for name in self.jobs if name not in self.outcomes and name in self.expected]
        return f"; about {sum(known):.0f} s of work left" if known and len(known) == left else ""


def expected_seconds(jobs: Sequence[Job], *, reports: Path) -> dict[tuple[str, str, str], float]:
    """What each job took the last time; else what its topic took on the mean for those that are known."""
    found = {
        job.name: record.seconds
        for job in jobs
        if (record := read_record(reports / job.client / job.period, job.topic)) and record.status != "skipped"
    }
    by_topic: dict[str, list[float]] = {}
    for (_client, _period, topic), seconds in found.items():
        by_topic.setdefault(topic, []).append(seconds)
    return {
        job.name: found.get(job.name, sum(by_topic[job.topic]) / len(by_topic[job.topic]))
        for job in jobs
        if job.topic in by_topic
    }


def summarise(console: Console, outcomes: Sequence[Outcome], *, index: object, seconds: float) -> None:
    """What ran, what was cached, what failed and why."""
    counts = {status: sum(outcome.status == status for outcome in outcomes) for status in STATUS_STYLE}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "nothing to run"
    cached = sum(outcome.cached for outcome in outcomes)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        job = outcome.job
        again = "; unchanged since it failed, --retry-failed runs it again" if outcome.cached else ""
        console.print(
            f"failed: {job.client} {job.period} {job.topic}: {outcome.reason}{again}", markup=False, soft_wrap=True
        )
    console.print(
        f"{len(outcomes)} notebooks: {told}; {len(outcomes) - cached} ran, {cached} were cached, in {seconds:.1f} s. "
        f"Reports: {index}",
        soft_wrap=True,
    )

"""The plan: clients x periods x topics with what each waits for, checked before any kernel starts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import ParamsError, ValuebookError
from helpers.needs import skip_reason
from helpers.params import CLIENT_NAME, ROOT, clients, load_params, topics
from helpers.periods import check_period_name, resolve_period
from helpers.shelf import earlier_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from helpers.data.load import Tables
    from helpers.running.facts import Facts

LAST = "summary"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One topic of one study.

    Attributes:
        skip: Why it will not run; `None` for a job that will.
        after: Jobs that must have ended before it starts, as (client, period, topic).
    """

    client: str
    period: str
    topic: str
    skip: str | None = None
    after: tuple[tuple[str, str, str], ...] = ()

    @property
    def name(self) -> tuple[str, str, str]:
        """What identifies it."""
        return self.client, self.period, self.topic


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All jobs of a run in an order that respects what each waits for, and what keeps clients out of it.

    Attributes:
        jobs: The jobs.
        errors: Message by client.
        params: Params by client.
        facts: What is known of the data, by client.
    """

    jobs: tuple[Job, ...]
    errors: dict[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Facts] = field(default_factory=dict)


def notebooks_folder() -> Path:
    """The folder of notebooks: `VALUEBOOK_NOTEBOOKS`, or the project's own."""
    return Path(os.environ.get("VALUEBOOK_NOTEBOOKS", ROOT / "notebooks"))


def notebook(topic: str) -> Path:
    """A topic's notebook."""
    return notebooks_folder() / f"{topic}.ipynb"


def available_topics() -> list[str]:
    """Topics that have a notebook, each after those whose findings it reads; `summary` last."""
    found = sorted(path.stem for path in notebooks_folder().glob("*.ipynb"))
    return in_order([name for name in found if name in topics()])


def reads(topic: str) -> tuple[str, ...]:
    """Topics whose findings a topic reads: what its `READS` says; for `summary`, all others.

    Raises:
        ParamsError: `READS` names what is no topic.
    """
    known = topics()
    if topic == LAST:
        return tuple(name for name in known if name != LAST)
    named = tuple(getattr(known[topic], "READS", ()))
    if unknown := [name for name in named if name not in known or name == topic]:
        raise ParamsError(f"helpers/{topic}/topic.py: READS == {named}, of which {unknown} are no other topics")
    return named


def in_order(names: Iterable[str]) -> list[str]:
    """Topics, each after those that it reads, otherwise by name.

    Raises:
        ParamsError: Topics read each other in a circle.
    """
    waiting = sorted(names)
    done: list[str] = []
    while waiting:
        ready = [name for name in waiting if not set(reads(name)) & set(waiting)]
        if not ready:
            raise ParamsError(f"READS of {', '.join(waiting)} go in a circle")
        done.append(ready[0])
        waiting.remove(ready[0])
    return done


def make_plan(
    *,
    names: Sequence[str],
    periods: Sequence[str],
    chosen: Sequence[str],
    params: Path,
    reading: Callable[[], None] = lambda: None,
    learned: Callable[[Any, Tables], None] = lambda _params, _tables: None,
) -> Plan:
    """What a run will do.

    Params of all clients are read first, then each client's tables, which give `latest` and `all` their dates.

    Args:
        names: Clients; all of the folder when empty.
        periods: Period names.
        chosen: Topics; all when empty.
        params: Folder of params files.
        reading: Called before each client's data are read; not for clients whose data are known.
        learned: Is given params and tables of each client whose data were read.

    Raises:
        ParamsError: An unknown topic, a period of no known form, or a params folder without clients.
    """
    known = available_topics()
    if unknown := [name for name in chosen if name not in known]:
        raise ParamsError(f"unknown topic {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    wanted = in_order(set(chosen)) if chosen else known
    for period in periods:
        check_period_name(period)
    everyone = list(dict.fromkeys(names)) or clients(params)
    if not everyone:
        raise ParamsError(f"{params}: no client's params there; write one with `valuebook new`")
    errors: dict[str, str] = {}
    loaded: dict[str, Any] = {}
    for client in everyone:
        try:
            loaded[client] = load_params(client, folder=params)
        except ValuebookError as error:
            errors[client] = str(error)
    if not loaded:
        return Plan(jobs=(), errors=errors)
    # Only now what takes time to load: a mistake in the params is told at once.
    from helpers.running.digests import Memory, memory_folder
    from helpers.running.facts import facts_of

    memory = Memory(memory_folder() / "hashes.json")
    jobs: list[Job] = []
    facts: dict[str, Facts] = {}
    for client, content in loaded.items():
        try:
            known_facts = facts_of(client, content, folder=params, memory=memory, reading=reading, learned=learned)
            jobs += _client_jobs(client, content, known_facts, periods, wanted)
        except ValuebookError as error:
            errors[client] = str(error)
        else:
            facts[client] = known_facts
    memory.save()
    return Plan(jobs=tuple(jobs), errors=errors, params=loaded, facts=facts)


def _client_jobs(client: str, params: Any, facts: Facts, periods: Sequence[str], wanted: Sequence[str]) -> list[Job]:
    resolved = [
        resolve_period(name, first=facts.first, last=facts.last, grain=params.periods.grain) for name in periods
    ]
    labels = list(dict.fromkeys(period.label for period in sorted(resolved, key=lambda period: period.end)))
    skips = {topic: skip_reason(params, topic) for topic in wanted}
    jobs = []
    for place, label in enumerate(labels):
        for topic in wanted:
            after = [(client, label, other) for other in wanted if other in reads(topic)]
            if place and in_series(topic):
                after.append((client, labels[place - 1], topic))
            jobs.append(Job(client=client, period=label, topic=topic, skip=skips[topic], after=tuple(after)))
    return jobs


def previous(period: str, *, facts: Facts, params: Any) -> str | None:
    """Label of the period before one, where there is one."""
    last = resolve_period(period, first=facts.first, last=facts.last, grain=params.periods.grain).previous()
    return last.label if last else None


def in_series(topic: str) -> bool:
    """Whether a topic goes on from what it found in the period before, so that a client's periods run one after another."""
    return bool(getattr(topics().get(topic), "IN_ORDER", False))


def earlier(topic: str, client: Path, period: str) -> list[Path]:
    """Files of what a topic itself found in all earlier periods, the oldest first, where it reads them (`EARLIER`).

    Args:
        topic: The topic.
        client: Folder of the client's reports.
        period: Label of the period at hand.
    """
    reads_them = getattr(topics().get(topic), "EARLIER", False)
    return earlier_findings(client, topic, before=period) if reads_them else []


def ledgers(client: str, params: Path) -> list[Path]:
    """Files beside the params that a client's topics append to, and that outlive all reports."""
    return sorted((params / "looks").glob(f"{client}.*.jsonl"))


def params_files(client: str, params: Path) -> list[Path]:
    """All files of a params folder that a client's studies read."""
    named = (params / f"{client}.yaml", params / "defaults.yaml")
    return [path for path in named if path.is_file()] + ledgers(client, params)


def check_study_names(client: str, period: str) -> None:
    """Raise `ParamsError` unless both are safe as folder names."""
    if not re.fullmatch(CLIENT_NAME, client):
        raise ParamsError(f"client == {client!r} must match {CLIENT_NAME}")
    check_period_name(period)

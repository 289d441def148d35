"""The plan: clients x periods x topics, checked before any kernel starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from helpers.data.load import load_tables
from helpers.errors import ParamsError, ValuebookError
from helpers.params import ROOT, clients, expand, load_params, topics
from helpers.periods import check_period_name, resolve_period
from helpers.study import preflight, skip_reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOTEBOOKS = ROOT / "notebooks"
LAST = "summary"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One topic of one study.

    Attributes:
        skip: Why it will not run; `None` for a job that will.
    """

    client: str
    period: str
    topic: str
    skip: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All jobs of a run, and what keeps clients out of it."""

    jobs: tuple[Job, ...]
    errors: dict[str, str]


def notebook(topic: str) -> Path:
    """A topic's notebook."""
    return NOTEBOOKS / f"{topic}.ipynb"


def available_topics() -> list[str]:
    """Topics that have a notebook, each after those whose findings it reads; `summary` last."""
    found = (path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    return sorted((name for name in found if name in topics()), key=lambda name: (depth(name), name))


def reads(topic: str) -> tuple[str, ...]:
    """Topics whose findings a topic reads: what its `READS` says; for `summary`, all others."""
    if topic == LAST:
        return tuple(name for name in topics() if name != LAST)
    return tuple(getattr(topics()[topic], "READS", ()))


def depth(topic: str) -> int:
    """How many topics must have ended one after another before a topic starts."""
    return max((depth(other) + 1 for other in reads(topic)), default=0)


def make_plan(*, names: Sequence[str], periods: Sequence[str], chosen: Sequence[str], params: Path) -> Plan:
    """What a run will do.

    Params of all clients are read first, then each client's orders, which give `latest` and `all` their dates.

    Args:
        names: Clients; all of the folder when empty.
        periods: Period names.
        chosen: Topics; all when empty.
        params: Folder of params files.

    Raises:
        ParamsError: An unknown topic, a period of no known form, or a params folder without clients.
    """
    known = available_topics()
    if unknown := [name for name in chosen if name not in known]:
        raise ParamsError(f"unknown topic {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    wanted = [name for name in known if not chosen or name in chosen]
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
    jobs: list[Job] = []
    for client, content in loaded.items():
        try:
            jobs += _client_jobs(client, content, periods, wanted)
        except ValuebookError as error:
            errors[client] = str(error)
    return Plan(jobs=tuple(jobs), errors=errors)


def _client_jobs(client: str, params: Any, periods: Sequence[str], wanted: Sequence[str]) -> list[Job]:
    tables = load_tables(params, names=None, expand=expand)
    preflight(params, tables)
    labels = dict.fromkeys(
        resolve_period(name, first=tables.first, last=tables.last, grain=params.periods.grain).label for name in periods
    )
    return [
        Job(client=client, period=label, topic=topic, skip=skip_reason(params, topic))
        for label in labels
        for topic in wanted
    ]

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
    """Topics that have a notebook, `summary` last."""
    found = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    return sorted((name for name in found if name in topics()), key=lambda name: (name == LAST, name))


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
    wanted = list(chosen) or available_topics()
    if unknown := [name for name in wanted if name not in available_topics()]:
        raise ParamsError(f"unknown topic {', '.join(unknown)}; there are {', '.join(available_topics())}")
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

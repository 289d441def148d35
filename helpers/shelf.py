"""The shelf: findings that studies have left in the folder of reports."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import ParamsError
from helpers.params import ROOT
from helpers.periods import parse_period
from helpers.reporting.findings import Findings

if TYPE_CHECKING:
    from helpers.periods import Period


def read_findings(path: Path) -> Findings:
    """Findings from a `<topic>.json`."""
    return Findings.from_json(json.loads(path.read_text(encoding="utf-8")))


def study_findings(folder: Path) -> list[Findings]:
    """Findings of all topics in a study's folder, by name of the topic."""
    paths = sorted(path for path in folder.glob("*.json") if path.name != "manifest.json")
    return [read_findings(path) for path in paths]


def earlier_findings(client: Path, topic: str, *, before: str) -> list[Path]:
    """Files of a topic's findings in a client's periods that had ended when another began, the oldest first.

    Args:
        client: Folder of the client's reports.
        topic: The topic.
        before: Label of the other period; before `all` there is none.
    """
    start = _period(before)
    if start is None or not client.is_dir():
        return []
    known = [(_period(folder.name), folder / f"{topic}.json") for folder in client.iterdir()]
    ended = [(period, path) for period, path in known if period and period.end <= start.start and path.is_file()]
    return [path for _period_, path in sorted(ended, key=lambda one: (one[0].end, one[0].label))]


def _period(label: str) -> Period | None:
    """The period that a folder's name says; `None` for `all` and for what is no period."""
    try:
        return parse_period(label)
    except ParamsError:
        return None


def reports_folder() -> Path:
    """Where reports go: `VALUEBOOK_REPORTS`, or `reports` in the project's folder."""
    return Path(os.environ.get("VALUEBOOK_REPORTS", ROOT / "reports"))


def study_folder(client: str, period: str) -> Path:
    """Folder of one study; both names were checked when they were parsed."""
    return reports_folder() / client / period

"""Verify: run again, in a folder of its own, what a manifest says was run, and compare what comes out."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import ParamsError
from helpers.running.batch import run_batch
from helpers.running.plan import check_study_names, make_plan

if TYPE_CHECKING:
    from helpers.running.batch import Watcher
    from helpers.running.execute import Setting

# Workbooks hold the moment at which they were written; their sheets are the tables.
COMPARED = ".parquet"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Where a topic came out otherwise.

    Attributes:
        topic: The topic.
        what: What differs: a key of the findings, a table, or an ingredient that changed since.
    """

    topic: str
    what: str


def verify(folder: Path, *, setting: Setting, watcher: Watcher) -> list[Difference]:
    """Run a study's topics again and compare findings and tables.

    Args:
        folder: The study's, `reports/<client>/<period>`.
        setting: Params and kernels; its folder of reports is not used.
        watcher: Told of each job.

    Raises:
        ParamsError: There is no manifest, or it names what can be no study.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise ParamsError(f"{path}: is not there; name the folder of one study, reports/<client>/<period>")
    manifest: dict[str, Any] = json.loads(path.read_bytes())
    client, period = str(manifest["client"]), str(manifest["period"])
    check_study_names(client, period)
    chosen = [topic for topic, told in manifest["topics"].items() if told["status"] != "skipped"]
    plan = make_plan(names=[client], periods=[period], chosen=chosen, params=setting.params)
    if plan.errors:
        raise ParamsError(f"{client}: {plan.errors[client]}")
    with tempfile.TemporaryDirectory(prefix="valuebook-verify-") as base:
        again = Path(base)
        (again / client).mkdir()
        # A ledger of looks is read and written by each run: the same look on the same data is no new one.
        for ledger in folder.parent.glob("*.json"):
            shutil.copy(ledger, again / client / ledger.name)
        run_batch(plan, setting=replace(setting, reports=again, force=True), watcher=watcher)
        return [
            Difference(topic=topic, what=what)
            for topic in chosen
            for what in _differences(topic, folder, again / client / period)
        ]


def _differences(topic: str, before: Path, after: Path) -> list[str]:
    old, new = (json.loads((folder / f"{topic}.json").read_bytes()) for folder in (before, after))
    found = [name for name in sorted({*old, *new} - {"provenance"}) if old.get(name) != new.get(name)]
    tables = {*old.get("tables", {}).values(), *new.get("tables", {}).values()}
    return found + [
        name for name in sorted(tables) if name.endswith(COMPARED) and _content(before / name) != _content(after / name)
    ]


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None

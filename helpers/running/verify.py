"""Verify: run again, in a folder of its own, what a manifest says was run, and compare what comes out."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.errors import ParamsError
from helpers.running.batch import Judge, run_batch
from helpers.running.plan import check_study_names, earlier, make_plan, params_files, previous

if TYPE_CHECKING:
    from helpers.running.batch import Watcher
    from helpers.running.execute import Setting

# Workbooks hold the moment at which they were written; their sheets are the tables.
COMPARED = ".parquet"
# Engines add up in any order, and what optimises on such sums carries the last digits on.
ROUNDING = 1e-6


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
        params, again = Path(base, "params"), Path(base, "reports")
        # Ledgers are copied: to look again is no look at the client's tests.
        for path in params_files(client, setting.params):
            copy = params / path.relative_to(setting.params)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        last = previous(period, facts=plan.facts[client], params=plan.params[client])
        if last and (folder.parent / last).is_dir():
            shutil.copytree(folder.parent / last, again / client / last)
        # What was skipped is not run again, but the summary tells that it was.
        for topic in manifest["topics"].keys() - set(chosen):
            (again / client / period).mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / f"{topic}.json", again / client / period)
        for path in (path for topic in chosen for path in earlier(topic, folder.parent, period)):
            copy = again / client / path.relative_to(folder.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        elsewhere = replace(setting, params=params, reports=again, force=True)
        run_batch(Judge(plan, elsewhere), setting=elsewhere, watcher=watcher)
        return [
            Difference(topic=topic, what=what)
            for topic in chosen
            for what in _differences(topic, folder, again / client / period)
        ]


def _differences(topic: str, before: Path, after: Path) -> list[str]:
    old, new = (json.loads((folder / f"{topic}.json").read_bytes()) for folder in (before, after))
    found = [name for name in sorted({*old, *new} - {"provenance"}) if not alike(old.get(name), new.get(name))]
    tables = {*old.get("tables", {}).values(), *new.get("tables", {}).values()}
    return found + [
        name for name in sorted(tables) if name.endswith(COMPARED) and not _same_table(before / name, after / name)
    ]


def alike(one: Any, other: Any) -> bool:
    """Whether two contents of JSON are the same; numbers may differ by rounding, for engines add up in any order."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
    return bool(one == other)


def _same_table(one: Path, other: Path) -> bool:
    import pandas as pd
    from pandas.testing import assert_frame_equal

    if not one.is_file() or not other.is_file():
        return one.is_file() == other.is_file()
    try:
        assert_frame_equal(pd.read_parquet(one), pd.read_parquet(other), rtol=ROUNDING, atol=ROUNDING)
    except AssertionError:
        return False
    return True

"""Ingredients: all that a job's outcome hangs on, each as one hash. A job whose ingredients are the same need not run again."""

from __future__ import annotations

import json
import platform
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from helpers.data.places import sha256_of
from helpers.params import ROOT, topics
from helpers.reporting.catalogues import CATALOGUES
from helpers.reporting.html import TEMPLATE
from helpers.running.digests import code_of, of_files, of_json, of_modules
from helpers.running.plan import earlier, in_series, notebook, previous, reads

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.running.facts import Facts
    from helpers.running.plan import Job

# What draws the page is no part of the notebook's own imports.
PAGE = ("helpers.reporting.html", "helpers.reporting.pages", "helpers.running.execute", "helpers.running.engine")


def ingredients(job: Job, *, params: Any, facts: Facts, reports: Path) -> dict[str, str] | None:
    """Hash by ingredient; `None` where the data are in a warehouse, whose state no hash tells.

    Args:
        job: The job.
        params: Its client's params.
        facts: Of its client's data.
        reports: Folder of reports, for what the topics that it reads have found.
    """
    tables = _declared(job.topic, params)
    if any(name not in facts.sha256 for name in tables):
        return None
    told = params_of(job.topic, params, tables)
    found = {
        "code": code(job.topic),
        "data": of_json([{name: facts.sha256[name] for name in sorted(tables)}, facts.today if facts.moves else None]),
        "lock": _of_lock(*_state(ROOT / "requirements.lock")),
        "notebook": _of_cells(job.topic, *_state(notebook(job.topic))),
        "params": of_json([job.client, told, _named_files(told)]),
        "period": job.period,
        "python": platform.python_version(),
        "template": template(str(params.locale)),
    }
    folder = reports / job.client / job.period
    found |= {f"findings.{topic}": findings(folder, topic) for topic in reads(job.topic)}
    if in_series(job.topic) and (before := previous(job.period, facts=facts, params=params)):
        found["findings.before"] = findings(folder.parent / before, job.topic)
    if past := earlier(job.topic, folder.parent, job.period):
        found["findings.earlier"] = of_json([[path.parent.name, findings(path.parent, job.topic)] for path in past])
    if job.skip:
        found["skip"] = job.skip
    return found


def cells(topic: str) -> list[list[str]]:
    """Type and source of a notebook's cells: prose is part of the report as code is."""
    content = json.loads(notebook(topic).read_bytes())
    return [[cell["cell_type"], "".join(cell["source"])] for cell in content["cells"]]


def _state(path: Path) -> tuple[Path, int, int]:
    """A file with its time and size: hundreds of jobs share it, and it may change between two runs of one process."""
    about = path.stat()
    return path, about.st_mtime_ns, about.st_size


@lru_cache(maxsize=1)
def _of_lock(path: Path, _changed: int, _size: int) -> str:
    return sha256_of(path)


@lru_cache(maxsize=32)
def _of_cells(topic: str, _path: Path, _changed: int, _size: int) -> str:
    return of_json(cells(topic))


@cache
def code(topic: str) -> str:
    """Hash of the helpers that a topic uses."""
    return code_of(notebook(topic), topic=topic)


@cache
def template(locale: str) -> str:
    """Hash of what turns a notebook into a page: code, templates, and the catalogue of the reader's language."""
    words = [path for name in (locale, locale.partition("_")[0]) for path in (CATALOGUES / name).rglob("*.po")]
    return of_json(
        [of_modules(*PAGE), of_files(path for path in TEMPLATE.rglob("*") if path.is_file()), of_files(words)]
    )


def params_of(topic: str, params: Any, tables: set[str]) -> dict[str, Any]:
    """The params that a topic may read: its own section and all that is no other topic's, and the tables that it declared."""
    # How long it may take does not change what comes out.
    content = params.model_dump(mode="json", exclude={"run", *(other for other in topics() if other != topic)})
    content["data"]["tables"] = {name: content["data"]["tables"][name] for name in sorted(tables)}
    return content


def findings(folder: Path, topic: str) -> str:
    """Hash of what a topic found: numbers, checks, decisions and the tables' contents, not when and how fast."""
    path = folder / f"{topic}.json"
    if not path.is_file():
        return "none"
    content = json.loads(path.read_bytes())
    content.pop("provenance", None)
    named = [folder / name for name in content.get("tables", {}).values() if name.endswith(".parquet")]
    return of_json([content, of_files((table for table in named if table.is_file()), base=folder)])


def _declared(topic: str, params: Any) -> set[str]:
    """Tables of the client that a topic reads."""
    module = topics().get(topic)
    if module is None:
        return set(params.data.tables)
    wanted: set[str] = set()
    for need in (*module.NEEDS, *module.OPTIONAL):
        wanted |= {need} if isinstance(need, str) else set(need)
    if "orders" in wanted and "orders" not in params.data.tables:
        wanted.add("order_lines")
    return wanted & set(params.data.tables)


def _named_files(told: dict[str, Any]) -> list[list[str]]:
    """Files of the project that the params name, such as the logo and the playbook, with their hashes; but for the tables."""
    data = {name: value for name, value in told["data"].items() if name != "tables"}
    return [[name, sha256_of(ROOT / name)] for name in sorted(_texts(told | {"data": data})) if _is_file(name)]


def _texts(content: Any) -> set[str]:
    if isinstance(content, dict):
        return set().union(*(_texts(value) for value in content.values()))
    if isinstance(content, list):
        return set().union(*(_texts(value) for value in content))
    return {content} if isinstance(content, str) else set()


def _is_file(name: str) -> bool:
    try:
        return "." in name and (ROOT / name).is_file()
    except (OSError, ValueError):
        return False

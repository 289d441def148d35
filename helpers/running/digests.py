"""Hashes: of files, with a memory of what was hashed before, and of the code that a notebook imports."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.data.places import sha256_of
from helpers.params import ROOT
from helpers.reporting.export import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A file that was changed so short a time before it was hashed may change again and keep its time.
RACY = 2.0


def of_bytes(content: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(content).hexdigest()


def of_json(content: Mapping[str, Any] | list[Any]) -> str:
    """SHA-256 of the content in one fixed form."""
    return of_bytes(json.dumps(content, sort_keys=True, separators=(",", ":"), default=str).encode())


def of_files(paths: Iterable[Path], *, base: Path = ROOT) -> str:
    """SHA-256 over files' names and contents."""
    names = {(str(path.relative_to(base)) if path.is_relative_to(base) else path.name): path for path in paths}
    return of_json([[name, sha256_of(names[name])] for name in sorted(names)])


def memory_folder() -> Path:
    """Where this machine remembers what it hashed; only hashes, sizes, times and days are kept there."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "valuebook"


class Memory:
    """Hashes of data files by path, trusted as long as size, time and inode are the same."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed = False
        try:
            self.known: dict[str, Any] = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            self.known = {}

    def of_file(self, path: Path) -> str:
        """SHA-256 of a file's content."""
        about = path.stat()
        state = [about.st_size, about.st_mtime_ns, about.st_ino]
        name = str(path.resolve())
        known = self.known.get(name)
        if known and known[0] == state:
            return str(known[1])
        digest = sha256_of(path)
        if time.time() - about.st_mtime > RACY:
            self.known[name] = [state, digest]
            self.changed = True
        return digest

    def save(self) -> None:
        """Write what was learned."""
        if self.changed:
            write_json(self.path, self.known)
            self.changed = False


def code_of(notebook: Path, *, topic: str) -> str:
    """SHA-256 over the sources of all `helpers` modules that a notebook, and its topic's params, lead to.

    Resources beside them count as well: all that is no Python in a module's folder.
    """
    content = json.loads(notebook.read_bytes())
    cells = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    names = {f"helpers.{topic}.topic"}
    for cell in cells:
        names |= _imported(ast.parse("\n".join(line for line in cell.splitlines() if not line.startswith(("%", "!")))))
    return of_files(_closure(frozenset(names)))


def of_modules(*names: str) -> str:
    """SHA-256 over the sources that modules of `helpers` lead to."""
    return of_files(_closure(frozenset(names)))


def _closure(names: frozenset[str]) -> set[Path]:
    paths: set[Path] = set()
    seen: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        parts = name.split(".")
        # Importing helpers.a.b runs helpers and helpers.a first.
        waiting |= {".".join(parts[:place]) for place in range(1, len(parts))}
        path = _path(name)
        if path is None:
            continue
        paths.add(path)
        if path.name == "__init__.py":
            paths |= {
                beside for beside in path.parent.iterdir() if beside.is_file() and beside.suffix not in {".py", ".pyc"}
            }
        waiting |= _imports_of(path)
    return paths


def _path(name: str) -> Path | None:
    """File of a module of `helpers`; `None` for what is a name within a module."""
    base = ROOT.joinpath(*name.split("."))
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


def _imports_of(path: Path) -> frozenset[str]:
    return _parsed(path, path.stat().st_mtime_ns)


@cache
def _parsed(path: Path, _changed: int) -> frozenset[str]:
    # What a package imports for type checkers is what it loads when it is used (`helpers.lazy`).
    return frozenset(_imported(ast.parse(path.read_text(encoding="utf-8")), lazy=path.name == "__init__.py"))


def _imported(tree: ast.AST, *, lazy: bool = False) -> set[str]:
    """Names under `helpers` that are imported anywhere; those that only a type checker reads count if `lazy`."""
    found: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if (
            not lazy
            and isinstance(node, ast.If)
            and isinstance(node.test, ast.Name)
            and node.test.id == "TYPE_CHECKING"
        ):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        waiting += ast.iter_child_nodes(node)
    return {name for name in found if name.partition(".")[0] == "helpers"}

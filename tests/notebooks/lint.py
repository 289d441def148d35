"""The notebook linter: thin notebooks, stored without outputs, in execution order, with one H1.

`python -m tests.notebooks.lint` prints what is wrong and exits 1.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LONGEST_CELL = 15


def problems(path: Path) -> list[str]:
    """What is wrong with a notebook, one line each."""
    notebook = nbformat.read(path, as_version=4)
    found = []
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        found.append(f"is no valid notebook: {error.message}")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = [line for line in prose.splitlines() if line.startswith("# ")]
    if len(headings) != 1:
        found.append(f"has {len(headings)} H1, must have one")
    if not code or "parameters" not in code[0].metadata.get("tags", []):
        found.append("its first code cell must be tagged `parameters`")
    if len(code) < 2 or f'open_study(client, period, notebook="{path.stem}")' not in code[1].source:
        found.append("its second code cell must open the study under the notebook's own name")
    if not code or not code[-1].source.startswith("study.publish("):
        found.append("its last code cell must publish")
    for place, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            found += [f"cell {place} {problem}" for problem in _cell_problems(cell)]
    return found


def _cell_problems(cell: nbformat.NotebookNode) -> list[str]:
    found = []
    if cell.outputs or cell.execution_count is not None:
        found.append("is stored with outputs or an execution count")
    if len(cell.source.splitlines()) > LONGEST_CELL:
        found.append(f"has {len(cell.source.splitlines())} lines, must be <= {LONGEST_CELL}")
    tree = ast.parse(cell.source)
    if any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda) for node in ast.walk(tree)
    ):
        found.append("defines a function or class; it belongs in helpers")
    return found


def main() -> int:
    """Lint all notebooks; 1 if anything is wrong."""
    found = [f"{path.name}: {problem}" for path in sorted(NOTEBOOKS.glob("*.ipynb")) for problem in problems(path)]
    sys.stdout.write("".join(f"{line}\n" for line in found) or "notebooks: all in order\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Sizes of the demo's reports against nbconvert's own templates on the same executed notebooks, in one run.

`python -m tests.benchmarks.report_size [REPORTS]` after `make demo`. A report of ours holds each chart twice, light and dark.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

REPORTS = Path(__file__).parents[2] / "reports"
PEERS = ("lab", "classic", "basic")
MOST = 400_000
MOST_TEMPLATE = 40_000


def main(reports: Path = REPORTS) -> int:
    """Print one line a report: its charts and tables, our size, what of it is neither chart nor output, and each peer's size."""
    notebooks = [path for path in sorted(reports.glob("demo/*/*.ipynb")) if path.with_suffix(".html").is_file()]
    if not notebooks:
        sys.stderr.write("no reports of the demo: run `make demo` first\n")
        return 1
    heads = ("report", "charts", "tables", "ours, bytes", "template", *(f"{peer}, x ours" for peer in PEERS))
    sys.stdout.write(" | ".join(heads) + "\n")
    for path in notebooks:
        html = path.with_suffix(".html").read_text(encoding="utf-8")
        ours = len(html.encode())
        notebook = nbformat.read(path, as_version=4)
        peers = [len(HTMLExporter(template_name=peer).from_notebook_node(notebook)[0].encode()) for peer in PEERS]
        template = ours - len(re.search(r'<main id="main">.*</main>', html, re.DOTALL)[0].encode())
        told = (
            f"{path.parent.name} {path.stem}",
            html.count("<figure>"),
            html.count("<table>"),
            f"{ours:,}{' ABOVE THE LIMIT' if ours > MOST else ''}",
            f"{template:,}{' ABOVE THE LIMIT' if template > MOST_TEMPLATE else ''}",
            *(f"{peer / ours:.2f}" for peer in peers),
        )
        sys.stdout.write(" | ".join(map(str, told)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))

"""Sizes of the demo's reports against nbconvert's own templates on the same executed notebooks, in one run.

`python -m tests.benchmarks.report_size [REPORTS]` after `make demo`. A report of ours holds each chart twice, light and dark.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from tests.benchmarks.results import Row, record

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
    sizes: list[tuple[int, list[int]]] = []
    for path in notebooks:
        html = path.with_suffix(".html").read_text(encoding="utf-8")
        ours = len(html.encode())
        notebook = nbformat.read(path, as_version=4)
        peers = [len(HTMLExporter(template_name=peer).from_notebook_node(notebook)[0].encode()) for peer in PEERS]
        sizes.append((ours, peers))
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
    record("report_size", rows(sizes))
    return 0


def rows(sizes: list[tuple[int, list[int]]]) -> list[Row]:
    """All reports together against each of nbconvert's templates, and the largest against the limit, for the book."""
    total = sum(ours for ours, _peers in sizes)
    told = {"unit": "size", "of": "reports"}
    against = [
        Row(name="all reports", peer=f"nbconvert {peer}", ratio=sum(theirs) / total, n=len(sizes), **told)
        for peer, theirs in zip(PEERS, zip(*(peers for _ours, peers in sizes), strict=True), strict=True)
    ]
    largest = max(ours for ours, _peers in sizes)
    return [*against, Row(name="largest report", peer="its limit", ratio=MOST / largest, n=1, target=1.0, **told)]


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))

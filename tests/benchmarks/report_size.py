"""Sizes of the demo's reports against nbconvert's own templates on the same executed notebooks, in one run.

`python -m tests.benchmarks.report_size` after `make demo`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

REPORTS = Path(__file__).parents[2] / "reports" / "demo"


def main() -> int:
    """Print one line a report and template."""
    notebooks = sorted(REPORTS.glob("*/*.ipynb"))
    if not notebooks:
        sys.stderr.write("no reports of the demo: run `make demo` first\n")
        return 1
    for path in notebooks:
        ours = path.with_suffix(".html").stat().st_size
        sys.stdout.write(f"{path.parent.name} {path.stem}: valuebook {ours:,} bytes\n")
        for template in ("lab", "classic", "basic"):
            body, _resources = HTMLExporter(template_name=template).from_notebook_node(
                nbformat.read(path, as_version=4)
            )
            size = len(body.encode())
            sys.stdout.write(f"  nbconvert {template:8} {size:,} bytes, {size / ours:.2f} x ours\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

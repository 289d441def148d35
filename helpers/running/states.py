"""The command that keeps a client's customer states: `valuebook states CLIENT`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from helpers.params import ROOT, expand, load_params
from helpers.running.options import ParamsDir, out, use_params

Folder = Annotated[Path | None, typer.Option("--folder", help="Where they are kept; data/states/CLIENT without it.")]
Whole = Annotated[bool, typer.Option("--whole", help="Read everything anew, whatever is stored.")]


def states(
    client: Annotated[str, typer.Argument(help="The client.")],
    folder: Folder = None,
    whole: Whole = False,  # noqa: FBT002 - an option of the command line
    params: ParamsDir = None,
) -> None:
    """Carry a client's stored customer states (x, first and last day, revenue) on by the files that are new."""
    content = load_params(client, folder=use_params(params))
    from helpers.states import refresh_states

    found = refresh_states(content, folder=folder or ROOT / "data" / "states" / client, expand=expand, whole=whole)
    if found.whole:
        out.print(f"Everything was read: {found.whole}", markup=False, soft_wrap=True)
    for path in found.read:
        out.print(f"  read {path}", markup=False, soft_wrap=True)
    counts = found.counts
    out.print(
        f"{found.customers} customers up to {found.until:%Y-%m-%d}, of {counts.rows_in} rows of which {counts.rows_kept} "
        f"were kept; {found.passed_over} files were not read again",
        markup=False,
        soft_wrap=True,
    )
    out.print(
        f"Wrote {found.path}" if found.read else f"Nothing is new; {found.path} stands", markup=False, soft_wrap=True
    )

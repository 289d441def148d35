"""Needs: which tables a topic cannot do without."""

from __future__ import annotations

from typing import Any

from helpers.params import topics
from helpers.reporting.words import _, foreign, listing


def skip_reason(params: Any, topic: str) -> str | None:
    """Why a topic cannot run for a client, or `None` where it can. Reads the params only."""
    declared = set(params.data.tables)
    if "order_lines" in declared:
        declared.add("orders")
    missing = [
        listing(map(foreign, names), style="or")
        for need in topics()[topic].NEEDS
        if not declared.intersection(names := (need,) if isinstance(need, str) else need)
    ]
    return _("It needs the table {tables}.").format(tables=listing(missing)) if missing else None

"""Playbook: for each segment a trait, an action to try and an example. All of it is assumption until it is tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.errors import ParamsError
from helpers.reporting.findings import Decision, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

KEYS = ("trait", "action", "example")


@dataclass(frozen=True, kw_only=True)
class Playbook(Result):
    """Entries for the segments that have customers.

    Attributes:
        entries: `segment`, `customers`, `trait`, `action`, `example`; a segment without an entry says so.
    """

    entries: pd.DataFrame

    def decisions(self) -> list[Decision]:
        """An action a segment, with the evidence it has: none yet."""
        return [
            Decision(
                id=f"playbook.{row.segment}",
                text=_("{segment}: {action}").format(segment=_(row.segment), action=row.action),
                evidence="assumption",
                value={"customers": row.customers, "segment": row.segment, "action": row.action},
            )
            for row in self.entries.itertuples()
            if row.action
        ]

    def table(self) -> Table:
        """The playbook."""
        columns = {
            "name": Column(label=_("Segment")),
            "customers": Column(label=_("Customers"), kind="number"),
            "trait": Column(label=_("Trait")),
            "action": Column(label=_("Suggested action")),
            "example": Column(label=_("Example")),
        }
        shown = self.entries.assign(name=[_(name) for name in self.entries["segment"]])
        shown["trait"] = shown["trait"].where(shown["trait"] != "", _("No entry in the playbook."))
        foot = _("Evidence: assumption. Test an action against a control group before relying on it.")
        return table(shown, columns, title=_("A playbook to start from"), foot=foot, rows=len(shown))

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def playbook(content: dict[str, Any], summary: pd.DataFrame, *, segments: Collection[str], path: str) -> Playbook:
    """Entries for each segment that has customers.

    Args:
        content: The playbook's YAML: trait, action and example by segment.
        summary: A segmentation's summary.
        segments: All segments of the scheme.
        path: The file, for messages.

    Raises:
        ParamsError: An entry for a segment that the scheme does not have, or with unknown keys.
    """
    # Whoever writes a playbook types a straight apostrophe; the kit prints a curly one.
    printed = {name.replace("’", "'"): name for name in segments}
    content = {printed.get(name, name): entry for name, entry in content.items()}
    if unknown := [name for name in content if name not in segments]:
        raise ParamsError(
            f"{path}: no segment is called {', '.join(map(repr, unknown))}; there are {', '.join(segments)}"
        )
    for name, entry in content.items():
        if not isinstance(entry, dict) or set(entry) - set(KEYS):
            raise ParamsError(f"{path}: {name} must have {', '.join(KEYS)} and nothing else")
    rows: list[Sequence[Any]] = []
    for name, customers in zip(summary["segment"], summary["customers"], strict=True):
        entry = content.get(name, {})
        rows.append((name, customers, *(_(str(entry[key])) if entry.get(key) else "" for key in KEYS)))
    return Playbook(entries=pd.DataFrame(rows, columns=["segment", "customers", *KEYS]))

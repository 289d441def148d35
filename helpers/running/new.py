"""A new client: the params file that `valuebook new` proposes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from helpers.data.engine import connect
from helpers.data.places import suffix_format
from helpers.data.propose import SAMPLE, propose
from helpers.data.sources import CANCELLED, ROW, read_source
from helpers.errors import DataError, ParamsError
from helpers.params import CLIENT_NAME, RESERVED, Data, expand
from helpers.reporting.export import write_text

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Written:
    """The file that was written, and what to tell its owner."""

    path: Path
    said: tuple[str, ...]


def write_params(client: str, *, orders: Path, folder: Path) -> Written:
    """Look at an order log and write `params/<client>.yaml` for it.

    Raises:
        ParamsError: The name is no client's name, or is taken.
        DataError: The log cannot be read, or lacks what an order log needs.
    """
    if not re.fullmatch(CLIENT_NAME, client) or client in RESERVED:
        raise ParamsError(f"client == {client!r} must match {CLIENT_NAME} and not be one of {sorted(RESERVED)}")
    path = folder / f"{client}.yaml"
    if path.exists():
        raise ParamsError(f"{path} is there already; it was left as it is")
    if not orders.is_file():
        raise DataError(f"{orders}: no such file")
    log = orders.resolve()
    kind = _format(log)
    # The table's name does not matter for looking at the file: columns are read as they are.
    table = {"from": str(log), "format": kind}
    looked_at = Data.model_validate({"tables": {"orders": table}})
    con = connect(looked_at, expand=expand)
    raw = read_source(con, "orders", looked_at.tables["orders"], data=looked_at, expand=expand)
    sample = raw.table.drop(ROW, CANCELLED).head(SAMPLE).execute()
    if sample.empty:
        raise DataError(f"{orders}: has no rows")
    found = propose(sample.astype("string"), name=orders.name)
    content: dict[str, Any] = {
        "client": client,
        "name": client.replace("_", " ").replace("-", " ").title(),
        "currency": found.currency or "GBP",
        "timezone": "UTC",
        "data": {"tables": {found.table: {"from": str(log), "format": kind, **found.source}}},
    }
    notes = "".join(f"# To do: {line}.\n" for line in found.unsure)
    text = f"# Proposed from {orders.name}.\n{notes}" + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return Written(path=path, said=(f"it is a table of {found.table}", *found.said, *found.unsure))


def _format(log: Path) -> str:
    """Format by suffix; a text file without a delimiter in its first line has columns between blanks."""
    kind = suffix_format(log) or "csv"
    if kind != "csv" or log.suffix == ".gz":
        return kind
    with log.open("rb") as file:
        first = file.readline()
    return "csv" if any(mark in first for mark in (b",", b";", b"\t", b"|")) else "blanks"

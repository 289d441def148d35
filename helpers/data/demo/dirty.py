"""A dirty copy of the demo's order lines: a CSV with planted faults and a list of exactly which."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = {
    "duplicate_lines": 25,
    "future_dates": 8,
    "text_in_number": 12,
    "missing_order_id": 9,
    "missing_customer_id": 14,
    "mixed_currencies": 11,
    "not_utf8": 7,
}


def make_dirty(folder: Path, *, source: Path, seed: int = 1) -> Path:
    """Write `order_lines.csv` with planted faults and `faults.json`, which tells them, and return the CSV.

    No row carries two faults. `time_zones` are all lines of one customer, whose times have offsets.

    Args:
        folder: Where the files go.
        source: Folder of the demo's tables.
        seed: Of the choice of rows.
    """
    rng = np.random.default_rng(seed)
    lines = pd.read_parquet(source / "order_lines.parquet")
    lines["currency"] = "GBP"
    text = lines.astype("string")
    traveller = str(lines["customer_id"].value_counts().index[0])
    theirs = np.flatnonzero((lines["customer_id"] == traveller).to_numpy())
    free = np.setdiff1d(np.flatnonzero(lines["customer_id"].notna().to_numpy()), theirs)
    chosen = np.split(rng.choice(free, sum(COUNTS.values()), replace=False), np.cumsum(list(COUNTS.values()))[:-1])
    rows: dict[str, Any] = dict(zip(COUNTS, chosen, strict=True))
    at = text.columns.get_indexer(["ordered_at", "quantity", "order_id", "customer_id", "currency", "description"])
    text.iloc[rows["future_dates"], at[0]] = "2099-01-01 12:00:00"
    text.iloc[rows["text_in_number"], at[1]] = np.resize(["n/a", "12 pcs"], COUNTS["text_in_number"])
    affected = {kind: sorted(text.iloc[place]["order_id"].dropna().unique()) for kind, place in rows.items()}
    text.iloc[rows["missing_order_id"], at[2]] = pd.NA
    text.iloc[rows["missing_customer_id"], at[3]] = pd.NA
    text.iloc[rows["mixed_currencies"], at[4]] = "EUR"
    text.iloc[rows["not_utf8"], at[5]] = "Café crème"
    offsets = np.resize(["+00:00", "+07:00"], len(theirs))
    text.iloc[theirs, at[0]] = [
        f"{moment}{offset}" for moment, offset in zip(text.iloc[theirs, at[0]], offsets, strict=True)
    ]
    text = pd.concat([text, text.iloc[rows["duplicate_lines"]]], ignore_index=True)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "order_lines.csv"
    plain = text.to_csv(index=False, lineterminator="\n").split("\n")
    # Most of the file is UTF-8; the planted descriptions are bytes of Windows-1252, as one till would write them.
    path.write_bytes(b"\n".join(line.encode("cp1252" if "Café crème" in line else "utf-8") for line in plain))
    faults = {kind: {"rows": COUNTS[kind], "order_ids": affected[kind]} for kind in COUNTS}
    faults["time_zones"] = {"rows": len(theirs), "customers": [traveller]}
    (folder / "faults.json").write_text(json.dumps(faults, indent=1), encoding="utf-8")
    return path

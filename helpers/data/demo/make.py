"""Making the demo's data: complete in its folder, or not there at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from helpers.data.demo import campaigns
from helpers.data.demo.people import KINDS, make_customers
from helpers.data.demo.trade import make_lines

VERSION = 1
PRIVATE = ["kind", "pace", "basket", "lost_at"]


def make_demo(folder: Path, *, seed: int = 20240229, customers: int = 6000) -> Path:
    """Write the demo client's tables as Parquet, with `truth.json` and `truth_customers.parquet` in `truth/`.

    The same seed gives the same data. A folder that was made with the same seed, size and version is left as it is.

    Args:
        folder: Where the tables go.
        seed: Of everything random.
        customers: How many customers.
    """
    stamp = {"version": VERSION, "seed": seed, "customers": customers}
    mark = folder / "version.json"
    if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == stamp:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".demo-"))
    try:
        _write(scratch, seed=seed, customers=customers)
        (scratch / "version.json").write_text(json.dumps(stamp), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _write(folder: Path, *, seed: int, customers: int) -> None:
    # A stream a table: a change in one leaves the others as they were.
    names = ("people", "lines", "touches", "events", "surveys", "experiments", "offers", "subscriptions")
    streams = dict(zip(names, np.random.default_rng(seed).spawn(len(names)), strict=True))
    people = make_customers(customers, streams["people"])
    offers, effect = campaigns.make_offers(people, streams["offers"])
    tables = {
        "customers": people.drop(columns=PRIVATE),
        "order_lines": make_lines(people, streams["lines"]),
        "touches": campaigns.make_touches(people, streams["touches"]),
        "spend": campaigns.make_spend(people),
        "events": campaigns.make_events(people, streams["events"]),
        "surveys": campaigns.make_surveys(people, streams["surveys"]),
        "experiments": campaigns.make_experiments(streams["experiments"]),
        "offers": offers,
        "subscriptions": campaigns.make_subscriptions(people, streams["subscriptions"]),
    }
    for name, frame in tables.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    truth = folder / "truth"
    truth.mkdir()
    known = people[["customer_id", *PRIVATE, "acquired_at"]].set_index("customer_id")
    known["upsell_effect"] = effect
    known.reset_index().to_parquet(truth / "truth_customers.parquet", index=False)
    content = {"kinds": {name: asdict(kind) for name, kind in KINDS.items()}, **campaigns.truths()}
    (truth / "truth.json").write_text(json.dumps(content, indent=1), encoding="utf-8")

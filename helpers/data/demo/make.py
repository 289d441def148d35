"""Making the demo's data: complete in its folder, or not there at all."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.demo import campaigns, experiments
from helpers.data.demo.people import KINDS, make_customers
from helpers.data.demo.trade import make_lines
from helpers.errors import DataError

VERSION = 2
STAMP = "version.json"
PRIVATE = ["kind", "pace", "basket", "lost_at"]
# What the names in truth.json and truth_customers.parquet mean; tests of every topic read them.
DEFINITIONS = {
    "kind": "Planted type of the customer; `one_off` buys once, the other four are the planted segments.",
    "pace": "Expected orders a month (365.25 / 12 days) after the first and until `lost_at`; the season averages 1 over a year.",
    "basket": "Expected value of an order before discount.",
    "lost_at": "End of the true lifetime, exponential of mean `life` months, drawn past the end of the data where it falls "
    "there; alive at t means lost_at > t.",
    "spread": "Shape of the gamma distributions (mean 1) that multiply a kind's `pace` and `basket` over its customers.",
    "channels": "Probability of store, web and app for an order of the kind.",
    "discount": "Expected share taken off the value before discount.",
    "upsell_effect": "Effect of being offered premium_upgrade on the customer's margin_90d, in pounds; the offer's cost is apart.",
    "effect_on_conversion": "Expected conversion of treatment less that of control, over all units assigned.",
    "relative_effect_on_revenue_per_unit": "Expected revenue per assigned unit of treatment over that of control, less 1.",
    "lost_regulars": "Share of the treatment arm's regular visitors whose rows are missing.",
    "cost_per_new_customer": "Acquisition spend over customers acquired, by channel; exact on any day.",
    "subscriptions": "Churn a month is Beta(alpha, beta) over subscribers: shifted beta-geometric.",
}


def make_demo(folder: Path, *, seed: int = 20240229, customers: int = 6000) -> Path:
    """Write the demo client's tables as Parquet, with `truth.json` and `truth_customers.parquet` in `truth/`.

    The same seed gives the same data. A folder that was made with the same seed, size and version is left as it is.

    Args:
        folder: Where the tables go.
        seed: Of everything random.
        customers: How many customers.

    Raises:
        DataError: The folder holds files of someone else's.
    """
    stamp = {"version": VERSION, "seed": seed, "customers": customers}
    if stamp_of(folder) == stamp:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".demo-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        _write(made, seed=seed, customers=customers)
        (made / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
        put(made, folder, aside=Path(scratch) / "before", stamp=stamp)
    return folder


def stamp_of(folder: Path) -> Any:
    """What a folder says that it holds; `None` where it says nothing that can be read."""
    try:
        return json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def put(made: Path, folder: Path, *, aside: Path, stamp: dict[str, Any]) -> None:
    """Move a finished folder to its place, unless another process has just put the same one there."""
    if folder.exists():
        if not (folder / STAMP).is_file() and any(folder.iterdir()):
            raise DataError(f"data.demo: {folder} holds files that are not the demo's; move them away and run again")
        if stamp_of(folder) == stamp:
            return
        folder.rename(aside)
    try:
        made.rename(folder)
    except OSError:
        if stamp_of(folder) != stamp:
            raise


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
        "experiments": experiments.make_experiments(streams["experiments"]),
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
    content = {
        "definitions": DEFINITIONS,
        "kinds": {name: asdict(kind) for name, kind in KINDS.items()},
        "experiments": experiments.truths(),
        **campaigns.truths(),
    }
    (truth / "truth.json").write_text(json.dumps(content, indent=1), encoding="utf-8")

"""The benchmark book: `reports/benchmarks.html`, of whatever `make bench` has measured on this machine.

`python -m tests.benchmarks.book` renders the newest run of each benchmark; of what has no run it says so. A page for
developers, in English.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd
from markupsafe import Markup

from helpers.reporting import tokens
from helpers.reporting.cards import Card
from helpers.reporting.export import write_text
from helpers.reporting.html import TEMPLATE, page
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import day, listing, number
from tests.benchmarks.book_figures import growth, overview, times
from tests.benchmarks.results import FILE, newest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.results import Result, Row

# Benchmarks in the order of the book: name and what each is about.
PARTS = {
    "scale": (
        "Order log to customer table",
        (
            "One Parquet file of orders becomes one row a customer (x, t_x, T and sums). The bare group-by is DuckDB's count, "
            "min, max and sum by customer over the same file, which is the least that reading it can cost; the kit's table also "
            "makes one order of a customer's day. The checked table first types, checks and looks for duplicates, as a study does."
        ),
    ),
    "clv": (
        "Customer lifetime value",
        (
            "BG/NBD fitted and predicted for the same simulated customers. The peer samples by NUTS and draws expected "
            "purchases and P(alive); the kit also draws every customer's predictive orders."
        ),
    ),
    "ab_test": (
        "A/B tests",
        (
            "Ten metrics of two arms from one DuckDB file: the estimates alone, which is what the peer does, and the whole "
            "analysis."
        ),
    ),
    "upsell_lift": (
        "Uplift",
        (
            "Hillstrom's customers and two offers, and a million simulated customers against the limit of memory. The peers do "
            "what they can of it; their imports are not counted."
        ),
    ),
    "running": (
        "A batch of reports",
        "Core notebooks for many clients: the kit's runner with two jobs on warm kernels against a shell script's loop.",
    ),
    "report_size": (
        "Size of reports",
        (
            "The demo's executed notebooks as the kit's pages, each chart once for light and once for dark, and by nbconvert's "
            "own templates."
        ),
    ),
}
UNITS = {"time": "time", "processors": "processor time", "memory": "memory", "size": "bytes"}
MOST_CARDS = 6


@dataclass(frozen=True, kw_only=True)
class Part:
    """One benchmark's section of the page."""

    id: str
    name: str
    about: str
    blocks: tuple[Markup, ...]
    measured: str


@dataclass(frozen=True, kw_only=True)
class Badge:
    """A line under the verdict."""

    status: str
    text: str


def render(results: Mapping[str, Result]) -> str:
    """The book as one page.

    Args:
        results: Newest run by benchmark, from `newest`.
    """
    tokens.use_accent(tokens.KIT_COLOUR)
    known = [results[name] for name in PARTS if name in results]
    rows = [row for result in known for row in result.rows]
    aims = [row for row in rows if row.met is not None]
    days = sorted({result.measured.date() for result in known})
    when = " to ".join(dict.fromkeys(day(one) for one in (days[0], days[-1]))) if days else "nothing measured here"
    return page(
        _template(),
        title=f"Benchmarks: {verdict(rows)}",
        when=when,
        verdict=verdict(rows),
        targets=[_card(row) for row in aims[:MOST_CARDS]],
        badges=_badges(aims, missing=[name for name in PARTS if name not in results]),
        figures=[_safe(one.html) for one in overview(rows)],
        parts=[_part(name, results.get(name)) for name in PARTS],
        machines=[_safe(one.html) for one in _machines(known)],
    )


def verdict(rows: Sequence[Row]) -> str:
    """The page's finding, in a sentence."""
    aims = [row for row in rows if row.met is not None]
    timed = [row for row in rows if row.unit == "time"]
    if not rows:
        return "Nothing has been measured on this machine yet"
    if not aims:
        faster = sum(row.ratio >= 1 for row in timed)
        return f"The kit takes less time in {faster} of {len(timed)} comparisons; no target was measured"
    missed = [row for row in aims if not row.met]
    if missed:
        more = f", and {len(missed) - 1} more" if len(missed) > 1 else ""
        return f"{len(missed)} of {len(aims)} targets {'is' if len(missed) == 1 else 'are'} missed: {_named(missed[0])}{more}"
    best = max(aims, key=lambda row: row.ratio / (row.target or 1))
    return f"All {len(aims)} targets measured here are met; furthest, {_named(best)}"


def _named(row: Row) -> str:
    """A row with a target as a phrase; of a ratio below 1 it tells what the kit takes more."""
    who = f"{row.name} of {number(row.n)} {row.of}"
    if (row.target or 1) < 1:
        return (
            f"{who} takes {times(1 / row.ratio)} the {UNITS[row.unit]} of {row.peer}, at most {_aim(row)} was promised"
        )
    less = "as fast as" if row.unit == "time" else f"less {UNITS[row.unit]} than"
    return f"{who} is {times(row.ratio)} {less} {row.peer}, at least {_aim(row)} was promised"


def _aim(row: Row) -> str:
    target = row.target or 1
    return times(1 / target if target < 1 else target)


def _card(row: Row) -> Card:
    more = (row.target or 1) < 1
    compared = "times as fast" if row.unit == "time" else f"times less {UNITS[row.unit]}"
    return Card(
        name=f"{row.name} against {row.peer}: {f'times its {UNITS[row.unit]}' if more else compared}",
        value=times(1 / row.ratio if more else row.ratio),
        lines=(
            f"{'at most' if more else 'at least'} {_aim(row)}: {'met' if row.met else 'missed'}",
            f"n = {number(row.n)} {row.of}",
        ),
    )


def _badges(aims: Sequence[Row], *, missing: Sequence[str]) -> list[Badge]:
    met = sum(row.met is True for row in aims)
    badges = [Badge(status="fail", text=f"Missed: {_named(row)}") for row in aims if not row.met]
    if missing:
        text = f"Not measured on this machine: {listing(PARTS[name][0] for name in missing)}."
        badges.append(Badge(status="warn", text=text))
    if met:
        badges.append(Badge(status="pass", text=f"{met} of {len(aims)} targets met"))
    return badges


def _part(name: str, result: Result | None) -> Part:
    title, about = PARTS[name]
    if result is None:
        return Part(id=name, name=title, about=about, blocks=(), measured="")
    blocks = [_safe(one.html) for one in growth(result.points)]
    blocks.append(_safe(_compared(title, result).html))
    return Part(id=name, name=title, about=about, blocks=tuple(blocks), measured=_moment(result))


def _compared(title: str, result: Result) -> Table:
    """One row a comparison, with a column for each of time, processor time, memory and bytes that was measured."""
    met = {True: "met", False: "missed", None: ""}
    units = [unit for unit in UNITS if any(row.unit == unit for row in result.rows)]
    compared: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in result.rows:
        key = (row.name, row.peer, f"{number(row.n)} {row.of}")
        own = compared.setdefault(key, dict.fromkeys(units, "–") | {"target": "–", "note": "–"})
        own[row.unit] = times(row.ratio)
        if row.target:
            own["target"] = f"{UNITS[row.unit]} {times(row.target)}: {met[row.met]}"
        if row.note:
            own["note"] = row.note
    names = ("what", "peer", "n")
    frame = pd.DataFrame(dict(zip(names, key, strict=True)) | own for key, own in compared.items())
    heads = {"what": Column(label="What"), "peer": Column(label="Against")}
    heads |= {unit: Column(label=f"Peer / kit, {UNITS[unit]}", kind="printed") for unit in units}
    heads |= {"n": Column(label="n", kind="printed")}
    if (frame["target"] != "–").any():
        heads["target"] = Column(label="Target")
    if (frame["note"] != "–").any():
        heads["note"] = Column(label="Note", kind="prose")
    strong = [place for place, target in enumerate(frame["target"]) if target != "–"]
    return table(frame, heads, title=f"{title}: all comparisons", rows=len(frame), strong=strong)


def _machines(known: Sequence[Result]) -> list[Table]:
    """Where each benchmark ran, and with what."""
    ran = pd.DataFrame(
        {"name": PARTS[result.benchmark][0], "measured": _moment(result)} | result.machine for result in known
    )
    libraries = pd.DataFrame(
        {
            "name": PARTS[result.benchmark][0],
            "kit": _versions(result.versions),
            "peers": _versions(result.peers) or "no peer was asked",
        }
        for result in known
    )
    if ran.empty:
        return []
    heads = {"name": "Benchmark", "measured": "Measured", "processor": "Processor", "cores": "Cores"}
    heads |= {"memory": "Memory", "system": "System"}
    return [
        table(ran, {key: Column(label=head) for key, head in heads.items()}, title="Machine", rows=len(ran)),
        table(
            libraries,
            {
                "name": Column(label="Benchmark"),
                "kit": Column(label="Kit's libraries", kind="prose"),
                "peers": Column(label="Peers' libraries", kind="prose"),
            },
            title="Versions",
            rows=len(libraries),
        ),
    ]


def _versions(found: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _moment(result: Result) -> str:
    return f"{day(result.measured.date())}, {result.measured:%H:%M} UTC"


def _safe(html: str) -> Markup:
    return Markup(html)  # noqa: S704 - made by `table` and `figure`, which escape


def _template() -> jinja2.Template:
    """The book's own page, on the reports' one."""
    loader = jinja2.FileSystemLoader([Path(__file__).parent, TEMPLATE])
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    ).get_template("book.html.j2")


def main(file: Path = FILE) -> Any:
    """Write the page beside the results."""
    path = file.with_suffix(".html")
    write_text(path, render(newest(file)))
    sys.stdout.write(f"Wrote {path}\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))

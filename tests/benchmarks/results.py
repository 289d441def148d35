"""Results: what each benchmark measured, one JSON line a run beside the reports, for the book to read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from helpers.reporting.export import append_lines, read_lines
from tests.benchmarks.machine import machine, peer_versions, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = Path(__file__).parents[2] / "reports" / "benchmarks.jsonl"
Unit = Literal["time", "processors", "memory", "size"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison within one run.

    Attributes:
        name: What was measured.
        peer: Against what.
        ratio: The peer's over the kit's: above 1 the kit takes less.
        unit: What of; `processors` is the time of all cores together, which other work on the machine hardly moves.
        n: How many of `of`.
        of: What was counted, such as `orders`.
        note: What a reader should know besides.
        target: Least ratio that was promised.
    """

    name: str
    peer: str
    ratio: float
    unit: Unit
    n: int
    of: str
    note: str = ""
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; `None` where there is none."""
        return None if self.target is None else self.ratio >= self.target


@dataclass(frozen=True, kw_only=True)
class Point:
    """One side of a benchmark at one size, to see how it grows: seconds of processors, and most memory of its process in MB."""

    side: str
    n: int
    cpu: float
    mb: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run of one benchmark.

    Attributes:
        benchmark: The benchmark's module.
        measured: When the run ended.
        machine: From `machine`.
        versions: Of the kit's libraries.
        peers: Of the peers' libraries; empty where no peer was asked.
        rows: What was compared.
        points: Sides by size, where it was measured how they grow.
    """

    benchmark: str
    measured: datetime
    machine: dict[str, str]
    versions: dict[str, str]
    peers: dict[str, str]
    rows: tuple[Row, ...]
    points: tuple[Point, ...] = ()


def record(
    benchmark: str, rows: Sequence[Row], *, peer: str | None = None, points: Sequence[Point] = (), file: Path = FILE
) -> None:
    """Add a run to the results.

    Args:
        benchmark: The benchmark's module.
        rows: What it compared.
        peer: Python of the peers' environment.
        points: Sides by size.
        file: Where to.
    """
    result = Result(
        benchmark=benchmark,
        measured=datetime.now(UTC),
        machine=machine(),
        versions=versions(),
        peers=peer_versions(peer) if peer else {},
        rows=tuple(rows),
        points=tuple(points),
    )
    append_lines(file, [json.dumps(asdict(result) | {"measured": result.measured.isoformat()}, allow_nan=False)])


def newest(file: Path = FILE) -> dict[str, Result]:
    """The last run of each benchmark; all its ratios are of that one run."""
    found = {}
    for line in read_lines(file):
        content = json.loads(line)
        found[content["benchmark"]] = Result(
            **content
            | {
                "measured": datetime.fromisoformat(content["measured"]),
                "rows": tuple(Row(**row) for row in content["rows"]),
                "points": tuple(Point(**point) for point in content["points"]),
            }
        )
    return found

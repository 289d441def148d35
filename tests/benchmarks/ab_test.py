"""Ten metrics of ten million units against tea-tasting on the same DuckDB file, in one run, as ratios of time and memory.

`make bench` makes the peer's environment. Each side runs in a process of its own; imports are not counted. The kit is timed twice: for
the estimates alone, which is what the peer does, and for the whole analysis with its gates, counts and verdict.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from tests.benchmarks.results import Row, record

UNITS, METRICS = 10_000_000, 10

ESTIMATES = """
import json, resource, sys, time
import ibis
from helpers.ab_test import arms
from helpers.ab_test.estimate import compare
from helpers.ab_test.sums import moments
names = [f"y{place}" for place in range(int(sys.argv[2]))]
table = ibis.duckdb.connect(sys.argv[1], read_only=True).table("units")
found = []
for turn in range(3):
    started = time.perf_counter()
    sides = moments(table, by="variant", columns=names, pairs=[])
    lifts = [compare(arms.independent(*(arms.mean(sides[k], name) for k in ("control", "treatment")))) for name in names]
    found.append(time.perf_counter() - started)
print(json.dumps({"seconds": min(found), "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  "lifts": [one.lift.value for one in lifts], "p": [one.p for one in lifts]}))
"""

WHOLE = """
import json, resource, sys, time
import ibis
from helpers.ab_test import analyse
from helpers.ab_test.topic import Params
metrics = [{"name": f"y{place}", "type": "mean", "column": f"y{place}", "role": "success"} for place in range(int(sys.argv[2]))]
settings = Params(tests=[{"id": "t", "metrics": metrics}])
table = ibis.duckdb.connect(sys.argv[1], read_only=True).table("units")
started = time.perf_counter()
(one,) = analyse(settings, table)
print(json.dumps({"seconds": time.perf_counter() - started, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  "answer": one.answer}))
"""

PEER = """
import json, resource, sys, time
import ibis
import tea_tasting as tt
names = [f"y{place}" for place in range(int(sys.argv[2]))]
table = ibis.duckdb.connect(sys.argv[1], read_only=True).table("units")
experiment = tt.Experiment({name: tt.Mean(name) for name in names})
found = []
for turn in range(3):
    started = time.perf_counter()
    result = experiment.analyze(table, control="control")
    found.append(time.perf_counter() - started)
print(json.dumps({"seconds": min(found), "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  "lifts": [result[name].rel_effect_size for name in names], "p": [result[name].pvalue for name in names]}))
"""


def make(path: Path, *, units: int, metrics: int) -> None:
    """Units with skewed amounts, a quarter of them zero; the treatment adds a thousandth."""
    columns = ", ".join(
        f"CASE WHEN random() < .25 THEN 0 ELSE -ln(1 - random()) * {10 + place} * (1 + .001 * treated) END AS y{place}"
        for place in range(metrics)
    )
    with duckdb.connect(str(path)) as con:
        con.execute("SELECT setseed(.5)")
        con.execute(
            "CREATE TABLE units AS SELECT 't' AS experiment, i::VARCHAR AS unit_id, "  # noqa: S608 - numbers of our own
            f"CASE WHEN treated THEN 'treatment' ELSE 'control' END AS variant, {columns} "
            f"FROM (SELECT i, (random() < .5)::INT AS treated FROM range({units}) AS r(i))"
        )


def run(python: str, code: str, *arguments: object) -> dict:
    """What a script prints as JSON in its last line."""
    done = subprocess.run([python, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
        raise SystemExit(1)
    return json.loads(done.stdout.strip().splitlines()[-1])


def rows(ours: dict, whole: dict, theirs: dict, *, n: int, note: str) -> list[Row]:
    """Estimates and the whole analysis against the peer, for the book."""
    whole_note = "with gates, counts and verdict, which the peer has not"
    sides = (
        (f"estimates of {METRICS} metrics", ours, note),
        (f"whole analysis of {METRICS} metrics", whole, whole_note),
    )
    return [
        Row(name=name, peer="tea-tasting", ratio=theirs[key] / side[key], unit=unit, n=n, of="units", note=told)
        for name, side, told in sides
        for unit, key in (("time", "seconds"), ("memory", "mb"))
    ]


def main(peer: str | None, units: int) -> None:
    """Print one line for the estimates and one for the whole analysis."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "units.duckdb"
        make(path, units=units, metrics=METRICS)
        ours = run(sys.executable, ESTIMATES, path, METRICS)
        whole = run(sys.executable, WHOLE, path, METRICS)
        lines = [
            f"{units:,} units x {METRICS} metrics: estimates {ours['mb']:,.0f} MB, whole analysis {whole['mb']:,.0f} MB"
        ]
        if peer:
            theirs = run(peer, PEER, path, METRICS)
            gap = max(abs(a - b) for a, b in zip(ours["lifts"] + ours["p"], theirs["lifts"] + theirs["p"], strict=True))
            lines.append(
                f"against tea-tasting: estimates take {ours['seconds'] / theirs['seconds']:.2f} of its time and "
                f"{ours['mb'] / theirs['mb']:.2f} of its memory; the whole analysis {whole['seconds'] / theirs['seconds']:.2f} of "
                f"its time; lifts and p agree within {gap:.1e}"
            )
            record("ab_test", rows(ours, whole, theirs, n=units, note=f"lifts and p agree within {gap:.1e}"), peer=peer)
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None, int(sys.argv[2]) if len(sys.argv) > 2 else UNITS)

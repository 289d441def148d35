"""How long a batch takes: a serial papermill and nbconvert loop, two such processes, and `valuebook run --jobs 2` on warm kernels.

`python -m tests.benchmarks.running [CLIENTS]` prints seconds and ratios within one run, then the seconds that 500 unchanged jobs,
500 planned jobs and a typo among 500 take. All runs start with a cold cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers.data.demo import make_demo
from tests.benchmarks.results import Row, record

ROOT = Path(__file__).parents[2]
CORE = ("clv", "pulse", "segmentation")
VALUEBOOK = [sys.executable, "-c", "from helpers.running.cli import main; main()"]
UNCHANGED = 125
# Where each job starts anew, time grows with the jobs: every fourth client tells it in a quarter of the time.
EVERY = 4


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory(prefix="valuebook-bench-") as folder:
        base = Path(folder)
        clients = [_client(base, place) for place in range(count)]
        some = clients[::EVERY]
        looped = [(client, topic) for topic in CORE for client in some]
        jobs = len(CORE) * count
        _say(f"{count} clients of 300 customers x {', '.join(CORE)}, {os.cpu_count()} cores")
        # Numba keeps what it compiled beside the sources: one run before the clock starts, so that all find the same.
        for topic in CORE:
            _loop((clients[0], topic), base, "before")
        # A machine's speed drifts over the minutes that the loops take: the batch is timed before and after them.
        first = _timed("valuebook run --jobs 2, warm", lambda: _valuebook(base, "warm", "--kernel", "warm"))
        _say(f"on {len(looped)} of the {jobs} jobs, told as for all:")
        scale = jobs / len(looped)
        plain = _timed("plain kernels", lambda: _valuebook(base, "plain", *some, "--kernel", "plain"), times=scale)
        with ThreadPoolExecutor(2) as pool:
            two = _timed(
                "two processes", lambda: list(pool.map(lambda job: _loop(job, base, "two"), looped)), times=scale
            )
        serial = _timed("serial loop", lambda: [_loop(job, base, "serial") for job in looped], times=scale)
        again = _timed("valuebook run --jobs 2, warm, again", lambda: _valuebook(base, "again", "--kernel", "warm"))
        warm = (first + again) / 2
        _say(
            f"serial loop / warm: {serial / warm:.1f} x; two processes / warm: {two / warm:.1f} x; plain / warm: {plain / warm:.1f} x"
        )
        record(
            "running",
            rows(
                {"serial papermill and nbconvert": serial, "two such processes": two, "plain kernels": plain},
                warm,
                jobs,
            ),
        )
        _timed(f"the same again, {jobs} unchanged jobs", lambda: _valuebook(base, "warm"))
    _many()


def _client(base: Path, place: int) -> str:
    data = make_demo(base / f"data{place}", seed=100 + place, customers=300)
    params = base / "params"
    params.mkdir(exist_ok=True)
    name = f"client{place}"
    (params / f"{name}.yaml").write_text(
        f"client: {name}\nname: Client {place}\ncurrency: GBP\ndata:\n  tables:\n"
        f"    order_lines: {{from: {data}/order_lines.parquet}}\n    customers: {{from: {data}/customers.parquet}}\n"
    )
    return name


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _timed(name: str, run, *, times: float = 1.0) -> float:
    started = time.monotonic()
    run()
    seconds = times * (time.monotonic() - started)
    _say(f"{name}: {seconds:.1f} s")
    return seconds


def _environment(base: Path, reports: str) -> dict[str, str]:
    return os.environ | {
        "VALUEBOOK_PARAMS": str(base / "params"),
        "VALUEBOOK_REPORTS": str(base / reports),
        "XDG_CACHE_HOME": str(base / f"cache-{reports}"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }


def _loop(job: tuple[str, str], base: Path, reports: str) -> None:
    """What a shell script without the kit's runner does."""
    client, topic = job
    env = _environment(base, reports)
    out = base / reports / client / f"{topic}.ipynb"
    out.parent.mkdir(parents=True, exist_ok=True)
    papermill = ["papermill", f"notebooks/{topic}.ipynb", str(out), "-p", "client", client, "--no-progress-bar"]
    for command in (papermill, ["nbconvert", "--to", "html", str(out), "--log-level", "ERROR"]):
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=env, check=True, capture_output=True)


def _valuebook(base: Path, reports: str, *more: str) -> None:
    topics = [part for topic in CORE for part in ("--topic", topic)]
    command = [
        *VALUEBOOK,
        "run",
        *topics,
        "--jobs",
        "2",
        "--params",
        str(base / "params"),
        "--reports",
        str(base / reports),
        *more,
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=_environment(base, reports), check=False, capture_output=True, text=True
    )
    if done.returncode not in {0, 3}:
        raise RuntimeError(done.stdout + done.stderr)


def _many() -> None:
    """500 jobs, of 125 clients and four topics with notebooks of a line: unchanged, and with one mistake in the params."""
    from tests.running.conftest import World

    with tempfile.TemporaryDirectory(prefix="valuebook-bench-") as folder:
        world = World(Path(folder))
        topics = ("ab_test", "clv", "pulse", "segmentation")
        for topic in topics:
            world.notebook(topic, "study.period.label")
        for place in range(UNCHANGED):
            world.client(f"client{place}")
        tables = "    experiments: {from: " + str(world.base / "tests.csv") + "}\n"
        (world.base / "tests.csv").write_text("experiment,unit_id,variant\none,a,control\none,b,treatment\n")
        for path in world.params.glob("*.yaml"):
            path.write_text(path.read_text() + tables)
        first = world.run_apart("--jobs", "2", "--kernel", "warm")
        if first.returncode not in {0, 3}:
            raise RuntimeError(first.stdout[-2000:] + first.stderr)
        jobs = UNCHANGED * len(topics)
        _timed(f"{jobs} unchanged jobs", lambda: _expect(world.run_apart("--jobs", "2"), f"0 ran, {jobs} were cached"))
        path = world.params / "client77.yaml"
        path.write_text(path.read_text() + "economcs: {margin: 1}\n")
        _timed(
            f"a typo among {jobs} jobs is told",
            lambda: _expect(world.run_apart("client77"), "did you mean 'economics'"),
        )


def _expect(done: subprocess.CompletedProcess[str], text: str) -> None:
    if text not in done.stdout + done.stderr:
        raise RuntimeError(done.stdout[-2000:] + done.stderr)


def rows(peers: dict[str, float], warm: float, jobs: int) -> list[Row]:
    """The batch on warm kernels against each other way, for the book."""
    targets = {"serial papermill and nbconvert": 8.0, "two such processes": 4.0}
    told = {"name": "batch on warm kernels", "unit": "time", "n": jobs, "of": "jobs"}
    return [Row(peer=peer, ratio=took / warm, target=targets.get(peer), **told) for peer, took in peers.items()]


if __name__ == "__main__":
    main()

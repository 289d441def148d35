"""Small worlds for the runner: clients of a few orders, and notebooks of a few lines in a folder of their own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
# A shell's background jobs inherit that Ctrl-C is ignored; what a test starts listens to it wherever the test runs.
LISTENS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
COMMAND = (sys.executable, "-c", f"{LISTENS}; from helpers.running.cli import main; main()")
OPEN = 'from helpers.study import open_study\n\nstudy = open_study(client, period, notebook="{topic}")\nstudy'
PARAMS = """client: {name}
name: {title}
currency: GBP
data:
  tables:
    orders: {{from: {orders}}}
{more}"""


class World:
    """Params, data, notebooks and reports of one test."""

    def __init__(self, base):
        self.base = base
        self.params, self.notebooks, self.reports = base / "params", base / "notebooks", base / "reports"
        self.period = "all"
        self.params.mkdir()
        self.notebooks.mkdir()

    def client(self, name, *, title="A client", more="", orders=8):
        """Write a client and its orders."""
        rows = [f"{place},c{place % 3},2024-0{1 + place % 3}-1{place % 9},{10 + place}" for place in range(orders)]
        path = self.base / f"{name}.csv"
        path.write_text("order_id,customer_id,ordered_at,revenue\n" + "\n".join(rows) + "\n")
        os.utime(path, (1_700_000_000, 1_700_000_000 + orders))
        (self.params / f"{name}.yaml").write_text(PARAMS.format(name=name, title=title, orders=path, more=more))

    def notebook(self, topic, *cells, last="study.publish()"):
        """Write a topic's notebook: it opens the study, runs the cells and publishes."""
        made = nbformat.v4.new_notebook()
        made.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
        first = nbformat.v4.new_code_cell('client = "demo"  # type: str\nperiod = "latest"  # type: str')
        first.metadata["tags"] = ["parameters"]
        code = [nbformat.v4.new_code_cell(text) for text in (OPEN.format(topic=topic), *cells, last)]
        made.cells = [first, nbformat.v4.new_markdown_cell(f"# About {topic}"), *code]
        for place, cell in enumerate(made.cells):
            cell["id"] = f"cell{place}"
        nbformat.write(made, self.notebooks / f"{topic}.ipynb")

    def command(self, *arguments):
        return [
            *COMMAND, "run", *map(str, arguments), "--period", self.period, "--params", str(self.params),
            "--reports", str(self.reports),
        ]  # fmt: skip

    def environment(self, **more):
        kept = {key: value for key, value in os.environ.items() if not key.startswith("VALUEBOOK_")}
        return kept | {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            "VALUEBOOK_NOTEBOOKS": str(self.notebooks),
            "XDG_CACHE_HOME": str(self.base / "cache"),
            **more,
        }

    def run(self, *arguments, **more):
        """Run to the end within this process, which has all loaded; unless told otherwise on warm kernels, where there are any."""
        from helpers.running import ingredients
        from helpers.running.cli import main

        if "--kernel" not in arguments and sys.platform.startswith("linux"):
            arguments = [*arguments, "--kernel", "warm"]
        ingredients.code.cache_clear()
        before, argv = dict(os.environ), sys.argv
        os.environ.update(self.environment(**more))
        sys.argv = self.command(*arguments)[2:]
        said, complained = io.StringIO(), io.StringIO()
        code = 0
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
                main()
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            os.environ.clear()
            os.environ.update(before)
            sys.argv = argv
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return subprocess.CompletedProcess(arguments, code, said.getvalue(), complained.getvalue())

    def run_apart(self, *arguments, **more):
        """Run to the end in a process of its own."""
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=self.environment(**more),
            check=False,
        )

    def start(self, *arguments, **more):
        """Start, and let it run."""
        return subprocess.Popen(
            self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env=self.environment(**more),
        )  # fmt: skip

    def findings(self, client, topic="pulse"):
        return json.loads((self.reports / client / self.period / f"{topic}.json").read_text())

    def record(self, client, topic="pulse"):
        return json.loads((self.reports / client / self.period / ".runs" / f"{topic}.json").read_text())


@pytest.fixture
def small(tmp_path):
    """An empty small world."""
    return World(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _warm():
    """One zygote serves all tests of this folder: it lingers as long as this lease is held."""
    if not sys.platform.startswith("linux"):
        yield
        return
    from helpers.running.lease import lease

    lease().start()
    yield
    lease().goodbye()


def descendants_with(token):
    """Processes whose environment holds a token: what a run started, however far down, has it from that run."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                if token.encode() in (process / "environ").read_bytes() + (process / "cmdline").read_bytes():
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def stop_hard(process):
    """kill -9."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def until(condition, *, seconds=20.0):
    """Wait until something holds; whether it did."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True

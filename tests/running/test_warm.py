"""Warm kernels: the same outputs as plain ones, nothing shared between clients, and a zygote that ends with its users."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers.running import lease as leases
from helpers.running.lease import Lease, runtime_folder
from helpers.running.verify import alike
from tests.running.conftest import ROOT, World, stop_hard, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="warm kernels need fork")
VOLATILE = [
    (re.compile(r"in \d+(\.\d+)? s with"), "in N s with"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0xADDRESS"),
    (re.compile(r"made on [^;]+? in"), "made on DAY in"),
]


def normal(path):
    """A report without what tells the moment."""
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        content.pop("provenance", None)
        return content
    text = path.read_text()
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        for output in (output for cell in cells for output in cell.get("outputs", [])):
            # The plain form of what has a form for readers is Python's own, with addresses and clocks in it.
            if "text/html" in output.get("data", {}):
                output["data"].pop("text/plain", None)
        text = json.dumps([[cell.source, cell.get("outputs"), cell.get("execution_count")] for cell in cells])
    for pattern, instead in VOLATILE:
        text = pattern.sub(instead, text)
    return text


def reports(folder):
    return {
        str(path.relative_to(folder)): normal(path)
        for path in sorted(folder.glob("*/*/*"))
        if path.suffix in {".ipynb", ".json", ".html"} and path.name not in {"manifest.json", "index.html"}
    }


QUICK = {"pulse", "segmentation", "summary"}
SHIPPED = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize(
    "topics",
    [sorted(QUICK), *(pytest.param([topic], marks=pytest.mark.full) for topic in SHIPPED if topic not in QUICK)],
    ids="-".join,
)
def test_every_shipped_notebook_comes_out_the_same_on_warm_and_plain_kernels(shops, tmp_path, topics):
    found = []
    for kernel in ("warm", "plain"):
        target = tmp_path / kernel
        chosen = [part for topic in topics for part in ("--topic", topic)]
        done = subprocess.run(
            [sys.executable, "-c", "from helpers.running.cli import main; main()", "run", "--params", str(shops), "--reports",
             str(target), "--kernel", kernel, "--jobs", "2", *chosen],
            capture_output=True, text=True, cwd=ROOT, check=False, env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode in {0, 3}, done.stdout + done.stderr
        found.append(reports(target))
    warm, plain = found
    assert warm.keys() == plain.keys()
    assert len([name for name in warm if name.endswith(".html")]) >= len(topics)
    for name in warm:
        assert alike(warm[name], plain[name]), name


@pytest.fixture(scope="session")
def shops(tmp_path_factory):
    """A small shop and a client with tests, for the shipped notebooks."""
    from helpers.data.demo import make_demo

    base = tmp_path_factory.mktemp("shops")
    demo = make_demo(base / "demo", seed=5, customers=300)
    (base / "params").mkdir()
    tables = "\n".join(
        f"    {name}: {{from: {demo / f'{name}.parquet'}}}"
        for name in ("order_lines", "customers", "experiments", "offers")
    )
    (base / "params" / "shop.yaml").write_text(
        f"client: shop\nname: Shop\ncurrency: GBP\ndata:\n  tables:\n{tables}\npulse: {{replicates: 200}}\n"
        "segmentation: {replicates: 200, clusters: 4}\nab_test: {replays: 100}\n"
        "upsell_lift:\n  covariates: [age_band, region]\n"
        "  outcomes: [{name: margin_90d, column: margin_90d, type: spend, role: profit, worth: 1}]\n"
    )
    return base / "params"


PICTURE = """from helpers.reporting import figures
from helpers.reporting.tables import Column, table
import pandas as pd

figures.figure(
    lambda axes, theme: axes.text(0.1, 0.5, study.params.name, color=theme.ink),
    title=study.params.name, subtitle=client, foot=client, alt=study.params.name,
    data=table(pd.DataFrame({"x": [1.0]}), {"x": Column(label=study.params.name, kind="decimal")}, title=client),
)"""


def cross_talk(small, runs, jobs):
    """Many clients side by side, then one after another: each report holds its own token and no other's."""
    small.notebook("pulse", PICTURE, "import numpy as np\nstudy.params.name")
    for place in range(runs):
        small.client(f"client{place}", title=f"Token{place:03d}q")
    done = small.run("--topic", "pulse", "--jobs", jobs)
    assert done.returncode == 0, done.stdout + done.stderr
    side_by_side = reports(small.reports)
    for name, content in side_by_side.items():
        place = int(name.split("/")[0].removeprefix("client"))
        text = json.dumps(content) if isinstance(content, dict) else content
        assert set(re.findall(r"Token\d{3}q", text)) in ({f"Token{place:03d}q"}, set()), name
        if name.endswith(".html"):
            assert f"Token{place:03d}q" in text
    pictures = {
        re.search(r"data:image/webp;base64,([^\"]+)", text)[1]
        for name, text in side_by_side.items()
        if name.endswith(".html")
    }
    assert len(pictures) == runs
    small.reports = small.base / "serial"
    assert small.run("--topic", "pulse", "--jobs", 1).returncode == 0
    serial = reports(small.reports)
    assert serial.keys() == side_by_side.keys()
    for name, text in serial.items():
        assert alike(text, side_by_side[name]), name


def test_reports_made_side_by_side_hold_their_own_client_only(small):
    cross_talk(small, runs=6, jobs=4)


@pytest.mark.full
def test_two_hundred_reports_made_side_by_side_hold_their_own_client_only(small):
    cross_talk(small, runs=200, jobs=4)


def start_kernel(line, tmp_path, code):
    """A bare child of the zygote that runs a connection file's kernel; used for its life, not its answers."""
    from jupyter_client.connect import write_connection_file

    file, _info = write_connection_file(str(tmp_path / "k.json"), transport="ipc", ip=str(tmp_path / "k"))
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        return line.launch(
            argv=["-f", file], env=dict(os.environ) | {"MARK": code}, cwd=str(tmp_path), files=(nothing,) * 3
        )
    finally:
        os.close(nothing)


def gone(pid):
    """Whether a process has ended; a zombie has."""
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_kernels_end_with_the_client_that_asked_for_them(short_folder):
    line = Lease(linger=0)
    pid = start_kernel(line, short_folder, "one")
    assert line.poll(pid) is None
    line.goodbye()
    assert until(lambda: gone(pid))


def test_kernels_end_with_their_client_however_young_they_are(short_folder):
    pids = []
    for place in range(12):
        line = Lease(linger=30)
        pids.append(start_kernel(line, short_folder, str(place)))
        line.goodbye()
    assert until(lambda: all(gone(pid) for pid in pids))


def test_kernels_end_when_their_client_is_killed(short_folder):
    code = (
        "import sys, time, os\nfrom pathlib import Path\nfrom tests.running.test_warm import start_kernel\n"
        "from helpers.running.lease import Lease\nline = Lease()\n"
        f"print(start_kernel(line, Path({str(short_folder)!r}), 'two'), flush=True)\ntime.sleep(600)"
    )
    client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    pid = int(client.stdout.readline())
    assert not gone(pid)
    stop_hard(client)
    assert until(lambda: gone(pid))


@pytest.fixture
def short_folder():
    """A folder whose path fits a socket's."""
    import tempfile

    with tempfile.TemporaryDirectory(dir=runtime_folder(), prefix="t-") as folder:
        yield Path(folder)


def test_other_code_has_another_zygote(monkeypatch):
    monkeypatch.setattr(leases, "ROOT", ROOT / "helpers")
    other = leases._identity.__wrapped__()
    monkeypatch.undo()
    assert other != leases._identity.__wrapped__()


def test_a_zygote_waits_for_threads_that_end_and_tells_those_that_stay(tmp_path):
    code = (
        "import threading, time; from helpers.running.zygote import other_threads; "
        "threading.Thread(target=time.sleep, args=(.3,)).start(); assert len(other_threads(patience=0)) == 1; "
        "assert other_threads() == []; stays = threading.Event(); threading.Thread(target=stays.wait).start(); "
        "assert len(other_threads(patience=.1)) == 1; stays.set()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_zygote_knows_no_secret_of_its_client():
    pid = _zygote()
    assert b"=" in Path("/proc", str(pid), "environ").read_bytes()
    names = {
        part.partition(b"=")[0].decode()
        for part in Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
        if part
    }
    assert all(
        name in {*leases.PASSED_ON, *leases.THREADS, "MPLBACKEND", "JE_ARROW_MALLOC_CONF"}
        or name.startswith(leases.PASSED_ON_PREFIXES)
        for name in names
    )
    # What forks must have one thread.
    assert len(list(Path("/proc", str(pid), "task").iterdir())) == 1


def _zygote():
    from helpers.running.wire import hear, say

    line = leases._connect()
    try:
        say(line, {"do": "hello"})
        return hear(line)[0]["pid"]
    finally:
        line.close()


def test_a_folder_that_others_may_enter_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "valuebook").mkdir(mode=0o755)
    (tmp_path / "valuebook").chmod(0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(leases.NoZygoteError, match="mode 700"):
        runtime_folder()


def test_jupyter_finds_the_provisioner_and_starts_warm_kernels_with_it(tmp_path, monkeypatch):
    """As papermill and JupyterLab do: by the kernelspec's name, in its folder, through the entry point."""
    from importlib.metadata import entry_points

    if not entry_points(group="jupyter_client.kernel_provisioners", name="valuebook-warm"):
        pytest.fail("the entry point is not installed: run `make setup`")
    from helpers.running.install import install

    install(tmp_path)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share/jupyter"))
    made = World(tmp_path)
    made.notebook(
        "pulse", "import matplotlib.pyplot as plt\nplt.plot([1, 2]);", "import os\nos.getppid()", last="1 + 1"
    )
    made.client("acme")
    monkeypatch.setenv("VALUEBOOK_PARAMS", str(made.params))
    monkeypatch.setenv("VALUEBOOK_REPORTS", str(made.reports))
    command = [sys.executable, "-m", "papermill", str(made.notebooks / "pulse.ipynb"), str(tmp_path / "out.ipynb"), "-k",
               "valuebook-warm", "-p", "client", "acme", "--no-progress-bar"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert str(_zygote()) in {output.get("data", {}).get("text/plain") for output in outputs}
    # A bare plot is shown as in any kernel.
    assert any("image/png" in output.get("data", {}) for output in outputs)


def manager_of_warm(name):
    """A manager of warm kernels, as JupyterLab has one."""
    from jupyter_client.manager import AsyncKernelManager

    from helpers.running.provisioner import WarmProvisioner

    class Manager(AsyncKernelManager):
        async def _async_pre_start_kernel(self, **options):
            if self.provisioner is None:
                self.kernel_id = name
                self.provisioner = WarmProvisioner(kernel_id=name, kernel_spec=self.kernel_spec, parent=self)
            return await super()._async_pre_start_kernel(**options)

    return Manager(kernel_name="python3")


def test_a_kernel_is_interrupted_and_restarted_as_any_other(tmp_path):
    async def live():
        manager = manager_of_warm("one")
        await manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        first = manager.provisioner.pid
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        client.execute("import time\ntime.sleep(600)")
        await asyncio.sleep(0.5)
        await manager.interrupt_kernel()
        reply = await client.get_shell_msg(timeout=20)
        await manager.restart_kernel(now=True)
        await client.wait_for_ready(timeout=60)
        second = manager.provisioner.pid
        alive = await manager.is_alive()
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        return first, second, reply["content"], alive

    first, second, content, alive = asyncio.run(live())
    assert content["ename"] == "KeyboardInterrupt"
    assert first != second
    assert alive
    assert until(lambda: gone(first) and gone(second))


def test_a_warm_kernel_stops_at_a_breakpoint():
    """The debugger is loaded before the fork; what it does after it is what JupyterLab asks for, request by request."""
    code = "value = 1\nvalue += 1\n"

    async def debugged():
        manager = manager_of_warm("two")
        await manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)

        async def ask(command, **arguments):
            content = {"type": "request", "seq": 1, "command": command, "arguments": arguments}
            client.control_channel.send(client.session.msg("debug_request", content))
            reply = (await client.get_control_msg(timeout=60))["content"]
            assert reply["success"], reply
            return reply.get("body")

        await ask("initialize", clientID="client", adapterID="python")
        await ask("attach")
        cell = (await ask("dumpCell", code=code))["sourcePath"]
        await ask("setBreakpoints", source={"path": cell}, breakpoints=[{"line": 2}], sourceModified=False)
        await ask("configurationDone")
        client.execute(code)
        while True:
            told = await client.get_iopub_msg(timeout=60)
            if told["msg_type"] == "debug_event" and told["content"]["event"] == "stopped":
                break
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        return told["content"]["body"]["reason"]

    assert asyncio.run(debugged()) == "breakpoint"


def test_a_zygote_that_is_killed_takes_its_kernels_along_and_is_replaced(short_folder):
    line = Lease(linger=0)
    pid = start_kernel(line, short_folder, "three")
    os.kill(pid, 0)
    zygote = _zygote()
    # Not the tests' shared zygote: it would have to be made again. A signal that it ignores tells it is there.
    os.kill(zygote, 0)
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: line.poll(pid) == -9)
    line.goodbye()

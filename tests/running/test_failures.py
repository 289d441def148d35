"""Each way to fail fails one job alone, says why, and leaves nothing running."""

import pytest

from tests.running.conftest import descendants_with

KINDS = {
    "raises": ("1 / 0", "ZeroDivisionError: division by zero"),
    "exits": ("import os\nos._exit(7)", "The kernel died: it ended itself with exit code 7."),
    "crashes": ("import ctypes\nctypes.string_at(0)", "The kernel died: it was ended by the signal SIGSEGV."),
    "hoards": ("kept = b'x' * (4 << 30)", "It ran out of memory. It may hold 2.0 GB of memory (run.memory_gb)."),
    "loops": (
        "while True:\n    pass",
        "It took longer than the 0.05 minutes that a notebook may take (run.timeout_minutes).",
    ),
}
MORE = {"hoards": "run: {memory_gb: 2}\n", "loops": "run: {timeout_minutes: 0.05}\n"}


@pytest.mark.parametrize("kernel", ["warm", "plain"])
def test_each_way_to_fail_fails_one_job_and_the_rest_finish(small, kernel):
    cells = "\n".join(
        f"if client == {name!r}:\n    {code.replace(chr(10), chr(10) + '    ')}" for name, (code, _) in KINDS.items()
    )
    small.notebook("pulse", cells)
    for name in KINDS:
        small.client(name, more=MORE.get(name, ""))
    small.client("fine")
    done = small.run("--topic", "pulse", "--kernel", kernel, "--jobs", 2)
    assert done.returncode == 1, done.stdout + done.stderr
    assert small.findings("fine")["status"] in {"ok", "warn"}
    for name, (_code, told) in KINDS.items():
        found = small.findings(name)
        assert found["status"] == "failed"
        assert found["reason"].startswith(told), found["reason"]
        page = (small.reports / name / "all" / "pulse.html").read_text()
        assert "This report could not be made." in page
        assert told.split(":")[0] in page
        assert f"failed: {name} all pulse: {told}"[:60] in done.stdout
    assert not descendants_with(str(small.reports))
    assert not list(small.reports.rglob(".run-*"))


def test_what_failed_and_is_unchanged_stays_failed_until_it_is_asked_for(small):
    switch = small.base / "mended"
    small.notebook("pulse", f"from pathlib import Path\n\nassert Path({str(switch)!r}).exists()")
    small.client("acme")
    assert small.run("--topic", "pulse").returncode == 1
    switch.touch()
    again = small.run("--topic", "pulse")
    assert again.returncode == 1
    assert "unchanged since it failed, --retry-failed runs it again" in again.stdout
    retried = small.run("--topic", "pulse", "--retry-failed")
    assert retried.returncode == 0, retried.stdout
    assert small.findings("acme")["status"] in {"ok", "warn"}


def test_a_kernel_that_somebody_else_killed_gets_a_second_try(small):
    once = small.base / "once"
    small.notebook(
        "pulse",
        f"import os, signal\nfrom pathlib import Path\n\nonce = Path({str(once)!r})\nif not once.exists():\n"
        "    once.touch()\n    os.kill(os.getpid(), signal.SIGKILL)",
    )
    small.client("acme")
    done = small.run("--topic", "pulse")
    assert done.returncode == 0, done.stdout


def test_what_a_notebook_leaves_running_dies_with_its_job(small):
    small.notebook("pulse", "import subprocess\n\nleft = subprocess.Popen(['sleep', '600'])")
    small.client("acme")
    for kernel in ("warm", "plain"):
        assert small.run("--topic", "pulse", "--kernel", kernel, "--force").returncode == 0
        assert not descendants_with(str(small.reports))

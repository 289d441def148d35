"""A full disk fails the study that meets it, clearly and alone; nothing half-written stays, and with room again it completes."""

import errno
import os

import pytest

from helpers.reporting import export
from helpers.running import batch, execute

TABLE = """import pandas as pd
from tests.running.published import Count

Count.tables = lambda self: {"rows": pd.DataFrame({"n": [1, 2]})}"""
# The kernel's disk is full when all but the findings are written.
IN_KERNEL = """import errno, os
from pathlib import Path
from helpers import study as studies

def full(path, content):
    assert list(study.folder.glob("tables/pulse.*"))
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

if client == "full" and not Path({room!r}).exists():
    studies.write_json = full"""


@pytest.fixture
def world(small):
    """Two clients, of whom one's disk is full until the file `room` is there."""
    room = small.base / "room"
    small.notebook("pulse", TABLE, IN_KERNEL.format(room=str(room)), last="study.publish(Count(n=len('one')))")
    for name in ("fine", "full"):
        small.client(name)
    return small, room


def files_of(made, client):
    """Names of all files in a client's folder but locks."""
    folder = made.reports / client / "all"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def contents(made, client):
    """What a client's study found, without what tells whose it is and when it was."""
    found = made.findings(client)
    return {key: value for key, value in found.items() if key not in {"client", "provenance"}}


def assert_completes(made, *how):
    """With room again the next run makes of the client what it made of the other."""
    again = made.run("--topic", "pulse", *how)
    assert again.returncode == 0, again.stdout + again.stderr
    assert contents(made, "full") == contents(made, "fine")
    assert files_of(made, "full") == {name.replace("fine", "full") for name in files_of(made, "fine")}


def test_a_disk_that_is_full_when_findings_are_written_fails_one_study_and_leaves_no_table(world):
    made, room = world
    done = made.run("--topic", "pulse")
    assert done.returncode == 1, done.stdout + done.stderr
    assert made.findings("fine")["status"] in {"ok", "warn"}
    failed = made.findings("full")
    assert failed["status"] == "failed"
    assert failed["reason"].startswith("OSError: [Errno 28] No space left on device")
    assert "No space left on device" in (made.reports / "full" / "all" / "pulse.html").read_text()
    assert not [
        name for name in files_of(made, "full") if "tables/" in name or "/." in f"/{name}".replace("/.runs", "")
    ]
    room.touch()
    assert_completes(made, "--retry-failed")


@pytest.mark.parametrize("still", [False, True], ids=["for_a_moment", "for_good"])
def test_a_disk_that_is_full_when_a_page_is_written_fails_one_study(world, monkeypatch, still):
    made, room = world
    room.touch()
    left = [1]

    def full(path, text):
        if path.parts[-3] == "full" and path.suffix == ".html" and (still or left):
            left.clear()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        export.write_text(path, text)

    with monkeypatch.context() as patched:
        patched.setattr(execute, "write_text", full)
        done = made.run("--topic", "pulse")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "failed: full all pulse: Its files could not be written: [Errno 28] No space left on" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert made.findings("fine")["status"] in {"ok", "warn"}
    # Where there was room for an error page, there is one; where not, nothing.
    pages = {name for name in files_of(made, "full") if "pulse" in name}
    assert pages == (set() if still else {"pulse.html", "pulse.json", ".runs/pulse.json"})
    assert_completes(made)


def test_a_disk_that_is_full_when_the_covers_are_written_is_told_and_what_had_ended_is_kept(world, monkeypatch):
    made, room = world
    room.touch()

    def full(path, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(batch, "write_text", full)
        done = made.run("--topic", "pulse")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "make room and run the same command again" in done.stderr
    again = made.run("--topic", "pulse")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 were cached" in again.stdout
    assert contents(made, "full") == contents(made, "fine")

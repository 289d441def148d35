"""The zygote starts beside the plan's reading of data, once, and only where enough jobs will run."""

from __future__ import annotations

import contextlib
import threading

import pytest

from helpers.params import load_params
from helpers.running import kernels
from helpers.running import lease as module
from helpers.running.digests import Memory
from helpers.running.facts import facts_of
from helpers.running.lease import NoZygoteError


@pytest.fixture
def started(monkeypatch):
    """Kinds that were asked for in the background."""
    asked = []
    monkeypatch.setattr(kernels, "available", lambda: None)
    monkeypatch.setattr(kernels, "kind_of", asked.append)
    return asked


def _wait():
    for thread in threading.enumerate():
        if thread.name == "warming":
            thread.join()


def test_it_starts_once_when_two_jobs_are_known(started):
    more = kernels.warming(None, each=1)
    more()
    _wait()
    assert started == []
    for _client in range(3):
        more()
    _wait()
    assert started == ["warm"]


def test_one_client_with_many_topics_is_enough_and_plain_kernels_need_none(started):
    kernels.warming("plain", each=6)()
    _wait()
    assert started == []
    kernels.warming("warm", each=6)()
    _wait()
    assert started == ["warm"]


def test_a_plan_says_before_it_reads_data_and_not_when_it_remembers(small, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(small.base / "cache"))
    small.client("client0")
    content, memory, told = load_params("client0", folder=small.params), Memory(small.base / "hashes.json"), []
    hooks = {
        "reading": lambda: told.append("reading"),
        "learned": lambda params, tables: told.append((params.client, tables.health["orders"].rows_kept)),
    }
    for _time in range(2):
        facts_of("client0", content, folder=small.params, memory=memory, **hooks)
    assert told == ["reading", ("client0", 8)]


def test_who_stops_while_it_starts_does_not_wait_for_it(monkeypatch):
    going, go_on = threading.Event(), threading.Event()

    def slow():
        going.set()
        go_on.wait()
        raise NoZygoteError("stopped")

    monkeypatch.setattr(module, "_connect", slow)
    lease = module.Lease()

    def start():
        with contextlib.suppress(NoZygoteError):
            lease.start()

    starting = threading.Thread(target=start)
    starting.start()
    going.wait()
    lease.goodbye()
    assert starting.is_alive()
    go_on.set()
    starting.join()

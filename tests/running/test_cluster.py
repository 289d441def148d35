"""A real Dask cluster of two worker processes: the same set as locally, also when one of them is killed; strangers are refused."""

import json
import os
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from unittest import mock

import pytest

from helpers.running import cluster as cluster_module
from helpers.running.execute import Setting
from helpers.running.plan import Job, params_files
from helpers.running.verify import alike
from tests.running.conftest import ROOT, until
from tests.running.test_warm import reports

distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
STUDIES = 6


@pytest.fixture
def cluster(small):
    """A scheduler and two workers, each a process of its own, with the notebooks of the small world."""
    started = []
    address_file = small.base / "scheduler.json"

    def start(*arguments, **more):
        log = (small.base / f"{len(started)}.log").open("w")
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", *arguments], cwd=ROOT, env=small.environment(**more), stdout=log, stderr=log
            )
        )
        log.close()
        return started[-1]

    start(
        "distributed.cli.dask_scheduler",
        "--port",
        "0",
        "--host",
        "127.0.0.1",
        "--no-dashboard",
        "--scheduler-file",
        str(address_file),
    )
    assert until(lambda: address_file.exists() and address_file.stat().st_size > 0, seconds=60)
    address = json.loads(address_file.read_text())["address"]

    def worker(**more):
        return start("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", **more)

    yield address, worker
    for process in started:
        process.kill()
        process.wait()


def workers(address, count):
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


def test_a_killed_worker_loses_nothing_and_the_set_is_that_of_one_machine(small, cluster):
    address, worker = cluster
    log = small.base / "log.txt"
    small.notebook(
        "pulse",
        f"import os, time\nwith open({str(log)!r}, 'a') as file:\n    print(client, os.getpid(), file=file)\ntime.sleep(1)",
        "from tests.running.published import Count",
        last="study.publish(Count(n=len(client)))",
    )
    for place in range(STUDIES):
        small.client(f"client{place}")
    first, _second = worker(), worker()
    workers(address, 2)
    bucket = small.base / "bucket"
    target = f"file://{bucket}"
    here, small.reports = small.reports, target
    command = small.command("--executor", "dask", "--scheduler", address, "--jobs", 4, "--kernel", "warm")
    run = subprocess.Popen(
        command, cwd=ROOT, env=small.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert until(lambda: log.exists() and log.read_text().count("\n") >= 2, seconds=120)
    first.kill()
    said, complained = run.communicate(timeout=240)
    assert run.returncode == 0, said + complained
    small.reports = here
    assert small.run("--jobs", 2).returncode == 0
    local, remote = reports(here), reports(bucket)
    assert len([name for name in local if name.endswith(".html")]) == STUDIES
    assert local.keys() == remote.keys()
    for name in local:
        assert alike(local[name], remote[name]), name
    # On the URL as on a disk: what is done does not run again.
    small.reports = target
    again = small.run("--jobs", 2)
    assert f"0 ran, {STUDIES} were cached" in again.stdout, again.stdout + again.stderr


def test_workers_of_other_code_are_refused_before_any_work(small, cluster):
    address, worker = cluster
    small.notebook("pulse", "1")
    small.client("acme")
    other = small.base / "other"
    import shutil

    for name in ("helpers", "notebooks", "requirements.lock"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, other / name) if other.exists() else (other.mkdir(), copy(ROOT / name, other / name))
    with (other / "helpers" / "errors.py").open("a") as file:
        file.write("# other\n")
    worker(PYTHONPATH=os.pathsep.join([str(other), str(ROOT), os.environ.get("PYTHONPATH", "")]), PYTHONSAFEPATH="1")
    workers(address, 1)
    done = small.run("--executor", "dask", "--scheduler", address)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "differs from this client: helpers" in done.stderr
    assert not list(Path(small.reports).rglob("*.html"))


def test_a_job_that_kills_every_worker_fails_alone(small):
    small.client("acme")
    job = Job(client="acme", period="all", topic="pulse")
    executor = cluster_module.DaskExecutor.__new__(cluster_module.DaskExecutor)
    executor.setting = Setting(params=small.params, reports=small.reports)
    task, ended = mock.Mock(), Future()
    task.result.side_effect = distributed.KilledWorker("pulse", mock.Mock(address="tcp://there"), 3)
    executor._take(task, job, ended)
    outcome = ended.result()
    assert outcome.status == "failed"
    assert small.findings("acme")["reason"] == outcome.reason
    assert "Every worker that tried it died" in (small.reports / "acme" / "all" / "pulse.html").read_text()
    assert small.record("acme")["key"] is None


def test_no_scheduler_is_told_by_address(small):
    small.notebook("pulse", "1")
    small.client("acme")
    assert "needs --scheduler" in small.run("--executor", "dask").stderr


def test_a_worker_is_sent_the_ledgers_and_what_was_found_before_and_sends_back_what_it_added(small):
    small.notebook(
        "upsell_lift",
        "from helpers.params import params_folder\n\n"
        "ledger = params_folder() / 'looks' / f'{client}.ab_test.jsonl'\n"
        "known = ledger.read_text()\n"
        "with ledger.open('a') as file:\n    file.write('third\\n')",
        "from tests.running.published import Count",
        last="assert (study.folder.parent / '2024-01' / 'upsell_lift.json').is_file()\n"
        "study.publish(Count(n=known.count('\\n')))",
    )
    small.client("acme", more="    offers: {from: offers.csv}\n")
    (small.base / "offers.csv").write_text(
        "customer_id,offer,offered_at,arm\nc0,x,2024-02-01,offer\nc1,x,2024-02-01,control\n"
    )
    path = small.params / "acme.yaml"
    path.write_text(path.read_text().replace("offers.csv", str(small.base / "offers.csv")))
    looks = small.params / "looks"
    looks.mkdir()
    (looks / "acme.ab_test.jsonl").write_text("first\nsecond\n")
    (looks / "other.ab_test.jsonl").write_text("not theirs\n")
    before = small.reports / "acme" / "2024-01" / "upsell_lift.json"
    before.parent.mkdir(parents=True)
    before.write_text("{}")
    job = Job(client="acme", period="2024-02", topic="upsell_lift")
    sent = cluster_module._contents(params_files("acme", small.params), small.params)
    assert set(sent) == {"acme.yaml", "looks/acme.ab_test.jsonl"}
    setting = Setting(params=Path(), reports=Path(), jobs=1)
    with mock.patch.dict(os.environ, small.environment()):
        inputs = cluster_module._inputs(job, small.reports, "2024-01")
        outcome, files, lines = cluster_module.run_away(job, None, sent, inputs, setting, "plain")
    assert outcome.status == "ok", outcome.reason
    assert json.loads(files["2024-02/upsell_lift.json"])["numbers"]["count"]["value"] == 2
    assert lines == {"looks/acme.ab_test.jsonl": ["third"]}
    assert "2024-01/upsell_lift.json" not in files


def test_a_worker_is_sent_the_summaries_of_all_earlier_periods(small):
    client = small.reports / "acme"
    for period in ("2024-01", "2024-02", "2024-03", "2024-04"):
        (client / period).mkdir(parents=True)
        for topic in ("summary", "pulse"):
            (client / period / f"{topic}.json").write_text("{}")
    job = Job(client="acme", period="2024-03", topic="summary")
    sent = cluster_module._inputs(job, small.reports, "2024-02")
    assert set(sent) == {"2024-01/summary.json", "2024-02/summary.json", "2024-03/pulse.json"}

"""The plan: what waits for what, and what a watcher is told."""

import io
import json
import os
import re
import subprocess
import sys

import pytest
from rich.console import Console

from helpers.errors import ParamsError
from helpers.params import ROOT, topics
from helpers.running import plan as plans
from helpers.running.execute import Outcome
from helpers.running.plan import Job, available_topics, in_order, make_plan, reads
from helpers.running.progress import Lines, LiveTable, summarise


def test_what_topics_read_is_known_and_without_a_circle():
    assert sorted(in_order(topics())) == sorted(topics())
    for topic in topics():
        assert set(reads(topic)) < set(topics())


def test_notebooks_that_ask_for_findings_have_declared_it():
    for topic in available_topics():
        content = json.loads(plans.notebook(topic).read_bytes())
        asked = set(
            re.findall(r'study\.found\(\s*"(\w+)"', "".join("".join(cell["source"]) for cell in content["cells"]))
        )
        assert topic == plans.LAST or asked == set(reads(topic)), topic


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (("nothing",), "READS == .*no other topics"),
        (("pulse",), "no other topics"),
        (("segmentation",), "go in a circle"),
    ],
)
def test_a_circle_or_an_unknown_name_is_an_error(monkeypatch, declared, told):
    monkeypatch.setattr(topics()["pulse"], "READS", declared, raising=False)
    monkeypatch.setattr(topics()["segmentation"], "READS", ("pulse",))
    with pytest.raises(ParamsError, match=told):
        in_order(topics())


def test_a_job_waits_for_what_it_reads_and_a_ledgers_periods_for_each_other(small):
    for topic in ("ab_test", "clv", "pulse", "segmentation"):
        small.notebook(topic, "1")
    small.client("acme")
    made = make_plan(names=[], periods=["2024-02", "2024-01"], chosen=[], params=small.params)
    after = {job.name: job.after for job in made.jobs}
    assert after["acme", "2024-01", "ab_test"] == (("acme", "2024-01", "clv"),)
    assert after["acme", "2024-02", "ab_test"] == (("acme", "2024-02", "clv"), ("acme", "2024-01", "ab_test"))
    assert after["acme", "2024-02", "segmentation"] == (("acme", "2024-02", "clv"),)
    assert after["acme", "2024-02", "pulse"] == ()
    names = [job.name for job in made.jobs]
    assert all(names.index(other) < names.index(job.name) for job in made.jobs for other in job.after)


def test_the_summary_waits_for_all_topics_and_for_its_own_of_the_period_before(small):
    small.client("acme")
    made = make_plan(names=[], periods=["2024-01", "2024-02"], chosen=[], params=small.params)
    after = {job.name: set(job.after) for job in made.jobs}
    own = {("acme", "2024-02", topic) for topic in topics() if topic != "summary"}
    assert after["acme", "2024-02", "summary"] == own | {("acme", "2024-01", "summary")}


def test_a_topic_starts_only_when_what_it_reads_has_ended(small):
    mark = small.base / "clv-ended"
    small.notebook("clv", "import time\ntime.sleep(1)", f"open({str(mark)!r}, 'w').close()")
    small.notebook("segmentation", f"import os\nassert os.path.exists({str(mark)!r})")
    small.client("acme")
    done = small.run("--jobs", 2)
    assert done.returncode == 0, done.stdout


def test_notebooks_read_what_the_plan_has_read_whatever_becomes_of_the_files(small):
    small.notebook(
        "clv", "import pathlib", "pathlib.Path(study.params.data.tables['orders'].source).write_text('gone')"
    )
    small.notebook("pulse", "assert study.orders.count().execute() == 8")
    small.client("acme")
    for kernel in ("warm", "plain") if sys.platform.startswith("linux") else ("plain",):
        done = small.run("--topic", "clv", "--topic", "pulse", "--kernel", kernel)
        assert done.returncode == 0, done.stdout
        again = small.run()
        assert again.returncode == 2
        assert "acme.csv" in again.stderr
        small.client("acme", orders=8, title=f"After {kernel}")


def test_a_clients_cover_is_written_when_its_last_job_ended_beside_the_jobs_of_others(small):
    cover = small.reports / "acme" / "all" / "index.html"
    small.notebook("pulse")
    small.notebook(
        "segmentation",
        f"import pathlib, time\ncover = pathlib.Path({str(cover)!r})",
        "while study.client == 'bolt' and not cover.exists():\n    time.sleep(.01)",
    )
    small.client("acme", more="run: {timeout_minutes: .5}\n")
    small.client("bolt", more="run: {timeout_minutes: .5}\n")
    done = small.run("--topic", "pulse", "--topic", "segmentation")
    assert done.returncode == 0, done.stdout
    assert (small.reports / "bolt" / "all" / "index.html").exists()


def test_what_a_killed_run_left_of_a_cover_goes_with_the_next(small):
    small.notebook("pulse")
    small.client("acme")
    assert small.run().returncode == 0
    study = small.reports / "acme" / "all"
    left = [study / ".index.html.1a2b3c.html", study / ".manifest.json.1a2b3c.json"]
    for path in left:
        path.write_text("half")
    assert small.run().returncode == 0
    assert not any(path.exists() for path in left)


def test_papermill_loads_without_a_grammar_that_takes_longer_than_all_the_rest(tmp_path):
    code = (
        "import sys; from helpers.running.schemas import GRAMMAR, load_schemas; load_schemas(); import papermill, nbformat; "
        "assert GRAMMAR not in sys.modules; load_schemas(); nb = nbformat.v4.new_notebook(); nbformat.validate(nb); "
        "__import__(GRAMMAR)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, cwd=tmp_path)


def _outcome(topic, status="ok", *, reason=None, cached=False):
    return Outcome(
        job=Job(client="acme", period="2024", topic=topic), status=status, reason=reason, seconds=3.2, cached=cached
    )


def test_a_terminal_sees_a_table_with_elapsed_and_expected_time():
    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    jobs = [Job(client="acme", period="2024", topic=topic) for topic in ("clv", "pulse", "segmentation")]
    table = LiveTable(screen, jobs, expected={job.name: 42.0 for job in jobs})
    table.started(jobs[0])
    table.ended(_outcome("pulse", cached=True))
    shown = Console(file=io.StringIO(), width=120)
    shown.print(table.table())
    text = shown.file.getvalue()
    assert "running" in text
    assert "waiting" in text
    assert "42 s" in text
    assert "1 of 3 done, 1 of them cached; about 84 s of work left" in text


def test_elsewhere_a_line_a_notebook_and_a_summary_that_says_what_failed_and_why():
    said = Console(file=io.StringIO(), width=200)
    lines = Lines(said)
    outcomes = [_outcome("pulse"), _outcome("clv", cached=True), _outcome("ab_test", "failed", reason="ValueError: no")]
    for outcome in outcomes:
        lines.ended(outcome)
    summarise(said, outcomes, index="reports/index.html", seconds=9.0)
    text = said.file.getvalue()
    assert "acme 2024 pulse  3.2 s" in text
    assert "acme 2024 clv  cached" in text
    assert "failed: acme 2024 ab_test: ValueError: no" in text
    assert "3 notebooks: 2 ok, 1 failed; 2 ran, 1 were cached, in 9.0 s." in text

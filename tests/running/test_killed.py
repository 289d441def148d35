"""A run may be killed at any moment: no finished job runs twice, no file is cut short, and nothing lives on."""

import json
import signal
import sys
import time

import numpy as np
import pytest

from tests.running.conftest import World, descendants_with, stop_hard, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
CLIENTS = ("acme", "bolt", "cord")
TOPICS = ("clv", "pulse", "segmentation")


def world(base):
    """Three clients, three topics; each run of a notebook leaves a line in a log."""
    base.mkdir(parents=True)
    made = World(base)
    log = base / "log.txt"
    for topic in TOPICS:
        made.notebook(
            topic,
            f"with open({str(log)!r}, 'a') as file:\n    print(client, '{topic}', file=file)",
            "from tests.running.published import Count",
            last="study.publish(Count(n=len(client)))",
        )
    for name in CLIENTS:
        made.client(name)
    return made, log


def finished(made):
    return {
        (path.parts[-4], path.stem)
        for path in made.reports.glob("*/all/.runs/[a-z]*.json")
        if json.loads(path.read_text())
    }


def contents(made):
    """All that a run leaves, without what tells the moment."""
    found = {}
    for path in sorted(made.reports.glob("*/all/*.json")):
        content = json.loads(path.read_text())
        content.pop("provenance", None)
        if path.name == "manifest.json":
            content = sorted(content["topics"])
        found[str(path.relative_to(made.reports))] = content
    for path in made.reports.rglob("*.html"):
        assert path.read_text().rstrip().endswith("</html>"), path
        found[str(path.relative_to(made.reports))] = None
    for path in made.reports.rglob("*.ipynb"):
        assert all(
            cell["metadata"]["papermill"]["status"] == "completed" for cell in json.loads(path.read_text())["cells"]
        )
        found[str(path.relative_to(made.reports))] = None
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run that nobody disturbs leaves."""
    made, _log = world(tmp_path_factory.mktemp("whole") / "w")
    done = made.run_apart("--kernel", "warm", "--jobs", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    return contents(made)


def kill_once(base, whole, after, wait):
    """Kill a run a moment after so many of its jobs have ended, look at what is there, and run again."""
    made, log = world(base)
    process = made.start("--kernel", "warm", "--jobs", 2)
    assert until(lambda: len(finished(made)) >= after, seconds=120)
    time.sleep(wait)
    stop_hard(process)
    assert until(lambda: not descendants_with(str(made.reports)))
    before = finished(made)
    ran_before = log.read_text().splitlines() if log.exists() else []
    again = made.run("--jobs", 2)
    assert again.returncode == 0, again.stdout + again.stderr
    ran_again = log.read_text().splitlines()[len(ran_before) :]
    assert not before & {tuple(line.split()) for line in ran_again}
    assert contents(made) == whole
    assert not list(made.reports.rglob(".run-*"))
    assert not [path for path in made.reports.rglob(".*") if path.is_file() and path.parent.name != ".runs"]
    return len(before)


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path, whole):
    for place, after in enumerate((0, 4)):
        kill_once(tmp_path / str(place), whole, after, 0.5)


@pytest.mark.full
def test_twenty_random_moments(tmp_path, whole):
    rng = np.random.default_rng(20)
    jobs = len(CLIENTS) * len(TOPICS)
    found = [kill_once(tmp_path / str(place), whole, rng.integers(jobs), rng.uniform(0, 1)) for place in range(20)]
    assert len(set(found)) > 3


def test_ctrl_c_stops_cleanly_and_leaves_a_state_to_go_on_from(tmp_path):
    made, log = world(tmp_path / "w")
    made.notebook("segmentation", f"open({str(log)!r}, 'a').write('sleeps\\n')", "import time\ntime.sleep(600)")
    process = made.start("--kernel", "warm", "--jobs", 2)
    assert until(lambda: log.exists() and "sleeps" in log.read_text(), seconds=240)
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=240)
    assert process.returncode == 130, said + complained
    assert "run the same command again to go on" in complained
    assert "Traceback" not in complained
    assert until(lambda: not descendants_with(str(made.reports)))
    # What was stopped left no page and no record; what had ended is kept, and the covers are written.
    assert not [path for path in made.reports.rglob("segmentation.*") if path.suffix != ".lock"]
    assert ("acme", "clv") in finished(made)
    assert (made.reports / "index.html").is_file()
    made.notebook("segmentation", "1")
    again = made.run("--jobs", 2)
    assert again.returncode == 0, again.stdout
    assert "3 ran" in again.stdout or "segmentation" in again.stdout

"""What runs after what."""

import json
import re

from helpers.params import ROOT, topics
from helpers.running.batch import run_batch
from helpers.running.execute import Outcome
from helpers.running.plan import Job, Plan, available_topics, depth, reads

FOUND = re.compile(r"study\.found\(\s*\"(\w+)\"")


def test_every_topic_that_a_notebook_reads_from_is_declared():
    told = {}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        code = "".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
        told[path.stem] = set(FOUND.findall(code))
    assert told["ab_test"] == {"clv"}
    assert {topic: set(reads(topic)) for topic in told} == told
    assert all(set(names) <= set(topics()) for names in told.values())


def test_topics_come_after_what_they_read():
    order = available_topics()
    assert {"ab_test", "clv", "pulse", "segmentation", "upsell_lift"} <= set(order)
    for topic in order:
        assert all(order.index(other) < order.index(topic) for other in reads(topic))
        assert all(depth(other) < depth(topic) for other in reads(topic))


def test_side_by_side_too_a_topic_starts_after_what_it_reads_has_ended(monkeypatch, tmp_path):
    ended = []

    def run(job, *, params):
        assert all((job.client, other) in ended for other in reads(job.topic))
        ended.append((job.client, job.topic))
        return Outcome(job=job, status="ok", reason=None, seconds=0.0)

    monkeypatch.setattr("helpers.running.batch.run_job", run)
    monkeypatch.setattr("helpers.running.batch.write_study", lambda *_, **__: None)
    jobs = [Job(client=who, period="all", topic=topic) for who in "ab" for topic in sorted(available_topics())]
    outcomes = run_batch(
        Plan(jobs=tuple(jobs), errors={}), params=tmp_path, reports=tmp_path, jobs=4, told=lambda _: None
    )
    assert len(outcomes) == len(jobs) == len(set(ended))

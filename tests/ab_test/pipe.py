"""The topic's whole pipe for tests: a frame of units and a registration in, findings out."""

from __future__ import annotations

import re

import ibis

from helpers import ab_test
from helpers.ab_test.topic import Params
from helpers.reporting.findings import gather

METRICS = (
    {"name": "conversion", "type": "proportion", "column": "converted", "role": "success"},
    {"name": "revenue", "type": "mean", "column": "revenue", "role": "success"},
)


def held(frame):
    """A frame as the engine holds it, with text ids and moments in microseconds."""
    made = frame.copy()
    for name in made.columns:
        if made[name].dtype.kind == "M":
            made[name] = made[name].astype("datetime64[us]")
    made["unit_id"] = made["unit_id"].astype(str)
    con = ibis.duckdb.connect()
    return con.create_table("experiments", ibis.memtable(made))


def registered(**changes):
    """Params with one test called `t`."""
    return Params(tests=[{"id": "t", "metrics": METRICS} | changes])


def analysed(frame, settings=None, **options):
    """The analyses of a frame's experiments."""
    named = frame if "experiment" in frame else frame.assign(experiment="t")
    return ab_test.analyse(settings or registered(), held(named), **options)


def findings(analyses, *more):
    """What would be published."""
    found = ab_test.report(analyses)
    return gather(found, *found.each, *more, client="c", period="all", topic="ab_test", tables={}, provenance={})


def drawn(report):
    """Everything that the notebook shows, as HTML."""
    analyses = tuple(one.analysis for one in report.each)
    days, parts = ab_test.over_time(analyses), ab_test.by_segment(analyses)
    gain, belief = ab_test.worth(analyses, margin=0.4), ab_test.beliefs(analyses)
    again = ab_test.replay(analyses, replays=100, seed=1)
    shown = [
        report.sentence(), ab_test.forest(report), report.table(), report.gate_table(), report.plan_table(), days.figure(),
        days.table(), parts.table(), gain.sentence(), gain.table(), belief.table(), ab_test.plan(analyses).shown(),
        again.figure(), again.table(),
    ]  # fmt: skip
    # Pictures are text of no meaning.
    return re.sub(r"data:image[^\"]+", "", "".join(part._repr_html_() for part in shown))

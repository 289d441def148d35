"""Made-up findings of the other topics, with answers that can be worked out by hand."""

from __future__ import annotations

import pandas as pd

from helpers import summary
from helpers.reporting.export import write_json, write_parquet
from helpers.reporting.findings import Check, Decision, Definition, Findings, Number, gather
from helpers.summary.topic import Params

CLIENT, PERIOD = "acme", "2025-Q4"
MONTHS, RATE = 24, 0.10


def number(value, low=None, high=None, *, unit="GBP", n=100, level=0.90):
    return Number(
        value=value, low=low, high=high, level=level if low is not None else None, unit=unit, n=n, definition="d"
    )


def found(topic, *, numbers=None, decisions=(), checks=(), status="ok", reason=None, tables=None, more=None, data=None):
    """Findings of one topic."""
    definitions = {"d": Definition(name="d", text="d"), **(more or {})}
    return Findings(
        client=CLIENT, period=PERIOD, topic=topic, status=status, reason=reason, numbers=numbers or {}, checks=tuple(checks),
        decisions=tuple(decisions), definitions=definitions, tables=tables or {},
        provenance={"data": {name: {"sha256": sha} for name, sha in (data or {"orders": "aa"}).items()}},
    )  # fmt: skip


def clv(**options):
    """Points worth 300 (280 to 320), 200 (150 to 250) and 100 (90 to 110); two of four customers have probably left."""
    numbers = {
        "lever.retention": number(300.0, 280.0, 320.0, n=4),
        "lever.frequency": number(200.0, 150.0, 250.0, n=4),
        "lever.order_value": number(100.0, 90.0, 110.0, n=4),
        "clv.total": number(400.0, 300.0, 600.0, n=4),
    }
    decisions = [
        Decision(id="lever", text="x", evidence="model", value={"lever": "retention", "horizon_months": MONTHS})
    ]
    tables = {"customers": "tables/clv.customers.parquet"}
    return found("clv", **{"numbers": numbers, "decisions": decisions, "tables": tables, **options})


CUSTOMERS = pd.DataFrame(
    {"customer_id": ["a", "b", "c", "d"], "p_alive": [0.9, 0.8, 0.4, 0.2], "value": [200.0, 100.0, 80.0, 20.0]}
)


def trials(**options):
    """`basket` won: 1,000 a month (800 to 1,200). `banner` lost: -50 a month (-90 to -10). `broken` was held back."""
    numbers = {
        "basket.revenue.new.monthly.shrunk": number(1000.0, 800.0, 1200.0, n=500),
        "basket.conversion.new.monthly_clv.shrunk": number(9999.0, 9000.0, 11000.0, n=500),
        "banner.revenue.new.monthly.shrunk": number(-50.0, -90.0, -10.0, n=400),
    }
    decisions = [
        Decision(
            id=f"{test}.decision",
            text=f"{test}: {answer}",
            evidence="experiment",
            value={"answer": answer, "variant": "new", "title": test.capitalize()},
        )
        for test, answer in (("basket", "ship"), ("banner", "dont_ship"))
    ]
    options = {"status": "blocked", "reason": "Broken: its split.", **options}
    checks = [Check(id="broken.split", status="fail", message="Broken: its split.")]
    tables = {"worth": "tables/ab_test.worth.parquet"}
    return found(
        "ab_test", **{"numbers": numbers, "decisions": decisions, "checks": checks, "tables": tables, **options}
    )


WORTH = pd.DataFrame(
    {
        "id": ["basket.conversion.new", "basket.revenue.new", "banner.revenue.new", "broken.revenue.new"],
        "name": ["Basket, conversion", "Basket, revenue", "Banner, revenue", "Broken, revenue"],
        "through": ["clv", "", "", ""],
        "reached": [900.0] * 4,
        "monthly": [True] * 4,
    }
)


def offers(action="target", evidence="experiment", **options):
    """A round that earns 500 (200 to 800); b and c are on the list, d is held out of it, e is in no segment."""
    numbers = {"profit.round": number(500.0, 200.0, 800.0, n=50)}
    decisions = [Decision(id="upsell", text="Make the offer", evidence=evidence, value={"action": action})]
    tables = {"list": "tables/upsell_lift.list.parquet"}
    return found("upsell_lift", **{"numbers": numbers, "decisions": decisions, "tables": tables, **options})


LIST = pd.DataFrame(
    {
        "customer": ["b", "c", "d", "e"],
        "offer": ["Upgrade"] * 4,
        "arm": ["offer"] * 4,
        "expected_profit": [5.0, 4.0, 3.0, 2.0],
        "holdout": [False, False, True, False],
    }
)


def segmentation(**options):
    """a, b and f are best, c and d are lost; f is no one's but the segmentation's."""
    decisions = [
        Decision(
            id=f"playbook.{segment}", text=f"{segment}: {action}", evidence="assumption",
            value={"customers": 2, "segment": segment, "action": action},
        )
        for segment, action in (("Best", "Thank them."), ("Gone", "Spend nothing."))
    ]  # fmt: skip
    tables = {name: f"tables/segmentation.{name}.parquet" for name in ("customers", "value")}
    return found("segmentation", **{"decisions": decisions, "tables": tables, **options})


SEGMENTS = pd.DataFrame({"customer_id": ["a", "b", "f", "c", "d"], "segment": ["Best", "Best", "Best", "Gone", "Gone"]})
VALUES = SEGMENTS.assign(predicted_value=[200.0, 100.0, 50.0, 80.0, 20.0])


def pulse(**options):
    """ARPU from 100 to 110: +12 by frequency (8 to 16), -2 by order value."""
    numbers = {
        "arpu.active": number(110.0, 105.0, 115.0),
        "arpu.active.change_last": number(0.1, 0.05, 0.15, unit="share"),
        "arpu.active.change_year": number(0.02, -0.03, 0.07, unit="share"),
        "bridge.before": number(100.0),
        "bridge.now": number(110.0),
        "bridge.mix": number(0.0, -1.0, 1.0),
        "bridge.frequency": number(12.0, 8.0, 16.0),
        "bridge.aov": number(-2.0, -3.0, -1.0),
        "bridge.refunds": number(0.0, -0.5, 0.5),
    }
    return found("pulse", **{"numbers": numbers, **options})


def world(folder, *, topics=None):
    """Lay findings' tables into a study's folder and read them as sources."""
    topics = topics if topics is not None else (clv(), trials(), offers(), segmentation(), pulse())
    frames = {
        "clv.customers": CUSTOMERS, "ab_test.worth": WORTH, "upsell_lift.list": LIST, "segmentation.customers": SEGMENTS,
        "segmentation.value": VALUES,
    }  # fmt: skip
    for name, frame in frames.items():
        write_parquet(folder / f"tables/{name}.parquet", frame)
    return summary.sources(
        {one.topic: one for one in topics}, folder=folder, client=CLIENT, period=PERIOD, currency="GBP", horizon_months=MONTHS,
        discount_rate=RATE,
    )  # fmt: skip


def page(sources, *, earlier=(), settings=None, cac=20.0):
    """Everything that the notebook publishes, by name, and the findings that come of it."""
    settings = settings or Params()
    levers = summary.levers(sources, settings.effort)
    change, actions = summary.change(sources), summary.actions(sources)
    parts = {
        "verdict": summary.verdict(sources, levers, change, actions),
        "sources": sources,
        "levers": levers,
        "overlap": summary.overlap(levers),
        "actions": actions,
        "change": change,
        "log": summary.log(earlier, settings.done, levers.numbers() | actions.numbers(), sources),
        "unsaid": summary.unsaid(sources, cac=cac),
    }
    findings = gather(
        *parts.values(), client=sources.client, period=sources.period, topic="summary", tables={}, provenance={}
    )
    return parts, findings


def lay(reports, findings):
    """Write findings as a run leaves them."""
    write_json(reports / findings.client / findings.period / f"{findings.topic}.json", findings.to_json())

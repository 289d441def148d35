"""Steps: what each topic asks of the engine, asked as its notebook does. What is fitted or drawn afterwards is pandas' own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from helpers import ab_test, clv, pulse, segmentation
from helpers.ab_test.measure import caps_of, gathered
from helpers.ab_test.replay import _control_units
from helpers.clv.backtest import _later
from helpers.segmentation.rfm import customer_table
from helpers.upsell_lift.read import read
from tests.engines.trials import OFFERS, TESTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.study import Study

QUICK = {"level": 0.9, "seed": 1, "replicates": 200}


def activity(study: Study) -> Any:
    """What customers did, and the KPIs of it."""
    seen = pulse.activity(
        study.orders,
        now=study.period.bounds,
        last=study.last and study.last.bounds,
        year=study.year_ago and study.year_ago.bounds,
        observed_until=study.observed_until,
    )
    # Their order says nothing.
    values = seen.order_values.sort_values(["customer_id", "revenue"], ignore_index=True)
    return replace(seen, order_values=values), pulse.kpis(seen, label="", repeat_days=90, **QUICK)


def cohorts(study: Study) -> Any:
    """Monthly cohorts."""
    return pulse.cohorts(study.orders, end=study.end, shown=12, level=0.95)


def rfm(study: Study) -> Any:
    """Customers, their scores and segments."""
    since = study.months_before(12)
    return (
        customer_table(study.orders, as_of=study.end),
        segmentation.rfm(study.orders, as_of=study.end, since=since, edges=None, scheme=None, **QUICK),
    )


def migration(study: Study) -> Any:
    """Moves between segments."""
    return segmentation.migration(
        study.orders, start=study.period.start, end=study.end, window_months=12, edges=None, scheme=None, **QUICK
    )


def behaviour(study: Study) -> Any:
    """Features of clusters."""
    return segmentation.features(study.orders, as_of=study.end, since=study.months_before(12))


def profiles(study: Study) -> Any:
    """Attributes by segment."""
    customers = customer_table(study.orders, as_of=study.end)
    named = customers.assign(segment=["often" if n > 1 else "once" for n in customers["frequency"]])
    return segmentation.profiles(named, study.table("customers"), below=10, level=0.9)


def histories(study: Study) -> Any:
    """The base by cohort, channel and attribute."""
    known = ("cohort", "channel", "region") if study.params.client == "demo" else ("cohort",)
    attributes = study.table("customers")
    return [clv.histories(study.orders, as_of=study.end, by=by, attributes=attributes) for by in known]


def backtest(study: Study) -> Any:
    """What came after an origin."""
    origin = study.end - timedelta(days=100)
    later = _later(study.orders, origin=origin, until=study.end)
    return later.sort_values(["customer_id", "day"], ignore_index=True)


def track(study: Study, model: Any) -> Any:
    """The log's course beside a model's."""
    return clv.track(study.orders, model, as_of=study.end, level=0.9, seed=1)


def contracts(study: Study) -> Any:
    """Contracts and their renewals; what holds none has nothing to say."""
    return [
        clv.contracts(study.table("subscriptions"), as_of=at, required=False) for at in (study.end, study.period.start)
    ]


def tests(study: Study) -> Any:
    """The client's own tests, the trial on its customers, and the next one's plan."""
    found = ab_test.analyse(
        TESTS,
        study.table("experiments"),
        orders=study.orders,
        events=study.table("events"),
        until=study.period.end,
        observed_until=study.observed_until,
        seed=1,
    )
    assert found[0].sound
    assert found[1].sound
    days = gathered(found[0].units, [1], by=["variant", "day"], caps=caps_of(found[0].units))
    return found, ab_test.by_segment(found), days, _control_units(found[0], [0, 1, 3])


def past(study: Study) -> Any:
    """The past as a test."""
    return ab_test.past(TESTS.plan, orders=study.orders, until=study.end, since=study.first)


def own_tests(study: Study) -> Any:
    """The tests and the campaign that the client brought; what brought none has nothing to say."""
    kept = study.tables.kept
    if "own_experiments" not in kept:
        return None
    found = ab_test.analyse(
        study.params.ab_test,
        kept["own_experiments"],
        orders=None,
        events=None,
        until=study.period.end,
        observed_until=study.observed_until,
        seed=1,
    )
    assert found
    offered = kept | {"offers": kept["own_offers"]}
    lift = read(study.params.upsell_lift, offered, end=study.end, observed_until=study.observed_until)
    return found, ab_test.by_segment(found), lift


def campaign(study: Study) -> Any:
    """Customers of the campaign."""
    return read(OFFERS, study.tables.kept, end=study.end, observed_until=study.observed_until)


STEPS: dict[str, Callable[[Study], Any]] = {
    "pulse.activity": activity,
    "pulse.cohorts": cohorts,
    "segmentation.rfm": rfm,
    "segmentation.migration": migration,
    "segmentation.features": behaviour,
    "segmentation.profiles": profiles,
    "clv.histories": histories,
    "clv.backtest": backtest,
    "clv.contracts": contracts,
    "ab_test.analyse": tests,
    "ab_test.past": past,
    "own tests and campaign": own_tests,
    "upsell_lift.read": campaign,
}

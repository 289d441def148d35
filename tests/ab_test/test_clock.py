"""From when, and until when, outcomes are counted: the same for every arm, and the same whenever a period is read again."""

from datetime import datetime

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers import ab_test
from helpers.errors import DataError
from tests.ab_test.pipe import findings, held, registered

CONVERSION = {"name": "conversion", "type": "proportion", "from": "orders", "column": "orders", "role": "success"}


def bought(frame, moments):
    """One order of 50 for each unit that has a moment."""
    some = moments.notna()
    return pd.DataFrame(
        {
            "customer_id": frame["unit_id"][some],
            "ordered_at": moments[some].astype("datetime64[us]"),
            "revenue": 50.0,
            "kind": "order",
        }
    )


def alike(n=4000, seed=1):
    """An A/A test: two arms, of which one in five orders a day after assignment, and their orders."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "experiment": "t",
            "unit_id": [f"u{place}" for place in range(n)],
            "variant": rng.choice(["control", "treatment"], n),
            "assigned_at": pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 28 * 24 * 60, n), unit="min"),
        }
    )
    day_after = (frame["assigned_at"] + pd.Timedelta(days=1)).where(rng.random(n) < 0.2)
    return frame.assign(exposed_at=frame["assigned_at"] + pd.Timedelta(minutes=5)), bought(frame, day_after)


def read(frame, orders, *metrics, **options):
    """The one test's analysis."""
    table = held(frame)
    log = table.get_backend().create_table("log", ibis.memtable(orders))
    (one,) = ab_test.analyse(registered(metrics=list(metrics or [CONVERSION])), table, orders=log, **options)
    return one


def shares(one):
    return [one.judged[0].effect.control, one.judged[0].effect.treatment]


def converted(frame, orders, arm):
    return frame[frame["variant"] == arm]["unit_id"].isin(orders["customer_id"]).mean()


def exposure(one):
    return [check for check in findings((one,)).checks if check.id == "t.exposure"]


def test_a_control_that_has_no_exposure_has_its_orders_all_the_same():
    """A control sees nothing new, so its exposure is often not recorded: with zero orders any treatment would win."""
    frame, orders = alike()
    frame.loc[frame["variant"] == "control", "exposed_at"] = pd.NaT
    one = read(frame, orders)
    assert shares(one) == pytest.approx([converted(frame, orders, arm) for arm in ("control", "treatment")])
    assert one.answer == "dont_ship"
    (check,) = exposure(one)
    assert check.status == "warn"
    lost = (frame["variant"] == "control").sum()
    assert f"is missing for control {lost:,}, treatment 0 units, not as often in each variant" in check.message


def test_both_arms_are_counted_from_assignment_where_exposure_is_missing_more_often_in_one():
    """Orders between assignment and exposure would count for units without exposure alone: an effect of the record."""
    frame, orders = alike()
    frame["exposed_at"] = frame["assigned_at"] + pd.Timedelta(days=2)  # after the orders of all who order
    frame.loc[(frame["variant"] == "control") & (frame.index % 2 == 0), "exposed_at"] = pd.NaT
    one = read(frame, orders)
    assert one.units.clock.from_assignment
    assert shares(one) == pytest.approx([converted(frame, orders, arm) for arm in ("control", "treatment")])


def test_a_unit_without_exposure_counts_from_assignment_where_as_many_lack_it_in_each_arm():
    frame, orders = alike()
    frame["exposed_at"] = frame["assigned_at"] + pd.Timedelta(days=2)
    lost = np.random.default_rng(3).random(len(frame)) < 0.3
    frame.loc[lost, "exposed_at"] = pd.NaT
    one = read(frame, orders)
    (check,) = exposure(one)
    assert (check.status, check.value > 0.0005) == ("pass", True)
    # Everyone orders before exposure, so that orders of those without one are all that count.
    early = orders[orders["customer_id"].isin(frame["unit_id"][lost])]
    assert shares(one) == pytest.approx([converted(frame, early, arm) for arm in ("control", "treatment")])


@pytest.mark.parametrize("known", [1, 0])
def test_exposure_that_is_known_of_everyone_or_of_no_one_is_not_told(known):
    frame, orders = alike(400)
    one = read(frame if known else frame.assign(exposed_at=pd.NaT), orders)
    assert not exposure(one)
    assert shares(one) == pytest.approx([converted(frame, orders, arm) for arm in ("control", "treatment")])


def test_a_unit_of_which_no_moment_is_known_has_no_value():
    """It is not one that did nothing: nobody knows from when its orders count."""
    frame, orders = alike(400)
    lost = frame.index % 40 == 0
    frame.loc[lost, ["assigned_at", "exposed_at"]] = pd.NaT
    one = read(frame, orders)
    table = one.units.table.order_by("unit").to_pandas().set_index("unit")
    assert set(table.index[table["m0"].isna()]) == set(frame["unit_id"][lost])


def test_what_was_ordered_after_the_period_changes_nothing_of_it():
    """A promotion in August, months after the period, reaches more of the treated: March is told as it stood in March."""
    frame, orders = alike()
    end = datetime(2024, 4, 1)
    late = frame.sample(frac=0.1, random_state=1).query("variant == 'treatment'")
    more = bought(late, pd.Series(pd.Timestamp("2024-08-01"), index=late.index))
    before = read(frame, orders, until=end, observed_until=end)
    after = read(frame, pd.concat([orders, more]), until=end, observed_until=datetime(2024, 9, 1))
    assert shares(after) == shares(before)
    assert shares(after) == pytest.approx([converted(frame, orders, arm) for arm in ("control", "treatment")])
    # Read at the end of August, the same test has them.
    assert shares(read(frame, pd.concat([orders, more]), observed_until=datetime(2024, 9, 1)))[1] > shares(before)[1]


def test_a_window_that_is_not_over_at_the_end_of_the_period_has_no_value_then():
    """Its units have one when a later period is read, which must not make this one another."""
    frame, orders = alike()
    window = CONVERSION | {"window_days": 7}
    end = datetime(2024, 3, 25)
    early = frame["exposed_at"] + pd.Timedelta(days=7) <= pd.Timestamp(end)
    for seen in (end, datetime(2024, 9, 1)):
        one = read(frame, orders, window, until=end, observed_until=seen)
        assert one.judged[0].effect.n_control == (early & (frame["variant"] == "control")).sum()


def test_an_exposure_after_the_period_had_not_happened_in_it():
    """Such units count from assignment then, as they did when the period was read for the first time."""
    frame, orders = alike()
    end = datetime(2024, 3, 20)
    later = frame["exposed_at"].where(frame.index % 3 != 0, pd.Timestamp("2024-05-01"))
    first = later.where(later < pd.Timestamp(end))
    found = [shares(read(frame.assign(exposed_at=each), orders, until=end)) for each in (first, later)]
    assert found[0] == found[1]


def test_events_after_the_period_are_cut_too():
    frame, orders = alike()
    log = orders.rename(columns={"ordered_at": "occurred_at"}).assign(source="web", event="view", value=1.0)
    log = log.drop(columns=["revenue", "kind"])
    table = held(frame)
    views = {"name": "views", "type": "count", "from": "events", "column": "view", "role": "success"}
    settings, end = registered(metrics=[views]), datetime(2024, 3, 15)
    ends = []
    for name, rows in {"then": log[log["occurred_at"] < pd.Timestamp(end)], "now": log}.items():
        events = table.get_backend().create_table(name, ibis.memtable(rows))
        (one,) = ab_test.analyse(settings, table, events=events, until=end)
        ends.append(shares(one))
    assert ends[0] == ends[1]


ZONES = pytest.mark.parametrize("zone", ["Asia/Ho_Chi_Minh", "Europe/London", "America/New_York"])


def dated(zone, *, hours, text):
    """Gate of a test whose outcomes come so many hours after assignment; they are told in UTC, assignment in the client's zone."""
    n = 400
    at = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(np.arange(n), unit="h")
    outcome = at + pd.Timedelta(hours=hours)
    frame = pd.DataFrame(
        {
            "experiment": "t",
            "unit_id": [f"u{place}" for place in range(n)],
            "variant": np.where(np.arange(n) % 2, "control", "treatment"),
            "assigned_at": at.tz_convert(zone).tz_localize(None).astype("datetime64[us]"),
            "converted": 1.0 * (np.arange(n) % 3 == 0),
            "converted_at": outcome.strftime("%Y-%m-%dT%H:%M:%SZ") if text else outcome.astype("datetime64[us, UTC]"),
        }
    )
    table = ibis.duckdb.connect().create_table("experiments", ibis.memtable(frame))
    metric = {
        "name": "conversion",
        "type": "proportion",
        "column": "converted",
        "at": "converted_at",
        "role": "success",
    }
    (one,) = ab_test.analyse(registered(metrics=[metric]), table, timezone=zone)
    return next(kept.gate for kept in one.gates if kept.id == "outcome_before.conversion")


@pytest.mark.parametrize("text", [False, True])
@ZONES
def test_moments_of_outcomes_are_on_the_clients_clock_as_assignment_is(zone, text):
    """An hour after assignment is an hour after it in Hanoi and New York; an hour before it is never after it."""
    assert dated(zone, hours=1, text=text).passed
    assert dated(zone, hours=-1, text=text).count == 400


def test_a_moment_that_cannot_be_read_is_an_error_that_shows_it():
    frame, _orders = alike(100)
    frame = frame.assign(converted=1.0, converted_at="31.05.2024")
    metric = {
        "name": "conversion",
        "type": "proportion",
        "column": "converted",
        "at": "converted_at",
        "role": "success",
    }
    with pytest.raises(
        DataError, match=r"t, metric conversion: converted_at holds '31.05.2024', and a moment reads 2024-05"
    ):
        ab_test.analyse(registered(metrics=[metric]), held(frame))

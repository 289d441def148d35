"""Contracts: the engine counts renewals right, the model finds what was planted, intervals hold, odd bases give clear words."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import ibis
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from helpers.clv import contract_fit, contractual
from helpers.clv.contract_backtest import backtest_contracts
from helpers.clv.contract_due import renewals_due
from helpers.clv.contract_fit import fit_contracts, fit_renewals, kaplan_meier
from helpers.clv.contract_futures import MOST_PRICES, discounts, schedule, units
from helpers.clv.contract_model import ContractModel
from helpers.clv.contract_predict import predict_contracts
from helpers.clv.contracts import PERIODS, contracts, renewals_seen
from helpers.clv.density import compiled
from helpers.clv.expect import MONTH
from helpers.clv.fit import Posterior
from helpers.errors import TopicSkippedError
from helpers.reporting.figures import Figure
from helpers.reporting.findings import Absent, gather
from helpers.reporting.tables import Sentence

START, END = pd.Timestamp("2022-01-01"), datetime(2025, 1, 1)
ALPHA, BETA = 0.9, 5.5
SCHEMA = {
    "customer_id": "string",
    "plan": "string",
    "started_at": "timestamp",
    "price": "float64",
    "ended_at": "timestamp",
    "period": "string",
}


def table_of(frame):
    """An Ibis table of subscriptions."""
    for column in ("started_at", "ended_at"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
    memory = ibis.memtable(frame[list(SCHEMA)], schema=ibis.schema(SCHEMA))
    return ibis.duckdb.connect().create_table("subscriptions", memory)


def rows(*said):
    """Subscriptions from (customer, plan, started, ended, period), at a price of 10."""
    frame = pd.DataFrame(said, columns=["customer_id", "plan", "started_at", "ended_at", "period"])
    return table_of(frame.assign(price=10.0))


def lives(n, *, seed, alpha=ALPHA, beta=BETA, c=1.0, period="month", start=START, days=1096, plan="basic", price=10.0):
    """Contracts that begin on any day, with `k`, the renewal at which each is lost, and its true end."""
    rng = np.random.default_rng(seed)
    stay = contractual.renewal_chances({"alpha": alpha, "beta": beta, "c": c}, upto=3000).cumprod()
    k = np.searchsorted(-stay, -rng.random(n), side="right") + 1
    started = start + pd.to_timedelta(rng.integers(0, days, n), unit="D")
    ended = started + pd.to_timedelta(np.round(np.minimum(k * PERIODS[period], 50_000)), unit="D")
    return pd.DataFrame(
        {
            "customer_id": [f"{plan}{place}" for place in range(n)],
            "plan": plan,
            "started_at": started,
            "price": price,
            "ended_at": ended,
            "period": period,
            "k": k,
        }
    )


def fitted(frame, *, as_of=END, tier="fast", draws=400):
    return fit_contracts(contracts(table_of(frame), as_of=as_of), tier=tier, draws=draws, level=0.9, seed=1)


def known_model(base, *, alpha, beta, c=None, draws=50):
    """A model whose parameters are known."""
    theta = np.tile([np.log(alpha / beta), np.log(alpha + beta)], (draws, 1, 1))
    # A little spread, so that how far c lies from 1 can be told in standard deviations.
    power = np.log(c or 1.0) + 1e-9 * np.linspace(-1, 1, draws)[:, None, None]
    about = {"tier": "fast", "k": 0.0}
    return ContractModel(
        base=base,
        sbg=Posterior(family="sbg", theta=theta, **about),
        bdw=Posterior(family="bdw", theta=np.concatenate([theta, power], axis=2), **about),
        groups=("all",),
        group=np.zeros(len(base.plans), dtype=int),
        met=np.ones(1, dtype=bool),
        curves=pd.DataFrame(),
        level=0.9,
    )


def test_the_engine_counts_renewals_as_a_pen_does():
    """At 1 July 2024, with months of 30.4375 days and years of 365.25."""
    base = contracts(
        rows(
            ("ann", "basic", "2024-01-01", "2024-02-01", None),  # 31 days, one month
            ("bob", "basic", "2024-01-01", "2024-03-03", "month"),  # 62 days, two months and not three
            ("cat", "basic", "2024-01-01", None, "Monthly"),  # 182 days: five months are over, the sixth ends that day
            ("dan", "basic", "2024-01-01", "2024-07-01", "month"),  # ends when it is not known yet
            ("eve", "pro", "2022-01-01", None, "year"),  # 912 days: two years
            ("fay", "pro", "2023-01-01", "2024-05-01", "year"),  # left in her second year, whose renewal is yet to come
            ("gil", "basic", "2024-07-01", None, "month"),  # begins when it does not count
            ("hal", "basic", "2024-03-01", "2024-02-01", "month"),  # ends before it starts
            ("ida", "basic", "2024-01-01", "2024-02-01", "fortnight"),  # a period nobody knows
        ),
        as_of=datetime(2024, 7, 1),
    )
    expected = pd.DataFrame(
        [
            (0, 1, True, 1, 10.0),
            (0, 2, True, 1, 10.0),
            (0, 5, False, 2, 20.0),
            (1, 1, False, 1, 10.0),
            (1, 2, False, 1, 10.0),
        ],
        columns=["plan", "age", "lost", "weight", "price"],
    )
    assert_frame_equal(base.histories.reset_index(drop=True), expected, check_dtype=False)
    assert base.plans == ("basic", "pro")
    assert list(base.active["customer_id"]) == ["cat", "dan", "eve"]
    told = {check.id: check for check in base.checks()}
    assert told["contracts.reversed"].status == told["contracts.period"].status == "warn"
    assert told["contracts.reversed"].value == told["contracts.period"].value == 1
    assert "fortnight" in told["contracts.period"].message


@pytest.mark.parametrize("period", PERIODS)
def test_the_engine_and_predictions_count_renewals_alike(period):
    began = pd.date_range("2019-01-01", "2025-01-01", freq="D", inclusive="left")
    frame = pd.DataFrame({"customer_id": [f"c{i}" for i in range(len(began))], "plan": "p", "started_at": began})
    base = contracts(table_of(frame.assign(price=1.0, ended_at=None, period=period)), as_of=END)
    np.testing.assert_array_equal(
        base.frame.sort_values("started_on")["age"], renewals_seen(began, PERIODS[period], at=END)
    )


def test_billing_on_the_first_of_the_month_counts_the_renewal_of_today_for_nobody():
    """Started on the first of any month: at the first of another, so many months less one are known."""
    began = pd.date_range("2021-01-01", "2024-12-01", freq="MS")
    frame = pd.DataFrame({"customer_id": [f"c{i}" for i in range(len(began))], "plan": "p", "started_at": began})
    base = contracts(table_of(frame.assign(price=1.0, ended_at=None, period="month")), as_of=END)
    assert sorted(base.frame["age"]) == list(range(len(began)))
    coming = schedule(base.active, as_of=END, ahead=24 * MONTH)
    assert set(coming["steps"]) == {24}
    assert coming["due"].max() < 3


def test_end_and_period_may_be_missing_from_the_table():
    base = contracts(rows(("ann", "basic", "2024-01-01", None, None)).drop("ended_at", "period"), as_of=END)
    assert base.active["age"].tolist() == [11]
    assert base.periods.tolist() == [MONTH]


def test_nobody_and_nothing_is_told_in_words():
    none = rows(("ann", "basic", "2025-01-01", None, "month"))
    with pytest.raises(TopicSkippedError, match="No contract began before 1 Jan 2025"):
        contracts(none, as_of=END)
    with pytest.raises(TopicSkippedError, match="No contract began"):
        contracts(none.limit(0), as_of=END)


def test_a_client_without_contracts_of_its_own_time_loses_nothing_else():
    """Where orders were brought too, no contract by then leaves the contracts out, and nothing more."""
    table = rows(("ann", "basic", "2025-01-01", None, "month"))
    for brought in (table, None):
        base = contracts(brought, as_of=END, required=False)
        model = fit_contracts(base, tier="fast", draws=200, level=0.9, seed=1)
        value = predict_contracts(model, horizon_months=12, margin=0.4, discount_rate=0.1, seed=1)
        proof = backtest_contracts(
            brought, until=END, first=START.to_pydatetime(), tier="fast", draws=200, tolerated=0.05, seed=1
        )
        results = (value, proof, renewals_due(value), model)
        assert all(isinstance(result, Absent) for result in results)
        assert gather(*results, client="c", period="all", topic="clv", tables={}, provenance={}).numbers == {}


def test_who_comes_back_has_another_contract_and_is_counted():
    base = contracts(
        rows(
            ("ann", "basic", "2024-01-01", "2024-03-01", "month"),
            ("ann", "basic", "2024-06-01", None, "month"),  # back
            ("bob", "basic", "2024-01-01", "2024-03-01", "month"),
            ("bob", "pro", "2024-03-01", None, "month"),  # changed the plan
            ("cat", "basic", "2024-01-01", None, "month"),
            ("cat", "pro", "2024-02-01", None, "month"),  # two side by side
            ("dan", "basic", "2024-01-01", "2024-01-01", "month"),  # gone at once
        ),
        as_of=END,
    )
    assert base.n == 7
    assert base.rejoined == 2
    assert "2 of 7 contracts began after an earlier one" in base.checks()[0].message


def test_a_plan_paid_in_several_periods_is_several():
    base = contracts(
        rows(("ann", "pro", "2024-01-01", None, "month"), ("bob", "pro", "2023-01-01", None, "year")), as_of=END
    )
    assert base.plans == ("pro (paid by the month)", "pro (paid by the year)")


def test_retention_is_end_less_new_over_start():
    """Ten customers at the start: one leaves for good, one leaves and one changes the plan; with two new ones 8 + 2 at the end.

    Wilson's interval of 8 in 10 is .490 to .943 (Brown, Cai & DasGupta 2001, formula 4).
    """
    old = [(f"c{place}", "basic", "2024-01-01", None, "month") for place in range(7)]
    base = contracts(
        rows(
            *old,
            ("gone", "basic", "2024-01-01", "2024-12-15", "month"),
            ("also", "basic", "2024-01-01", "2024-12-20", "month"),
            ("moved", "basic", "2024-01-01", "2024-12-15", "month"),
            ("moved", "pro", "2024-12-15", None, "month"),
            ("new", "basic", "2024-12-10", None, "month"),
            ("newer", "basic", "2024-12-10", None, "month"),
            ("brief", "basic", "2024-12-05", "2024-12-28", "month"),
            ("before", "basic", "2024-01-01", "2024-06-01", "month"),
        ),
        as_of=END,
    )
    seen = base.retention(level=0.95)
    assert (seen.value, seen.n) == (0.8, 10)
    assert (seen.low, seen.high) == pytest.approx((0.490, 0.943), abs=5e-4)


def test_kaplan_meier():
    """By hand: of 10, 2 leave at the first renewal and 1 has seen none; of 7 at the second, 3 leave and 4 go on."""
    observed, risk = kaplan_meier(
        np.array([1.0, 0.0, 2.0, 2.0]), np.array([True, False, True, False]), np.array([2.0, 1.0, 3.0, 4.0])
    )
    np.testing.assert_allclose(observed, [1, 7 / 9, 7 / 9 * 4 / 7])
    np.testing.assert_allclose(risk, [10, 9, 7])


def test_planted_parameters_are_found():
    model = fitted(lives(20_000, seed=3))
    assert model.family == "sbg"
    for name, truth in {"alpha": ALPHA, "beta": BETA}.items():
        low, high = np.quantile(model.parameters()[name], [0.005, 0.995])
        assert low <= truth <= high
        assert high - low < 0.4 * truth


def test_who_leaves_within_an_unfinished_period_does_not_bend_the_model():
    """Yearly contracts that end on any day of the year in which they are lost: the mean chance of the first renewal holds."""
    frame = lives(20_000, seed=5, period="year", start=pd.Timestamp("2020-01-01"), days=1827)
    within = np.random.default_rng(1).uniform(0.2, 1, len(frame)) * 365
    frame["ended_at"] = frame["started_at"] + pd.to_timedelta(
        (frame["k"].clip(upper=100) - 1) * 365.25 + within, unit="D"
    ).dt.round("D")
    parameters = fitted(frame).parameters()
    first = contractual.renewal_chances({name: values.mean() for name, values in parameters.items()}, upto=1)
    assert first.item() == pytest.approx(BETA / (ALPHA + BETA), abs=0.01)


def any_day(n, *, seed, period, rate):
    """Contracts that end on any day: each at a rate of its own, Gamma(2, rate / 2) a year; with the true `life` in days."""
    rng = np.random.default_rng(seed)
    started = START - pd.Timedelta(days=365) + pd.to_timedelta(rng.integers(0, 1461, n), unit="D")
    life = np.floor(np.minimum(rng.exponential(365.25 / rng.gamma(2, rate / 2, n)), 20_000))
    ended = started + pd.to_timedelta(life, unit="D")
    frame = pd.DataFrame(
        {"customer_id": [f"c{i}" for i in range(n)], "plan": "p", "started_at": started, "price": 10.0}
    )
    return frame.assign(ended_at=ended, period=period, life=life)


def on_dates(n, *, seed, period, rate):
    """The same, with ends at the first renewal date after that day."""
    frame = any_day(n, seed=seed, period=period, rate=rate)
    life = np.round(np.ceil(frame["life"] / PERIODS[period]) * PERIODS[period])
    return frame.assign(ended_at=frame["started_at"] + pd.to_timedelta(life, unit="D"), life=life)


@pytest.mark.parametrize(("period", "rate"), [("year", 0.35), ("month", 1.2)])
@pytest.mark.parametrize(("made", "spread"), [(any_day, 1.0), (on_dates, 0.0)])
def test_the_next_renewal_is_as_likely_as_it_turns_out_wherever_ends_lie(made, spread, period, rate):
    """Who is still there within a period has come through a part of it where ends are spread; where not, none of its risk."""
    frame = made(6000, seed=1, period=period, rate=rate)
    base = contracts(table_of(frame), as_of=END)
    assert base.spread == pytest.approx(spread, abs=0.02)
    model = fit_contracts(base, tier="fast", draws=400, level=0.9, seed=1)
    value = predict_contracts(model, horizon_months=24, margin=1.0, discount_rate=0.0, seed=1)
    length, there = PERIODS[period], frame[frame["ended_at"] >= END]
    age, life = (END - there["started_at"]).dt.days.to_numpy(), there["life"].to_numpy()
    # A rounded end on a renewal date, which is no renewal, may lie half a day off it.
    dates = (np.floor(age / length) + 1)[:, None] * length + np.arange(int(24 * MONTH / length) + 1) * length
    made_it = (life[:, None] >= dates + (0 if spread else 1)) & (dates < age[:, None] + 24 * MONTH)
    told = value.numbers()
    renewing = (life >= dates[:, 0] + (0 if spread else 1)).mean()
    assert told["contracts.retention"].value == pytest.approx(renewing, abs=0.02)
    assert told["contracts.retention"].low < value.contracts["p_renew"].mean() < told["contracts.retention"].high
    assert told["contracts.rlv.total"].value == pytest.approx(10 * made_it.sum(), rel=0.03)
    # Sums of futures have the mean of the expectations.
    for drawn, expected in ((value.total, "value"), (value.renewals, "renewals"), (value.retained, "p_renew")):
        assert abs(drawn.mean() - value.contracts[expected].sum()) < 5 * drawn.std() / np.sqrt(len(drawn))


@pytest.mark.parametrize(("made", "seed"), [(any_day, 11), (on_dates, 12)])
def test_the_back_test_tells_who_stays_wherever_ends_lie(made, seed):
    """Who leaves on any day is gone from that day on, also in a period that is not over when the days end."""
    frame = made(3000, seed=seed, period="year", rate=0.5)
    proof = backtest_contracts(
        table_of(frame), until=END, first=datetime(2021, 1, 1), tier="fast", draws=400, tolerated=0.05, seed=1
    )
    assert [check.status for check in proof.checks()] == ["pass", "pass"]
    assert (proof.track["predicted"] - proof.track["actual"]).abs().max() < 0.03
    assert proof.track["predicted"].is_monotonic_decreasing


def test_ends_away_from_renewal_dates_are_counted_against_what_would_lie_there_by_chance():
    """Of ten ends two lie in the middle of a month; of ends on any day, seven in ten lie as far from a renewal date."""
    days = [31, 31, 61, 60, 92, 28, 30, 365, 15, 46]
    base = contracts(
        rows(
            *[
                (f"c{i}", "p", "2023-01-01", pd.Timestamp("2023-01-01") + pd.Timedelta(days=d), "month")
                for i, d in enumerate(days)
            ]
        ),
        as_of=END,
    )
    assert base.spread == pytest.approx(2 / 7)


@pytest.mark.parametrize("start", [0.0, 0.4, 1.0])
def test_what_is_left_of_a_period_is_what_is_left_of_its_risk(start):
    """Where all customers leave at one rate, S(t) = e^-ht: the chance is e^-h(1 - start); e^-h where all leave at the end."""
    same = {"alpha": 0.2e6, "beta": 1e6}
    h = np.log1p(0.2)
    told = [contractual.next_chances(same, age=3, start=start, spread=spread) for spread in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(told, np.exp(-h * (1 - start * np.array([0.0, 0.5, 1.0]))), rtol=1e-5)


@pytest.mark.parametrize(
    ("c", "family", "said"),
    [
        (0.6, "bdw", "leave less often even than"),
        (1.0, "sbg", "explained by the mix"),
        (1.7, "bdw", "leave more often"),
    ],
)
def test_tenure_is_called_in_where_it_counts(c, family, said):
    model = fitted(lives(10_000, seed=7, c=c), tier="auto")
    assert model.family == family
    told = next(check for check in model.checks() if check.id == "contracts.tenure")
    assert said in told.message
    assert (told.status == "warn") == (family == "bdw")
    assert family.lower() in model.sentence().text.lower()


@pytest.mark.parametrize("far", [(-2.19, -15.63, 3.71), (-2.25, -18.31, 2.75), (-0.92, 44.29, -4.39), (0.0, 1.0, 6.0)])
def test_the_likelihood_makes_up_no_modes_where_nothing_can_lie(far):
    """Places at which differences of log-gamma functions, taken as they stand, outdid every parameter that can be."""
    base = contracts(table_of(lives(3000, seed=503, c=0.6)), as_of=END)
    rows = base.histories
    data = contractual.compressed(rows["age"], rows["lost"], weight=rows["weight"])
    priors = np.array(contractual.PRIORS["bdw"])

    def likelihood(theta):
        density, gradient = compiled("bdw", data).density(theta)
        assert np.isfinite(gradient).all()
        return density + (((theta - priors[:, 0]) / priors[:, 1]) ** 2).sum() / 2

    near = np.array([np.log(ALPHA / BETA), np.log(ALPHA + BETA), np.log(0.6)])
    assert likelihood(np.array(far)) < likelihood(near)


@pytest.mark.parametrize(
    ("alpha", "beta", "expected"),
    [(3.80, 15.20, [3.31, 3.45, 3.59, 3.72, 3.84]), (0.067, 0.267, [7.68, 9.46, 9.86, 10.06, 10.19])],
)
def test_residual_lifetime(alpha, beta, expected):
    """Fader & Hardie 2010, table 3, at a discount of .1: yearly contracts that are about to renew for the first, ... fifth time."""
    began = [END - pd.Timedelta(days=days) for days in (366, 731, 1096, 1461, 1827)]
    base = contracts(rows(*[(f"c{i}", "p", day, None, "year") for i, day in enumerate(began)]), as_of=END)
    value = predict_contracts(
        known_model(base, alpha=alpha, beta=beta), horizon_months=2400, margin=0.1, discount_rate=0.1, seed=1
    )
    found = value.contracts.set_index("customer_id")["value"].sort_index()
    np.testing.assert_allclose(found, expected, rtol=5e-3)


@pytest.mark.parametrize("c", [None, 0.7])
def test_simulated_sums_have_the_expected_mean(c):
    base = contracts(table_of(lives(400, seed=11, price=8.0)), as_of=END)
    model = known_model(base, alpha=ALPHA, beta=BETA, c=c)
    assert model.family == ("bdw" if c else "sbg")
    value = predict_contracts(model, horizon_months=18, margin=0.5, discount_rate=0.1, seed=2)
    frame = value.contracts
    for drawn, expected in (
        (value.total, frame["value"].sum()),
        (value.renewals, frame["renewals"].sum()),
        (value.retained, frame["p_renew"].sum()),
    ):
        assert abs(drawn.mean() - expected) < 4 * drawn.std() / np.sqrt(len(drawn))
    assert value.plans["value"].sum() == pytest.approx(frame["value"].sum())


def test_futures_are_those_of_customers_with_chances_of_their_own():
    """Drawing each customer's chance of leaving from Beta(alpha, beta + age), and then renewals, gives the same sums."""
    base = contracts(table_of(lives(150, seed=13)), as_of=END)
    value = predict_contracts(
        known_model(base, alpha=ALPHA, beta=BETA), horizon_months=12, margin=1.0, discount_rate=0.1, seed=3
    )
    coming = schedule(base.active, as_of=END, ahead=12 * MONTH)
    rng = np.random.default_rng(5)
    theta = rng.beta(ALPHA, BETA + coming["age"].to_numpy(), size=(4000, len(coming)))
    made = np.minimum(rng.geometric(theta) - 1, coming["steps"].to_numpy())
    paid = sum(
        10.0 * (made >= step) * discounts(coming["due"].to_numpy(), coming["period"].to_numpy(), step, 0.1)
        for step in range(1, 13)
    ).sum(axis=1)
    places = [0.05, 0.5, 0.95]
    np.testing.assert_allclose(np.quantile(value.total, places), np.quantile(paid, places), rtol=0.01)
    low, high = np.quantile(made, [0.05, 0.95], axis=0)
    order = value.contracts.set_index("customer_id").loc[coming["customer_id"]]
    assert (order["renewals_low"].to_numpy() == low).mean() > 0.95
    assert (order["renewals_high"].to_numpy() == high).mean() > 0.95


def test_predictive_totals_hold_what_simulated_clients_bring():
    held = []
    clients = [lives(300, seed=100 + seed, plan=f"client {seed:02d}") for seed in range(40)]
    # One pass of the engine for all of them: each client's part of it is its own base.
    whole = contracts(table_of(pd.concat(clients, ignore_index=True)), as_of=END)
    for seed, frame in enumerate(clients):
        mine = [part[part["plan"] == seed].assign(plan=0) for part in (whole.frame, whole.histories)]
        base = replace(whole, frame=mine[0], histories=mine[1], plans=("only",), periods=whole.periods[:1])
        model = fit_contracts(base, tier="fast", draws=400, level=0.9, seed=1)
        value = predict_contracts(model, horizon_months=12, margin=0.4, discount_rate=0.1, seed=seed)
        coming = schedule(model.base.active, as_of=END, ahead=12 * MONTH)
        k = frame.set_index("customer_id").loc[coming["customer_id"], "k"].to_numpy()
        made = np.minimum(k - 1 - coming["age"].to_numpy(), coming["steps"].to_numpy())
        brought = sum(
            10
            * 0.4
            * ((made >= step) * discounts(coming["due"].to_numpy(), coming["period"].to_numpy(), step, 0.1)).sum()
            for step in range(1, 13)
        )
        told = value.numbers()["contracts.rlv.total"]
        held.append(told.low <= brought <= told.high)
    assert 0.8 <= np.mean(held) <= 1


def test_many_prices_and_days_keep_their_sums():
    frame = lives(5000, seed=17)
    frame["price"] = np.random.default_rng(1).gamma(2, 10, len(frame))
    coming = schedule(contracts(table_of(frame), as_of=END).active, as_of=END, ahead=720)
    shared = units(coming, group=np.zeros(len(coming), dtype=int))
    assert shared["count"].sum() == len(coming)
    assert (shared["count"] * shared["price"]).sum() == pytest.approx(coming["price"].sum())
    assert len(shared) <= MOST_PRICES * coming["days"].nunique()


@pytest.fixture(scope="module")
def demo(demo_data):
    return ibis.duckdb.connect().read_parquet(str(demo_data / "subscriptions.parquet"))


def test_the_demo_gives_back_what_was_planted_and_passes_its_back_test(demo, demo_data):
    planted = json.loads((demo_data / "truth/truth.json").read_text())["subscriptions"]
    end = datetime(2026, 1, 1)
    model = fit_contracts(contracts(demo, as_of=end), tier="auto", draws=1000, level=0.9, seed=1)
    for name in ("alpha", "beta"):
        low, high = np.quantile(model.parameters()[name], [0.005, 0.995])
        assert low <= planted[name] <= high
    proof = backtest_contracts(
        demo, until=end, first=datetime(2023, 1, 1), tier="auto", draws=1000, tolerated=0.05, seed=1
    )
    assert [check.status for check in proof.checks()] == ["pass", "pass"]
    assert isinstance(proof.figure(), Figure)
    value = predict_contracts(model, horizon_months=24, margin=0.42, discount_rate=0.1, seed=1)
    due = renewals_due(value)
    findings = gather(value, proof, due, model, client="demo", period="all", topic="clv", tables={}, provenance={})
    assert findings.status == "ok"
    assert findings.cards == ("contracts.active", "contracts.retention", "contracts.rlv.total", "contracts.new")
    assert "active contracts are expected to bring" in findings.headline
    decision = findings.decisions[0]
    assert decision.evidence == "model"
    assert decision.value["expected_loss"] == pytest.approx(due.parts["expected_loss"].sum())
    assert isinstance(value.figure(), Sentence)
    assert isinstance(model.figure(), Figure)


def test_churn_that_has_risen_since_trips_the_gate():
    frame = lives(1500, seed=19)
    turned = pd.Timestamp("2024-01-01")
    # Since then, half of those who were there left within two months.
    there = (frame["started_at"] < turned) & (frame["ended_at"] > turned)
    half = there & (np.arange(len(frame)) % 2 == 0)
    frame.loc[half, "ended_at"] = turned + pd.Timedelta(days=50)
    proof = backtest_contracts(
        table_of(frame), until=END, first=START.to_pydatetime(), tier="fast", draws=400, tolerated=0.05, seed=1
    )
    assert proof.numbers()["contracts.backtest.actual"].value < proof.numbers()["contracts.backtest.predicted"].low
    findings = gather(proof, client="c", period="all", topic="clv", tables={}, provenance={})
    assert findings.status == "blocked"
    assert "Do not decide on these values" in findings.reason


@pytest.mark.parametrize(
    ("frame", "first", "said"),
    [
        (lives(200, seed=1, start=pd.Timestamp("2024-11-20"), days=30), START, "they cover 42 days"),
        (
            lives(200, seed=1, start=pd.Timestamp("2024-01-01"), days=366),
            pd.Timestamp("2024-12-01"),
            "they cover 31 days",
        ),
        (lives(20, seed=1), START, "fewer than 30 were active"),
        (lives(200, seed=1, period="year", start=pd.Timestamp("2024-01-01"), days=100), START, "none was due"),
    ],
)
def test_a_log_too_short_to_hold_back_says_so(frame, first, said):
    proof = backtest_contracts(
        table_of(frame), until=END, first=first.to_pydatetime(), tier="fast", draws=200, tolerated=0.05, seed=1
    )
    assert said in proof.checks()[0].message
    assert proof.checks()[0].status == "warn"
    assert said in proof.figure().text
    assert proof.numbers() == {}


def unpooled(honest):
    """A sampler that does not hold where groups are pooled."""

    def fit(family, data, *, pooled=False, **about):
        if not pooled:
            return honest(family, data, **about)
        return Posterior(family=family, theta=np.zeros((10, 2, 3)), tier="full", rhat=1.5, ess=10.0, divergences=99)

    return fit


def test_each_plan_has_its_own_curve_and_value(monkeypatch):
    monkeypatch.setattr(contract_fit, "fit", unpooled(contract_fit.fit))
    two_plans = fitted(
        pd.concat(
            [
                lives(400, seed=23, plan="basic", price=10.0),
                lives(60, seed=29, alpha=0.4, beta=9.0, plan="pro", price=40.0),
            ],
            ignore_index=True,
        )
    )
    assert two_plans.groups == ("basic", "pro")
    after = two_plans.curves[two_plans.curves["renewals"] == 12].set_index("group")["fitted"]
    assert after["basic"] == pytest.approx(0.385, abs=0.08)
    assert after["pro"] > after["basic"] + 0.15
    value = predict_contracts(two_plans, horizon_months=12, margin=0.5, discount_rate=0.1, seed=1)
    assert value.plans["value"].sum() == pytest.approx(value.numbers()["contracts.rlv.total"].value)
    assert (value.plans["at_risk"] > 0).all()
    new = value.plans.set_index("plan")["new"]
    share = two_plans.base.frame["plan"].value_counts(normalize=True)
    assert value.numbers()["contracts.new"].value == pytest.approx(new["basic"] * share[0] + new["pro"] * share[1])
    assert isinstance(value.figure(), Figure)
    assert "pro keeps" in two_plans.figure().title


def test_small_plans_lean_on_one_another(monkeypatch):
    """Twelve plans of the same churn: partially pooled, their chances of a first renewal differ less than each on its own."""
    frame = pd.concat([lives(40, seed=200 + place, plan=f"plan {place:02d}") for place in range(12)], ignore_index=True)
    base = contracts(table_of(frame), as_of=END)
    rows = base.histories
    data = contractual.compressed(rows["age"], rows["lost"], weight=rows["weight"], group=rows["plan"])

    def first(posterior):
        return contractual.renewal_chances(contractual.to_parameters(posterior.theta, "sbg"), upto=1)[0].mean(axis=0)

    pooled, _ = fit_renewals("sbg", data, tier="fast", draws=400, seed=1)
    assert pooled.sound
    assert pooled.tier == "full"
    monkeypatch.setattr(contract_fit, "fit", unpooled(contract_fit.fit))
    apart, _ = fit_renewals("sbg", data, tier="fast", draws=400, seed=1)
    assert first(pooled).std() < 0.6 * first(apart).std()
    assert first(pooled).mean() == pytest.approx((frame["k"] > 1).mean(), abs=0.015)


def test_plans_that_cannot_be_pooled_are_fitted_apart(monkeypatch):
    monkeypatch.setattr(contract_fit, "fit", unpooled(contract_fit.fit))
    data = contractual.compressed(
        [1, 2, 3, 1, 2, 9], [1, 1, 0, 1, 1, 0], weight=[30, 10, 60, 3, 2, 95], group=[0] * 3 + [1] * 3
    )
    found, _ = fit_renewals("sbg", data, tier="fast", draws=300, seed=1)
    assert found.sound
    assert found.theta.shape == (300, 2, 2)
    assert found.customers == 200
    first = contractual.renewal_chances(contractual.to_parameters(found.theta, "sbg"), upto=1)[0].mean(axis=0)
    np.testing.assert_allclose(first, [0.7, 0.965], atol=0.03)


def everything(frame, *, margin=0.4):
    """All results of a base, drawn and gathered."""
    table = table_of(frame)
    model = fit_contracts(contracts(table, as_of=END), tier="fast", draws=200, level=0.9, seed=1)
    value = predict_contracts(model, horizon_months=12, margin=margin, discount_rate=0.1, seed=1)
    due = renewals_due(value)
    proof = backtest_contracts(
        table, until=END, first=START.to_pydatetime(), tier="fast", draws=200, tolerated=0.05, seed=1
    )
    results = (value, proof, due, model)
    for result in results:
        assert result._repr_html_()
    for shown in (model.figure(), value.figure(), value.plan_table(), model.parameter_table(), model.sentence()):
        assert shown._repr_html_()
    return gather(*results, client="c", period="all", topic="clv", tables={}, provenance={}), value


def finite(findings, *, but=()):
    numbers = {key: number for key, number in findings.numbers.items() if key not in but}
    assert all(np.isfinite(number.value) for number in numbers.values())
    assert all(number.low <= number.high for number in numbers.values() if number.low is not None)
    assert findings.headline
    return numbers


ODD = {
    "one contract": lives(1, seed=1, alpha=0.1, beta=50.0),
    "nobody was ever lost": lives(300, seed=1).assign(ended_at=None),
    "free": lives(300, seed=1, price=0.0),
    "negative price": lives(300, seed=1, price=-5.0),
    "yearly": lives(300, seed=1, period="year"),
    "daily": lives(300, seed=1, period="day", start=pd.Timestamp("2024-10-01"), days=90),
    "thirty plans": pd.concat([lives(12, seed=place, plan=f"plan {place}") for place in range(30)], ignore_index=True),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_bases_give_finite_numbers(name):
    findings, value = everything(ODD[name])
    finite(findings)
    assert len(value.contracts) == value.n > 0
    ends = value.contracts[["value_low", "value", "value_high"]]
    assert np.isfinite(ends).all().all()
    assert (ends["value_low"] <= ends["value_high"]).all()
    if name in {"free", "negative price"}:
        assert "price of nothing or less" in next(c.message for c in findings.checks if c.id == "contracts.price")
        assert findings.decisions == ()


@pytest.mark.parametrize(
    "frame",
    [
        lives(50, seed=1).assign(started_at=pd.Timestamp("2024-12-31"), ended_at=None),
        lives(200, seed=1, period="year", start=pd.Timestamp("2024-07-01"), days=180).assign(ended_at=None),
        # Half of them left within days, which says nothing of a renewal a year later.
        lives(200, seed=1, period="year", start=pd.Timestamp("2024-02-01"), days=180).assign(
            ended_at=[pd.Timestamp("2024-09-01") if place % 2 else None for place in range(200)]
        ),
    ],
)
def test_before_the_first_renewal_date_nothing_is_told_of_renewals(frame):
    """Every age is 0, so the likelihood is the same whatever the parameters: a posterior would be the prior."""
    findings, value = everything(frame)
    assert (value.contracts["seen"] == 0).all()
    told = {key: found for key, found in findings.numbers.items() if found.value is not None}
    assert told.keys() <= {"contracts.active", "contracts.retention.last"}
    assert findings.numbers["contracts.new"].n == findings.numbers["contracts.retention"].n == 0
    assert value.contracts[["p_renew", "value", "renewals"]].isna().all().all()
    assert findings.status == "blocked"
    assert "No contract has met a renewal date yet" in findings.reason
    assert findings.headline == findings.reason
    assert {"contracts.tenure", "contracts.sampler"}.isdisjoint(check.id for check in findings.checks)
    assert findings.decisions == ()


@pytest.mark.parametrize("pooled", [True, False])
def test_a_plan_before_its_first_renewal_date_is_told_of_only_where_plans_learn_from_one_another(monkeypatch, pooled):
    if not pooled:
        monkeypatch.setattr(contract_fit, "fit", unpooled(contract_fit.fit))
    old, young = lives(400, seed=23, plan="old"), lives(60, seed=29, plan="young", period="year", days=90)
    young["started_at"] = END - pd.to_timedelta(np.arange(60) + 1, unit="D")
    findings, value = everything(pd.concat([old, young.assign(ended_at=None)], ignore_index=True))
    plans = value.plans.set_index("plan")
    assert plans["value"].notna().tolist() == plans["new"].notna().tolist() == [True, pooled]
    assert (findings.numbers["contracts.rlv.total"].value is None) == (not pooled)
    assert (findings.numbers["contracts.new"].value is None) == (not pooled)
    blocked = [check.message for check in findings.checks if check.id == "contracts.renewals"]
    assert len(blocked) == (not pooled)
    if not pooled:
        assert "No contract of young has met a renewal date yet" in findings.headline
        assert value.contracts.groupby("plan")["value"].count()["young"] == 0
        assert "contracts.tenure" in {check.id for check in findings.checks}


def test_a_negative_margin_gives_a_negative_value():
    findings, value = everything(lives(200, seed=1), margin=-0.2)
    numbers = finite(findings)
    assert numbers["contracts.rlv.total"].high < 0
    assert (value.contracts["value_low"] <= value.contracts["value_high"]).all()


def test_a_base_that_is_all_lost_is_told_in_words():
    frame = lives(200, seed=1)
    frame = frame.assign(ended_at=np.minimum(frame["ended_at"], pd.Timestamp("2024-12-31")))
    findings, _ = everything(frame[frame["started_at"] < "2024-12-01"])
    finite(findings, but=("contracts.retention", "contracts.rlv.mean", "contracts.backtest.bias"))
    assert findings.numbers["contracts.active"].value == 0
    assert findings.numbers["contracts.retention"].value is None
    assert findings.numbers["contracts.backtest.bias"].value is None
    assert findings.status == "blocked"
    assert findings.headline.startswith("No contract is active")
    assert findings.decisions == ()


def test_a_horizon_beyond_the_oldest_contract_is_warned_of():
    base = contracts(table_of(lives(100, seed=1, start=pd.Timestamp("2024-06-01"), days=200)), as_of=END)
    model = known_model(base, alpha=ALPHA, beta=BETA)
    value = predict_contracts(model, horizon_months=24, margin=0.4, discount_rate=0.1, seed=1)
    assert value.checks()[0].status == "warn"
    assert replace(value, horizon_months=6).checks()[0].status == "pass"

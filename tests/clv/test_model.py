"""The engine: compression loses nothing, the fast tier checks itself, intervals hold, odd bases give finite numbers."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from helpers import clv
from helpers.clv import expect, purchase
from helpers.clv.density import compiled
from helpers.clv.fit import fit, maximum_likelihood
from helpers.clv.history import settled
from helpers.clv.simulate import simulate
from helpers.clv.topic import Params
from helpers.errors import TopicSkippedError

TRUTH = {
    "mbg_nbd": {"r": 0.8, "alpha": 60.0, "a": 0.9, "b": 3.0},
    "bg_nbd": {"r": 0.8, "alpha": 60.0, "a": 0.9, "b": 3.0},
    "pareto_nbd": {"r": 0.8, "alpha": 60.0, "s": 0.8, "beta": 200.0},
}
SPEND = {"p": 6.0, "q": 4.0, "v": 15.0}


def histories_of(process, n, *, seed, days=400, later=180, truth=None):
    """Simulated customers: x, t_x, T (whole days) and orders in the days after T."""
    rng = np.random.default_rng(seed)
    known = truth or TRUTH[process]
    rate = rng.gamma(known["r"], 1 / known["alpha"], n)
    T = rng.integers(days // 2, days, n).astype(float)
    x, t_x, ahead = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        if process == "pareto_nbd":
            end, stop = rng.exponential(1 / rng.gamma(known["s"], 1 / known["beta"])), 0.0
        else:
            end, stop = np.inf, rng.beta(known["a"], known["b"])
        now, alive = 0.0, not (process == "mbg_nbd" and rng.random() < stop)
        while alive:
            now += rng.exponential(1 / max(rate[i], 1e-12))
            if now > min(end, T[i] + later):
                break
            if now <= T[i]:
                x[i], t_x[i] = x[i] + 1, now
            else:
                ahead[i] += 1
            alive = rng.random() >= stop
    return pd.DataFrame({"x": x, "t_x": t_x, "T": T, "ahead": ahead})


def orders_of(frame, ledger, *, value=20.0):
    """A ledger from (customer, day, revenue)."""
    return ledger(
        [(customer, f"2024-{1 + day // 28:02d}-{1 + day % 28:02d}", revenue) for customer, day, revenue in frame]
    )


@pytest.mark.parametrize("process", TRUTH)
def test_compressed_density_and_gradient_equal_the_full_ones(process):
    frame = histories_of(process, 500, seed=3).round()
    full = purchase.Rows.of(frame["x"], frame["t_x"], frame["T"], scale=100.0)
    shared = frame.groupby(["x", "t_x", "T"]).size().reset_index(name="weight")
    small = purchase.Rows.of(shared["x"], shared["t_x"], shared["T"], weight=shared["weight"], scale=100.0)
    assert len(small.x) < len(full.x)
    theta = np.array([0.3, -0.2, -0.5, 0.8])
    one = [np.asarray(part).copy() for part in compiled(process, purchase.compressed(full)).density(theta)]
    other = compiled(process, purchase.compressed(small)).density(theta)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8)


@pytest.mark.parametrize("process", TRUTH)
def test_fast_tier_agrees_with_nuts(process):
    frame = histories_of(process, 800, seed=5).round()
    data = purchase.compressed(purchase.Rows.of(frame["x"], frame["t_x"], frame["T"]))
    # Enough draws for their own noise to be well below the tenth of a deviation (NUTS draws so many in each chain).
    fast, full = fit(process, data, tier="fast", draws=4000), fit(process, data, tier="full", draws=2000)
    assert fast.sound
    assert full.sound
    gap = (fast.theta.mean(axis=(0, 1)) - full.theta.mean(axis=(0, 1))) / full.theta.std(axis=(0, 1))
    assert np.abs(gap).max() < 0.1


@pytest.mark.parametrize("process", TRUTH)
def test_per_customer_intervals_hold_simulated_customers(process):
    frame = histories_of(process, 2000, seed=7)
    rows = purchase.Rows.of(frame["x"], frame["t_x"], frame["T"])
    posterior = fit(process, purchase.compressed(rows))
    zero = np.zeros(len(frame))
    futures = simulate(
        process=process,
        **{name: frame[name].to_numpy() for name in ("x", "t_x", "T")},
        spend_x=zero,
        spend_total=zero,
        rate=zero,
        purchase=purchase.to_parameters(posterior.theta, process, scale=rows.scale),
        spend={name: np.full(1, value) for name, value in SPEND.items()},
        discount=np.ones(6),
        month=30.0,
        margin=1.0,
        cac=0.0,
        group=np.zeros(len(frame), dtype=np.int64),
        groups=1,
        level=0.9,
        seed=1,
    )
    inside = (frame["ahead"] >= futures.customers["orders_low"]) & (frame["ahead"] <= futures.customers["orders_high"])
    assert 0.85 <= inside.mean() <= 0.985
    low, high = np.quantile(futures.orders.sum(axis=1), [0.005, 0.995])
    assert low <= frame["ahead"].sum() <= high


@pytest.mark.parametrize("process", TRUTH)
def test_simulated_futures_have_the_expected_mean(process):
    x, t_x, T = np.array([0.0, 3.0, 250.0]), np.array([0.0, 200.0, 398.0]), np.full(3, 400.0)
    parameters = {name: np.full((1, 1), value) for name, value in TRUTH[process].items()}
    futures = simulate(
        process=process, x=x, t_x=t_x, T=T, spend_x=x, spend_total=x * 30.0, rate=np.zeros(3),
        purchase=parameters, spend={name: np.full(1, value) for name, value in SPEND.items()},
        discount=np.linspace(1, 0.8, 6), month=30.0, margin=0.5, cac=0.0, group=np.zeros(3, dtype=np.int64),
        groups=1, level=0.9, seed=1, draws=160_000,
    )  # fmt: skip
    alive = expect.p_alive(process, TRUTH[process], x=x, t_x=t_x, T=T)
    ahead = expect.expected_if_alive(process, TRUTH[process], x=x, T=T, ahead=30.0 * np.arange(1, 7))
    expected = alive[:, None] * ahead
    np.testing.assert_allclose(futures.customers["orders"], expected[:, -1], rtol=0.05)
    monthly = np.diff(expected, prepend=0.0, axis=1) @ np.linspace(1, 0.8, 6)
    spent = SPEND["p"] * (SPEND["v"] + x * 30) / (SPEND["p"] * x + SPEND["q"] - 1)
    np.testing.assert_allclose(futures.customers["value"], monthly * spent * 0.5, rtol=0.05)


def test_expected_orders_do_not_hang_on_the_unit_of_time():
    frame = histories_of("mbg_nbd", 800, seed=9).round()
    totals = []
    for unit in (1.0, 7.0, 365.25 / 12):
        rows = purchase.Rows.of(frame["x"], frame["t_x"] / unit, frame["T"] / unit)
        theta, _ = maximum_likelihood("mbg_nbd", purchase.compressed(rows))
        own = {name: float(value) for name, value in purchase.to_parameters(theta, "mbg_nbd", scale=rows.scale).items()}
        x, t_x, T = (frame["x"].to_numpy(), frame["t_x"].to_numpy() / unit, frame["T"].to_numpy() / unit)
        alive = expect.p_alive("mbg_nbd", own, x=x, t_x=t_x, T=T)
        totals.append((alive @ expect.expected_if_alive("mbg_nbd", own, x=x, T=T, ahead=np.array([180 / unit]))).item())
    np.testing.assert_allclose(totals, totals[0], rtol=5e-3)


def test_bg_nbd_calls_one_time_buyers_alive_and_mbg_nbd_does_not():
    one = np.array([0.0]), np.array([0.0]), np.array([300.0])
    known = TRUTH["bg_nbd"]
    assert expect.p_alive("bg_nbd", known, x=one[0], t_x=one[1], T=one[2]).item() == 1.0
    assert expect.p_alive("mbg_nbd", known, x=one[0], t_x=one[1], T=one[2]).item() < 0.5


def pooled_data(seed):
    """Eight groups of fifty whose order rates differ."""
    frames = []
    for group in range(8):
        truth = TRUTH["mbg_nbd"] | {"alpha": 60.0 * float(np.exp(0.3 * (group - 3.5) / 2))}
        frames.append(histories_of("mbg_nbd", 50, seed=seed + group, truth=truth).assign(group=group))
    return pd.concat(frames, ignore_index=True)


def test_partial_pooling_beats_both_extremes_out_of_sample():
    def score(theta, group, data):
        rows = purchase.Rows.of(data["x"], data["t_x"], data["T"], scale=300.0)
        density = compiled("mbg_nbd", purchase.compressed(rows)).likelihood
        values = np.array(
            [float(np.asarray(density(theta[s, group])[0])) for s in range(0, len(theta), len(theta) // 100)]
        )
        return np.logaddexp.reduce(values) - np.log(len(values))

    seen, fresh = pooled_data(100), pooled_data(900)
    rows = purchase.Rows.of(seen["x"], seen["t_x"], seen["T"], group=seen["group"], scale=300.0)
    partial = fit("mbg_nbd", purchase.compressed(rows), pooled=True).theta
    whole = fit("mbg_nbd", purchase.compressed(purchase.Rows.of(seen["x"], seen["t_x"], seen["T"], scale=300.0))).theta
    scores = {"partial": 0.0, "full": 0.0, "none": 0.0}
    for group in range(8):
        mine, later = seen[seen["group"] == group], fresh[fresh["group"] == group]
        alone = fit(
            "mbg_nbd", purchase.compressed(purchase.Rows.of(mine["x"], mine["t_x"], mine["T"], scale=300.0))
        ).theta
        scores["partial"] += score(partial, group, later)
        scores["full"] += score(whole, 0, later)
        scores["none"] += score(alone, 0, later)
    assert scores["partial"] > scores["full"]
    assert scores["partial"] > scores["none"]


def run_all(orders, *, as_of, margin=0.4, horizon=12, cac=10.0):
    base = clv.histories(orders, as_of=as_of)
    model = clv.fit_model(base, settings=Params(draws=400), seed=1)
    common = {"horizon_months": horizon, "margin": margin, "discount_rate": 0.1, "cac": cac, "seed": 1}
    value = clv.predict(model, **common)
    return model, value, clv.economics(model, **common, confidence=0.9)


HOSTILE = {
    "nobody repeats": [(f"c{i}", i % 100, 20.0) for i in range(60)],
    # Also the base with more than 200 orders a customer.
    "everybody repeats daily": [(f"c{i}", day, 10.0 + i % 3) for i in range(40) for day in range(-160, 90)],
    "one customer": [("c", 3, 20.0)],
    "ten customers": [(f"c{i}", day, 15.0) for i in range(10) for day in (i, i + 30, i + 65)],
    "refunds outweigh orders": [
        (f"c{i}", day, v) for i in range(40) for day, v in ((i, 20.0), (i + 20, 20.0), (i + 21, -70.0))
    ],
    "free orders": [(f"c{i}", day, 0.0) for i in range(40) for day in (i, i + 20)],
    "all on one day": [(f"c{i}", 5, 20.0) for i in range(30)],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_odd_bases_give_finite_numbers(case, ledger):
    rows = [
        (customer, datetime(2024, 1, 1) + pd.Timedelta(days=day), revenue, "order" if revenue >= 0 else "refund")
        for customer, day, revenue in HOSTILE[case]
    ]
    model, value, plan = run_all(ledger(rows), as_of=datetime(2024, 5, 1))
    for result in (model, value, plan):
        for key, number in result.numbers().items():
            assert number.value is not None, key
            assert np.isfinite(number.value), key
    assert np.isfinite(value.customers.select_dtypes("number")).all().all()
    value.figure()
    plan.figure()
    value.table()
    if case == "refunds outweigh orders":
        assert value.numbers()["clv.total"].value < 0


def test_a_horizon_longer_than_the_log_is_warned_of(ledger):
    rows = [(f"c{i}", datetime(2024, 1, 1) + pd.Timedelta(days=i % 50), 20.0) for i in range(60)]
    rows += [(f"c{i}", datetime(2024, 3, 1) + pd.Timedelta(days=i), 25.0) for i in range(30)]
    for horizon, status in ((3, "pass"), (60, "warn")):
        _, value, plan = run_all(ledger(rows), as_of=datetime(2024, 5, 1), horizon=horizon)
        (check,) = [check for check in value.checks() if check.id == "clv.horizon"]
        assert check.status == status
        assert all(np.isfinite(number.value) for number in (value.numbers() | plan.numbers()).values())


def test_negative_margins_work(ledger):
    rows = [
        (f"c{i}", datetime(2024, 1, 1) + pd.Timedelta(days=d), 20.0) for i in range(50) for d in (i, i + 15, i + 40)
    ]
    _, value, plan = run_all(ledger(rows), as_of=datetime(2024, 5, 1), margin=-0.1)
    assert value.numbers()["clv.total"].value < 0
    assert "pay nothing" in plan.decisions()[0].text


def test_before_the_first_order_there_is_nobody(ledger):
    with pytest.raises(TopicSkippedError, match="No customer ordered before"):
        clv.histories(ledger([("c", "2024-03-01", 5.0)]), as_of=datetime(2024, 1, 1))


def test_value_scales_with_the_currency_and_not_with_the_order_of_rows(ledger):
    rng = np.random.default_rng(4)
    rows = [
        (f"c{i}", datetime(2024, 1, 1) + pd.Timedelta(days=int(d)), float(rng.gamma(5, 8)))
        for i in range(120)
        for d in np.sort(rng.choice(110, rng.integers(1, 6), replace=False))
    ]
    found = run_all(ledger(rows), as_of=datetime(2024, 5, 1))
    plain = found[1].numbers()["clv.mean"].value
    dear = (
        run_all(ledger([(c, d, v * 25_000) for c, d, v in rows]), as_of=datetime(2024, 5, 1))[1]
        .numbers()["clv.mean"]
        .value
    )
    # To the last digit, intervals drawn by chance too: engines add up in any order, and a report must come out again.
    for one, other in zip(found, run_all(ledger(rows[::-1]), as_of=datetime(2024, 5, 1)), strict=True):
        assert one.numbers() == other.numbers()
    assert dear / 25_000 == pytest.approx(plain, rel=5e-3)


def test_sums_are_settled_to_twelve_digits_and_decimals_stay_as_they_are_written():
    told = [66.0, 0.1 + 0.2, 1234.56 + 1e-12, -(1.1 + 2.2), 2.5e15 + 400.0, 0.0]
    assert settled(told).tolist() == [66.0, 0.3, 1234.56, -3.3, 2.5e15, 0.0]
    assert np.isnan(settled([np.nan])).all()
    rng = np.random.default_rng(1)
    prices = np.round(rng.gamma(2, 30, (500, 40)), 2)
    assert (prices.sum(axis=1) != np.add.accumulate(prices[:, ::-1], axis=1)[:, -1]).any()
    assert (settled(prices.sum(axis=1)) == settled(np.add.accumulate(prices[:, ::-1], axis=1)[:, -1])).all()

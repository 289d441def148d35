"""Designs beyond two arms of units: pasts from the log, clusters with covariates, switchbacks, pooled arms, the log scale."""

import warnings

import ibis
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from helpers import ab_test
from helpers.ab_test.clusters import clustered_moments
from helpers.ab_test.cuped import adjusted
from helpers.ab_test.estimate import above, compare
from helpers.ab_test.moments import Moments, total
from helpers.ab_test.read import units as read
from helpers.errors import DataError
from tests.ab_test.pipe import METRICS, analysed, drawn, findings, held, registered
from tests.ab_test.test_topic import units
from tests.ab_test.test_topic_parts import assigned, orders

CONVERSION, REVENUE = [METRICS[0]], [METRICS[1]]
SPENT = {"name": "spent_before", "from": "orders", "column": "revenue", "window_days": 30}


def past_of(covariate, log):
    table = held(assigned().assign(experiment="t", converted=0.0))
    con = table.get_backend()
    settings = registered(metrics=CONVERSION, covariates=[covariate])
    found = read(settings.tests[0], table, orders=con.create_table("log", log))
    return found.table.order_by("unit").to_pandas()["x0"].tolist()


def test_a_past_from_the_log_ends_where_the_assignment_begins():
    log = orders(
        [
            ("u0", "2024-01-15", 50.0, "order"),  # before the window
            ("u0", "2024-02-10", 20.0, "order"),
            ("u0", "2024-02-20", -5.0, "refund"),
            ("u0", "2024-03-01", 99.0, "order"),  # assigned at that moment: no longer the past
            ("u1", "2024-02-29 23:59", 7.0, "order"),
            ("someone", "2024-02-10", 9.0, "order"),
        ]
    )
    assert past_of(SPENT, log) == [15.0, 7.0, 0.0, 0.0]
    assert past_of(SPENT | {"window_days": None}, log) == [65.0, 7.0, 0.0, 0.0]
    assert past_of({"name": "n", "from": "orders", "column": "orders"}, log) == [2.0, 1.0, 0.0, 0.0]


def with_log(n=4000, *, moved=0.0, seed=3):
    """Units and their orders before; revenue goes with what was spent, and `moved` of the treated order once more before."""
    frame = units(n, seed=seed)
    rng = np.random.default_rng(seed)
    frame["unit_id"] = frame["unit_id"].astype(str)
    spent = frame["pre_revenue"].to_numpy()
    frame["revenue"] = spent + rng.normal(0, 10, n)
    log = pd.DataFrame({"customer_id": frame["unit_id"], "ordered_at": frame["assigned_at"] - pd.Timedelta(days=3)})
    log = log.assign(revenue=spent, kind="order")
    again = (frame["variant"] == "treatment") & (rng.random(n) < moved)
    more = log[again].assign(revenue=60.0, ordered_at=lambda rows: rows["ordered_at"] + pd.Timedelta(days=1))
    log = pd.concat([log, more], ignore_index=True)
    log["ordered_at"] = log["ordered_at"].astype("datetime64[us]")
    return frame, log


def analysed_with(frame, log, settings):
    table = held(frame.assign(experiment="t"))
    return ab_test.analyse(settings, table, orders=table.get_backend().create_table("log", ibis.memtable(log)))


def test_a_past_from_the_log_narrows_the_interval_and_is_balanced():
    settings = registered(metrics=REVENUE, covariates=[SPENT])
    (one,) = analysed_with(*with_log(), settings)
    assert one.sound
    assert "imbalance" in {kept.id for kept in one.gates}
    assert one.judged[0].cell.variance_ratio < 0.5
    assert "spent before" in ab_test.report((one,)).gate_table().html


def test_a_past_from_the_log_that_differs_between_the_arms_closes_the_gate():
    (one,) = analysed_with(*with_log(moved=0.2), registered(metrics=REVENUE, covariates=[SPENT]))
    assert [kept.id for kept in one.failed] == ["imbalance"]


def test_an_outcome_is_no_covariate():
    with pytest.raises(ValueError, match="revenue is an outcome of this test"):
        registered(metrics=REVENUE, covariates=["revenue"])
    with pytest.raises(ValueError, match="orders give orders and revenue, not 'margin'"):
        registered(covariates=[SPENT | {"column": "margin"}])


def clusters_of(count=14, seed=5):
    """Units in clusters with a level of their own, a covariate that explains a part, and the arm of each cluster."""
    rng = np.random.default_rng(seed)
    size = rng.integers(15, 60, count)
    group = np.repeat(np.arange(count), size)
    level = rng.normal(0, 1, count)[group]
    x = level + rng.normal(size=len(group))
    y = 5 + 0.8 * x + 0.5 * level + rng.normal(size=len(group))
    return pd.DataFrame(
        {"group": group, "t": (group % 2).astype(float), "x": x, "y": y, "d": 1.0 + rng.poisson(2, len(group))}
    )


def parts_of(frame):
    """Moments of each cluster, control and treatment."""
    made = {
        (group, arm): Moments.of(**{name: part[name] for name in ("y", "d", "x")})
        for (group, arm), part in frame.groupby(["group", "t"])
    }
    return [[part for (_group, arm), part in made.items() if arm == side] for side in (0.0, 1.0)]


def test_clusters_with_covariates_are_least_squares_with_crv3():
    frame = clusters_of()
    with warnings.catch_warnings():
        # statsmodels 0.15 divides by a matrix that is singular by design in its own CRV3.
        warnings.simplefilter("ignore", RuntimeWarning)
        ols = smf.ols("y ~ t + x", frame).fit(cov_type="cluster-crv3", cov_kwds={"groups": frame["group"]}, use_t=True)
    effect = compare(clustered_moments(*parts_of(frame), "y", covariates=["x"]))
    assert effect.difference.value == pytest.approx(ols.params["t"], rel=1e-9)
    assert effect.standard_error == pytest.approx(ols.bse["t"], rel=1e-6)
    assert effect.p == pytest.approx(ols.pvalues["t"], rel=1e-6)
    assert effect.df == 13


def test_clusters_of_one_unit_are_units():
    frame = clusters_of()
    frame["group"] = 2 * np.arange(len(frame)) + frame["t"].astype(int)
    sides = parts_of(frame)
    by_cluster = clustered_moments(*sides, "y", covariates=["x"])
    plain = adjusted(total(sides[0]), total(sides[1]), "y", covariates=["x"]).pair
    assert by_cluster.difference == pytest.approx(plain.difference, rel=1e-9)
    assert by_cluster.variance == pytest.approx(plain.variance, rel=0.05)
    assert by_cluster.covariance == pytest.approx(plain.covariance, rel=0.1)


def test_a_ratio_of_clusters_takes_covariates_too():
    sides = parts_of(clusters_of())
    raw = clustered_moments(*sides, "y", denominator="d")
    better = clustered_moments(*sides, "y", denominator="d", covariates=["x"])
    assert better.method == ("crv3", "cuped")
    assert better.variance < raw.variance


def shops(*, past=0.0, seed=2):
    """Forty shops of uneven level, a half treated; the past goes with the level."""
    rng = np.random.default_rng(seed)
    frame = units(4000, seed=seed)
    frame["shop"] = frame["unit_id"] % 40
    level = rng.normal(0, 1, 40)[frame["shop"]]
    frame["variant"] = np.where(frame["shop"] % 2 == 0, "control", "treatment")
    frame["pre_revenue"] = 20 + 5 * level + rng.normal(0, 5, 4000) + past * (frame["variant"] == "treatment")
    frame["revenue"] = frame["pre_revenue"] + rng.normal(0, 5, 4000)
    return frame


def test_covariates_of_clusters_are_balanced_and_adjusted_by_cluster():
    settings = registered(metrics=REVENUE, cluster="shop", covariates=["pre_revenue"])
    # Units taken for independent would find shops of uneven level different before any treatment.
    (apart,) = analysed(shops(), registered(metrics=REVENUE, covariates=["pre_revenue"]))
    (one,) = analysed(shops(), settings)
    assert not apart.sound
    assert one.sound
    assert one.judged[0].cell.variance_ratio < 0.3
    assert (
        "groups as units, jackknife variance, adjusted" in findings((one,)).definitions["t.revenue.treatment.lift"].text
    )
    (moved,) = analysed(shops(past=15.0), settings)
    assert [kept.id for kept in moved.failed] == ["imbalance"]


def test_missing_outcomes_of_clusters_are_compared_by_cluster():
    frame = shops()
    # Two shops that report nothing lose a tenth of one arm's units, and are two of twenty.
    frame["revenue"] = frame["revenue"].where(~frame["shop"].isin([1, 3]))
    (one,) = analysed(frame, registered(metrics=REVENUE, cluster="shop"))
    assert one.sound
    assert one.judged[0].effect.n_treatment == 18


def test_a_unit_without_its_cluster_is_an_error_that_says_so():
    frame = shops()
    frame["shop"] = frame["shop"].where(frame["unit_id"] > 10).astype("string")
    with pytest.raises(DataError, match="11 rows have no shop"):
        analysed(frame, registered(cluster="shop"))


def switchback(seed, *, blocks=28, sessions=120):
    """Blocks of time that are treated or not by a coin's toss in pairs; demand swings from block to block."""
    rng = np.random.default_rng(seed)
    treated = np.concatenate([rng.permutation([0, 1]) for _ in range(blocks // 2)])
    block = np.repeat(np.arange(blocks), sessions)
    revenue = 20 + rng.normal(0, 2, blocks)[block] + rng.normal(0, 5, len(block))
    start = pd.Timestamp("2024-03-01") + pd.to_timedelta(block * 6, unit="h")
    return pd.DataFrame(
        {
            "unit_id": [f"session{place}" for place in range(len(block))],
            "variant": np.where(treated[block] == 1, "treatment", "control"),
            "block": [f"b{place}" for place in block],
            "assigned_at": start,
            "revenue": revenue,
        }
    )


def test_a_switchback_is_read_by_its_blocks_of_time():
    """Sessions of one block share its demand: taken one by one they find effects where there are none."""
    plain, by_block = registered(metrics=REVENUE), registered(metrics=REVENUE, cluster="block")
    found = [(analysed(switchback(seed), plain)[0], analysed(switchback(seed), by_block)[0]) for seed in range(8)]
    assert sum(one.judged[0].effect.significant for one, _ in found) >= 3
    assert sum(one.judged[0].effect.significant for _, one in found) <= 2
    assert found[0][1].judged[0].effect.n_control == 14
    assert found[0][1].sound


def three_arms(n=6000, *, short=0):
    frame = units(n, seed=8)
    rng = np.random.default_rng(8)
    frame["variant"] = rng.choice(["control", "mens", "womens"], n)
    chance = 0.2 + 0.03 * (frame["variant"] != "control")
    frame["converted"] = (rng.random(n) < chance).astype(float)
    return frame.drop(index=frame[frame["variant"] == "mens"].index[:short])


def test_pooled_arms_are_compared_as_one():
    frame = three_arms()
    (apart,) = analysed(frame, registered(metrics=CONVERSION))
    (one,) = analysed(frame, registered(metrics=CONVERSION, pool={"any": ["mens", "womens"]}))
    assert one.units.variants == ("control", "any")
    cell = one.judged[0].cell
    both = frame.loc[frame["variant"] != "control", "converted"]
    assert (cell.key, cell.pair.treatment.n) == ("conversion.any", len(both))
    assert cell.pair.treatment.value == pytest.approx(both.mean())
    assert one.answer == "ship"
    assert one.judged[0].p < min(own.p for own in apart.judged)
    assert "conversion.any" in " ".join(findings((one,)).numbers)


def test_the_split_of_pooled_arms_is_still_checked_apart():
    pool = {"any": ["mens", "womens"]}
    (one,) = analysed(three_arms(), registered(metrics=CONVERSION, pool=pool))
    assert one.sound
    (lost,) = analysed(three_arms(short=300), registered(metrics=CONVERSION, pool=pool))
    assert [kept.id for kept in lost.failed] == ["srm"]
    # Planned shares may be uneven, and are those of the arms.
    shares = {"control": 2, "mens": 1.7, "womens": 2}
    (uneven,) = analysed(three_arms(short=300), registered(metrics=CONVERSION, pool=pool, shares=shares))
    assert uneven.sound
    with pytest.raises(ValueError, match="control cannot be pooled"):
        registered(pool={"any": ["control", "mens"]})
    with pytest.raises(ValueError, match="mens cannot be in two pools"):
        registered(pool={"a": ["mens"], "b": ["mens"]})


def heavy(n=3000, *, lift=0.0, seed=3):
    """Amounts with a tail that leaves normal theory; everybody buys."""
    frame = units(n, seed=seed)
    rng = np.random.default_rng(seed)
    frame["revenue"] = rng.lognormal(3, 2.2, n) * (1 + lift * (frame["variant"] == "treatment"))
    return frame


def test_the_log_scale_is_supported_where_amounts_are_not():
    logged = [METRICS[1] | {"scale": "log"}]
    (plain,) = analysed(heavy(lift=0.3), registered(metrics=REVENUE))
    (one,) = analysed(heavy(lift=0.3), registered(metrics=logged))
    assert plain.judged[0].cell.way == "permutation"
    own = one.judged[0]
    assert own.cell.way == "welch"
    assert own.effect.lift.low < 0.3 < own.effect.lift.high
    assert (
        own.effect.lift.high - own.effect.lift.low < plain.judged[0].effect.lift.high - plain.judged[0].effect.lift.low
    )
    assert "Revenue (typical value)" in drawn(ab_test.report((one,)))
    assert "typical values on a log scale" in findings((one,)).definitions["t.revenue.treatment.lift"].text
    # A typical value is no mean: no money is made of it.
    assert ab_test.worth((one,), margin=0.4).rows.empty
    with pytest.raises(DataError, match="below zero"):
        analysed(heavy().assign(revenue=-1.0), registered(metrics=logged))
    with pytest.raises(ValueError, match="scale: log is for a mean or a count"):
        registered(metrics=[METRICS[0] | {"scale": "log"}])


def test_on_the_log_scale_there_is_one_verdict_and_one_margin():
    rng = np.random.default_rng(1)
    for _ in range(300):
        sides = [
            Moments.of(y=np.log1p(rng.lognormal(3, 1, rng.integers(3, 40)) * lift)) for lift in (1, rng.uniform(0.5, 2))
        ]
        from helpers.ab_test import arms

        pair = arms.Pair(control=arms.mean(sides[0], "y"), treatment=arms.mean(sides[1], "y"), log=True)
        effect = compare(pair)
        assert effect.significant == effect.lift.excludes_zero == (effect.p < 0.05)
        margin = above(pair, margin=-0.2, relative=True, alpha=0.025)
        assert margin.shown == (margin.p < 0.025) == (effect.lift.low > -0.2)


def test_beyond_every_test_that_was_proven_the_report_names_the_sturdier_ones():
    rng = np.random.default_rng(2)
    frame = units(400, seed=2).assign(orders=1.0, revenue=rng.lognormal(3, 2.5, 400))
    metrics = [{"name": "aov", "type": "ratio", "numerator": "revenue", "denominator": "orders", "role": "success"}]
    (one,) = analysed(frame, registered(metrics=metrics))
    assert one.judged[0].cell.way == "beyond"
    (check,) = (check for check in findings((one,)).checks if check.id.endswith(".range"))
    assert "cap_quantile" in check.message
    assert "scale: log" in check.message

"""What is planted in the demo, asked of its data by plain formulas."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from helpers.data.demo.people import END, MONTH, SEASON, START


@pytest.fixture(scope="module")
def tables(demo_data):
    return {path.stem: pd.read_parquet(path) for path in demo_data.glob("*.parquet")}


@pytest.fixture(scope="module")
def truth(demo_data):
    return json.loads((demo_data / "truth/truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def people(demo_data):
    return pd.read_parquet(demo_data / "truth/truth_customers.parquet").set_index("customer_id")


@pytest.fixture(scope="module")
def orders(tables, people):
    """One row an order that was placed, by a customer or a guest, with the customer's truths."""
    lines = tables["order_lines"].query("status != 'returned'")
    lines = lines.assign(value=lines["quantity"] * lines["unit_price"] + lines["discount"])
    placed = lines.groupby("order_id").agg(
        customer_id=("customer_id", "first"),
        ordered_at=("ordered_at", "first"),
        value=("value", "sum"),
        moments=("ordered_at", "nunique"),
        channels=("channel", "nunique"),
    )
    return placed.join(people, on="customer_id")


def test_the_demo_has_the_size_of_a_small_retailer(tables, orders):
    assert 25_000 < len(orders) < 40_000
    assert 60_000 < len(tables["order_lines"]) < 100_000
    assert len(tables["events"]) <= 150_000
    moments = tables["order_lines"]["ordered_at"]
    assert moments.dt.tz is None
    assert moments.between(START, END, inclusive="left").all()


def test_an_order_has_one_moment_and_one_channel(orders):
    assert (orders["moments"] == 1).all()
    assert (orders["channels"] == 1).all()


def test_about_three_in_a_hundred_lines_are_guests_and_there_are_gifts_and_cancelled_orders(tables):
    lines = tables["order_lines"]
    assert 0.02 < lines["customer_id"].isna().mean() < 0.04
    assert (lines["unit_price"] == 0).any()
    assert 0.002 < lines.query("status == 'cancelled'")["order_id"].nunique() / lines["order_id"].nunique() < 0.01


def test_a_return_takes_back_a_line_that_was_sold_and_comes_later(tables, orders):
    lines = tables["order_lines"]
    returned = lines.query("status == 'returned'").copy()
    assert 1 <= len(returned) / len(orders) * 25 <= 2
    returned["sold_as"] = returned["order_id"].str.extract(r"^R(\d+)-\d+$")[0]
    sold = lines.query("status == 'completed'")
    both = returned.merge(sold, left_on=["sold_as", "product_id"], right_on=["order_id", "product_id"], validate="m:1")
    assert len(both) == len(returned)
    assert (both["quantity_x"] == -both["quantity_y"]).all()
    assert (both["unit_price_x"] == both["unit_price_y"]).all()
    assert (both["ordered_at_x"] > both["ordered_at_y"]).all()


def test_nobody_orders_before_they_came_or_after_they_were_lost(orders):
    known = orders[orders["customer_id"].notna()]
    assert (known["ordered_at"] >= known["acquired_at"]).all()
    assert (known["ordered_at"] <= known["lost_at"]).all()
    assert (
        known.groupby("customer_id")["ordered_at"].min() == known.groupby("customer_id")["acquired_at"].first()
    ).all()


@pytest.mark.parametrize(
    ("table", "moment"),
    [("events", "occurred_at"), ("surveys", "answered_at"), ("touches", "sent_at"), ("subscriptions", "started_at")],
)
def test_nothing_happens_to_a_customer_before_they_came(tables, people, table, moment):
    frame = tables[table]
    assert (frame[moment] >= people["acquired_at"].loc[frame["customer_id"]].to_numpy()).all()
    assert (frame[moment] < END).all()


def test_customers_come_most_in_november_and_december(people):
    months = people["acquired_at"].dt.month.value_counts()
    assert set(months.index[:2]) == {11, 12}


def test_true_lifetimes_are_exponential_of_the_planted_mean(people, truth):
    months = (people["lost_at"] - people["acquired_at"]) / pd.Timedelta(days=MONTH)
    for kind, of in months.groupby(people["kind"]):
        life = truth["kinds"][kind]["life"]
        # The standard deviation of an exponential lifetime is its mean.
        assert abs(of.mean() - life) <= 4 * life / np.sqrt(len(of)), kind


def test_orders_come_at_the_planted_pace_while_customers_live(orders, people, truth):
    days = pd.Series(SEASON[pd.date_range(START, END).month - 1]).cumsum().to_numpy()
    lived = [
        days[((moment.clip(upper=END) - START) / pd.Timedelta(days=1)).astype(int)]
        for moment in (people["lost_at"], people["acquired_at"])
    ]
    expected = people["pace"] * (lived[0] - lived[1]) / MONTH
    repeats = orders.groupby("customer_id").size().reindex(people.index) - 1
    for kind in set(truth["kinds"]) - {"one_off"}:
        mine = people["kind"] == kind
        # Given pace and lifetime, orders are Poisson; a day's rounding at both ends of a life is within 2 %.
        assert (
            abs(repeats[mine].sum() - expected[mine].sum())
            < 4 * np.sqrt(expected[mine].sum()) + 0.02 * expected[mine].sum()
        )
    assert (repeats[people["kind"] == "one_off"] == 0).all()


def test_an_order_is_worth_the_customers_planted_basket(orders):
    known = orders[orders["customer_id"].notna()]
    ratio = known["value"] / known["basket"]
    for kind, of in ratio.groupby(known["kind"]):
        assert abs(of.mean() - 1) < 4 * of.std() / np.sqrt(len(of)) + 0.005, kind


def test_discount_shares_are_the_planted_ones(tables, people, truth):
    lines = tables["order_lines"].query("quantity > 0 and unit_price > 0").join(people["kind"], on="customer_id")
    lines["paid"] = lines["quantity"] * lines["unit_price"]
    sums = lines.groupby("kind")[["discount", "paid"]].sum()
    found = sums["discount"] / sums.sum(axis=1)
    for kind, planted in truth["kinds"].items():
        assert abs(found[kind] - planted["discount"]) < 0.01, kind


def test_planted_segments_lie_apart_in_pace_basket_and_channel(tables, people):
    lines = tables["order_lines"].query("status == 'completed' and customer_id.notna()")
    lines = lines.assign(revenue=lines["quantity"] * lines["unit_price"])
    placed = lines.groupby(["customer_id", "order_id"]).agg(
        ordered_at=("ordered_at", "first"), revenue=("revenue", "sum"), channel=("channel", "first")
    )
    placed = placed.assign(web=placed["channel"] == "web", app=placed["channel"] == "app")
    of = placed.groupby("customer_id").agg(
        orders=("revenue", "size"),
        aov=("revenue", "mean"),
        web=("web", "mean"),
        app=("app", "mean"),
        first=("ordered_at", "min"),
        last=("ordered_at", "max"),
    )
    of = of[of["orders"] >= 3]
    months = ((of["last"] - of["first"]) / pd.Timedelta(days=MONTH)).clip(lower=1)
    features = np.column_stack([np.log(of["orders"] / months), np.log(of["aov"]), of["web"], of["app"]])
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    groups = KMeans(4, n_init=5, random_state=1).fit_predict(scaled)
    assert adjusted_rand_score(people.loc[of.index, "kind"], groups) > 0.9


def _per_unit(test, column):
    """Mean of a column by arm, the relative difference of the arms and its standard error by the delta method."""
    of = test.groupby("variant")[column].agg(["mean", "var", "count"])
    error = of["var"] / of["count"] / of["mean"] ** 2
    ratio = of.loc["treatment", "mean"] / of.loc["control", "mean"]
    return ratio - 1, ratio * np.sqrt(error.sum())


@pytest.mark.parametrize(
    ("column", "planted"),
    [("converted", "relative_effect_on_conversion"), ("revenue", "relative_effect_on_revenue_per_unit")],
)
def test_the_checkout_multiplies_conversion_and_revenue_alike(tables, truth, column, planted):
    found, error = _per_unit(tables["experiments"].query("experiment == 'checkout_2025'"), column)
    assert abs(found - truth["experiments"]["checkout_2025"][planted]) < 3.5 * error


def test_the_planted_conversion_of_the_control_arm_is_in_the_data(tables, truth):
    for name, planted in truth["experiments"].items():
        control = tables["experiments"].query("experiment == @name and variant == 'control'")["converted"]
        base = planted["base"]
        assert abs(control.mean() - base) < 3.5 * np.sqrt(base * (1 - base) / len(control)), name


def test_covariates_of_before_the_test_explain_revenue(tables):
    for name, test in tables["experiments"].groupby("experiment"):
        assert test["pre_revenue"].corr(test["revenue"]) > 0.5, name
        assert test["pre_orders"].corr(test["revenue"]) > 0.4, name


def test_only_the_homepage_lost_heavy_users_and_so_seems_to_do_harm(tables):
    balance = {name: _per_unit(test, "pre_revenue") for name, test in tables["experiments"].groupby("experiment")}
    assert abs(balance["checkout_2025"][0]) < 3.5 * balance["checkout_2025"][1]
    assert balance["homepage_2025"][0] < -5 * balance["homepage_2025"][1]
    found, error = _per_unit(tables["experiments"].query("experiment == 'homepage_2025'"), "converted")
    assert found < -5 * error


def test_the_upsell_helps_on_average_and_harms_the_old(tables, people):
    there = people["upsell_effect"].dropna()
    assert set(there.index) == set(tables["offers"]["customer_id"])
    assert there.mean() > 0
    old = tables["customers"].set_index("customer_id").loc[there.index, "age_band"] == "55+"
    assert (there[old] < 0).all()
    assert (there[~old] > 0).all()


def test_client_text_holds_what_breaks_careless_reports(tables):
    texts = set(tables["surveys"]["text"].dropna())
    assert {"<b>great</b> value", "=1+1"} <= texts
    assert any(ord(letter) > 0x2000 for text in texts for letter in text)


def test_scores_stay_on_their_scales(tables):
    scales = {"nps": (0, 10), "ces": (1, 7), "csat": (1, 5)}
    assert set(tables["surveys"]["question"]) == set(scales)
    for question, scores in tables["surveys"].groupby("question")["score"]:
        low, top = scales[question]
        assert low <= scores.min() < scores.max() == top
        assert (scores % 1 == 0).all()


def test_every_truth_of_a_customer_is_defined(people, truth):
    assert set(people.columns) - {"acquired_at"} <= set(truth["definitions"])


def test_customers_are_told_without_their_truths(tables, people):
    assert not set(tables["customers"].columns) & (set(people.columns) - {"acquired_at"})

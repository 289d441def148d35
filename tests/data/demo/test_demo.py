import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import adjusted_rand_score

from helpers.data.contract import TABLES
from helpers.data.demo import make_demo, make_dirty
from helpers.data.load import load_tables
from helpers.params import ROOT, expand, load_params
from helpers.reporting.health import DataHealth
from helpers.segmentation import clusters, features


@pytest.fixture(scope="module")
def tables(demo_data):
    return {path.stem: pd.read_parquet(path) for path in demo_data.glob("*.parquet")}


@pytest.fixture(scope="module")
def truth(demo_data):
    return json.loads((demo_data / "truth/truth.json").read_text())


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.parquet")}


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    one = make_demo(tmp_path / "one", seed=3, customers=300)
    other = make_demo(tmp_path / "other", seed=3, customers=300)
    assert digests(one) == digests(other)
    assert digests(make_demo(tmp_path / "third", seed=4, customers=300)) != digests(one)


def test_a_complete_folder_is_left_alone_and_another_size_replaces_it(tmp_path):
    folder = make_demo(tmp_path / "demo", customers=300)
    stamp = (folder / "order_lines.parquet").stat().st_mtime_ns
    make_demo(folder, customers=300)
    assert (folder / "order_lines.parquet").stat().st_mtime_ns == stamp
    make_demo(folder, customers=310)
    assert len(pd.read_parquet(folder / "customers.parquet")) == 310
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_every_table_of_the_contract_is_there_with_its_columns(tables):
    assert set(tables) == set(TABLES) - {"orders"}
    for name, frame in tables.items():
        assert set(TABLES[name].required) <= set(frame.columns), name


def test_every_customer_in_a_table_is_a_customer(tables):
    known = set(tables["customers"]["customer_id"])
    for name in ("order_lines", "touches", "events", "surveys", "offers", "subscriptions"):
        assert set(tables[name]["customer_id"].dropna()) <= known, name


def test_about_half_of_the_buyers_buy_once(tables):
    bought = tables["order_lines"].query("quantity > 0 and status == 'completed'")
    orders = bought.groupby("customer_id")["order_id"].nunique()
    assert 0.45 < (orders == 1).mean() < 0.60


def test_the_planted_effect_of_the_checkout_is_in_the_data_and_its_split_is_sound(tables, truth):
    test = tables["experiments"].query("experiment == 'checkout_2025'")
    rate = test.groupby("variant")["converted"].agg(["mean", "count"])
    effect = rate.loc["treatment", "mean"] - rate.loc["control", "mean"]
    error = np.sqrt((rate["mean"] * (1 - rate["mean"]) / rate["count"]).sum())
    assert abs(effect - truth["experiments"]["checkout_2025"]["effect_on_conversion"]) < 3 * error
    assert effect > 2 * error
    assert binomtest(int(rate.loc["control", "count"]), len(test)).pvalue > 0.001


def test_the_homepage_test_has_a_broken_split(tables):
    counts = tables["experiments"].query("experiment == 'homepage_2025'")["variant"].value_counts()
    assert binomtest(int(counts["treatment"]), int(counts.sum())).pvalue < 1e-6


def test_pre_period_revenue_tells_of_the_outcome(tables):
    test = tables["experiments"].query("experiment == 'checkout_2025'")
    assert test["pre_revenue"].corr(test["revenue"]) > 0.1


def test_the_planted_upsell_effects_are_in_the_data(tables, truth):
    offers = tables["offers"]
    planted = truth["upsell"]["effect_on_margin_90d"]
    for band, key in (("18-34", "age_18_34"), ("55+", "age_55_plus"), ("35-54", "others")):
        part = offers[offers["age_band"] == band]
        by_arm = part.groupby("arm")["margin_90d"].agg(["mean", "var", "count"])
        effect = by_arm.loc["offer", "mean"] - by_arm.loc["control", "mean"]
        assert abs(effect - planted[key]) < 3.5 * np.sqrt((by_arm["var"] / by_arm["count"]).sum()), band


def test_acquisition_cost_is_the_planted_number(tables, truth):
    spent = tables["spend"].groupby("channel")["amount"].sum()
    came = tables["customers"].groupby("acquisition_channel").size()
    assert (spent / came).round(6).to_dict() == truth["cost_per_new_customer"]


def test_subscription_churn_is_shifted_beta_geometric(tables, truth):
    subscriptions = tables["subscriptions"]
    old = subscriptions[subscriptions["started_at"] < "2025-01-01"]
    gone = ((old["ended_at"] - old["started_at"]) / pd.Timedelta(days=365.25 / 12)).round() == 1
    # P(churn at the first renewal) = alpha / (alpha + beta): Fader & Hardie 2007, equation 6.
    alpha, beta = truth["subscriptions"]["alpha"], truth["subscriptions"]["beta"]
    expected = alpha / (alpha + beta)
    assert abs(gone.mean() - expected) < 3 * np.sqrt(expected * (1 - expected) / len(old))


def test_the_planted_segments_are_recovered_by_behaviour(demo_data, tmp_path):
    params = load_params("demo", folder=ROOT / "params")
    folder = demo_data
    table = params.data.tables["order_lines"].model_copy(update={"source": str(folder / "order_lines.parquet")})
    data = params.data.model_copy(update={"demo": None, "tables": {"order_lines": table}})
    loaded = load_tables(params.model_copy(update={"data": data}), names=("orders",), expand=expand)
    found, share = features(loaded.kept["orders"], as_of=pd.Timestamp("2026-01-01"), since=pd.Timestamp("2024-01-01"))
    groups = clusters(found, share_customers=share, most=6, seed=1)
    truth = pd.read_parquet(folder / "truth/truth_customers.parquet").set_index("customer_id")["kind"]
    assert groups.stable
    assert groups.k == 4
    assert adjusted_rand_score(truth.loc[groups.labels.index], groups.labels) > 0.9


@pytest.fixture(scope="module")
def dirty(demo_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dirty")
    make_dirty(folder, source=demo_data)
    params = load_params("demo", folder=ROOT / "params")
    table = params.data.tables["order_lines"].model_copy(update={"source": str(folder / "order_lines.csv")})
    data = params.data.model_copy(update={"demo": None, "tables": {"order_lines": table}})
    tables = load_tables(params.model_copy(update={"data": data}), names=("orders",), expand=expand)
    return tables.health["order_lines"], json.loads((folder / "faults.json").read_text())


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("duplicate_lines", "row.duplicate"),
        ("future_dates", "ordered_at.future"),
        ("text_in_number", "quantity.type"),
        ("missing_order_id", "order_id.missing"),
        ("mixed_currencies", "currency.mixed"),
    ],
)
def test_each_planted_fault_is_put_aside_exactly(dirty, fault, rule):
    health, faults = dirty
    found = {item.rule: item.rows for item in health.faults}
    assert found[f"order_lines.{rule}"] == faults[fault]["rows"]
    assert len(found) == 5


def test_planted_oddities_are_noted(dirty, demo_data):
    health, faults = dirty
    notes = {note.id: note for note in health.notes}
    guests = pd.read_parquet(demo_data / "order_lines.parquet")["customer_id"].isna().sum()
    # Duplicated lines may be guests' too: count them as they came in.
    assert notes["guests"].rows == guests + faults["missing_customer_id"]["rows"]
    assert notes["encoding"].rows == faults["not_utf8"]["rows"]
    assert notes["time_zones"].rows == faults["time_zones"]["rows"]
    assert notes["time_zones"].detail == faults["time_zones"]["customers"][0]


def test_the_dirty_copy_adds_up_and_its_health_page_tells_it(dirty):
    health, _faults = dirty
    assert health.rows_kept + health.rows_quarantined == health.rows_in
    period = load_params("demo", folder=ROOT / "params").periods and None
    page = DataHealth(tables_read=(health,), period=period, complete=True, through="")
    assert all(check.status != "fail" for check in page.checks())
    html = page.table().html
    for words in (
        "exact copy",
        "in the future",
        "not of its type",
        "is missing",
        "client’s",
        "Windows-1252",
        "offsets",
    ):
        assert words in html

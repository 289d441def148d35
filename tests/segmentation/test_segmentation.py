import re
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from helpers import segmentation
from helpers.errors import ParamsError
from helpers.params import ROOT, load_params
from helpers.reporting.export import write_json
from helpers.reporting.findings import Findings
from helpers.reporting.words import money, percent
from helpers.segmentation import RFM, clusters, prove_scheme, scored, thresholds
from helpers.segmentation.moves import whole_months
from helpers.segmentation.profiles import is_personal
from helpers.segmentation.topic import Params
from helpers.study import Study

AS_OF = datetime(2024, 7, 1)
SETTINGS = {"level": 0.95, "seed": 1, "replicates": 200}
SEGMENTS = prove_scheme(RFM)


def people(recency, frequency, monetary):
    return pd.DataFrame(
        {
            "customer_id": [f"c{place}" for place in range(len(recency))],
            "recency_days": np.asarray(recency, float),
            "frequency": np.asarray(frequency, int),
            "monetary": np.asarray(monetary, float),
        }
    )


def run(orders, **changes):
    chosen = {"as_of": AS_OF, "since": None, "edges": None, "scheme": None, **SETTINGS, **changes}
    return segmentation.rfm(orders, **chosen)


def test_numbers_that_reach_back_beyond_the_period_say_how_far(ledger):
    orders = ledger([("a", "2024-05-01", 20.0), ("b", "2024-06-01", 10.0)])
    told = run(orders, since=datetime(2022, 7, 1)).definitions()["segments.revenue"]
    assert told.name == "Their net revenue, 24 months"
    assert "in the 24 months up to the period’s end" in told.text
    assert "months" not in run(orders).definitions()["segments.revenue"].text


def test_the_kits_own_scheme_is_a_partition_of_25_cells():
    assert len(prove_scheme(RFM)) == 25
    assert sum(len(codes) for codes in RFM.values()) == 25


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"Champions": ("55", "54")}, "no segment has 45"),
        ({"Recent": ("51", "55")}, r"several segments have 55 \(Champions, Recent\)"),
        ({"Recent": ("51", "61")}, r"there is no code 61 \(Recent\)"),
        (
            {"Champions": ("55",), "Lost": ("11", "12")},
            r"no segment has 45, 54; several segments have 12 \(Hibernating, Lost\)",
        ),
    ],
)
def test_a_scheme_that_is_no_partition_lists_the_cells(change, told):
    with pytest.raises(ValueError, match=told):
        prove_scheme({**RFM, **change})


def test_params_prove_a_scheme_when_they_load():
    with pytest.raises(ValueError, match="no segment has"):
        Params.model_validate({"scheme": {"All but one": [55]}})
    everyone = Params.model_validate({"scheme": {"Everyone": [int(code) for code in SEGMENTS]}})
    assert prove_scheme(everyone.scheme) == dict.fromkeys(SEGMENTS, "Everyone")


@pytest.mark.parametrize("name", ["New", "Reactivated", "Lapsed", "new", "before", "n"])
def test_a_segment_may_not_be_called_as_rows_and_columns_of_migration_are(name):
    codes = [code for code in SEGMENTS if code != "51"]
    with pytest.raises(ValueError, match=f"segment called {name}: migration calls"):
        Params.model_validate({"scheme": {name: ["51"], "Rest": codes}})


def test_a_refused_name_of_a_segment_is_told_with_its_file_and_key(params_folder):
    codes = ", ".join(f'"{code}"' for code in SEGMENTS if code != "51")
    folder = params_folder(
        "acme",
        f"""
        client: acme
        name: Acme
        currency: GBP
        locale: en_GB
        timezone: Europe/London
        data: {{tables: {{orders: {{from: DATA/orders.csv}}}}}}
        segmentation: {{scheme: {{New: ["51"], Rest: [{codes}]}}}}
        """,
        orders__csv="order_id,customer_id,ordered_at,revenue\n1,a,2024-01-01,1\n",
    )
    with pytest.raises(ParamsError, match=r"acme.yaml: segmentation: .*segment called New"):
        load_params("acme", folder=folder)


share_of_one = st.sampled_from([0.0, 0.3, 0.5, 0.75, 0.79, 0.9, 1.0])


@st.composite
def bases(draw):
    n = draw(st.integers(1, 80))
    once = draw(share_of_one)
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    frequency = np.where(rng.random(n) < once, 1, rng.integers(2, 9, n))
    monetary = draw(st.sampled_from(["equal", "skewed", "negative"]))
    amounts = {
        "equal": np.full(n, 10.0),
        "skewed": rng.lognormal(3, 1, n).round(0),
        "negative": rng.normal(0, 20, n).round(0),
    }
    return people(rng.integers(0, 30, n), frequency, amounts[monetary])


@settings(max_examples=150, deadline=None)
@given(bases(), st.integers(0, 2**31))
def test_equal_customers_have_equal_labels_and_shuffling_changes_none(base, seed):
    labelled = scored(base, thresholds(base), SEGMENTS)
    assert labelled["segment"].notna().all()
    by_value = labelled.groupby(["recency_days", "frequency", "monetary"])["segment"].nunique()
    assert (by_value == 1).all()
    shuffled = base.sample(frac=1, random_state=seed % 2**32)
    again = scored(shuffled, thresholds(shuffled), SEGMENTS).set_index("customer_id")["segment"]
    assert (again.loc[labelled["customer_id"]].to_numpy() == labelled["segment"].to_numpy()).all()


@settings(max_examples=100, deadline=None)
@given(bases())
def test_scores_rise_with_value_and_who_bought_once_scores_one(base):
    labelled = scored(base, thresholds(base), SEGMENTS)
    assert labelled[["r", "f", "m", "fm"]].isin(range(1, 6)).all(axis=None)
    assert (labelled.loc[labelled["frequency"] == 1, "f"] == 1).all()
    assert (labelled.loc[labelled["frequency"] > 1, "f"] > 1).all()
    for value, score, sign in (("recency_days", "r", -1), ("frequency", "f", 1), ("monetary", "m", 1)):
        ordered = labelled.sort_values(value)[score].to_numpy() * sign
        assert (np.diff(ordered) >= 0).all()


def test_frequency_and_money_are_averaged_and_rounded_half_up():
    base = people([1, 1], [1, 1], [1, 2])
    edges = segmentation.Thresholds(recency=(1, 2, 3, 4), frequency=(1, 2, 3, 4), monetary=(1, 1.2, 1.3, 1.4))
    frame = scored(base, edges, SEGMENTS)
    # F 1 with M 1 is 1; F 1 with M 5 is 3; F 1 with M 2 would be 1.5, rounded to 2.
    assert frame["fm"].tolist() == [1, 3]
    low = segmentation.Thresholds(recency=(1, 2, 3, 4), frequency=(1, 2, 3, 4), monetary=(1, 2, 3, 4))
    assert scored(base, low, SEGMENTS)["fm"].tolist() == [1, 2]


def test_what_a_score_means_leaves_no_value_between_two_scores_and_puts_none_in_both():
    edges = segmentation.Thresholds(
        recency=(10.3, 20, 20, 90), frequency=(1, 2, 3.25, 6), monetary=(12.5, 99, 250, 1000)
    )
    html = edges.table().html
    cells = [re.findall(r"<td[^>]*>(?:<bdi>)?(.*?)(?:</bdi>)?</td>", row) for row in html.split("<tr>")[2:]]
    # From score 5 down to 1.
    assert cells == [
        ["up to 10.3", "7 or more", "over £1,000"],
        ["over 10.3 up to 20.0", "4 to 6", "over £250 up to £1,000"],
        ["–", "3", "over £99.00 up to £250"],
        ["over 20.0 up to 90.0", "2", "over £12.50 up to £99.00"],
        ["over 90.0", "1", "up to £12.50"],
    ]
    # Each number of orders has the score in whose span it stands.
    scores = scored(people([1] * 7, range(1, 8), [1] * 7), edges, SEGMENTS)["f"].tolist()
    assert scores == [1, 2, 3, 4, 4, 4, 5]


def random_rows(seed=1, n=400, customers=120):
    rng = np.random.default_rng(seed)
    rows = [
        (
            f"c{rng.integers(customers)}",
            pd.Timestamp("2022-07-01") + pd.Timedelta(days=int(rng.integers(730))),
            round(rng.lognormal(3, 1), 2),
        )
        for _ in range(n)
    ]
    refunds = [(who, when + pd.Timedelta(days=2), -round(money / 3, 2), "refund") for who, when, money in rows[::17]]
    return [*rows, *refunds, (None, "2024-01-01", 33.33), ("only_refund", "2024-01-02", -4.44, "refund")]


def test_segments_add_up_to_the_ledger_to_the_cent(ledger):
    orders = ledger(random_rows())
    result = run(orders)
    total = orders.filter(orders.ordered_at < AS_OF).revenue.sum().execute()
    assert result.summary["revenue"].sum() + sum(result.apart.values()) == pytest.approx(total, abs=0.005)
    assert result.apart["guests"] == 33.33
    assert result.apart["customers with refunds only"] == -4.44
    assert result.summary["customers"].sum() == len(result.customers)
    assert result.checks()[0].status == "pass"


def test_rounding_of_large_sums_is_no_miss_and_an_order_that_is_missing_is_one(ledger):
    # In rials a ledger of 10^12 is usual; doubles of that size are 0.0001 apart, and thousands of them are summed.
    rng = np.random.default_rng(0)
    rows = [
        (f"c{place % 200}", "2024-01-01", float(amount)) for place, amount in enumerate(rng.gamma(2, 1e9, 500) / 1.09)
    ]
    result = run(ledger(rows))
    assert result.ledger > 5e11
    rounded = replace(result, ledger=result.ledger + 0.02).checks()[0]
    assert rounded.status == "pass"
    assert rounded.message.endswith("but for rounding of its sums.")
    assert rounded.threshold == f"< {1e-9 * result.ledger:.3f}"
    least = min(amount for _customer, _moment, amount in rows)
    assert replace(result, ledger=result.ledger + least).checks()[0].status == "fail"
    # In a small ledger a cent is a cent.
    small = run(ledger(random_rows()))
    assert small.checks()[0].threshold == "< 0.005"
    assert replace(small, ledger=small.ledger + 0.01).checks()[0].status == "fail"


def test_no_segment_has_a_share_of_a_net_revenue_that_is_not_positive(ledger):
    # 20 customers bring 10 each, 20 others 10 each less a refund of 30: 200 - 400 = -200, of which -400 is no 200 %.
    rows = [
        (f"{kind}{place}", f"2024-0{month}-01", 10.0) for kind, month in (("a", 3), ("b", 6)) for place in range(20)
    ]
    rows += [(f"a{place}", "2024-06-05", -30.0, "refund") for place in range(20)]
    result = run(ledger(rows))
    assert result.headline() == (
        "Net revenue of the customers in segments is not positive (-£200), so no segment has a share of it."
    )
    assert result.summary["revenue"].tolist() == [200, -400]
    assert result.summary["share_revenue"].isna().all()
    shares = [number.value for key, number in result.numbers().items() if key.endswith("share_revenue")]
    assert shares == [None, None]
    assert set(result.cards()) == {"segments.customers", "segments.revenue"}
    assert "200%" not in result.figure()._repr_html_()


def test_every_segment_has_shares_with_intervals(ledger):
    summary = run(ledger(random_rows())).summary
    assert summary["share_customers"].sum() == pytest.approx(1)
    assert summary["share_revenue"].sum() == pytest.approx(1)
    assert (summary["share_low"] <= summary["share_customers"]).all()
    assert (summary["revenue_low"] <= summary["share_revenue"]).all()
    assert (summary["share_revenue"] <= summary["revenue_high"]).all()


@pytest.mark.parametrize(
    "rows",
    [
        [("ann", "2024-01-01", 5)],
        [("ann", "2024-01-01", -5, "refund")],
        [(None, "2024-01-01", 5)],
        [("ann", "2024-01-01", 0), ("bob", "2024-01-02", 0)],
        [(f"c{place}", "2024-01-01", 5) for place in range(12)],
    ],
    ids=["one customer", "all refunds", "guests only", "free orders", "all equal"],
)
def test_thin_data_give_an_honest_report(ledger, rows):
    result = run(ledger(rows))
    assert result.headline()
    assert result.figure()._repr_html_()
    assert "nan" not in result.table()._repr_html_().lower()
    for number in result.numbers().values():
        assert number.value is None or np.isfinite(number.value)
    moves = migrate(ledger(rows))
    assert moves.figure()._repr_html_()
    worth = value(result.customers)
    assert worth._repr_html_()


def migrate(orders, start=datetime(2024, 1, 1), months=12):
    return segmentation.migration(
        orders, start=start, end=AS_OF, window_months=months, edges=None, scheme=None, **SETTINGS
    )


def test_migration_rows_add_up_and_counts_reconcile_with_both_dates(ledger):
    moves = migrate(ledger(random_rows(n=700)))
    assert moves.shares.sum(axis=1).to_numpy() == pytest.approx(1)
    assert moves.checks()[0].status == "pass"
    sizes = moves.sizes.set_index("segment")
    assert moves.counts.drop(columns="Lapsed").to_numpy().sum() == sizes["frozen"].sum()
    assert moves.counts.drop(index=["New", "Reactivated"], errors="ignore").to_numpy().sum() == sizes["before"].sum()


def test_migration_says_how_long_its_windows_are_and_whether_they_overlap(ledger):
    orders = ledger(random_rows(n=700))
    apart = migrate(orders, months=6).revenue_table()._repr_html_()
    assert "Each window has 6 months, the earlier one up to 1 Jan 2024, the later one up to" in apart
    assert "They overlap" not in apart
    assert "They overlap: what lies in both counts in both." in migrate(orders, months=12).revenue_table()._repr_html_()


def monthly(first, months, **changes):
    """Twelve customers with one order of 10 on the second of each month, or of other months by customer."""
    every = [*pd.date_range(first, periods=months, freq="MS")]
    return [
        (f"c{place}", month + pd.Timedelta(days=1), 10.0)
        for place in range(12)
        for month in changes.get(f"c{place}", every)
    ]


def test_windows_of_migration_are_as_long_as_the_log_holds_whole_before_the_first_date(ledger):
    # From January to December 2024: nine whole months before October, of which each of 12 customers fills each with 10.
    rows = monthly("2024-01-01", 12, c0=[pd.Timestamp("2024-01-01"), pd.Timestamp("2024-03-01")])
    rows.append((None, "2022-01-01", 99.0))  # a guest: nobody whom a window of identified customers would hold
    rows.append(("c1", "2024-01-01", 1.0))
    dates = {"start": datetime(2024, 10, 1), "end": datetime(2025, 1, 1), "window_months": 24}
    moves = segmentation.migration(ledger(rows), **dates, edges=None, scheme=None, **SETTINGS)
    assert (moves.window_months, moves.months_asked) == (9, 24)
    everyone = moves.revenue.iloc[-1]
    # 11 customers x 9 months x 10, with the 1 of January and the 20 of the customer who stopped in March.
    assert (everyone["before"], everyone["after"]) == (11 * 90 + 21, 11 * 90)
    numbers = moves.numbers()
    assert numbers["migration.lapsed"].value == 1
    # The earlier window is the whole log: nobody can have been away for longer.
    assert numbers["migration.reactivated"].value is None
    assert "came back" not in moves.sentence().text
    told = "24 months were asked for, but orders of identified customers before 1 Oct 2024 go back only 9 whole months"
    rests = "The thresholds of that day rest on the shorter window too."
    for shown in (moves.revenue_table(), moves.figure()):
        assert told in shown._repr_html_()
        assert rests in shown._repr_html_()
    assert "Each window has 9 months" in moves.revenue_table()._repr_html_()
    edges = segmentation.Thresholds(recency=(1, 2, 3, 4), frequency=(1, 2, 3, 4), monetary=(1, 2, 3, 4))
    given_edges = segmentation.migration(ledger(rows), **dates, edges=edges, scheme=None, **SETTINGS)
    assert told in given_edges.revenue_table()._repr_html_()
    assert rests not in given_edges.revenue_table()._repr_html_()


def test_revenue_of_a_shop_that_stands_still_does_not_move_where_the_log_is_short(ledger):
    # A year of steady orders at random, 45 days apart: the true difference of two windows of equal content is 0.
    rng = np.random.default_rng(1)
    rows = [
        (f"c{place}", pd.Timestamp("2024-01-01") + pd.Timedelta(days=float(at)), float(rng.gamma(4, 10)))
        for place in range(300)
        for at in rng.uniform(0, 366, rng.poisson(366 / 45))
    ]
    moves = segmentation.migration(
        ledger(rows),
        start=datetime(2024, 10, 1),
        end=datetime(2025, 1, 1),
        window_months=24,
        edges=None,
        scheme=None,
        **SETTINGS,
    )
    moved = moves.numbers()["migration.moved_revenue"]
    assert moved.low < 0 < moved.high


def test_without_a_whole_month_before_the_first_date_there_is_no_migration_and_no_count_of_zero(ledger):
    moves = migrate(ledger(monthly("2024-01-01", 6)), start=datetime(2024, 1, 31))
    told = "The data hold no window of a month or more before the period"
    assert told in moves.sentence().text
    assert told in moves.checks()[0].message
    assert told in moves.figure()._repr_html_()
    assert "Each window has" not in moves.figure()._repr_html_()
    assert moves.numbers() == {}
    assert migrate(ledger(monthly("2024-01-01", 6)), start=datetime(2024, 2, 2)).window_months == 1


@pytest.mark.parametrize(
    ("first", "start", "months"),
    [
        ("2024-01-01 09:00", "2024-10-01", 9),
        ("2024-01-02", "2024-10-01", 8),
        ("2024-01-31", "2024-03-01", 1),
        ("2024-02-29", "2024-03-31", 1),
        ("2024-03-01", "2024-03-20", 0),
    ],
)
def test_a_month_is_whole_from_the_day_of_the_first_order(first, start, months):
    assert whole_months(pd.Timestamp(first), datetime.fromisoformat(start)) == months


def test_windows_that_are_no_whole_years_may_differ_by_season_alone(ledger):
    season = "no whole years, so a season alone can make them differ"
    orders = ledger(random_rows(n=700))
    assert season in migrate(orders, months=9).revenue_table()._repr_html_()
    assert season not in migrate(orders, months=12).revenue_table()._repr_html_()
    # A year apart, both hold the same months.
    year = migrate(orders, months=9, start=datetime(2023, 7, 1))
    assert season not in year.revenue_table()._repr_html_()


def test_groups_by_value_are_not_called_as_segments_by_rfm_are(ledger):
    worth = value(run(ledger(random_rows())).customers)
    assert set(worth.customers["value_segment"]) <= set(worth.summary["segment"])
    assert not {name.lower() for name in worth.summary["segment"]} & {name.lower() for name in RFM}


def test_new_reactivated_and_lapsed_are_told_apart(ledger):
    rows = [
        ("stays", "2023-06-01", 10),
        ("stays", "2024-05-01", 10),
        ("lapses", "2023-02-01", 10),
        ("new", "2024-05-01", 10),
        ("back", "2021-01-01", 10),
        ("back", "2024-05-01", 10),
    ]
    moves = migrate(ledger(rows))
    found = {key: number.value for key, number in moves.numbers().items()}
    assert (found["migration.new"], found["migration.reactivated"], found["migration.lapsed"]) == (1, 1, 1)


def test_moved_revenue_is_that_of_the_same_customers_with_an_interval(ledger):
    moves = migrate(ledger(random_rows(n=700)))
    table = moves.revenue.set_index("segment")
    parts, total = table.drop(index="All who were there"), table.loc["All who were there"]
    assert parts[["customers", "before", "after", "moved"]].sum().to_numpy() == pytest.approx(
        total[["customers", "before", "after", "moved"]].to_numpy(float)
    )
    assert total["low"] < total["moved"] < total["high"]


def test_a_decline_of_the_whole_base_shows_under_frozen_thresholds_only(ledger):
    rng = np.random.default_rng(4)
    rows = []
    for place in range(300):
        pace = rng.integers(1, 9)
        rows += [
            (f"c{place}", pd.Timestamp("2023-01-01") + pd.Timedelta(days=int(d)), 20.0)
            for d in rng.integers(0, 364, pace)
        ]
        # In the later window everybody orders half as much and not since March.
        rows += [
            (f"c{place}", pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(d)), 10.0)
            for d in rng.integers(0, 60, pace // 2)
        ]
    sizes = migrate(ledger(rows), months=6).sizes.set_index("segment")
    share = sizes / sizes.sum()
    weak = ["At Risk", "Can’t Lose", "Hibernating", "Lost", "About to Sleep", "Needs Attention"]
    assert share.loc[weak, "frozen"].sum() > share.loc[weak, "before"].sum() + 0.2
    assert abs(share.loc[weak, "requantiled"].sum() - share.loc[weak, "before"].sum()) < 0.15


def test_a_playbook_may_be_typed_with_a_straight_apostrophe():
    summary = pd.DataFrame({"segment": ["Can’t Lose"], "customers": [3]})
    content = {"Can't Lose": {"action": "Call them."}}
    found = segmentation.playbook(content, summary, segments=["Can’t Lose", "Lost"], path="playbook.yaml")
    assert found.entries["action"].tolist() == ["Call them."]


def value(customers, **changes):
    chosen = {
        "as_of": AS_OF,
        "window_months": 24,
        "horizon_months": 12,
        "margin": 0.4,
        **SETTINGS,
        **changes,
    }
    return segmentation.value_segments(customers, **chosen)


def test_the_simple_value_is_the_formula_of_the_definition_without_the_cac_that_is_spent():
    # AOV 20, 6 orders in 3 months, 12 months ahead at 50 %: 20 x 2 x 12 x .5 = 240.
    frame = pd.DataFrame({"aov": [20.0], "frequency": [6], "tenure_days": [3 * 365.25 / 12]})
    found = segmentation.simple_value(frame, months=24, horizon_months=12, margin=0.5)
    assert found.iat[0] == pytest.approx(240)


def test_value_groups_hold_everyone_once_also_at_a_negative_margin(ledger):
    customers = run(ledger(random_rows())).customers
    for margin in (0.4, -0.2):
        worth = value(customers, margin=margin)
        assert worth.summary["customers"].sum() == len(customers)
        assert worth.summary["share"].sum() == pytest.approx(1)
        assert np.sign(worth.mean[0]) == np.sign(margin)


def test_where_the_models_values_must_not_be_used_the_simple_formula_is_no_way_out(ledger):
    customers = run(ledger(random_rows())).customers
    told = "must not be used, and this formula is no better founded"
    assert told in value(customers, barred=True)._repr_html_()
    assert told in value(customers, barred=True).definitions()["value.predicted_mean"].text
    assert told not in value(customers)._repr_html_()


def test_a_study_knows_what_another_topic_must_not_be_used_for(tmp_path):
    study = SimpleNamespace(folder=tmp_path)
    assert not Study.barred(study, "clv")
    for status, barred in (("ok", False), ("blocked", True)):
        found = Findings(client="acme", period="2024", topic="clv", status=status, reason="-")
        write_json(tmp_path / "clv.json", found.to_json())
        assert Study.barred(study, "clv") == barred
    # And the notebook asks.
    assert "study.barred" in (ROOT / "notebooks" / "segmentation.ipynb").read_text()


def blobs(n=600, k=4, spread=0.35, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0], [4, 4], [0, 4], [4, 0]])[:k]
    label = rng.integers(0, k, n)
    points = centres[label] + rng.normal(0, spread, (n, 2))
    return pd.DataFrame({"channel: a": points[:, 0], "channel: b": points[:, 1]}), label


@pytest.mark.parametrize("k", [2, 3, 4])
def test_planted_clusters_are_recovered(k):
    points, label = blobs(k=k)
    found = clusters(points, share_customers=1.0, most=6, seed=1)
    assert found.stable
    assert found.k == k
    assert adjusted_rand_score(label, found.labels) > 0.9


def test_each_cluster_has_its_own_jaccard():
    # The smallest is tight and far from two large ones that touch: resampling always finds it whole, and not them.
    rng = np.random.default_rng(0)
    wide = [rng.normal(centre, 0.55, (n, 2)) for centre, n in (((0, 3), 250), ((1.6, 3), 200))]
    points = np.vstack([*wide, rng.normal((1, 6), 0.05, (60, 2))])
    found = clusters(pd.DataFrame(points, columns=["channel: a", "channel: b"]), share_customers=1.0, most=3, seed=1)
    assert found.stable
    assert found.labels.iloc[-60:].eq(3).all()
    assert found.jaccard[2] == pytest.approx(1)
    assert max(found.jaccard[:2]) < 0.99
    assert found.numbers()["clusters.jaccard"].value == min(found.jaccard)


def test_clusters_are_told_by_the_feature_in_which_they_differ_most_from_all_who_were_clustered():
    # Two groups of 200 order by web nine times in ten and once in ten, at 60 each; 100 others differ by order value alone.
    rng = np.random.default_rng(2)
    groups = {0.9: (200, 60.0), 0.1: (200, 60.0), 0.5: (100, 600.0)}
    found = pd.concat(
        [
            pd.DataFrame({"aov": value * rng.lognormal(0, 0.05, n), "channel: web": share + rng.normal(0, 0.02, n)})
            for share, (n, value) in groups.items()
        ],
        ignore_index=True,
    )
    result = clusters(found, share_customers=1.0, most=4, seed=1)
    assert result.stable
    assert result.k == 3
    web = found["channel: web"].groupby(result.labels).mean()
    every = percent(found["channel: web"].mean())
    told = result.table().html
    assert percent(web[1]) != percent(web[2])
    for cluster in (1, 2):
        assert f"Cluster {cluster}: Orders by web {percent(web[cluster])} against {every}." in told
    # (400 x 60 + 100 x 600) / 500 = 168.
    value, mean = found["aov"].iloc[400:].mean(), found["aov"].mean()
    assert mean == pytest.approx(168, rel=0.02)
    assert f"Cluster 3: Order value {money(value)} against {money(mean)}." in told


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise_has_no_stable_segments_and_shows_none(kind):
    rng = np.random.default_rng(5)
    points = rng.normal(size=(400, 3)) if kind == "normal" else rng.uniform(size=(400, 3))
    found = clusters(
        pd.DataFrame(points, columns=["channel: a", "channel: b", "channel: c"]), share_customers=1.0, most=5, seed=1
    )
    assert not found.stable
    assert (found.labels == 0).all()
    assert found.tables() == {}
    assert "No stable segments" in found.sentence().text
    assert found.checks()[0].status == "warn"


def test_few_customers_are_not_clustered():
    found = clusters(pd.DataFrame({"aov": [1.0, 2.0, 3.0]}), share_customers=0.1, most=4, seed=1)
    assert "Too few customers" in found.sentence().text


def test_customers_who_do_not_differ_are_not_said_to_be_too_few():
    alike = pd.DataFrame({"orders_a_month": np.ones(500), "aov": np.full(500, 20.0)})
    found = clusters(alike, share_customers=1.0, most=4, seed=1)
    assert found.sentence().text == (
        "The 500 customers who ordered three times or more do not differ in what was measured, so there are no behavioural "
        "clusters to look for."
    )
    # Nothing was clustered, so there is no silhouette, not one of 0.
    assert found.numbers()["clusters.silhouette"].value is None


def test_orders_of_no_known_channel_and_surcharges_leave_every_feature_a_number():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{place % 150:03d}" for place in range(900)],
            "ordered_at": pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 500, 900), unit="D"),
            "revenue": rng.gamma(2, 10, 900).round(2) + 1,
            "channel": rng.choice(["web", "shop", "app"], 900),
            "discount": rng.choice([0.0, 2.0], 900),
            "kind": "order",
        }
    ).astype({"ordered_at": "datetime64[us]"})
    frame.loc[frame["customer_id"] == "c000", "channel"] = None
    frame.loc[frame["customer_id"] == "c001", "discount"] = -frame["revenue"]
    orders = ibis.duckdb.connect().create_table("orders", ibis.memtable(frame))
    found, share = segmentation.features(orders, as_of=AS_OF, since=None)
    shares = [name for name in found if name.startswith("channel: ")]
    assert (found.loc["c000", shares] == 0).all()
    assert found.loc["c001", "discount_share"] == 0
    assert clusters(found, share_customers=share, most=3, seed=1).k
    found.loc["c002", "aov"] = np.nan
    with pytest.raises(ValueError, match="c002"):
        clusters(found, share_customers=share, most=3, seed=1)


def test_behaviour_is_that_of_customers_with_three_orders(ledger):
    rows = [("ann", f"2024-0{month}-01", 30) for month in (1, 2, 3)] + [("bob", "2024-01-01", 10)]
    found, share = segmentation.features(ledger(rows), as_of=AS_OF, since=None)
    assert share == 0.5
    assert found.loc["ann", "aov"] == 30
    # Two orders after the first, within the 60 days to the last.
    assert found.loc["ann", "orders_a_month"] == pytest.approx(2 / (60 / (365.25 / 12)))


@pytest.fixture
def profiled():
    rng = np.random.default_rng(7)
    n = 400
    segments = pd.DataFrame(
        {"customer_id": [f"c{place}" for place in range(n)], "segment": np.repeat(["Best", "Rest"], n // 2)}
    )
    attributes = pd.DataFrame(
        {
            "customer_id": segments["customer_id"],
            "price_plan": np.where(rng.random(n) < np.where(segments["segment"] == "Best", 0.8, 0.2), "gold", "tin"),
            "town": np.where(np.arange(n) < 4, "Tiny", "Big"),
            "email": [f"person{place}@example.com" for place in range(n)],
            "contact": [f"+44 20 7946 {place:04d}" for place in range(n)],
            "last_name": "Secretname",
        }
    )
    con = ibis.duckdb.connect()
    table = con.create_table("customers", ibis.memtable(attributes))
    return segmentation.profiles(segments, table, below=10, level=0.95)


def test_a_profile_is_an_index_against_the_base_with_an_interval(profiled):
    gold = profiled.cells.set_index(["segment", "attribute", "value"]).loc[("Best", "price_plan", "gold")]
    assert gold["index"] == pytest.approx(100 * gold["share"] / gold["base"])
    assert 100 < gold["low"] < gold["index"] < gold["high"]
    assert "price plan" in profiled.table().html
    assert "price_plan" not in profiled.table().html


def test_a_clients_own_column_called_segment_is_compared_as_any_other():
    names = [f"c{place}" for place in range(60)]
    segments = pd.DataFrame({"customer_id": names, "segment": ["Best"] * 30 + ["Rest"] * 30})
    # Of the 30 best, 20 are businesses; of the rest, 10: shares of 2/3 and 1/3 against a base of 1/2.
    trade = ["B2B"] * 20 + ["B2C"] * 10 + ["B2B"] * 10 + ["B2C"] * 20
    customers = ibis.memtable(pd.DataFrame({"customer_id": names, "segment": trade}))
    cells = segmentation.profiles(segments, customers, below=5, level=0.95).cells
    index = cells.set_index(["segment", "attribute", "value"])["index"]
    assert index["Best", "segment", "B2B"] == pytest.approx(100 * (20 / 30) / (30 / 60))
    assert index["Rest", "segment", "B2B"] == pytest.approx(100 * (10 / 30) / (30 / 60))


def test_small_cells_are_suppressed_and_counted(profiled):
    assert "Tiny" not in set(profiled.cells["value"])
    assert profiled.suppressed == 1
    assert (profiled.cells["customers"] >= 10).all()


def test_no_email_phone_or_name_is_shown(profiled):
    assert profiled.personal == ("email", "contact", "last_name")
    html = profiled._repr_html_() + profiled.cells.to_csv()
    for secret in ("@example.com", "7946", "Secretname"):
        assert secret not in html


@pytest.mark.parametrize(
    ("name", "values", "personal"),
    [
        ("e-mail", ["x"], True),
        ("note", ["a@b.co"] * 3, True),
        ("mobile_no", ["1"], True),
        ("plan", ["gold"], False),
        ("region", ["North"], False),
    ],
)
def test_personal_columns_are_known_by_name_or_by_values(name, values, personal):
    assert is_personal(pd.Series(values, name=name)) == personal


def test_a_playbook_gives_each_segment_an_action_that_is_an_assumption(ledger):
    result = run(ledger(random_rows()))
    content = {name: {"trait": "t", "action": "Do x.", "example": "e"} for name in RFM}
    plays = segmentation.playbook(content, result.summary, segments=RFM, path="p.yaml")
    assert len(plays.decisions()) == len(result.summary)
    assert {decision.evidence for decision in plays.decisions()} == {"assumption"}
    with pytest.raises(ParamsError, match=r"p.yaml: no segment is called 'Chmpions'"):
        segmentation.playbook({"Chmpions": {}}, result.summary, segments=RFM, path="p.yaml")
    with pytest.raises(ParamsError, match=r"p.yaml: Lost must have trait, action, example"):
        segmentation.playbook({"Lost": {"acton": "x"}}, result.summary, segments=RFM, path="p.yaml")
    silent = segmentation.playbook({}, result.summary, segments=RFM, path="p.yaml")
    assert "No entry in the playbook" in silent._repr_html_()
    assert silent.decisions() == []


def test_value_takes_the_clv_model_where_it_has_something_to_give():
    people = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "monetary": [100.0, 50.0, 10.0],
            "aov": [10.0, 10.0, 10.0],
            "frequency": [10, 5, 1],
            "first_at": pd.to_datetime(["2024-01-01"] * 3),
        }
    )
    common = {
        "as_of": pd.Timestamp("2024-07-01"),
        "window_months": 12,
        "horizon_months": 12,
        "margin": 0.5,
    }
    rest = {"level": 0.9, "seed": 1, "replicates": 50}
    plain = segmentation.value_segments(people, **common, **rest)
    model = segmentation.value_segments(
        people, **common, **rest, clv=pd.DataFrame({"customer_id": ["c", "a", "b"], "value": [7.0, 1.0, 2.0]})
    )
    assert "Simple formula" in plain.method
    assert "By the simple formula" in plain.table()._repr_html_()
    assert "Predicted, GBP" in model.table()._repr_html_()
    assert "CLV model" in model.method
    assert model.customers["predicted_value"].tolist() == [1.0, 2.0, 7.0]
    assert model.customers.set_index("customer_id")["value_segment"]["c"] == "Potential"

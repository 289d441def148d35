from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import pulse
from helpers.pulse.bridge import split
from helpers.stats.intervals import wilson

NOW = (datetime(2024, 4, 1), datetime(2024, 7, 1))
LAST = (datetime(2024, 1, 1), datetime(2024, 4, 1))
SETTINGS = {"level": 0.95, "seed": 1, "replicates": 200}

# Ann orders twice now (30 + 10) and has 5 refunded; bob once now (20), new; cat only before; a guest; a cancelled order.
ROWS = [
    ("ann", "2024-01-10", 40),
    ("cat", "2024-02-10", 60),
    ("ann", "2024-04-10", 30),
    ("ann", "2024-05-10", 10),
    ("ann", "2024-05-20", -5, "refund"),
    ("bob", "2024-06-10", 20),
    ("cat", "2024-06-11", -15, "refund"),
    (None, "2024-06-12", 7),
    ("bob", "2024-06-13", 0, "cancelled"),
    ("dan", "2024-08-01", 99),
]


@pytest.fixture
def see(ledger):
    def run(rows, *, last=LAST):
        return pulse.activity(ledger(rows), now=NOW, last=last, year=None, observed_until=NOW[1])

    return run


def find(seen):
    return pulse.kpis(seen, label="2024-Q2", repeat_days=90, **SETTINGS)


def test_the_kpis_of_a_tiny_ledger_are_those_of_pen_and_paper(see):
    found = {key: number.value for key, number in find(see(ROWS)).numbers().items()}
    assert found["customers"] == 3
    assert found["customers.active"] == 2
    assert found["orders"] == 3
    assert found["revenue"] == 30 + 10 - 5 + 20 - 15
    assert found["revenue.total"] == 47
    assert (found["guests.orders"], found["guests.revenue"]) == (1, 7)
    assert found["refunds.revenue"] == -20
    assert found["arpu.active"] == 40 / 2
    assert found["arpu.registered"] == pytest.approx(40 / 3)
    assert found["aov"] == pytest.approx(40 / 3)
    assert found["aov.median"] == 20
    assert found["frequency"] == 3 / 2
    assert found["repeat_rate.lifetime"] == pytest.approx(1 / 3)
    assert found["revenue.change_last"] == pytest.approx(40 / 100 - 1)
    assert found["arpu.active"] == pytest.approx(found["frequency"] * found["aov"])


def test_n_is_the_denominator(see):
    found = find(see(ROWS)).numbers()
    # Three orders of two active customers; three customers with any order or refund.
    assert {
        key: found[key].n for key in ("aov", "frequency", "arpu.active", "arpu.registered", "orders.zero_share")
    } == {
        "aov": 3,
        "frequency": 2,
        "arpu.active": 2,
        "arpu.registered": 3,
        "orders.zero_share": 3,
    }


def test_who_only_cancelled_is_no_customer_and_what_was_given_back_still_counts(see):
    rows = [*ROWS, ("eve", "2024-05-03", 0, "cancelled"), ("fay", "2024-05-03", -4, "cancelled")]
    found = find(see(rows)).numbers()
    assert (found["customers"].value, found["customers"].n, found["arpu.registered"].n) == (3, 3, 3)
    assert found["revenue"].value == 40 - 4
    assert found["arpu.registered"].value == pytest.approx(36 / 3)


def test_the_share_of_free_orders_is_that_of_drawn_customers(see):
    # Two of 20 customers order 50 times each for nothing, the others 5 times for money: orders are far from independent.
    rows = [(f"f{n}", "2024-05-05", 0) for n in range(2) for _ in range(50)]
    rows += [(f"p{n}", "2024-05-05", 10) for n in range(18) for _ in range(5)]
    found = find(see(rows)).numbers()["orders.zero_share"]
    assert found.value == pytest.approx(100 / 190)
    orders_alone = wilson(100, 190, level=0.95)
    assert found.high - found.low > 3 * (orders_alone.high - orders_alone.low)
    paid = find(see(rows[100:])).numbers()["orders.zero_share"]
    assert (paid.value, paid.low, paid.high) == (0, None, None)


def test_every_ratio_has_interval_n_and_definition(see):
    rng = np.random.default_rng(1)
    rows = [(f"c{rng.integers(200)}", f"2024-0{rng.integers(1, 7)}-15", rng.lognormal(3, 1)) for _ in range(900)]
    result = find(see(rows))
    numbers, definitions = result.numbers(), result.definitions()
    for key in (
        "arpu.active",
        "arpu.registered",
        "aov",
        "aov.median",
        "frequency",
        "repeat_rate.lifetime",
        "repeat_rate.90d",
    ):
        number = numbers[key]
        assert number.low < number.value < number.high, key
        assert number.n > 0
        assert number.level == 0.95
        assert definitions[number.definition].text


def test_a_second_order_counts_only_for_cohorts_that_were_watched_long_enough(see):
    old = [(f"o{place}", "2024-01-05", 10) for place in range(8)]
    again = [(f"o{place}", "2024-02-05", 10) for place in range(4)]
    young = [(f"y{place}", "2024-06-25", 10) for place in range(6)]
    found = find(see([*old, *again, *young])).numbers()["repeat_rate.90d"]
    assert (found.value, found.n) == (0.5, 8)


def test_where_few_were_watched_long_enough_the_estimate_is_kaplan_meiers(see):
    # One of 11 is watched 90 days and longer, the others 29 to 30 days; two order again after 10 days: 1 - 9/11.
    rows = [("old", "2024-03-01", 10), *((f"c{place}", "2024-06-01", 10) for place in range(10))]
    found = find(see([*rows, ("c0", "2024-06-11", 5), ("c1", "2024-06-11", 5)])).numbers()["repeat_rate.90d"]
    assert found.value == pytest.approx(2 / 11)
    assert found.n == 11


def test_where_nobody_was_watched_long_enough_no_share_is_told(see):
    # Exponential gaps of 60 days: 78 % order again within 90 (1 - exp(-1.5)), which 30 days of data cannot tell.
    rng = np.random.default_rng(0)
    rows = []
    for place, gap in enumerate(rng.exponential(60, 400)):
        first = datetime(2024, 6, 1) + timedelta(days=rng.uniform(0, 30))
        again = first + timedelta(days=gap)
        rows += [(f"c{place}", when, 10) for when in (first, again) if when < NOW[1]]
    result = find(see(rows))
    found = result.numbers()["repeat_rate.90d"]
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)
    assert (
        find(see([(f"c{place}", "2024-06-01", 10) for place in range(10)])).numbers()["repeat_rate.90d"].value is None
    )
    assert "nothing where nobody was" in result.definitions()["repeat_rate.90d"].text
    assert result.table() is not None


HOSTILE = {
    "one customer": [("ann", "2024-05-01", 10)],
    "one order before": [("ann", "2024-02-01", 10)],
    "all refunds": [("ann", "2024-05-01", -10, "refund"), ("bob", "2024-05-02", -5, "refund")],
    "guests only": [(None, "2024-05-01", 10)],
    "free orders": [("ann", "2024-05-01", 0), ("bob", "2024-05-01", 0)],
    "nothing in the period": [("ann", "2024-02-01", 10), ("ann", "2024-08-01", 10)],
    "refunds outweigh": [("ann", "2024-05-01", 10), ("ann", "2024-05-02", -50, "refund"), ("bob", "2024-05-02", 10)],
}


@pytest.mark.parametrize("rows", HOSTILE.values(), ids=HOSTILE.keys())
def test_thin_data_give_an_honest_report_and_no_crash(see, ledger, rows):
    seen = see(rows)
    results = [
        find(seen),
        pulse.bridge(seen, **SETTINGS),
        pulse.flow(seen, level=0.95),
        pulse.concentration(seen, level=0.95, seed=1),
        pulse.cohorts(ledger(rows), end=NOW[1], shown=12, level=0.95),
    ]
    for result in results:
        assert result._repr_html_()
        assert "nan" not in result.table()._repr_html_().lower()
        for number in result.numbers().values():
            assert number.value is None or np.isfinite(number.value)
    assert results[0].headline()


def test_all_refunds_are_told_and_divide_nothing(see):
    found = find(see(HOSTILE["all refunds"])).numbers()
    assert found["revenue"].value == -15
    assert found["orders"].value == 0
    assert found["aov"].value is None
    assert found["arpu.active"].value is None


def test_the_order_of_rows_changes_nothing(see):
    forward, backward = (find(see(rows)).numbers() for rows in (ROWS, ROWS[::-1]))
    assert {key: number.value for key, number in forward.items()} == pytest.approx(
        {key: number.value for key, number in backward.items()}
    )


def test_net_revenue_of_the_groups_and_refunds_beside_them_are_the_periods(see):
    seen = see(ROWS)
    found = pulse.flow(seen, level=0.95)
    here = found.groups[found.groups["group"] != "lapsed"]
    assert found.apart == -15
    assert here["revenue"].sum() + found.apart == find(seen).numbers()["revenue"].value
    assert "did not order in this period, -£15.00, are in its net revenue as well" in found.table().html
    alone = pulse.flow(see([row for row in ROWS if row[0] != "cat"]), level=0.95)
    assert "as well" not in alone.table().html


def test_flow_reconciles_with_both_periods(see):
    rng = np.random.default_rng(3)
    rows = [(f"c{rng.integers(60)}", f"202{rng.integers(3, 5)}-0{rng.integers(1, 7)}-15", 5) for _ in range(150)]
    seen = see(rows)
    groups = pulse.flow(seen, level=0.95).groups.set_index("group")["customers"]
    people = seen.customers
    assert groups["new"] + groups["returning"] + groups["reactivated"] == (people["orders_now"] > 0).sum()
    assert groups["returning"] + groups["lapsed"] == (people["orders_last"] > 0).sum()
    assert (groups > 0).all()


def test_the_bridge_of_a_tiny_ledger_is_that_of_pen_and_paper(see):
    # Before: one new customer, 1 order of 10. Now: the same (first year) with 2 orders of 15 each.
    result = pulse.bridge(
        see([("ann", "2024-02-01", 10), ("ann", "2024-05-01", 15), ("ann", "2024-05-02", 15)]), **SETTINGS
    )
    assert (result.before, result.now) == (10, 30)
    # The segment 'new' vanishes and 'first year' appears: all of the change is mix.
    assert result.effects == pytest.approx({"mix": 20, "frequency": 0, "aov": 0, "refunds": 0})


def test_frequency_and_order_value_share_a_change_within_a_segment(see):
    rows = [("ann", "2022-01-01", 1), ("ann", "2024-02-01", 10), ("ann", "2024-05-01", 15), ("ann", "2024-05-02", 15)]
    effects = pulse.bridge(see(rows), **SETTINGS).effects
    # df = 1 at mean value 12.5; da = 5 at mean frequency 1.5.
    assert effects == pytest.approx({"mix": 0, "frequency": 12.5, "aov": 7.5, "refunds": 0})


def test_the_bridges_title_names_the_largest_part_of_the_changes_own_way(see):
    # Many new customers of 40 weigh down what the old ones added: mix is the largest in size, and points down.
    rows = [(f"o{n}", when, 100) for n in range(60) for when in ("2022-01-05", "2024-02-05")]
    rows += [(f"o{n}", "2024-05-05", 125) for n in range(60)] + [(f"o{n}", "2024-05-25", 125) for n in range(20)]
    result = pulse.bridge(see([*rows, *((f"n{n}", "2024-05-07", 40) for n in range(39))]), **SETTINGS)
    assert result.now > result.before
    assert max(result.effects, key=lambda key: abs(result.effects[key])) == "mix"
    assert result.largest == "frequency"
    # (80 x 125 + 39 x 40) / 99 - 100
    assert "rose by £16.77; the largest part is frequency" in result.figure()._repr_html_()


def test_a_bridge_of_no_change_says_so(see):
    rows = [(f"o{n}", when, 100) for n in range(50) for when in ("2022-01-05", "2024-02-05", "2024-05-05")]
    result = pulse.bridge(see(rows), **SETTINGS)
    assert result.largest is None
    assert "Revenue per active customer did not change on the period before" in result.figure()._repr_html_()


counts = st.integers(0, 50)
amounts = st.floats(-1e5, 1e5)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(counts, st.integers(0, 5), amounts), min_size=6, max_size=6), amounts, amounts)
def test_the_bridge_closes_whatever_appears_or_vanishes(cells, late_before, late_now):
    active = np.array([cell[0] for cell in cells], float)
    active[0] += 1
    active[3] += 1
    orders = active * (1 + np.array([cell[1] for cell in cells]))
    revenue = np.where(active > 0, [cell[2] for cell in cells], 0.0)
    before = [*active[:3], *orders[:3], *revenue[:3], late_before]
    now = [*active[3:], *orders[3:], *revenue[3:], late_now]
    arpu = [(sum(part[6:9]) + part[9]) / sum(part[:3]) for part in (before, now)]
    effects = split(np.array([*before, *now]))
    assert effects.sum() == pytest.approx(
        arpu[1] - arpu[0], abs=1e-9 * max(1, *np.abs(revenue), abs(late_before), abs(late_now))
    )


def test_the_decimals_of_the_bridge_close_on_real_shapes(see):
    rng = np.random.default_rng(9)
    rows = [
        (f"c{rng.integers(80)}", f"202{rng.integers(2, 5)}-0{rng.integers(1, 7)}-15", round(rng.lognormal(3, 1), 2))
        for _ in range(600)
    ]
    result = pulse.bridge(see(rows), **SETTINGS)
    assert abs(result.gap) < 1e-9
    assert result.checks()[0].status == "pass"
    arpu = find(see(rows)).numbers()["arpu.active"].value
    assert result.now == pytest.approx(arpu, abs=1e-9)


def test_cohorts_mask_the_months_that_the_data_cut(ledger):
    rows = [("ann", "2024-01-10", 1), ("ann", "2024-02-10", 1), ("bob", "2024-02-20", 1), ("ann", "2024-03-05", 1)]
    cells = pulse.cohorts(ledger(rows), end=datetime(2024, 3, 15), shown=12, level=0.95).cells
    assert [(f"{row.cohort:%Y-%m}", row.month, row.customers, row.ordered) for row in cells.itertuples()] == [
        ("2024-01", 0, 1, 1),
        ("2024-01", 1, 1, 1),
        ("2024-02", 0, 1, 1),
    ]
    whole = pulse.cohorts(ledger(rows), end=datetime(2024, 4, 1), shown=12, level=0.95).cells
    assert len(whole) == 5


def test_deciles_hold_all_revenue_and_leave_out_who_brought_none(see):
    rows = [(f"c{place:02d}", "2024-05-01", place) for place in range(21)] + [
        ("neg", "2024-05-01", 5),
        ("neg", "2024-05-02", -9, "refund"),
    ]
    result = pulse.concentration(see(rows), level=0.95, seed=1)
    assert result.deciles["revenue"].sum() == sum(range(21))
    assert result.deciles["cumulative"].iloc[-1] == pytest.approx(1)
    assert (result.n, result.excluded) == (20, 2)
    assert result.deciles["share"].iloc[0] == pytest.approx((20 + 19) / 210)
    assert result.top == pytest.approx((20 + 19) / 210)


@pytest.mark.parametrize("n", [1, 3, 5, 9, 11, 15, 19, 20, 25])
def test_a_tenth_of_equal_customers_carries_a_tenth(see, n):
    result = pulse.concentration(see([(f"c{place}", "2024-06-05", 10) for place in range(n)]), level=0.95, seed=1)
    assert result.numbers()["concentration.top_decile"].value == pytest.approx(0.1)
    assert ("not each is a tenth exactly" in result.table()._repr_html_()) == (n != 20)


def test_a_top_tenth_that_is_no_whole_number_takes_its_part_of_the_next_customer(see):
    # 15 customers of 1 to 15, in all 120: the largest one and half of the next.
    result = pulse.concentration(
        see([(f"c{place}", "2024-06-05", place) for place in range(1, 16)]), level=0.95, seed=1
    )
    assert result.top == pytest.approx((15 + 14 / 2) / 120)


def test_the_headline_says_no_significant_change_when_the_interval_holds_zero(see):
    rng = np.random.default_rng(1)
    rows = [(f"c{place}", f"2024-0{month}-15", rng.lognormal(3, 1)) for place in range(80) for month in (2, 5)]
    assert "No significant change on the period before" in find(see(rows)).headline()
    more = [(who, when, money * (4 if "-05-" in when else 1)) for who, when, money in rows]
    assert "more than in the period before" in find(see(more)).headline()


def test_the_headline_judges_a_season_against_the_same_one_a_year_ago(ledger):
    rng = np.random.default_rng(1)
    # Every spring brings four times the winter's money, and this one no more than the last.
    rows = [
        (f"c{place}", f"{year}-0{month}-15", rng.lognormal(3, 1) * (4 if month == 5 else 1))
        for place in range(80)
        for year in (2023, 2024)
        for month in (2, 5)
    ]
    year = (datetime(2023, 4, 1), datetime(2023, 7, 1))
    found = find(pulse.activity(ledger(rows), now=NOW, last=LAST, year=year, observed_until=NOW[1]))
    told = found.headline()
    ends = found.numbers()["arpu.active.change_year"]
    assert ends.low < 0 < ends.high
    assert told.index("No significant change on the same period a year ago") < told.index(
        "On the period before it is +"
    )
    assert "(interval +" in told
    assert "the season is in that" in told

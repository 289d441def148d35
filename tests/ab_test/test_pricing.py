"""What a difference is in money: gains are gains, profit is not taken a margin of, and only new customers count as such."""

import numpy as np
import pandas as pd
import pytest

from helpers import ab_test
from tests.ab_test.pipe import analysed, findings, registered
from tests.ab_test.test_topic import units

REACHED = 10_000
CURVE = pd.DataFrame({"month": [0, 24], "value": [20.0, 60.0], "low": [19.0, 50.0], "high": [21.0, 70.0]})


@pytest.fixture(scope="module")
def frame():
    """The treatment refunds 2 less, earns 1 more profit, and 10 points more of its units click."""
    made = units(4000, lift=0.1, seed=4)
    treated = (made["variant"] == "treatment").to_numpy()
    rng = np.random.default_rng(8)
    return made.assign(
        refund_amount=rng.gamma(4, np.where(treated, 1.0, 1.5)),
        profit=rng.normal(10 + treated, 2),
        amount_x=rng.normal(10 + treated, 2),
        y=rng.normal(10 + treated, 2),
        service_cost=rng.normal(10 - treated, 2),
    )


def priced(frame, metric, *, new_customer=None, **options):
    """Money of a test of one metric, and the metric's difference."""
    metric = {"type": "mean", "role": "success"} | metric
    tests = analysed(frame, registered(metrics=[metric], eligible_per_month=REACHED, **options))
    return ab_test.worth(tests, margin=0.4, new_customer=new_customer), tests[0].judged[0].effect.difference.value


def test_less_of_what_is_better_less_is_a_gain(frame):
    """2 a unit less is refunded: of 10,000 units a month 20,000 of revenue are kept, which are 8,000 at a margin of 40 %."""
    worth, difference = priced(frame, {"name": "refunds", "column": "refund_amount", "better": "less"})
    (row,) = worth.rows.to_dict("records")
    assert difference == pytest.approx(-2, abs=0.3)
    assert row["raw"] == pytest.approx(-difference * REACHED * 0.4)
    for part in ("raw", "shrunk"):
        assert 0 < row[f"{part}_low"] < row[part] < row[f"{part}_high"]
    assert row["shrunk"] < row["raw"]


@pytest.mark.parametrize(
    ("metric", "share"),
    [
        ({"column": "profit"}, 1.0),
        ({"column": "amount_x"}, 0.4),
        ({"column": "amount_x", "counts": "profit"}, 1.0),
        ({"column": "profit", "counts": "revenue"}, 0.4),
        ({"column": "y", "unit": "money", "counts": "revenue"}, 0.4),
        ({"column": "service_cost", "counts": "profit", "better": "less"}, -1.0),
    ],
)
def test_a_margin_is_taken_of_revenue_alone(frame, metric, share):
    worth, difference = priced(frame, {"name": "x"} | metric)
    assert worth.rows["raw"].tolist() == pytest.approx([difference * REACHED * share])
    (definition,) = {number.definition for name, number in worth.numbers().items() if name.endswith(".raw")}
    assert ("margin of 40.0%" in worth.definitions()[definition].text) == (abs(share) == 0.4)
    assert ("margin of 40.0%" in worth.table()._repr_html_()) == (abs(share) == 0.4)


@pytest.mark.parametrize(
    "metric",
    [
        {"column": "y", "unit": "money"},
        {"column": "service_cost", "unit": "money", "better": "less"},
        {"column": "refund_amount"},  # more of it is not better, whatever the params say by leaving it out
    ],
)
def test_an_amount_of_which_nobody_says_what_it_is_has_no_price(frame, metric):
    worth, _difference = priced(frame, {"name": "x"} | metric)
    assert worth.rows.empty
    assert "Not turned into money: T, x. Nothing says whether it is revenue or profit" in worth.sentence()._repr_html_()


@pytest.mark.parametrize("better", ["more", "less"])
def test_a_share_is_priced_only_where_it_counts_new_customers(frame, better):
    """A click, or a customer who leaves, is no new customer at their lifetime value."""
    metric = {"name": "clicked", "type": "proportion", "column": "converted", "better": better}
    worth, difference = priced(frame, metric, new_customer=CURVE)
    assert worth.rows.empty
    assert "T, clicked. Nothing says that each is a new customer" in worth.sentence()._repr_html_()
    assert findings((), worth).numbers == {}
    if better == "more":
        counted, _difference = priced(frame, metric | {"counts": "new_customers"}, new_customer=CURVE)
        (row,) = counted.rows.to_dict("records")
        assert (row["through"], row["raw"]) == ("clv", pytest.approx(difference * REACHED * 60))
        numbers = findings((), counted)
        definition = numbers.definitions[numbers.numbers["t.clicked.treatment.monthly_clv.raw"].definition]
        assert "lifetime value of a new customer" in definition.text


def test_new_customers_of_whom_no_lifetime_value_is_known_have_no_price(frame):
    metric = {"name": "joined", "type": "proportion", "column": "converted", "counts": "new_customers"}
    worth, _difference = priced(frame, metric)
    assert worth.rows.empty
    assert "T, joined. What a new customer is worth is not known." in worth.sentence()._repr_html_()


def test_a_share_beside_an_amount_needs_no_price(frame):
    metrics = [
        {"name": "clicked", "type": "proportion", "column": "converted", "role": "success"},
        {"name": "revenue", "type": "mean", "column": "revenue", "role": "success"},
    ]
    worth = ab_test.worth(analysed(frame, registered(metrics=metrics)), margin=0.4, new_customer=CURVE)
    assert worth.rows["id"].tolist() == ["t.revenue.treatment"]
    assert worth.unpriced == ""


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ({"type": "mean", "counts": "new_customers"}, "for a proportion or a count of which more is better"),
        ({"type": "proportion", "counts": "new_customers", "better": "less"}, "of which more is better"),
        ({"type": "proportion", "counts": "profit"}, "for a mean a unit on the linear scale"),
        ({"type": "mean", "scale": "log", "counts": "revenue"}, "for a mean a unit on the linear scale"),
    ],
)
def test_what_a_metric_counts_must_fit_its_type(metric, told):
    with pytest.raises(ValueError, match=told):
        registered(metrics=[{"name": "x", "column": "x"} | metric])

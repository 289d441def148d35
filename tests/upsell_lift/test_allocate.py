"""Allocation and rules against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.upsell_lift import allocate as module
from helpers.upsell_lift.allocate import allocate
from helpers.upsell_lift.tree import LEAST_LEAF, Question, grow, questions


def best_of_all(profit, cost, budget):
    n, offers = profit.shape
    found = 0.0
    for choice in itertools.product(range(offers + 1), repeat=n):
        rows = [(row, pick - 1) for row, pick in enumerate(choice) if pick]
        if sum(cost[place] for place in rows) <= budget + 1e-9:
            found = max(found, sum(profit[place] for place in rows))
    return found


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 3), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_small_allocations_are_the_best_there_are(seed, n, offers, share):
    rng = np.random.default_rng(seed)
    profit, cost = rng.normal(1, 2, (n, offers)), rng.gamma(2, 1, (n, offers))
    budget = share * cost.sum()
    found = allocate(profit, cost, budget=budget)
    assert found.profit == pytest.approx(best_of_all(profit, cost, budget), abs=1e-6)
    assert found.cost <= budget + 1e-6


@pytest.mark.parametrize("seed", range(8))
def test_the_quick_way_is_within_its_gap_of_the_best(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    profit, cost = rng.normal(1, 2, (300, 3)), rng.gamma(2, 1, (300, 3))
    budget = 120.0
    exact = allocate(profit, cost, budget=budget)
    monkeypatch.setattr(module, "EXACT", 0)
    quick = allocate(profit, cost, budget=budget)
    assert quick.cost <= budget * (1 + 1e-9)
    assert exact.profit - quick.gap - 1e-9 <= quick.profit <= exact.profit + 1e-6


def test_without_a_budget_each_gets_the_best_that_earns():
    profit = np.array([[1.0, 2.0], [-1.0, -2.0], [3.0, 0.0]])
    assert allocate(profit, np.ones((3, 2))).choice.tolist() == [2, 0, 1]


def test_what_costs_nothing_is_always_made():
    profit, cost = np.array([[1.0], [2.0]]), np.zeros((2, 1))
    assert allocate(profit, cost, budget=0).choice.tolist() == [1, 1]


def test_a_negative_cost_is_refused():
    with pytest.raises(ValueError, match="cost and budget must be >= 0"):
        allocate(np.ones((2, 1)), -np.ones((2, 1)), budget=1)


def best_rule(X, gain):
    """Every tree of two questions, tried one by one."""
    asked, n = questions(X), len(X)
    found = max(0.0, *gain.sum(axis=0))

    def leaf(inside):
        return max(0.0, *gain[inside].sum(axis=0))

    for first in asked:
        sides = [~first.asked(X), first.asked(X)]
        if min(side.sum() for side in sides) < LEAST_LEAF * n:
            continue
        total = 0.0
        for side in sides:
            own = [leaf(side)]
            for second in asked:
                parts = [side & ~second.asked(X), side & second.asked(X)]
                if min(part.sum() for part in parts) >= LEAST_LEAF * n:
                    own.append(sum(leaf(part) for part in parts))
            total += max(own)
        found = max(found, total)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_rule_is_the_best_of_all_rules(seed):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=80), rng.random(80) < 0.3, rng.integers(0, 5, 80)]).astype(float)
    gain = rng.normal(size=(80, 2)) + np.column_stack([X[:, 0], 1 - 2 * X[:, 1]])
    tree = grow(X, gain, seed=1)
    choice = tree.choose(X)
    earned = np.column_stack([np.zeros(80), gain])[np.arange(80), choice].sum()
    assert earned == pytest.approx(best_rule(X, gain))


def test_a_rule_asks_nothing_where_nothing_differs():
    tree = grow(np.ones((50, 0)), np.full((50, 1), -1.0), seed=1)
    assert (tree.first, tree.choose(np.ones((3, 0))).tolist()) == (None, [0, 0, 0])


def test_a_level_of_a_category_is_one_question():
    assert questions(np.array([[0.0], [1.0], [1.0]])) == [Question(column=0, cut=0.5)]

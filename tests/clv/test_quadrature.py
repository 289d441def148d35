"""The compiled quadrature and its series against SciPy's and against plain sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from helpers.clv.expect import MONTH, expected_if_alive
from helpers.clv.quadrature import NODES, POINTS, SMALLEST_P, beta_nodes, orders_while_alive, series


@pytest.mark.parametrize(("first", "second"), [(0.8, 2.5), (1.0, 1.0), (5.0, 300.0), (0.05, 0.2), (12.0, 3.0)])
def test_beta_nodes_integrate_as_scipys_do(first, second):
    nodes, weights = beta_nodes(first, second)
    order = np.argsort(nodes)
    known, shares = special.roots_jacobi(NODES, second - 1, first - 1)
    np.testing.assert_allclose(nodes[order], (1 + known) / 2, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(weights[order], shares / shares.sum(), rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(weights @ nodes, first / (first + second), rtol=1e-12)


def plainly(parameters, x, T, ahead, stay, faster):
    """The same expectation summed over SciPy's nodes, history by history."""
    found = []
    for orders, days in zip(x, T, strict=True):
        known, shares = special.roots_jacobi(NODES, parameters["b"] + orders, parameters["a"] - 1)
        p = np.maximum((1 + known) / 2 - stay, SMALLEST_P)[:, None]
        log = np.log1p(faster * p * ahead / (parameters["alpha"] + days))
        found.append(shares / shares.sum() @ (-np.expm1(-(parameters["r"] + orders) * log) / p))
    return np.array(found)


@pytest.mark.parametrize("seed", range(40))
def test_the_series_tells_what_the_quadrature_tells(seed):
    rng = np.random.default_rng(seed)
    low, high = np.log([[0.1, 1.0, 0.1, 0.2], [8.0, 400.0, 8.0, 20.0]])
    parameters = dict(zip(("r", "alpha", "a", "b"), np.exp(rng.uniform(low, high)), strict=True))
    T = rng.integers(1, 1500, 30).astype(float)
    x = np.minimum(rng.poisson(rng.gamma(parameters["r"], 1 / parameters["alpha"], 30) * T), 150).astype(float)
    ahead = MONTH * np.arange(1, rng.choice([3, 12, 60]) + 1)
    for change in ({"stay": 0.0, "faster": 1.0}, {"stay": 0.01, "faster": 1.2}):
        found = expected_if_alive("mbg_nbd", parameters, x=x, T=T, ahead=ahead, **change)
        np.testing.assert_allclose(found, plainly(parameters, x, T, ahead, **change), rtol=1e-8)


@pytest.mark.parametrize(("x", "reach", "terms"), [(4, 1.0, POINTS // 2), (150, 3.0, POINTS)])
def test_a_series_is_as_long_as_it_must_be(x, reach, terms):
    found, s = np.empty(POINTS), np.linspace(0, reach, 7)
    assert series(0.6, 0.8, 2.5, x, x + 1, reach, 0.0, found) == terms
    told = np.polynomial.chebyshev.chebval(2 * s / reach - 1, found[:terms])
    known = plainly({"r": 0.6, "alpha": 1.0, "a": 0.8, "b": 2.5}, [x], [0.0], np.expm1(s), 0.0, 1.0)[0]
    np.testing.assert_allclose(told, known, rtol=1e-9, atol=1e-10)


def test_the_days_ahead_may_come_in_any_order_and_be_none():
    parameters, x, T = {"r": 0.6, "alpha": 40.0, "a": 0.8, "b": 2.5}, np.array([0.0, 3.0]), np.array([30.0, 400.0])
    ahead = np.array([300.0, 0.0, 30.0])
    found = expected_if_alive("mbg_nbd", parameters, x=x, T=T, ahead=ahead)
    np.testing.assert_allclose(found, plainly(parameters, x, T, ahead, 0.0, 1.0), rtol=1e-9, atol=1e-12)
    nothing = expected_if_alive("mbg_nbd", parameters, x=x, T=T, ahead=np.zeros(1))
    np.testing.assert_allclose(nothing, 0.0, atol=1e-12)


def test_one_compiled_form_serves_every_layout_of_the_data():
    """A warm kernel has one form loaded; another would be compiled, or read from disk, in each."""
    pairs = np.array([[1.0, 30.0], [4.0, 200.0]])
    parameters = {"r": np.float64(0.6), "alpha": 40.0, "a": 0.8, "b": 2.5}
    for x, T in ((pairs[:, 0], pairs[:, 1]), (np.array([1, 4]), np.array([30, 200]))):
        expected_if_alive("mbg_nbd", parameters, x=x, T=T, ahead=np.arange(1, 4))
    assert len(orders_while_alive.signatures) == 1

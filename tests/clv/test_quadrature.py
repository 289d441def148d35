"""The compiled quadrature and its series against SciPy's and against plain sums."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import integrate, special

from helpers.clv.expect import MONTH, expected_if_alive
from helpers.clv.quadrature import NODES, POINTS, beta_nodes, enough_nodes, orders_while_alive, series

MANY = 200


@pytest.mark.parametrize("size", [NODES, 128])
@pytest.mark.parametrize(("first", "second"), [(0.8, 2.5), (1.0, 1.0), (5.0, 300.0), (0.05, 0.2), (12.0, 3.0)])
def test_beta_nodes_integrate_as_scipys_do(first, second, size):
    nodes, weights = beta_nodes(first, second, size)
    order = np.argsort(nodes)
    known, shares = special.roots_jacobi(size, second - 1, first - 1)
    np.testing.assert_allclose(nodes[order], (1 + known) / 2, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(weights[order], shares / shares.sum(), rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(weights @ nodes, first / (first + second), rtol=1e-12)


def plainly(parameters, x, T, ahead, dropout, faster):
    """The same expectation summed over many of SciPy's nodes, history by history."""
    found = []
    for orders, days in zip(x, T, strict=True):
        known, shares = special.roots_jacobi(MANY, parameters["b"] + orders, parameters["a"] - 1)
        p = dropout * (1 + known)[:, None] / 2
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
    for change in ({"dropout": 1.0, "faster": 1.0}, {"dropout": 0.7, "faster": 1.2}):
        found = expected_if_alive("mbg_nbd", parameters, x=x, T=T, ahead=ahead, **change)
        np.testing.assert_allclose(found, plainly(parameters, x, T, ahead, **change), rtol=3e-6)


@pytest.mark.parametrize(("x", "reach", "terms"), [(4, 1.0, POINTS // 2), (150, 3.0, POINTS)])
def test_a_series_is_as_long_as_it_must_be(x, reach, terms):
    found, s = np.empty(POINTS), np.linspace(0, reach, 7)
    assert series(0.6, 0.8, 2.5, x, x + 1, reach, found) == terms
    told = np.polynomial.chebyshev.chebval(2 * s / reach - 1, found[:terms])
    known = plainly({"r": 0.6, "alpha": 1.0, "a": 0.8, "b": 2.5}, [x], [0.0], np.expm1(s), 1.0, 1.0)[0]
    np.testing.assert_allclose(told, known, rtol=1e-6, atol=1e-10)


def by_parts(r, alpha, a, b, x, T, t):
    """SciPy's adaptive quadrature of the same expectation, in u = p^a, piece by piece."""
    second = b + x + 1
    log_beta = special.betaln(a, second)

    def inside(u):
        p = u ** (1 / a)
        return -np.expm1(-(r + x) * np.log1p(p * t / (alpha + T))) / p * (1 - p) ** (second - 1) / a * np.exp(-log_beta)

    edges = [0.0, *(np.array([1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5]) ** a), 1.0]
    pieces = [integrate.quad(inside, *ends, limit=400, epsabs=0, epsrel=1e-10)[0] for ends in itertools.pairwise(edges)]
    return sum(pieces)


@pytest.mark.parametrize(
    ("r", "alpha", "a", "b", "x", "T", "months"),
    [
        (0.6, 3.0, 0.3, 8.0, 0, 0, 60),  # sixteen nodes told 4 % too little
        (1.0, 7.0, 0.3, 6.0, 4, 30, 60),
        (4.5, 10.0, 0.3, 3.0, 0, 0, 60),
        (4.0, 2.0, 0.05, 3.0, 0, 0, 60),  # sixteen nodes told a fifth too little
        (0.5, 0.5, 0.02, 6.0, 0, 0, 60),  # thousands of mean gaps ahead
        (7.0, 0.5, 0.9, 9.0, 30, 5, 60),
        (0.3, 5.0, 2.5, 0.7, 0, 0, 36),
        (0.8, 60.0, 0.9, 3.0, 5, 300, 24),
    ],
)
def test_frequent_buyers_are_expected_to_order_as_often_as_adaptive_quadrature_says(r, alpha, a, b, x, T, months):
    ahead = MONTH * np.array([1.0, months / 2, months])
    found = expected_if_alive(
        "mbg_nbd", {"r": r, "alpha": alpha, "a": a, "b": b}, x=np.array([float(x)]), T=np.array([float(T)]), ahead=ahead
    )[0]
    np.testing.assert_allclose(found, [by_parts(r, alpha, a, b, x, T, t) for t in ahead], rtol=2e-6)


def test_an_ordinary_base_needs_no_more_nodes_than_the_least():
    """Customers who order every two to four months, two years ahead, from new ones to those of forty orders."""
    for alpha in (50.0, 60.0, 90.0):
        for x in (0, 1, 5, 20, 40):
            assert enough_nodes(0.9, 3.0 + x + 1, 0.8 + x, 24 * MONTH / (alpha + 20.0 * x)) == NODES


def test_who_never_stops_orders_at_the_mean_rate():
    """(r + x) / (alpha + T) a day, and a factor on drop-out that falls to nothing leads there."""
    x, T, ahead = np.array([0.0, 3.0]), np.array([30.0, 400.0]), np.array([30.0, 300.0])
    for process, shape in (("mbg_nbd", {"a": 0.8, "b": 2.5}), ("pareto_nbd", {"s": 0.8, "beta": 200.0})):
        parameters = {"r": 0.6, "alpha": 40.0, **shape}
        never = expected_if_alive(process, parameters, x=x, T=T, ahead=ahead, dropout=0.0)
        np.testing.assert_allclose(never, ((0.6 + x) / (40 + T))[:, None] * ahead)
        hardly = expected_if_alive(process, parameters, x=x, T=T, ahead=ahead, dropout=1e-7)
        np.testing.assert_allclose(hardly, never, rtol=1e-5)


def test_the_days_ahead_may_come_in_any_order_and_be_none():
    parameters, x, T = {"r": 0.6, "alpha": 40.0, "a": 0.8, "b": 2.5}, np.array([0.0, 3.0]), np.array([30.0, 400.0])
    ahead = np.array([300.0, 0.0, 30.0])
    found = expected_if_alive("mbg_nbd", parameters, x=x, T=T, ahead=ahead)
    np.testing.assert_allclose(found, plainly(parameters, x, T, ahead, 1.0, 1.0), rtol=1e-8, atol=1e-12)
    nothing = expected_if_alive("mbg_nbd", parameters, x=x, T=T, ahead=np.zeros(1))
    np.testing.assert_allclose(nothing, 0.0, atol=1e-12)


def test_one_compiled_form_serves_every_layout_of_the_data():
    """A warm kernel has one form loaded; another would be compiled, or read from disk, in each."""
    pairs = np.array([[1.0, 30.0], [4.0, 200.0]])
    parameters = {"r": np.float64(0.6), "alpha": 40.0, "a": 0.8, "b": 2.5}
    for x, T in ((pairs[:, 0], pairs[:, 1]), (np.array([1, 4]), np.array([30, 200]))):
        expected_if_alive("mbg_nbd", parameters, x=x, T=T, ahead=np.arange(1, 4))
    assert len(orders_while_alive.signatures) == 1

"""Expectations over Beta densities, compiled by Numba: Gauss-Jacobi quadrature, and a Chebyshev series of one.

Numba's compiled functions take positional arguments.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# As many nodes as most bases need; twice as many, and so on, where customers may order often within the time ahead.
NODES, MOST = 16, 512
# Logarithm of what the nodes may miss, relative to the whole; they miss less.
CLOSE = -16.0
# Of the series: half as many do where the last two coefficients are that small beside the first, as they are for most bases.
# With all of them, 300 random bases (up to 300 orders within days) stayed within 1e-9 of the quadrature itself.
POINTS = 32
SMALL = 1e-11
SWEEPS = 60
TINY = np.finfo(float).eps


@njit(cache=True)
def beta_nodes(first, second, size):
    """Nodes and weights for expectations over Beta(first, second), shape (size,) each; the weights sum to 1.

    The nodes are the eigenvalues of the Jacobi matrix, the weights the squares of its eigenvectors' first entries (Golub &
    Welsch 1969), both by implicit QL steps (Martin & Wilkinson 1968).
    """
    # Jacobi polynomials on (-1, 1) with weight (1 - z)^(second - 1) (1 + z)^(first - 1); p = (1 + z) / 2.
    one, two = second - 1.0, first - 1.0
    diagonal, off, entry = np.empty(size), np.zeros(size), np.zeros(size)
    diagonal[0] = (two - one) / (one + two + 2)
    off[0] = np.sqrt(4 * (1 + one) * (1 + two) / ((2 + one + two) ** 2 * (3 + one + two)))
    for k in range(1, size):
        total = 2 * k + one + two
        diagonal[k] = (two**2 - one**2) / (total * (total + 2))
        if k > 1:
            off[k - 1] = np.sqrt(
                4 * k * (k + one) * (k + two) * (k + one + two) / (total**2 * (total + 1) * (total - 1))
            )
    entry[0] = 1.0
    for low in range(size):
        for _sweep in range(SWEEPS):
            high = low
            while high < size - 1 and abs(off[high]) > TINY * (abs(diagonal[high]) + abs(diagonal[high + 1])):
                high += 1
            if high == low:
                break
            ratio = (diagonal[low + 1] - diagonal[low]) / (2 * off[low])
            shift = diagonal[high] - diagonal[low] + off[low] / (ratio + np.copysign(np.sqrt(ratio**2 + 1.0), ratio))
            sine, cosine, taken = 1.0, 1.0, 0.0
            for k in range(high - 1, low - 1, -1):
                bulge, side = sine * off[k], cosine * off[k]
                length = np.sqrt(bulge**2 + shift**2)
                off[k + 1] = length
                sine, cosine = bulge / length, shift / length
                shift = diagonal[k + 1] - taken
                turned = (diagonal[k] - shift) * sine + 2 * cosine * side
                taken = sine * turned
                diagonal[k + 1] = shift + taken
                shift = cosine * turned - side
                entry[k], entry[k + 1] = (
                    cosine * entry[k] - sine * entry[k + 1],
                    sine * entry[k] + cosine * entry[k + 1],
                )
            diagonal[low] -= taken
            off[low] = shift
            off[high] = 0.0
    return np.minimum(np.maximum((1 + diagonal) / 2, 1e-300), 1.0), entry**2


@njit(cache=True)
def enough_nodes(first, second, power, ratio):
    """Nodes with which E[(1 - (1 + p ratio)^-power) / p], p ~ Beta(first, second), is told to `CLOSE`; `MOST` at most.

    The integrand is smooth up to p = -1 / ratio, and near there it grows like (1 - u)^-power, u = -p ratio. What n nodes miss
    is about the least over u of that times exp(-4 sqrt(n (n + first + second) u / ratio)), as the rate of convergence is
    that of the ellipse (n far above `second`: on (0, 1)) or parabola (far below: Laguerre's) through it.
    """
    size = NODES
    while size < MOST:
        speed = 4 * np.sqrt(size * (size + first + second) / ratio)
        root = speed / (power + np.sqrt(power**2 + speed**2))  # sqrt(u) of the least
        if -power * np.log1p(-(root**2)) - speed * root <= CLOSE:
            break
        size *= 2
    return size


@njit(cache=True)
def series(r, a, b, x, chances, reach, found):
    """Chebyshev coefficients over s in (0, reach) of E[(1 - (1 + p (e^s - 1))^-(r + x)) / p], p ~ Beta(a, b + chances).

    They are put into `found`, shape (POINTS,); how many there are is given back.
    """
    size = enough_nodes(a, b + chances, r + x, np.expm1(reach))
    nodes, weights = beta_nodes(a, b + chances, size)
    points = POINTS // 2
    while True:
        found[:points] = 0.0
        for point in range(points):
            z = np.cos(np.pi * (point + 0.5) / points)
            ratio = np.expm1((z + 1) / 2 * reach)
            value = 0.0
            for k in range(size):
                value -= weights[k] * np.expm1(-(r + x) * np.log1p(nodes[k] * ratio)) / nodes[k]
            before, term = z, 1.0  # of degree -1 and 0
            for degree in range(points):
                found[degree] += value * term
                before, term = term, 2 * z * term - before
        found[:points] *= 2 / points
        found[0] /= 2
        if points == POINTS or abs(found[points - 1]) + abs(found[points - 2]) <= SMALL * abs(found[0]):
            return points
        points = POINTS


@njit(cache=True)
def orders_while_alive(r, alpha, a, b, at, counts, chances, T, ahead, faster):
    """E[(1 - (1 + p t / (alpha + T))^-(r + x)) / p] with p ~ Beta(a, b + chances), for every row and every t ahead, shape (n, t).

    For one x it is a smooth function of s = log(1 + t / (alpha + T)), the same for all T: it is worked out at Chebyshev
    points, and the series (Clenshaw 1955) tells all rows. It is told to about a millionth up to t / (alpha + T) of some
    thousands, for any a and b; with `MOST` nodes and no more, beyond it is not.

    Args:
        r: With `alpha`, of the rate.
        alpha: Days.
        a: With `b`, of the drop-out.
        b: The same.
        at: Place of each row's x among the distinct ones, shape (n,).
        counts: Distinct x, shape (c,).
        chances: To drop out, for each distinct x, shape (c,).
        T: Days observed, shape (n,).
        ahead: Days, not negative, shape (t,).
        faster: Factor on the rate.
    """
    farthest = faster * max(np.max(ahead), 1.0)  # an interval needs a length, also where nothing lies ahead
    reach = np.zeros(len(counts))
    for row in range(len(T)):
        reach[at[row]] = max(reach[at[row]], np.log1p(farthest / (alpha + T[row])))
    told, terms = np.empty((len(counts), POINTS)), np.empty(len(counts), np.int64)
    for place in range(len(counts)):
        terms[place] = series(r, a, b, counts[place], chances[place], reach[place], told[place])
    found = np.empty((len(T), len(ahead)))
    z, before = np.empty(len(ahead)), np.empty(len(ahead))
    for row in range(len(T)):
        own, last = told[at[row]], found[row]
        for place in range(len(ahead)):
            z[place] = 2 * np.log1p(faster * ahead[place] / (alpha + T[row])) / reach[at[row]] - 1
            before[place], last[place] = 0.0, 0.0
        for degree in range(terms[at[row]] - 1, 0, -1):
            for place in range(len(ahead)):
                now = 2 * z[place] * last[place] - before[place] + own[degree]
                before[place], last[place] = last[place], now
        for place in range(len(ahead)):
            last[place] = z[place] * last[place] - before[place] + own[0]
    return found

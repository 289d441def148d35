"""Looking more than once: group-sequential boundaries by alpha spending, and what they make of a p-value and an interval.

At look k with information fraction t_k, what may be spent so far is a function of t_k alone, so looks need no plan (Lan & DeMets
1983). The boundary spends exactly that: the density of the statistic that has crossed none so far is carried from look to look by
numerical integration (Armitage, McPherson & Rowe 1969; Jennison & Turnbull 2000, ch. 19).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Spending = Literal["obrien_fleming", "pocock", "hwang_shih_decani"]
# Statistics beyond this have no probability worth the name (1e-23); a boundary there means: do not stop.
FARTHEST = 10.0
NODES = 8
# Panels of the integral, in standard deviations of what a look adds.
PANEL = 1.5
MOST_PANELS = 4000
GAMMA = -4.0


def spent(fraction: float, *, alpha: float, spending: Spending, gamma: float = GAMMA) -> float:
    """Two-sided alpha that may be spent up to an information fraction; all of it at 1 and beyond.

    O'Brien-Fleming type and Pocock type of Lan & DeMets (1983); Hwang, Shih & DeCani (1990). Each side has half, as its own
    function of alpha / 2: gsDesign's convention.

    Raises:
        ValueError: The fraction is not positive.
    """
    if not fraction > 0:
        raise ValueError(f"fraction == {fraction}, must be > 0")
    t, side = min(fraction, 1.0), alpha / 2
    if spending == "obrien_fleming":
        return float(4 * ndtr(ndtri(side / 2) / math.sqrt(t)))
    if spending == "pocock":
        return 2 * side * math.log1p((math.e - 1) * t)
    return 2 * side * (t if gamma == 0 else math.expm1(-gamma * t) / math.expm1(-gamma))


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """Two-sided critical values of the looks so far.

    Attributes:
        fractions: Shape (K,), information of each look over the planned maximum.
        critical: Shape (K,), |z| beyond which the test stops.
        spent: Shape (K,), alpha spent up to each look.
    """

    fractions: NDArray
    critical: NDArray
    spent: NDArray


class _Walk:
    """The statistic's density among runs that have not crossed, on nodes of the last look; drift is E[Z] at t = 1."""

    def __init__(self, drift: float = 0.0) -> None:
        self.drift, self.at = drift, 0.0
        # B(t) = Z sqrt(t): it starts at 0 with certainty.
        self.nodes, self.weights = np.zeros(1), np.ones(1)

    def crossing(self, t: float, critical: float) -> float:
        """Probability of no crossing so far and of |Z(t)| >= critical."""
        return float(sum(self.crossings(t, critical)))

    def crossings(self, t: float, critical: float) -> tuple[float, float]:
        """The same, above and below."""
        reach, step = critical * math.sqrt(t), math.sqrt(t - self.at)
        centre = self.nodes + self.drift * (t - self.at)
        return (
            float(self.weights @ ndtr((centre - reach) / step)),
            float(self.weights @ ndtr((-reach - centre) / step)),
        )

    def move(self, t: float, critical: float) -> None:
        """Go on to the next look, with what stays inside."""
        step = math.sqrt(t - self.at)
        reach = min(critical, FARTHEST) * math.sqrt(t)
        centre = self.nodes + self.drift * (t - self.at)
        # Beyond the critical value there is nothing, and far from where the walk can be there is nothing either.
        low = max(-reach, float(centre.min()) - FARTHEST * step)
        high = min(reach, float(centre.max()) + FARTHEST * step)
        panels = min(max(2, math.ceil((high - low) / (PANEL * step))), MOST_PANELS)
        edges = np.linspace(low, high, panels + 1)
        x, w = np.polynomial.legendre.leggauss(NODES)
        half = np.diff(edges)[:, None] / 2
        nodes = (edges[:-1, None] + half * (x + 1)).ravel()
        weights = (half * w).ravel()
        density = np.zeros(len(nodes))
        for start in range(0, len(centre), 2000):
            z = (nodes[:, None] - centre[None, start : start + 2000]) / step
            density += np.exp(-0.5 * z * z) @ self.weights[start : start + 2000]
        self.nodes, self.weights, self.at = nodes, weights * density / (step * math.sqrt(2 * math.pi)), t


def boundary(
    fractions: Sequence[float] | NDArray,
    *,
    alpha: float = 0.05,
    spending: Spending = "obrien_fleming",
    gamma: float = GAMMA,
    final: bool = False,
) -> Boundary:
    """Critical values at any information times.

    Args:
        fractions: Shape (K,), increasing; information (units, or 1 / variance) over the planned maximum.
        alpha: Two-sided.
        spending: The spending function.
        gamma: Of Hwang, Shih & DeCani's family.
        final: The last look ends the test whatever its information: it spends all that is left.

    Raises:
        ValueError: Information does not grow from look to look.
    """
    times = np.asarray(fractions, dtype=float)
    if not len(times) or times[0] <= 0 or (np.diff(times) <= 0).any():
        raise ValueError(f"fractions == {times.tolist()}, must be positive and grow from look to look")
    allowed = np.array([spent(t, alpha=alpha, spending=spending, gamma=gamma) for t in times])
    if final:
        allowed[-1] = alpha
    return spend(times, allowed)


def spend(times: NDArray, allowed: NDArray) -> Boundary:
    """Boundary that has spent given amounts up to each look: for looks whose spending is already on record.

    Args:
        times: Shape (K,), information of each look, increasing; any unit.
        allowed: Shape (K,), two-sided alpha spent up to each.
    """
    walk, critical, before = _Walk(), [], 0.0
    for place, (t, upto) in enumerate(zip(times, allowed, strict=True)):
        now = _critical(walk, float(t), float(upto) - before)
        critical.append(now)
        before = max(before, float(upto))
        if place < len(times) - 1:
            walk.move(float(t), now)
    return Boundary(fractions=times, critical=np.array(critical), spent=np.maximum.accumulate(allowed))


def _critical(walk: _Walk, t: float, budget: float) -> float:
    """The |z| whose crossing has a given probability; infinite where nothing may be spent."""
    if budget <= 0 or walk.crossing(t, FARTHEST) >= budget:
        return math.inf
    return float(brentq(lambda z: walk.crossing(t, z) - budget, 0.0, FARTHEST, xtol=1e-10))


def crossing_probabilities(found: Boundary, *, drift: float = 0.0) -> tuple[NDArray, NDArray]:
    """Probability of stopping at each look, above and below; shape (K,) each.

    Args:
        found: The boundary.
        drift: Expected z at information fraction 1; 0 is the null, (z_{1 - alpha / 2} + z_power) the planned effect.
    """
    walk, above, below = _Walk(drift), [], []
    for t, critical in zip(found.fractions, found.critical, strict=True):
        high, low = walk.crossings(float(t), min(float(critical), FARTHEST * 4))
        above.append(high)
        below.append(low)
        walk.move(float(t), float(critical))
    return np.array(above), np.array(below)


@dataclass(frozen=True, kw_only=True)
class Look:
    """The test at its latest look.

    Attributes:
        critical: Of |z| at this look: with it, `compare` gives the repeated confidence interval.
        p: Repeated p-value: the smallest alpha at which this look would stop the test (Jennison & Turnbull 1989).
        crossed: Whether the test stops here; p <= alpha says the same.
        spent: Alpha spent so far.
    """

    critical: float
    p: float
    crossed: bool
    spent: float


def look(
    statistic: float,
    fractions: Sequence[float] | NDArray,
    *,
    alpha: float = 0.05,
    spending: Spending = "obrien_fleming",
    gamma: float = GAMMA,
    final: bool = False,
) -> Look:
    """Critical value and repeated p-value of the latest look.

    Args:
        statistic: z of this look.
        fractions: Information fractions of all looks so far, this one last.
        alpha: Two-sided.
        spending: The spending function.
        gamma: Of Hwang, Shih & DeCani's family.
        final: This look ends the test.
    """
    found = boundary(fractions, alpha=alpha, spending=spending, gamma=gamma, final=final)
    critical, size = float(found.critical[-1]), abs(statistic)

    def beyond(log_level: float) -> float:
        level = math.exp(log_level)
        edge = boundary(fractions, alpha=level, spending=spending, gamma=gamma, final=final).critical[-1]
        return min(float(edge), FARTHEST) - min(size, FARTHEST)

    low, high = math.log(1e-15), math.log(1 - 1e-9)
    if beyond(low) <= 0:
        p = 1e-15
    elif beyond(high) >= 0:
        p = 1.0
    else:
        p = math.exp(float(brentq(beyond, low, high, xtol=1e-9)))
    crossed = size > critical
    # Near the boundary the root is known to nine digits, and the verdict to all.
    p = min(p, math.nextafter(alpha, 0)) if crossed else max(p, alpha)
    return Look(critical=critical, p=p, crossed=crossed, spent=float(found.spent[-1]))


def stagewise_p(statistic: float, found: Boundary) -> float:
    """P-value of a test that stopped at the boundary's last look: stagewise ordering (Tsiatis, Rosner & Mehta 1984).

    Args:
        statistic: z at the look at which the test stopped.
        found: Boundary of all looks, that one last.
    """
    walk, total = _Walk(), 0.0
    for t, critical in zip(found.fractions[:-1], found.critical[:-1], strict=True):
        total += walk.crossing(float(t), min(float(critical), FARTHEST * 4))
        walk.move(float(t), float(critical))
    return min(1.0, total + walk.crossing(float(found.fractions[-1]), abs(statistic)))


def always_valid_critical(n: float, *, alpha: float = 0.05, tuning: float = 5000.0) -> float:
    """Critical value of an asymptotic confidence sequence: valid at every n at once, tightest near `tuning` units.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, Time-uniform central limit theory, arXiv 2103.06476, eq. 9 and 161.
    """
    grown = n * _rho2(alpha, tuning)
    return math.sqrt(2 * (grown + 1) / grown * math.log(math.sqrt(grown + 1) / alpha))


def always_valid_p(statistic: float, n: float, *, alpha: float = 0.05, tuning: float = 5000.0) -> float:
    """P-value of the same sequence (eq. 155): below alpha exactly where |z| is beyond `always_valid_critical`."""
    grown = n * _rho2(alpha, tuning)
    return min(1.0, math.exp(0.5 * math.log(grown + 1) - grown * statistic**2 / (2 * (grown + 1))))


def _rho2(alpha: float, tuning: float) -> float:
    return (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuning

"""Cell: one metric of one variant against the control, tested by the method that holds for its values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from scipy.special import ndtr, ndtri

from helpers.ab_test.estimate import Effect, at_look, compare, unheld, z_of
from helpers.ab_test.proportions import proportions
from helpers.ab_test.sturdy import Shuffled, permutation, shuffled

if TYPE_CHECKING:
    from helpers.ab_test.arms import Pair
    from helpers.ab_test.registration import Metric

Way = Literal["welch", "score", "permutation", "beyond"]
PERMUTATIONS = 1999
# Enough for the level of a look in the middle; at one so early that no re-assignment is rare enough, nothing is concluded.
LOOKED_PERMUTATIONS = 9999
# For the statistic, which no level changes.
ANY_LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One metric of one variant against the control.

    Attributes:
        metric: The metric.
        variant: The variant.
        pair: What is judged: capped and adjusted, as registered.
        raw: Without adjustment.
        uncapped: Without caps; the same as `pair` where there are none.
        variance_ratio: Variance of the adjusted difference over the raw one's; 1 without covariates.
        way: How it is tested: Welch's test where that is proven, a sturdier test elsewhere, or `beyond` where neither is.
        counts: Successes and units of control and treatment, of a proportion.
        values: Values of control and treatment, where they are shuffled.
        seed: Of the shuffling.
    """

    metric: Metric
    variant: str
    pair: Pair
    raw: Pair
    uncapped: Pair
    variance_ratio: float = 1.0
    way: Way = "welch"
    counts: tuple[int, int, int, int] | None = None
    values: tuple[Any, Any] | None = None
    seed: int = 1

    @property
    def key(self) -> str:
        """Its name within the test's findings."""
        return f"{self.metric.name}.{self.variant}"

    def effect(self, alpha: float) -> Effect:
        """The effect at a two-sided level."""
        if self.way == "score" and self.counts:
            return self._scored(alpha=alpha)
        if self.way == "permutation" and self.values is not None:
            return permutation(*self.values, alpha=alpha, draws=max(PERMUTATIONS, int(40 / alpha)), seed=self.seed)
        return compare(self.pair, alpha=alpha)

    @cached_property
    def _shuffled(self) -> Shuffled:
        """Re-assignments for a look: its level is known only once its statistic is asked for, so one shuffling serves all."""
        return shuffled(*(self.values or ((), ())), draws=LOOKED_PERMUTATIONS, seed=self.seed)

    @property
    def z(self) -> float:
        """The statistic of its own test on the normal scale, which sequential boundaries are for: same p, same sign."""
        if self.way == "permutation" and not self.pair.reason:
            return math.copysign(-float(ndtri(self._shuffled.p / 2)), self.pair.difference)
        if self.way == "score":
            return self._scored(alpha=ANY_LEVEL).statistic or 0.0
        return z_of(self.pair)

    def looked(self, *, critical: float, p: float, alpha: float) -> Effect:
        """The effect at a look of a sequential test, by the cell's own test at the look's nominal level.

        Args:
            critical: Critical value of the look, for z.
            p: Repeated p-value of the look.
            alpha: Two-sided level of the whole test.
        """
        if self.way == "permutation" and not self.pair.reason:
            # At a tie of p and level, the look has decided.
            nominal, own = 2 * float(ndtr(-critical)), self._shuffled.p
            nominal = max(nominal, math.nextafter(own, 1)) if p < alpha else min(nominal, own)
            if self._shuffled.rank(nominal) < 1:
                return unheld(self.pair, p=p, alpha=alpha)
            return replace(self._shuffled.effect(nominal), p=p, alpha=alpha)
        if self.way == "score" and self.counts and math.isfinite(critical):
            return replace(self._scored(alpha=alpha, critical=critical), p=p)
        return at_look(self.pair, critical=critical, p=p, alpha=alpha)

    def _scored(self, *, alpha: float, critical: float | None = None) -> Effect:
        control, n_control, treatment, n_treatment = self.counts or (0, 0, 0, 0)
        return proportions(
            control=control,
            n_control=n_control,
            treatment=treatment,
            n_treatment=n_treatment,
            alpha=alpha,
            critical=critical,
        )

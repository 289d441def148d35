"""Where normal theory holds: a rule read off the calibration map (tests/calibration/ab_test.csv).

Two numbers say how far a studentised difference of means is from its t (Hall 1992, ch. 3). Skewness is forgiven where the arms are
equal: both lean the same way, and only far tails leave the test too careful. Where they are not, the difference leans itself.

In the map, every cell that the rule calls supported has a false-positive rate of 4.5 to 5.5 % and covers in 94 to 96 %. The limits
were chosen on that map; on fresh runs 104 of the 105 cells stay in the bands, the other has 5.52 % (part `held_out`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.ab_test.moments import Moments

# Skewness squared over the units of the smaller arm.
LARGEST_SKEW_RATIO = 0.12
# Skewness of the difference itself.
LARGEST_LEAN = 0.12
# The map begins here.
LEAST_UNITS = 100


def lean(*, skewness: float, n_control: int, n_treatment: int) -> float:
    """Skewness of the difference of two means of units that are alike: zero where the arms are equal."""
    spread = 1 / n_control + 1 / n_treatment
    return abs(skewness) * abs(1 / n_treatment**2 - 1 / n_control**2) / spread**1.5


def pooled_skewness(control: Moments, treatment: Moments, column: str) -> float:
    """Skewness of a column, both arms pooled around their own means; infinite where it does not vary.

    A ratio's is that of its linearised column, numerator - ratio x denominator, which the engine can make as any other.

    Args:
        control: Moments with the column's third moment (`moments(..., skewed=...)`).
        treatment: The same of the other arm.
        column: The metric.
    """
    places = [(side, side.places([column])[0]) for side in (control, treatment)]
    squares = sum(float(side.cross[place, place]) for side, place in places)
    cubes = sum(float(side.third[place]) for side, place in places)
    return math.sqrt(control.n + treatment.n) * cubes / squares**1.5 if squares > 0 else math.inf


def supported(*, skewness: float, n_control: int, n_treatment: int) -> bool:
    """Whether Welch's test and Fieller's set may be read at their face value.

    Where they may not, take the permutation test, capped amounts or, for proportions, the score test.

    Args:
        skewness: Of the units (of the linearised ones for a ratio), both arms pooled around their own means.
        n_control: Units in the control.
        n_treatment: Units in the treatment.
    """
    least = min(n_control, n_treatment)
    if least < LEAST_UNITS or not math.isfinite(skewness):
        return False
    leaning = lean(skewness=skewness, n_control=n_control, n_treatment=n_treatment)
    return leaning <= LARGEST_LEAN and skewness**2 / least <= LARGEST_SKEW_RATIO

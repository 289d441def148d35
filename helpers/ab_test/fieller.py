"""Fieller's set for a relative change: every lift that the data do not reject, found by one inversion.

The test of a lift delta asks whether d - delta |c| is zero, where d is the difference of two estimates and c the control's.
Inverted, it is a quadratic in delta (Fieller 1954). At delta = 0 it is the very test of the difference, so that a p-value below
alpha and a set without 0 are one statement. Where the control's own interval holds 0 the set has no ends, and says so.

A lift is relative to |control|: with a negative baseline (refunds, losses) more is still more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["bounded", "ray", "rays", "everything", "none"]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with the set of values that the data do not reject.

    Attributes:
        value: The estimate; `None` where it is not defined.
        low: Lower end; minus infinity where there is none.
        high: Upper end; infinity where there is none.
        kind: `bounded`: low to high. `ray`: one end is infinite. `rays`: all but what lies between low and high.
            `everything`: any value. `none`: the data do not tell.
    """

    value: float | None
    low: float
    high: float
    kind: Kind = "bounded"

    @property
    def bounded(self) -> bool:
        """Whether the set has two ends."""
        return self.kind == "bounded"

    def contains(self, value: float) -> bool:
        """Whether the data are compatible with a value; always, where they do not tell."""
        if self.kind == "rays":
            return value <= self.low or value >= self.high
        return self.low <= value <= self.high

    @property
    def excludes_zero(self) -> bool:
        """Whether the data reject that there is no effect."""
        return not self.contains(0.0)


UNKNOWN = Interval(value=None, low=-math.inf, high=math.inf, kind="none")


def fieller(
    *,
    difference: float,
    control: float,
    variance: float,
    variance_control: float,
    covariance: float,
    critical: float,
) -> Interval:
    """All lifts delta with (d - delta |c|)^2 <= critical^2 var(d - delta |c|).

    Args:
        difference: d, treatment less control.
        control: c.
        variance: Of d.
        variance_control: Of c.
        covariance: Of d and c; minus the variance of c where the arms are independent.
        critical: Quantile of the pivot.
    """
    size, sign = abs(control), math.copysign(1.0, control)
    reach, reach_control = critical * math.sqrt(variance), critical * math.sqrt(variance_control)
    unit = max(size, abs(difference), reach, reach_control)
    if math.isinf(critical):
        return Interval(value=None if size == 0 else difference / size, low=-math.inf, high=math.inf, kind="everything")
    if not 0 < unit < math.inf or max(size, reach_control) == 0:
        return UNKNOWN  # a control that is zero for sure has no relative change
    d, c, reach, reach_control = difference / unit, size / unit, reach / unit, reach_control / unit
    shared = sign * covariance / unit / unit * critical**2
    # Differences of squares as products: their signs are those of the two tests, to the last digit.
    a, product = (c - reach_control) * (c + reach_control), (abs(d) - reach) * (abs(d) + reach)
    b = d * c - shared
    value = difference / size if size else None
    if value is not None and not math.isfinite(value):
        value = None
    return _solved(a, b, product, value)


def _solved(a: float, b: float, product: float, value: float | None) -> Interval:
    """Where a x^2 - 2 b x + product <= 0."""
    inside = b * b - a * product
    if a == 0:
        if b == 0:
            return Interval(value=value, low=-math.inf, high=math.inf, kind="everything")
        end = product / (2 * b)
        return Interval(value=value, low=end if b > 0 else -math.inf, high=math.inf if b > 0 else end, kind="ray")
    if a < 0 and inside < 0:
        return Interval(value=value, low=-math.inf, high=math.inf, kind="everything")
    far = b + math.copysign(math.sqrt(max(inside, 0.0)), b)
    roots = sorted((far / a, product / far)) if far else [0.0, 0.0]
    return Interval(value=value, low=roots[0], high=roots[1], kind="bounded" if a > 0 else "rays")

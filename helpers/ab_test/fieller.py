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
    control: float,
    treatment: float,
    variance_control: float,
    variance_treatment: float,
    covariance: float = 0.0,
    critical: float,
) -> Interval:
    """All lifts delta that |t - c - delta |c|| <= critical x its standard error does not reject.

    Args:
        control: c.
        treatment: t.
        variance_control: Of c.
        variance_treatment: Of t.
        covariance: Of the two.
        critical: Quantile of the pivot.
    """
    sign = math.copysign(1.0, control)
    c, t = abs(control), sign * treatment
    value = (t - c) / c if c else None
    value = value if value is not None and math.isfinite(value) else None
    if math.isinf(critical):
        return _turned(Interval(value=value, low=-math.inf, high=math.inf, kind="everything"), sign)
    own, other = critical * math.sqrt(variance_control), critical * math.sqrt(variance_treatment)
    unit = max(c, abs(t), own, other)
    if not 0 < unit < math.inf or max(c, own) == 0:
        return UNKNOWN  # a control that is zero for sure has no relative change
    c, t, own, other = c / unit, t / unit, own / unit, other / unit
    shared = covariance / unit / unit * critical**2
    gap, reach = abs(t - c), math.sqrt(max(own**2 + other**2 - 2 * shared, 0.0))
    # Differences of squares as products: their signs are those of the tests of control and difference, to the last digit.
    a, product = (c - own) * (c + own), (gap - reach) * (gap + reach)
    b = (t - c) * c - (shared - own**2)
    # b^2 - a product without its cancellation: what is added is not negative.
    inside = t**2 * own**2 - 2 * t * c * shared + c**2 * other**2 - (own**2 * other**2 - shared**2)
    return _turned(_solved(a, b, product, inside, value), sign)


def _turned(found: Interval, sign: float) -> Interval:
    if sign > 0:
        return found
    value = None if found.value is None else -found.value
    return Interval(value=value, low=-found.high, high=-found.low, kind=found.kind)


def _solved(a: float, b: float, product: float, inside: float, value: float | None) -> Interval:
    """Where a x^2 - 2 b x + product <= 0, with inside = b^2 - a product."""
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

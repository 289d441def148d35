"""Rounding: how far sums of the same amounts in another order may lie apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CENT = 0.005
# Of all amounts together: sums of billions of rials or dong differ in their last digits by more than half a cent.
RELATIVE = 1e-9


def room_for_rounding(amounts: Iterable[float]) -> float:
    """Difference below which sums of these amounts count as equal: half a cent, or more where they are large."""
    return max(CENT, RELATIVE * sum(abs(amount) for amount in amounts))

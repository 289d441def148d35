"""The look ledger: when a test was looked at, what each look spent, and whether anybody had planned it.

A look that is forgotten is alpha that is spent twice. The ledger outlives the run: what earlier looks spent stays spent, also
where the planned maximum is changed later on, and a re-run on the same data is the same look.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from helpers.ab_test.sequential import Look, Spending, look, spend, spent

if TYPE_CHECKING:
    from collections.abc import Mapping

# Two looks closer than this share of the maximum are one.
SAME = 1e-9
# A look so close to a planned one is that one: the day's traffic is not planned to the unit.
TOLERANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class Record:
    """One look of the past.

    Attributes:
        at: When, as the caller names it.
        information: Units, or 1 / variance, at that look.
        spent: Alpha spent up to it.
        critical: Critical value that was used.
        crossed: Whether the test stopped there.
        planned: Whether it was in the plan.
        complete: Whether it stood at the planned end.
        answers: The answer for each variant, where it was one that ends the test.
    """

    at: str
    information: float
    spent: float
    critical: float
    crossed: bool
    planned: bool
    complete: bool = False
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """A test's plan and its looks so far.

    Attributes:
        maximum: Information at which the test is planned to end.
        planned: Information fractions of the planned looks; empty where looks are free.
        alpha: Two-sided.
        spending: The spending function.
        records: Looks so far, in order.
    """

    maximum: float
    planned: tuple[float, ...] = ()
    alpha: float = 0.05
    spending: Spending = "obrien_fleming"
    records: tuple[Record, ...] = field(default=())

    @property
    def stopped(self) -> Record | None:
        """The look at which the test stopped, if it has."""
        return next((record for record in self.records if record.crossed), None)

    @property
    def unplanned(self) -> tuple[Record, ...]:
        """Looks that were in no plan."""
        return tuple(record for record in self.records if not record.planned)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a look comes to.

    Attributes:
        ledger: With this look in it.
        look: Critical value, p and verdict; `None` where there can be none.
        planned: Whether the look was in the plan.
        repeated: Whether the data are those of an earlier look.
        reason: `information_shrank`: there are fewer data than at an earlier look.
    """

    ledger: Ledger
    look: Look | None
    planned: bool
    repeated: bool
    reason: Literal["information_shrank"] | None = None


def enter(ledger: Ledger, *, at: str, information: float, statistic: float, final: bool = False) -> Entry:
    """Look at the test, and write the look down.

    Args:
        ledger: The looks so far.
        at: When.
        information: Units, or 1 / variance of the difference, now.
        statistic: z of the difference, now.
        final: The test ends here: all that is left is spent.

    Raises:
        ValueError: Information or the planned maximum is not positive.
    """
    if not (information > 0 and ledger.maximum > 0):
        raise ValueError(f"information == {information} of maximum == {ledger.maximum}, both must be > 0")
    past = list(ledger.records)
    repeated = bool(past) and abs(past[-1].information - information) <= SAME * ledger.maximum
    if past and not repeated and information < past[-1].information:
        return Entry(ledger=ledger, look=None, planned=False, repeated=False, reason="information_shrank")
    if repeated:
        past.pop()
    times = np.array([record.information for record in past] + [information]) / ledger.maximum
    before = past[-1].spent if past else 0.0
    upto = ledger.alpha if final else spent(float(times[-1]), alpha=ledger.alpha, spending=ledger.spending)
    edges = spend(times, np.array([record.spent for record in past] + [max(upto, before)]))
    plain = look(statistic, times, alpha=ledger.alpha, spending=ledger.spending, final=final)
    critical = float(edges.critical[-1])
    crossed = abs(statistic) > critical
    # A changed maximum moves the boundary that p was taken from; the verdict is the recorded spending's.
    p = min(plain.p, float(np.nextafter(ledger.alpha, 0))) if crossed else max(plain.p, ledger.alpha)
    planned = _planned(ledger, past, float(times[-1]))
    record = Record(
        at=at,
        information=information,
        spent=float(edges.spent[-1]),
        critical=critical,
        crossed=crossed,
        planned=ledger.records[-1].planned if repeated else planned,
    )
    return Entry(
        ledger=replace(ledger, records=(*past, record)),
        look=Look(critical=critical, p=p, crossed=crossed, spent=record.spent),
        planned=record.planned,
        repeated=repeated,
    )


def _planned(ledger: Ledger, past: list[Record], fraction: float) -> bool:
    """Whether a planned look is near that no earlier look has used up."""
    if not ledger.planned:
        return True
    nearest = min(ledger.planned, key=lambda plan: abs(plan - fraction))
    used = [record for record in past if abs(record.information / ledger.maximum - nearest) <= TOLERANCE]
    return abs(nearest - fraction) <= TOLERANCE and not any(record.planned for record in used)

"""Clock: moments of outcomes on the client's clock, and the moment that a unit's outcomes are counted from.

That one has to be of the same kind in every arm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from helpers.data.typed import as_moment
from helpers.errors import DataError
from helpers.stats.split import SRM_ALPHA

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir


@dataclass(frozen=True, kw_only=True)
class Clock:
    """From when outcomes of a log are counted.

    Attributes:
        unexposed: Units without a moment of exposure, by arm; empty where all have one, none has, or it was not asked.
        p: P-value of equal shares of them in every arm.
    """

    unexposed: Mapping[str, int] = field(default_factory=dict)
    p: float = 1.0

    @property
    def from_assignment(self) -> bool:
        """Whether every unit's outcomes count from its assignment, since exposure is not recorded alike in all arms."""
        return self.p < SRM_ALPHA


def clock_of(table: ir.Table) -> Clock:
    """Whether exposure is missing as often in each arm.

    Where it is, a unit without one counts from its assignment (intention to treat) and the others from their exposure. Where it
    is not, that would start one arm's clock earlier than the other's. Units that were randomised in clusters share their
    fate, so that the p-value is too small: assignment, which is always right, is then taken sooner.

    Args:
        table: One row a unit of two arms or more: `arm` and `exposed`.
    """
    from scipy.stats import chi2_contingency

    counts = table.group_by("arm").aggregate(n=table.count(), known=table["exposed"].count()).order_by("arm")
    found = {row["arm"]: (row["n"] - row["known"], row["known"]) for row in counts.to_pyarrow().to_pylist()}
    lost, known = (sum(row[side] for row in found.values()) for side in (0, 1))
    if not lost or not known:
        return Clock()
    p = float(chi2_contingency(list(found.values())).pvalue)
    return Clock(unexposed={arm: row[0] for arm, row in found.items()}, p=p)


def moment_of(rows: ir.Table, column: str, *, timezone: str, key: str) -> ir.TimestampValue:
    """A column with the moments of outcomes, as the naive time of the client's clocks, which assignment is told in.

    Args:
        rows: Rows of the test.
        column: Its name.
        timezone: Zone of the client.
        key: Test and metric, for the message.

    Raises:
        DataError: Texts are not moments: then nobody could say whether an outcome is older than the assignment.
    """
    said = rows[column]
    moment = as_moment(said, timezone=timezone)
    if said.type().is_string():
        odd = rows.filter((said.strip() != "") & moment.isnull()).select(said=said)
        if first := odd.limit(1).to_pyarrow().to_pylist():
            raise DataError(
                f"{key}: {column} holds {first[0]['said']!r}, and a moment reads 2024-05-31 or 2024-05-31 14:30:00"
            )
    return moment

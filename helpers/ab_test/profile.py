"""Profile: rows, missing values and ranges of a test's columns, by variant, before anything is estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from helpers.ab_test.read import NO_LOGARITHM
from helpers.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from helpers.ab_test.read import Units


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Counts of a test's units.

    Attributes:
        rows: Units by variant.
        empty: Units without a value, by variant and column.
        first: Day of the first assignment; `None` where rows are not dated.
        last: Day of the last one.
    """

    rows: Mapping[str, int]
    empty: Mapping[tuple[str, str], int]
    first: Any = None
    last: Any = None

    @property
    def units(self) -> int:
        """All units."""
        return sum(self.rows.values())

    @property
    def days(self) -> int | None:
        """Days from the first assignment to the last, both counted."""
        return None if self.first is None else (self.last - self.first).days + 1

    def missing(self, variant: str, columns: Sequence[str]) -> int:
        """Units of a variant that lack a value in one of the columns."""
        return max(self.empty.get((variant, column), 0) for column in columns)


def profile(units: Units) -> Profile:
    """One pass over the test's units.

    Raises:
        DataError: A proportion's column holds something that is neither 0 nor 1, a log-scale one something below 0, or a row has
            no cluster where clusters were randomised.
    """
    table = units.table
    columns = [column for place in range(len(units.test.metrics)) for column in units.columns(place)]
    asked: dict[str, Any] = {"n": table.count()}
    for column in columns:
        value = table[column].cast("float64")
        asked[f"{column}_empty"] = (value.isnull() | value.isnan()).sum()
    logged = [(f"m{place}", metric) for place, metric in enumerate(units.test.metrics) if metric.scale == "log"]
    asked |= {f"{column}_below": (table[column] == NO_LOGARITHM).sum() for column, _ in logged}
    if units.test.cluster:
        asked["lost"] = table["group"].isnull().sum()
    binary = [(f"m{place}", metric) for place, metric in enumerate(units.test.metrics) if metric.type == "proportion"]
    asked |= {f"{column}_odd": (~table[column].isin([0.0, 1.0]) & ~table[column].isnan()).sum() for column, _ in binary}
    if units.dated:
        asked |= {"first": table["day"].min(), "last": table["day"].max()}
    found = table.group_by("variant").aggregate(**asked).order_by("variant").to_pyarrow().to_pylist()
    for column, metric in binary:
        if odd := sum(row[f"{column}_odd"] or 0 for row in found):
            raise DataError(
                f"ab_test {units.test.id}, metric {metric.name}: {odd} values of {metric.column} are neither 0 nor 1, and a "
                "proportion has no others; make it a mean or a count, or mend the column"
            )
    for column, metric in logged:
        if below := sum(row[f"{column}_below"] or 0 for row in found):
            raise DataError(
                f"ab_test {units.test.id}, metric {metric.name}: {below} values are below zero, which has no place on a log "
                "scale; leave scale: log out, or mend the column"
            )
    if units.test.cluster and (lost := sum(row["lost"] or 0 for row in found)):
        raise DataError(
            f"ab_test {units.test.id}: {lost} rows have no {units.test.cluster}, so nobody knows which group they were "
            "randomised with"
        )
    days = [(row["first"], row["last"]) for row in found if units.dated and row["first"] is not None]
    return Profile(
        rows={row["variant"]: row["n"] for row in found},
        empty={(row["variant"], column): row[f"{column}_empty"] or 0 for row in found for column in columns},
        first=min((first for first, _last in days), default=None),
        last=max((last for _first, last in days), default=None),
    )


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Units whose outcome is known: those that a verdict rests on.

    Attributes:
        n: Units with an outcome of every metric that decides.
        waiting: Units whose outcome will come, since their window is not over yet.
        days: Days from the first assignment to the last of a unit with an outcome; `None` where rows are not dated.
    """

    n: int
    waiting: int
    days: int | None


def outcomes(units: Units, counted: Profile) -> Outcomes:
    """Units with an outcome, of the metrics that decide; of all metrics where none does.

    An outcome from a log is missing only while its window runs, so every metric must have it. In the client's own table some
    metrics have no value for some units for ever (an order's value where nothing was ordered), so the fullest column says who
    has come to an outcome.

    Args:
        units: The test's units.
        counted: Their counts.
    """
    metrics = units.test.metrics
    places = [place for place, metric in enumerate(metrics) if metric.role != "information"] or range(len(metrics))
    lost = {place: sum(counted.missing(name, units.columns(place)) for name in counted.rows) for place in places}
    own = [place for place in places if metrics[place].source == "experiments"]
    slowest = [max((place for place in places if place not in own), key=lost.__getitem__, default=None)]
    fullest = [min(own, key=lost.__getitem__, default=None)]
    last = max((place for place in slowest + fullest if place is not None), key=lost.__getitem__)
    if not lost[last]:
        return Outcomes(n=counted.units, waiting=0, days=counted.days)
    n = counted.units - lost[last]
    if not units.dated or counted.first is None:
        return Outcomes(n=n, waiting=0, days=None)
    value = units.table[f"m{last}"].cast("float64")
    known = value.notnull() & ~value.isnan()
    asked = {"day": units.table["day"].max(where=known), "waiting": (~known & units.table["exposed"].notnull()).sum()}
    row = units.table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    days = 0 if row["day"] is None else (row["day"] - counted.first).days + 1
    return Outcomes(n=n, waiting=0 if last in own else row["waiting"] or 0, days=days)

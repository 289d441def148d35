"""Periods: `latest`, `all`, `2024`, `2024-Q4`, `2024-11`, `2024-W45` or `2024-11-01..2024-11-30`.

A period is half-open, `start <= moment < end`, in the client's own time zone; both ends are naive local times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from helpers.errors import ParamsError

Grain = Literal["year", "quarter", "month", "week"]
FORMS = "latest, all, 2024, 2024-Q4, 2024-11, 2024-W45 or 2024-11-01..2024-11-30"
# A shop may close for the last days of a period: this share of it may lack orders and it still counts as complete.
SLACK = 0.03


@dataclass(frozen=True, kw_only=True)
class Period:
    """A half-open span of local time.

    Attributes:
        label: Name of the period, safe as a folder name.
        start: First moment that belongs to it.
        end: First moment after it.
        grain: Calendar unit, or `None` for `all` and for free ranges.
    """

    label: str
    start: datetime
    end: datetime
    grain: Grain | None = None

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """Start and end."""
        return self.start, self.end

    def previous(self) -> Period | None:
        """The period just before, as long as this one; `None` before `all`."""
        if self.label == "all":
            return None
        if self.grain:
            return _containing((self.start - timedelta(days=1)).date(), self.grain)
        return _span((self.start - (self.end - self.start)).date(), self.start.date() - timedelta(days=1))

    def year_ago(self) -> Period | None:
        """The same period a year earlier; `None` where there is none (`all`, week 53) or it is the previous one."""
        if self.label == "all" or self.grain == "year":
            return None
        if self.grain == "week":
            year, week, _ = self.start.isocalendar()
            return None if week > _weeks(year - 1) else _week(year - 1, week)
        if self.grain:
            return _containing(_year_before(self.start.date()), self.grain)
        return _span(_year_before(self.start.date()), _year_before(self.end.date() - timedelta(days=1)))

    def covered_by(self, first: date, last: date) -> bool:
        """Whether data from `first` to `last` (both with orders) cover the period, but for a few quiet days."""
        slack = (self.end - self.start) * SLACK
        return self.start + slack >= _midnight(first) and _midnight(last) + timedelta(days=1) >= self.end - slack

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def parse_period(text: str) -> Period:
    """The period that a name says by itself (not `latest` or `all`, which depend on the data).

    Raises:
        ParamsError: The name has none of the known forms, or names a date that does not exist.
    """
    try:
        if match := re.fullmatch(r"(\d{4})", text):
            return _containing(date(int(match[1]), 1, 1), "year")
        if match := re.fullmatch(r"(\d{4})-Q([1-4])", text):
            return _containing(date(int(match[1]), 3 * int(match[2]) - 2, 1), "quarter")
        if match := re.fullmatch(r"(\d{4})-(\d{2})", text):
            return _containing(date(int(match[1]), int(match[2]), 1), "month")
        if match := re.fullmatch(r"(\d{4})-W(\d{2})", text):
            return _week(int(match[1]), int(match[2]))
        if match := re.fullmatch(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})", text):
            return _span(date.fromisoformat(match[1]), date.fromisoformat(match[2]))
    except ValueError as error:
        raise ParamsError(f"period == {text!r}: {error}; a period is {FORMS}") from error
    raise ParamsError(f"period == {text!r} has no known form; a period is {FORMS}")


def check_period_name(text: str) -> None:
    """Raise `ParamsError` unless a name has one of the known forms; needs no data."""
    if text not in {"latest", "all"}:
        parse_period(text)


def resolve_period(text: str, *, first: date, last: date, grain: Grain) -> Period:
    """The period that a name means for data from `first` to `last`.

    `latest` is the last period of the grain that the data cover, or the last one with data where none is covered.

    Raises:
        ParamsError: The name has no known form or the period holds no day of the data.
    """
    if text == "all":
        return Period(label="all", start=_midnight(first), end=_midnight(last) + timedelta(days=1))
    if text == "latest":
        newest = _containing(last, grain)
        period = newest
        while not period.covered_by(first, last):
            before = period.previous()
            if before is None or before.end <= _midnight(first):
                return newest
            period = before
        return period
    period = parse_period(text)
    if period.end <= _midnight(first) or period.start > _midnight(last):
        raise ParamsError(f"period == {text!r} is outside the data, which run from {first} to {last}")
    return period


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - local time of the client, naive by design


def _containing(day: date, grain: Grain) -> Period:
    if grain == "week":
        year, week, _ = day.isocalendar()
        return _week(year, week)
    months = {"year": 12, "quarter": 3, "month": 1}[grain]
    month = (day.month - 1) // months * months + 1
    start = date(day.year, month, 1)
    end = date(day.year + (month - 1 + months) // 12, (month - 1 + months) % 12 + 1, 1)
    label = {"year": f"{day:%Y}", "quarter": f"{day:%Y}-Q{month // 3 + 1}", "month": f"{day:%Y-%m}"}[grain]
    return Period(label=label, start=_midnight(start), end=_midnight(end), grain=grain)


def _week(year: int, week: int) -> Period:
    start = _midnight(date.fromisocalendar(year, week, 1))
    return Period(label=f"{year:04d}-W{week:02d}", start=start, end=start + timedelta(days=7), grain="week")


def _weeks(year: int) -> int:
    return date(year, 12, 28).isocalendar().week


def _span(first: date, last: date) -> Period:
    if last < first:
        message = f"{last} is before {first}"
        raise ValueError(message)
    return Period(label=f"{first}..{last}", start=_midnight(first), end=_midnight(last) + timedelta(days=1))


def _year_before(day: date) -> date:
    leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if leap_day else day.day)

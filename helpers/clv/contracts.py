"""Contracts: from the table of subscriptions to (age, lost) and how many contracts share each, computed by the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import ibis
import numpy as np

from helpers.clv.expect import MONTH
from helpers.errors import TopicSkippedError
from helpers.reporting.findings import Absent, Check, where_given
from helpers.reporting.words import _, day, foreign, listing, number, percent
from helpers.stats.intervals import wilson

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    import pandas as pd
    from numpy.typing import NDArray

    from helpers.stats.bootstrap import Estimate

# One calendar for all periods: a year is 365.25 days, a month a twelfth of it.
PERIODS = {"day": 1.0, "week": 7.0, "month": MONTH, "quarter": 3 * MONTH, "year": 12 * MONTH}
SAID = {
    "day": ("day", "days", "daily"),
    "week": ("week", "weeks", "weekly"),
    "month": ("month", "months", "monthly"),
    "quarter": ("quarter", "quarters", "quarterly"),
    "year": ("year", "years", "yearly", "annual", "annually"),
}
# Paid to the same day of the next month, a contract ends 28 to 31 days after its start, two of them up to 62: a little past one
# or two mean months. So much of a period is let pass before a contract counts as having begun another one.
TOLERANCE = 0.15
# Where ends are spread over the period, no more than the days by which calendar months stray from mean ones.
STRAY = 3.0
# Of ends on any day of a period, so many lie farther than that from the renewal dates before and after.
AWAY = 1 - 2 * TOLERANCE
MOSTLY = 0.5


@dataclass(frozen=True, kw_only=True)
class Contracts:
    """The contracts as a renewal model sees them.

    A renewal counts once its date has passed, for those who stayed and those who left alike: whoever left before the date of
    the renewal at which they are lost counts as seen up to the renewal before. Else the last, unfinished period would hold
    losses without the renewals that go with them.

    Attributes:
        frame: One row a contract: customer_id, plan (place among `plans`), started_on, price, period (days), days since the
            start, length (days until the end; NaN where active), age (renewals seen, or the renewal at which it was lost),
            lost (at that renewal), active.
        histories: Distinct (plan, age, lost): those three, weight and the sum of `price`.
        plans: Names of the plans, in order; with the period where a plan is paid in several.
        periods: Days of each plan's period, shape (plans,).
        rejoined: Contracts that began after an earlier one of the same customer had ended.
        reversed: Rows left out because they end before they start.
        unreadable: Rows left out because their period is none that is known.
        unreadable_said: What some of those say.
        spread: Share of the ends that come on any day of a period, not at a renewal date: what lies away from those dates,
            against what would if all did.
        as_of: First moment that does not count.
    """

    frame: pd.DataFrame
    histories: pd.DataFrame
    plans: tuple[str, ...]
    periods: NDArray
    rejoined: int
    reversed: int
    unreadable: int
    unreadable_said: tuple[str, ...]
    spread: float
    as_of: datetime

    @property
    def n(self) -> int:
        """Contracts."""
        return len(self.frame)

    @property
    def active(self) -> pd.DataFrame:
        """Contracts that have not ended."""
        return self.frame[self.frame["active"]]

    @property
    def observed_days(self) -> int:
        """Days since the first contract began."""
        return int(self.frame["days"].max())

    @property
    def span(self) -> float:
        """Days over which retention is told: the period most contracts have, a month at least."""
        counts = np.bincount(self.frame["plan"], minlength=len(self.plans))
        most = max(PERIODS.values(), key=lambda length: counts[np.isclose(self.periods, length)].sum())
        return max(most, MONTH)

    def retention(self, *, level: float) -> Estimate:
        """(end - new) / start over the last `span` days: opening customers who are customers at the end.

        Customers are counted, not contracts: who changes the plan or comes back within those days is retained, and who
        joins and leaves within them is in neither count.
        """
        frame, ago = self.frame, round(self.span)
        opening = (frame["days"] > ago) & (frame["active"] | (frame["length"] >= frame["days"] - ago))
        start = frame.loc[opening, "customer_id"].drop_duplicates()
        end = frame.loc[frame["active"], "customer_id"].drop_duplicates()
        new = len(end) - int(end.isin(start).sum())
        return wilson(len(end) - new, len(start), level=level)

    def checks(self) -> list[Check]:
        """Customers with several contracts, and rows that were left out."""
        rows = self.n + self.reversed + self.unreadable
        found = [
            Check(
                id="contracts.rejoined",
                status="pass",
                value=self.rejoined,
                message=_(
                    "{n} of {all} contracts began after an earlier one of the same customer had ended; each counts as a "
                    "contract of its own, and a change of plan as the end of one and the start of another."
                ).format(n=number(self.rejoined), all=number(self.n)),
            )
        ]
        if self.reversed:
            found.append(
                Check(
                    id="contracts.reversed",
                    status="warn",
                    value=self.reversed,
                    threshold="0",
                    message=_("{n} contracts ({share}) end before they start and were left out.").format(
                        n=number(self.reversed), share=percent(self.reversed / rows)
                    ),
                )
            )
        if self.unreadable:
            found.append(
                Check(
                    id="contracts.period",
                    status="warn",
                    value=self.unreadable,
                    threshold="0",
                    message=_("{n} contracts were left out: their period ({said}) is none of {known}.").format(
                        n=number(self.unreadable),
                        said=listing(map(foreign, self.unreadable_said)),
                        known=listing(map(foreign, PERIODS)),
                    ),
                )
            )
        return found


@where_given
def contracts(subscriptions: ir.Table, *, as_of: datetime, required: bool = True) -> Contracts:
    """The contracts as they were known at a moment.

    A contract lost in its k-th period is lost at renewal k; an end at or after the moment is not known yet.

    Args:
        subscriptions: One row a contract: customer_id, plan, started_at, price, and perhaps ended_at and period.
        as_of: First moment that does not count.
        required: Whether the topic has nothing to say without contracts; else `Absent` stands for a base without any.

    Raises:
        TopicSkippedError: No contract began before that moment, and one is required.
    """
    began = _dated(subscriptions, as_of=as_of)
    backwards = (began.ended_on < began.started_on).fill_null(False)  # noqa: FBT003
    nameless = began.filter(~backwards & began.period.isnull())
    ended = ~backwards & began.period.notnull() & began.ended_on.notnull()
    share = began.ended_on.delta(began.started_on, unit="day") / began.period
    away = (share - ibis.greatest(share.round(), 1)).abs() > TOLERANCE
    left_out = (
        began.agg(
            backwards=backwards.sum(),
            nameless=(~backwards & began.period.isnull()).sum(),
            ended=ended.sum(),
            away=(ended & away).sum(),
        )
        .execute()
        .iloc[0]
    )
    spread = min(float(left_out["away"] or 0) / AWAY / max(float(left_out["ended"] or 0), 1.0), 1.0)
    unreadable = int(left_out["nameless"] or 0)
    said = nameless.select("said").distinct().order_by("said").limit(3).execute()["said"].tolist() if unreadable else []
    held = _aged(began.filter(~backwards & began.period.notnull()), as_of=as_of, spread=spread)
    shared = held.group_by(["name", "period", "age", "lost"]).agg(weight=held.count(), price=held.price.sum())
    histories = shared.order_by(["name", "period", "age", "lost"]).execute()
    if histories.empty and not required:
        return cast("Contracts", Absent())
    if histories.empty:
        raise TopicSkippedError(_("No contract began before {day}.").format(day=day(as_of.date())))
    frame = held.order_by(["customer_id", "name", "started_at", "price", "ended_said", "period"]).execute()
    kinds = histories[["name", "period"]].drop_duplicates(ignore_index=True)
    codes = {key: place for place, key in enumerate(zip(kinds["name"], kinds["period"], strict=True))}
    for part in (frame, histories):
        part["plan"] = np.array([codes[key] for key in zip(part["name"], part["period"], strict=True)], dtype=np.int64)
        part["age"] = part["age"].astype(np.int64)
    columns = ["customer_id", "plan", "started_on", "price", "period", "days", "length", "age", "lost", "active"]
    frame[["days", "length"]] = frame[["days", "length"]].astype(float)
    return Contracts(
        frame=frame[columns],
        histories=histories[["plan", "age", "lost", "weight", "price"]],
        plans=_plan_names(kinds),
        periods=kinds["period"].to_numpy(float),
        rejoined=int(frame["rejoined"].sum()),
        reversed=int(left_out["backwards"] or 0),
        unreadable=unreadable,
        unreadable_said=tuple(said),
        spread=spread,
        as_of=as_of,
    )


def renewals_seen(started_on: Any, period: Any, *, at: datetime) -> NDArray:
    """Renewals whose dates lie before a moment; shapes broadcast.

    Calendar months stray from mean months by up to three days. A renewal has been seen where its date has passed by both, so
    that a base billed on the first of the month, looked at on a first, does not count that day's renewal as made.

    Args:
        started_on: Days of the starts.
        period: Days of a period.
        at: First moment that does not count.
    """
    started = np.asarray(started_on, dtype="datetime64[D]")
    period = np.asarray(period, dtype=float)
    days = (np.datetime64(at, "D") - started).astype(float)
    mean = np.ceil(days / period) - 1
    month = started.astype("datetime64[M]")
    months = (np.datetime64(at, "M") - month).astype(float) - ((started - month).astype(int) + 1 >= at.day)
    each = np.round(period / MONTH)
    seen = np.where(each > 0, np.minimum(mean, months // np.maximum(each, 1)), mean)
    return np.maximum(seen, 0).astype(np.int64)


def period_word(length: float) -> str:
    """Name of a period of so many days."""
    words = (_("day"), _("week"), _("month"), _("quarter"), _("year"))
    return next(word for word, days in zip(words, PERIODS.values(), strict=True) if np.isclose(days, length))


def _dated(subscriptions: ir.Table, *, as_of: datetime) -> ir.Table:
    """Contracts that began, with the days of start and end, and the period in days."""
    there = subscriptions.columns
    began = subscriptions.filter(subscriptions.started_at < as_of)
    ended = began.ended_at if "ended_at" in there else ibis.null("timestamp")
    said = began.period.lower().strip().nullif("") if "period" in there else ibis.null("string")
    lengths = [(said.isnull(), PERIODS["month"]), *((said.isin(SAID[name]), PERIODS[name]) for name in PERIODS)]
    return began.select(
        "customer_id",
        "started_at",
        name=began.plan.fill_null(""),
        price=began.price.cast("float64"),
        started_on=began.started_at.date(),
        ended_said=ended,
        ended_on=ibis.ifelse(ended < as_of, ended, ibis.null("timestamp")).date(),
        said=said,
        period=ibis.cases(*lengths, else_=ibis.null("float64")),
    )


def grace(period: Any, *, spread: float) -> Any:
    """Share of a period that may pass after a renewal date before a contract counts as having begun another one."""
    # Arrays and expressions of the engine clip alike.
    return STRAY / period.clip(STRAY / TOLERANCE) if spread >= MOSTLY else TOLERANCE


def _aged(dated: ir.Table, *, as_of: datetime, spread: float) -> ir.Table:
    """Contracts with age and whether they were lost; the engine's twin of `renewals_seen`."""
    cut = ibis.literal(as_of.date())
    timed = dated.mutate(
        days=cut.delta(dated.started_on, unit="day"),
        length=dated.ended_on.delta(dated.started_on, unit="day"),
        months=(as_of.year - dated.started_on.year()) * 12
        + (as_of.month - dated.started_on.month())
        - ibis.ifelse(dated.started_on.day() >= as_of.day, 1, 0),
        each=(dated.period / MONTH).round(),
        active=dated.ended_on.isnull(),
    )
    mean = (timed.days / timed.period).ceil() - 1
    both = ibis.least(mean, (timed.months / ibis.greatest(timed.each, 1)).floor())
    placed = timed.mutate(
        seen=ibis.greatest(ibis.ifelse(timed.each > 0, both, mean), 0),
        at=ibis.greatest((timed.length / timed.period - grace(timed.period, spread=spread)).ceil(), 1),
    )
    lost = (~placed.active) & (placed.at <= placed.seen).fill_null(False)  # noqa: FBT003
    own = ibis.window(group_by="customer_id")
    before = (placed.ended_on.min().over(own) <= placed.started_on) & (
        placed.started_on > placed.started_on.min().over(own)
    )
    return placed.mutate(
        age=ibis.ifelse(lost, placed.at, placed.seen),
        lost=lost,
        rejoined=before.fill_null(False),  # noqa: FBT003
    )


def _plan_names(kinds: pd.DataFrame) -> tuple[str, ...]:
    """Names of plans; a plan that is paid in several periods is several, since a renewal is not the same in each."""
    several = kinds["name"].duplicated(keep=False)
    return tuple(
        _("{plan} (paid by the {period})").format(plan=name or _("not known"), period=period_word(period))
        if more
        else name or _("not known")
        for name, period, more in zip(kinds["name"], kinds["period"], several, strict=True)
    )

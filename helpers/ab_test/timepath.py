"""Over time: the effect as it grew, with a band that may be read on any day; and whether it wanes from week to week."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.ab_test.estimate import at_look, compare, two_sided_p, z_of
from helpers.ab_test.measure import caps_of, gathered, pair_of
from helpers.ab_test.moments import total
from helpers.ab_test.sequential import always_valid_critical, boundary
from helpers.ab_test.shown import Shown
from helpers.ab_test.wording import bounded, shown_metric, shown_test, small
from helpers.reporting.figures import Figure, Theme, figure
from helpers.reporting.findings import Check, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, day, number, percent
from helpers.stats.intervals import quantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.ab_test.analyse import Analysis
    from helpers.ab_test.judge import Judged

WEEK = 7
LEAST_DAYS, LEAST_WEEKS = 3, 3
# A slope this unlikely is a note to the reader; it withholds nothing.
WANES = 0.01
# Each week's interval holds by itself, whatever level the verdict is read at.
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Path(Result):
    """One test's main metric over time.

    Attributes:
        analysis: The test.
        days: `day`, `n`, `lift`, `low`, `high` (band), `z`, `critical`, all cumulative.
        weeks: `week`, `n`, `lift`, `low`, `high`, of the units that came in that week.
        slope: Change of the lift a week, with its standard error; `None` for less than three weeks.
    """

    analysis: Analysis
    days: pd.DataFrame
    weeks: pd.DataFrame
    slope: tuple[float, float] | None

    def scope(self) -> str:
        """The test."""
        return self.analysis.test.id

    @property
    def main(self) -> Judged:
        """The metric that is shown."""
        return main_metric(self.analysis)  # type: ignore[return-value]

    @property
    def drawable(self) -> bool:
        """Whether there are days enough with a band that has ends."""
        return int(self.days[["low", "high"]].notna().all(axis=1).sum()) >= LEAST_DAYS

    @property
    def slope_p(self) -> float | None:
        """P-value of no change from week to week."""
        return None if self.slope is None else two_sided_p(self.slope[0] / self.slope[1], math.inf)

    def checks(self) -> list[Check]:
        """Whether the effect wanes or grows."""
        if self.slope is None or self.slope_p is None:
            return []
        changes = self.slope_p < WANES
        text = (
            _("{test}: the lift changes by {slope} points a week; what it settles at is not what it began with.")
            if changes
            # Few weeks show only large changes, so that none is seen says little.
            else _(
                "{test}: in {n} weeks no change of the lift over time could be seen ({slope} points a week, {low} to {high}; p {p}). "
                "Whatever lies within that may still be."
            )
        )
        slope, half = self.slope[0], quantile(1 - ALPHA) * self.slope[1]
        message = text.format(
            test=shown_test(self.analysis.test),
            n=number(len(self.weeks)),
            slope=_points(slope),
            low=_points(slope - half),
            high=_points(slope + half),
            p=small(self.slope_p),
        )
        return [
            Check(
                id=f"{self.analysis.test.id}.novelty",
                status="warn" if changes else "pass",
                value=self.slope_p,
                message=message,
            )
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Days and weeks."""
        name = self.analysis.test.id
        return {f"{name}.days": self.days, f"{name}.weeks": self.weeks}

    def table(self) -> Table:
        """Weeks, each by itself."""
        columns = {
            "week": Column(label=_("Week of assignment"), kind="number"),
            "n": Column(label=_("Units"), kind="number"),
            "lift": Column(label=_("Lift"), kind="signed_share", low="low", high="high"),
        }
        title = _("{test}: each week by itself").format(test=shown_test(self.analysis.test))
        foot = _("Each week’s interval stands at {level} by itself.").format(level=percent(1 - ALPHA, digits=0))
        return table(self.weeks, columns, title=title, foot=foot, rows=26)

    def figure(self) -> Figure:
        """Cumulative lift with the band."""
        frame, one = self.days, self.main
        judged = one.effect.lift

        def draw(axes: Axes, theme: Theme) -> None:
            axes.axhline(0, color=theme.muted, linewidth=1)
            axes.fill_between(frame["day"], frame["low"], frame["high"], color=theme.context, alpha=0.35, linewidth=0)
            axes.plot(frame["day"], frame["lift"], color=theme.accent)
            last = frame.iloc[-1]
            low, high = bounded(judged)
            if low is not None and high is not None:
                axes.plot([last["day"]] * 2, [low, high], color=theme.accent, linewidth=3)
            axes.plot(last["day"], last["lift"], "o", color=theme.accent)
            known = frame[["low", "high"]].dropna()
            spread = float(np.abs(known.tail(max(len(known) // 2, 1)).to_numpy()).max())
            axes.set_ylim(-spread * 1.1, spread * 1.1)
            axes.yaxis.set_major_formatter(lambda value, _place: percent(value, digits=0, signed=True))
            places = frame["day"].iloc[np.linspace(0, len(frame) - 1, min(5, len(frame)), dtype=int)]
            axes.set_xticks(list(places), [day(moment) for moment in places])

        metric, name = shown_metric(one.cell.metric), shown_test(self.analysis.test)
        crossed = frame[frame["z"].abs() > frame["critical"]]
        title = (
            _("{metric}: the band left zero behind on {day}").format(metric=metric, day=day(crossed.iloc[0]["day"]))
            if len(crossed)
            else _("{metric}: the band never left zero").format(metric=metric)
        )
        return figure(
            draw,
            title=title,
            subtitle=_("{test}, {variant}: lift of all units so far; grey: a band that may be read on any day").format(
                test=name, variant=one.cell.variant
            ),
            foot=_(
                "n = {n} units. Band: {band}, {level} over all days together. Bar at the end: the interval of the verdict."
            ).format(
                n=number(frame.iloc[-1]["n"]),
                band=_band_word(self.analysis),
                level=percent(1 - self.analysis.test.alpha, digits=0),
            ),
            alt=_("{metric} of {test}: lift {lift} on the last day, band {low} to {high}").format(
                metric=metric,
                test=name,
                lift=percent(frame.iloc[-1]["lift"], signed=True),
                low=percent(frame.iloc[-1]["low"], signed=True),
                high=percent(frame.iloc[-1]["high"], signed=True),
            ),
            data=table(
                frame,
                {
                    "day": Column(label=_("Day"), kind="date"),
                    "n": Column(label=_("Units"), kind="number"),
                    "lift": Column(label=_("Lift"), kind="signed_share", low="low", high="high"),
                },
                title=_("Lift by day"),
                rows=60,
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The time paths of all tests; `otherwise` is said where there are tests and none has a path."""

    each: tuple[Path, ...]
    otherwise: str = ""

    def figure(self) -> Shown:
        """One picture a test."""
        return Shown(parts=tuple(one.figure() for one in self.each if one.drawable), otherwise=self.otherwise)

    def table(self) -> Shown:
        """One table a test."""
        return Shown(parts=tuple(one.table() for one in self.each if len(one.weeks) > 1))


def main_metric(one: Analysis) -> Judged | None:
    """The first metric that decides, of the variant that the answer is about."""
    for role in ("success", "guardrail", "information"):
        for own in one.judged:
            if own.cell.metric.role == role and own.cell.variant == one.variant and own.cell.metric.type != "quantile":
                return own
    return None


def over_time(analyses: tuple[Analysis, ...]) -> Paths:
    """The time path of every sound test whose rows are dated."""
    shown = [one for one in analyses if one.sound and one.units.dated and not one.test.cluster]
    none = _("No test that may be read has dated rows, so no path can be drawn.") if analyses else ""
    return Paths(each=tuple(_path(one) for one in shown if main_metric(one) is not None), otherwise=none)


def _path(one: Analysis) -> Path:
    own = main_metric(one)
    assert own is not None  # noqa: S101 - asked by the caller
    place = one.test.metrics.index(own.cell.metric)
    caps = {name: ends for name, ends in caps_of(one.units).items() if name == f"m{place}"}
    sums = gathered(one.units, [place], by=["variant", "day"], caps=caps)
    sides = {
        name: {moment: part for (arm, moment), part in sums.items() if arm == name and moment is not None}
        for name in (one.units.variants[0], own.cell.variant)
    }
    both = sorted(set(sides[one.units.variants[0]]) | set(sides[own.cell.variant]))

    def pair(upto: Any, since: Any = None) -> Any:
        kept = [
            [part for moment, part in side.items() if moment <= upto and (since is None or moment >= since)]
            for side in sides.values()
        ]
        if not all(kept):
            return None
        return pair_of(one.units, place, total(kept[0]), total(kept[1]), capped=bool(caps), adjust=True)

    return Path(analysis=one, days=_days(one, both, pair), weeks=(weeks := _weeks(both, pair)), slope=_slope(weeks))


def _days(one: Analysis, both: list[Any], pair: Any) -> pd.DataFrame:
    rows = []
    pairs = [(moment, found) for moment in both if (found := pair(moment)) is not None and not found.reason]
    sizes = [found.control.n + found.treatment.n for _moment, found in pairs]
    edges = _edges(one, sizes)
    for (moment, found), n, critical in zip(pairs, sizes, edges, strict=True):
        effect = at_look(found, critical=critical, p=1.0, alpha=one.test.alpha)
        low, high = bounded(effect.lift)
        rows.append((moment, n, effect.lift.value, low, high, z_of(found), critical))
    frame = pd.DataFrame(rows, columns=["day", "n", "lift", "low", "high", "z", "critical"])
    return frame.astype(dict.fromkeys(("lift", "low", "high", "z", "critical"), float))


def _edges(one: Analysis, sizes: list[int]) -> list[float]:
    """Critical values of a look a day."""
    test = one.test
    if test.sequential in {"obrien_fleming", "pocock"} and test.planned_n and sizes:
        times = np.maximum.accumulate(np.array(sizes, dtype=float)) / test.planned_n
        times += np.arange(len(times)) * 1e-9
        # Past the planned units nothing is left to spend: the band goes on at the level of its end.
        within = times[: int((times < 1).sum()) + 1]
        edges = boundary(within, alpha=test.alpha, spending=test.sequential).critical
        return [*edges, *[float(edges[-1])] * (len(times) - len(within))]
    tuning = float(test.planned_n or max(sizes, default=1))
    return [always_valid_critical(n, alpha=test.alpha, tuning=tuning) for n in sizes]


def _band_word(one: Analysis) -> str:
    words = {"obrien_fleming": _("O’Brien-Fleming spending"), "pocock": _("Pocock spending")}
    return words.get(one.test.sequential, _("confidence sequence"))


def _weeks(both: list[Any], pair: Any) -> pd.DataFrame:
    from datetime import timedelta

    rows: list[tuple[Any, ...]] = []
    start = both[0] if both else None
    while start is not None and start <= both[-1]:
        found = pair(start + timedelta(days=WEEK - 1), start)
        if found is not None and not found.reason:
            effect = compare(found, alpha=ALPHA)
            low, high = bounded(effect.lift)
            error = (
                (high - low) / 2 / effect.critical
                if low is not None and high is not None and effect.critical
                else math.nan
            )
            rows.append((len(rows) + 1, found.control.n + found.treatment.n, effect.lift.value, low, high, error))
        start += timedelta(days=WEEK)
    frame = pd.DataFrame(rows, columns=["week", "n", "lift", "low", "high", "error"])
    return frame.astype(dict.fromkeys(("lift", "low", "high", "error"), float))


def _slope(weeks: pd.DataFrame) -> tuple[float, float] | None:
    """Weighted least squares of the lift on the week."""
    known = weeks.dropna(subset=["lift", "error"])
    if len(known) < LEAST_WEEKS:
        return None
    weight = 1 / known["error"].to_numpy() ** 2
    x = known["week"].to_numpy(float)
    centred = x - (weight * x).sum() / weight.sum()
    spread = float((weight * centred**2).sum())
    return float((weight * centred * known["lift"].to_numpy()).sum() / spread), math.sqrt(1 / spread)


def _points(share: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    text = number(100 * share, digits=1)
    return f"+{text}" if share > 0 else text

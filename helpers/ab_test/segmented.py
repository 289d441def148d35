"""For whom: effects by segment, shrunk towards what they share, so that the luckiest segment is not taken for a finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.ab_test.estimate import compare
from helpers.ab_test.measure import caps_of, gathered, pair_of
from helpers.ab_test.shown import Shown
from helpers.ab_test.timepath import main_metric
from helpers.ab_test.wording import bounded, shown_metric, shown_test, small
from helpers.reporting.findings import Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _
from helpers.stats import shrinkage

if TYPE_CHECKING:
    from helpers.ab_test.analyse import Analysis
    from helpers.stats.shrinkage import Heterogeneity

DIFFER = 0.05


@dataclass(frozen=True, kw_only=True)
class Split:
    """One test's main metric by one column.

    Attributes:
        analysis: The test.
        column: The column.
        rows: `segment`, `n`, `lift`, `low`, `high`, `shrunk`, `shrunk_low`, `shrunk_high`.
        together: What they share and how they differ.
    """

    analysis: Analysis
    column: str
    rows: pd.DataFrame
    together: Heterogeneity

    def table(self) -> Table:
        """Raw and shrunk lifts."""
        own = main_metric(self.analysis)
        metric = shown_metric(own.cell.metric) if own else ""
        differs = self.together.p < DIFFER
        title = (
            _("{metric} may differ by {column} (p {p})")
            if differs
            else _("{metric} is not shown to differ by {column} (p {p})")
        ).format(metric=metric, column=self.column, p=small(self.together.p))
        columns = {
            "segment": Column(label=self.column),
            "n": Column(label=_("Units"), kind="number"),
            "shrunk": Column(label=_("Lift, read together"), kind="signed_share", low="shrunk_low", high="shrunk_high"),
            "lift": Column(label=_("Lift, by itself"), kind="signed_share", low="low", high="high"),
        }
        foot = _(
            "{test}, {variant}. Read together: each segment moves towards what all share, by as much as chance blurs it."
        )
        shown = foot.format(test=shown_test(self.analysis.test), variant=self.analysis.variant)
        return table(self.rows, columns, title=title, foot=shown, rows=30)


@dataclass(frozen=True, kw_only=True)
class Segmented(Result):
    """Effects by segment, of all tests; `otherwise` is said where there are tests and none has segments."""

    each: tuple[Split, ...]
    otherwise: str = ""

    def tables(self) -> dict[str, pd.DataFrame]:
        """One table with all."""
        frames = [one.rows.assign(test=one.analysis.test.id, column=one.column) for one in self.each]
        return {"segments": pd.concat(frames, ignore_index=True)} if frames else {}

    def table(self) -> Shown:
        """One table a test and column."""
        return Shown(parts=tuple(one.table() for one in self.each), otherwise=self.otherwise)


def by_segment(analyses: tuple[Analysis, ...]) -> Segmented:
    """The main metric of each sound test by its registered segments."""
    found = []
    for one in analyses:
        if one.sound and not one.test.cluster and main_metric(one) is not None:
            for place, column in enumerate(one.test.segments):
                split = _split(one, place, column)
                if split is not None:
                    found.append(split)
    none = _("No segments were registered for a test that may be read, so none is looked at.") if analyses else ""
    return Segmented(each=tuple(found), otherwise=none)


def _split(one: Analysis, at: int, column: str) -> Split | None:
    own = main_metric(one)
    assert own is not None  # noqa: S101 - asked by the caller
    place = one.test.metrics.index(own.cell.metric)
    caps = {name: ends for name, ends in caps_of(one.units).items() if name == f"m{place}"}
    sums = gathered(one.units, [place], by=["variant", f"g{at}"], caps=caps)
    rows: list[dict[str, Any]] = []
    for segment in sorted({name for _arm, name in sums if name is not None}):
        sides = [sums.get((name, segment)) for name in (one.units.variants[0], own.cell.variant)]
        if sides[0] is None or sides[1] is None:
            continue
        pair = pair_of(one.units, place, sides[0], sides[1], capped=bool(caps), adjust=True)
        effect = compare(pair, alpha=one.test.alpha)
        low, high = bounded(effect.lift)
        if low is None or high is None or not effect.critical or not high > low:
            continue
        error = (high - low) / 2 / effect.critical
        n = pair.control.n + pair.treatment.n
        rows.append({"segment": segment, "n": n, "lift": effect.lift.value, "low": low, "high": high, "error": error})
    if len(rows) < 2:  # noqa: PLR2004
        return None
    frame = pd.DataFrame(rows)
    together = shrinkage.segments(frame["lift"], frame["error"], level=1 - one.test.alpha)
    frame = frame.assign(shrunk=together.value, shrunk_low=together.low, shrunk_high=together.high)
    return Split(analysis=one, column=column, rows=frame.sort_values("n", ascending=False), together=together)

"""A/A replay: the client's own control units, split at random again and again, through gates and estimates.

Nothing was done to one half and not to the other. So a method that holds on this client's data calls a difference in `alpha` of the
replays, and hardly ever closes a gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.ab_test.estimate import compare
from helpers.ab_test.gates import imbalance, srm
from helpers.ab_test.integrity import readings
from helpers.ab_test.measure import caps_of, pair_of
from helpers.ab_test.moments import Moments
from helpers.ab_test.shown import Shown
from helpers.ab_test.wording import shown_metric, shown_test
from helpers.reporting.figures import Figure, Theme, figure
from helpers.reporting.findings import Check, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, number, percent
from helpers.stats.intervals import wilson
from helpers.stats.split import SRM_ALPHA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from helpers.ab_test.analyse import Analysis

MOST_UNITS = 20_000
LEAST_UNITS = 200
LEVEL = 0.99


@dataclass(frozen=True, kw_only=True)
class Replay(Result):
    """What random splits of control units came to.

    Attributes:
        rows: `id`, `name`, `replays`, `false`, `rate`, `low`, `high` (Wilson, 99 %), a metric a row.
        closed: Share of the replays that a gate would have stopped.
        replays: Random splits of each test.
        alpha: Level that the rates are held against.
        p: P-values of the first metric.
        otherwise: What is said where no control can be split; nothing where there is no test.
    """

    rows: pd.DataFrame
    closed: float
    replays: int
    alpha: float
    p: NDArray
    otherwise: str = ""

    def checks(self) -> list[Check]:
        """Whether the rates agree with the level."""
        if self.rows.empty:
            return []
        off = self.rows[(self.rows["low"] > self.alpha)]
        worst = self.rows.loc[self.rows["rate"].idxmax()]
        text = (
            _("In {replays} random splits of control units, {name} called a difference in {rate}; {alpha} are due.")
        ).format(
            replays=number(self.replays),
            name=worst["name"],
            rate=percent(worst["rate"]),
            alpha=percent(self.alpha, digits=0),
        )
        return [
            Check(
                id="ab_test.replay",
                status="warn" if len(off) else "pass",
                value=float(worst["rate"]),
                threshold=f"{self.alpha:g}",
                message=text,
            )
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Rates."""
        return {"replay": self.rows}

    def table(self) -> Table | Shown:
        """Rates by metric."""
        if self.rows.empty:
            return Shown(parts=())
        columns = {
            "name": Column(label=_("Test and metric")),
            "rate": Column(label=_("Splits that called a difference"), kind="share", low="low", high="high"),
        }
        foot = _(
            "{replays} random splits each; {alpha} are due; {level} intervals. A gate closed in {closed} of the splits."
        ).format(
            replays=number(self.replays),
            alpha=percent(self.alpha, digits=0),
            level=percent(LEVEL, digits=0),
            closed=percent(self.closed),
        )
        return table(self.rows, columns, title=_("Where nothing was done, is nothing found"), foot=foot, rows=30)

    def figure(self) -> Figure | Shown:
        """P-values, which are even where the method holds."""
        shown = self.table()
        if isinstance(shown, Shown):
            return Shown(parts=(), otherwise=self.otherwise)
        bins = np.linspace(0, 1, 21)
        counts = np.histogram(self.p, bins)[0]
        due = len(self.p) / (len(bins) - 1)

        def draw(axes: Axes, theme: Theme) -> None:
            colours = [theme.accent, *[theme.context] * (len(counts) - 1)]
            axes.bar(bins[:-1] + 0.025, counts, width=0.045, color=colours)
            axes.axhline(due, color=theme.ink, linewidth=1, linestyle="--")
            axes.set_xlabel(_("p-value of the split"))
            axes.set_xlim(0, 1)

        first = self.rows.iloc[0]
        return figure(
            draw,
            title=_("{rate} of random splits called a difference where there is none; {alpha} are due").format(
                rate=percent(first["rate"]), alpha=percent(self.alpha, digits=0)
            ),
            subtitle=_(
                "{name}: p-values of random splits of the control’s own units; the line is what chance makes"
            ).format(name=first["name"]),
            foot=_("n = {n} splits; {level} interval of the rate {low} to {high}.").format(
                n=number(self.replays),
                level=percent(LEVEL, digits=0),
                low=percent(first["low"]),
                high=percent(first["high"]),
            ),
            alt=_("Even p-values from 0 to 1; {rate} are below {alpha}").format(
                rate=percent(first["rate"]), alpha=percent(self.alpha, digits=0)
            ),
            data=shown,
            height=2.6,
        )


def replay(analyses: tuple[Analysis, ...], *, replays: int = 400, seed: int) -> Replay:
    """Split each test's control units at random, and read each split as a test.

    A test that failed its gates has control units all the same.

    Args:
        analyses: The tests.
        replays: Splits a test.
        seed: Of the splits.
    """
    rows, first, closed, made = [], np.zeros(0), 0, 0
    rng = np.random.default_rng(seed)
    alpha = analyses[0].test.alpha if analyses else 0.05
    for one in analyses:
        places = [
            place
            for place, metric in enumerate(one.test.metrics)
            if metric.type != "quantile" and (metric.role != "information" or not one.test.registered)
        ]
        frame = _control_units(one, places)
        if one.test.cluster or len(frame) < LEAST_UNITS or not places:
            continue
        p, shut = _splits(one, places, frame, replays=replays, rng=rng)
        closed, made = closed + shut, made + replays
        first = first if len(first) else p[:, 0]
        for at, place in enumerate(places):
            known = p[:, at][np.isfinite(p[:, at])]
            false = int((known < alpha).sum())
            rate = wilson(false, len(known), level=LEVEL)
            metric = one.test.metrics[place]
            rows.append(
                {
                    "id": f"{one.test.id}.{metric.name}",
                    "name": _("{test}, {metric}").format(
                        test=shown_test(one.test), metric=shown_metric(metric).lower()
                    ),
                    "replays": len(known),
                    "false": false,
                    "rate": rate.value,
                    "low": rate.low,
                    "high": rate.high,
                }
            )
    columns = ["id", "name", "replays", "false", "rate", "low", "high"]
    return Replay(
        rows=pd.DataFrame(rows, columns=columns),
        closed=closed / made if made else 0.0,
        replays=replays,
        alpha=alpha,
        p=first,
        otherwise=_("No control arm is large enough to be split at random.") if analyses else "",
    )


def _control_units(one: Analysis, places: list[int]) -> pd.DataFrame:
    """Outcomes and covariates of control units, as many as can be split often; capped where the metric is."""
    table_ = one.units.table.filter(one.units.table["variant"] == one.units.variants[0])
    columns = [column for place in places for column in one.units.columns(place)]
    frame = table_.select("unit", *columns, *one.units.covariates).order_by("unit").limit(MOST_UNITS).to_pandas()
    frame = frame.drop(columns="unit").astype(float)
    for name, (low, high) in caps_of(one.units).items():
        if name in frame:
            frame[f"{name}__capped"] = frame[name].clip(low, high)
    for name in one.units.covariates:
        frame[f"{name}__missing"] = frame[name].isna().astype(float)
        frame[name] = frame[name].fillna(0.0)
        scale = float(frame[name].abs().mean()) or 1.0
        # What the balance gate reads, under names that no adjustment takes for covariates.
        flags = frame[f"{name}__missing"], (frame[name] != 0).astype(float)
        for key, value in readings(f"gate_{name}", frame[name], *flags, scale=scale).items():
            frame[key] = value
    return frame.dropna()


def _splits(
    one: Analysis, places: list[int], frame: pd.DataFrame, *, replays: int, rng: np.random.Generator
) -> tuple[NDArray, int]:
    """P-values of each split and metric, and how many splits a gate would have stopped."""
    names, values = list(frame.columns), frame.to_numpy()
    past = [name for name in names if name.startswith("gate_")]
    p, shut = np.full((replays, len(places)), np.nan), 0
    for turn in range(replays):
        treated = rng.random(len(values)) < 0.5  # noqa: PLR2004 - a fair coin
        sides = [_moments(names, values[mask]) for mask in (~treated, treated)]
        counts = {"control": sides[0].n, "treatment": sides[1].n}
        gates = [srm(counts, expected={"control": 1.0, "treatment": 1.0}, alpha=SRM_ALPHA)]
        gates += [imbalance(sides[0], sides[1], covariates=past)] if past else []
        shut += any(not gate.passed for gate in gates)
        for at, place in enumerate(places):
            capped = f"m{place}__capped" in names
            found = compare(pair_of(one.units, place, sides[0], sides[1], capped=capped, adjust=True)).p
            p[turn, at] = np.nan if found is None else found
    return p, shut


def _moments(names: list[str], values: NDArray) -> Moments:
    """Moments without cubes, which a replay does not need."""
    mean = values.mean(axis=0)
    centred = values - mean
    return Moments(
        columns=tuple(names),
        n=len(values),
        mean=mean,
        cross=centred.T @ centred,
        third=np.full(len(names), np.nan),
        rows=len(values),
        nulls=(0,) * len(names),
    )

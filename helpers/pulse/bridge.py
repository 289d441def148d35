"""ARPU bridge: how a change in revenue per active customer splits into mix, frequency and order value, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.figures import Figure, Theme, figure, money_axis
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, language, listing, money, number, percent
from helpers.stats.bootstrap import percentile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.pulse.activity import Activity

SEGMENTS = ("new", "first year", "established")
EFFECTS = ("mix", "frequency", "aov", "refunds")
CLOSES = 1e-9


@dataclass(frozen=True, kw_only=True)
class Bridge(Result):
    """The change of ARPU from the period before to this one, split into effects.

    Attributes:
        before: ARPU of the period before; `None` where the periods cannot be compared.
        now: ARPU of this period.
        effects: Value by effect; they add up to `now - before`.
        low: Lower ends by effect.
        high: Upper ends by effect.
        level: Coverage of the intervals.
        n: Customers active in either period.
    """

    before: float | None
    now: float | None
    effects: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    level: float
    n: int

    @property
    def gap(self) -> float:
        """What the effects leave unexplained; zero but for rounding."""
        if self.before is None or self.now is None:
            return 0.0
        return self.now - self.before - sum(self.effects.values())

    @property
    def largest(self) -> str | None:
        """The largest effect that points the change's own way; `None` where what changed prints as nothing."""
        if self.before is None or self.now is None:
            return None
        change = self.now - self.before
        if money(abs(change)) == money(0.0):
            return None
        return max(self.effects, key=lambda key: self.effects[key] * np.sign(change))

    def numbers(self) -> dict[str, Number]:
        """Each effect, and both ends of the bridge."""
        if self.before is None or self.now is None:
            return {}
        unit = language().currency
        found = {
            f"bridge.{key}": Number(
                value=value,
                low=self.low[key],
                high=self.high[key],
                level=self.level,
                unit=unit,
                n=self.n,
                definition=f"bridge.{key}",
            )
            for key, value in self.effects.items()
        }
        ends = {"bridge.before": self.before, "bridge.now": self.now}
        return found | {key: Number(value=value, unit=unit, n=self.n, definition=key) for key, value in ends.items()}

    def definitions(self) -> dict[str, Definition]:
        """Formulas, with weights w, frequency f, order value a and means of both periods marked by a bar."""
        texts = {
            "bridge.before": (_("Before"), _("Revenue per active customer in the period before.")),
            "bridge.now": (_("Now"), _("Revenue per active customer in this period.")),
            "bridge.mix": (
                _("Mix"),
                _(
                    "Sum over segments of dw x mean of f x a. Segments are fixed at each period’s start: new, first "
                    "year, established. One that appears or vanishes is all mix."
                ),
            ),
            "bridge.frequency": (_("Frequency"), _("Sum over segments of mean w x df x mean a.")),
            "bridge.aov": (_("Order value"), _("Sum over segments of mean w x mean f x da.")),
            "bridge.refunds": (
                _("Late refunds"),
                _("Change in refunds, per active customer, of customers who did not order in the period."),
            ),
        }
        return {key: Definition(name=name, text=text) for key, (name, text) in texts.items()}

    def checks(self) -> list[Check]:
        """Whether the effects add up."""
        if self.before is None:
            message = _("There is no full period before to compare with, so there is no bridge.")
            return [Check(id="bridge.closes", status="warn", message=message)]
        limit = CLOSES * max(1.0, abs(self.now or 0))
        return [
            Check(
                id="bridge.closes",
                status="pass" if abs(self.gap) < limit else "fail",
                value=self.gap,
                threshold=f"< {limit:.1g}",
                message=_("The effects of the bridge add up to the change."),
            )
        ]

    def table(self) -> Table:
        """The bridge as rows."""
        names = self.definitions()
        rows = [
            {"part": names[f"bridge.{key}"].name, "value": value, "low": self.low[key], "high": self.high[key]}
            for key, value in self.effects.items()
        ]
        none = {"low": np.nan, "high": np.nan}
        if self.before is not None and self.now is not None:
            rows = [
                {"part": names["bridge.before"].name, "value": self.before, **none},
                *rows,
                {"part": names["bridge.now"].name, "value": self.now, **none},
            ]
        frame = pd.DataFrame(rows, columns=["part", "value", "low", "high"])
        columns = {
            "part": Column(label=_("Part")),
            "value": Column(label=_("Per active customer"), kind="money", low="low", high="high"),
        }
        return table(frame, columns, title=_("From the period before to this one"), strong=(0, len(frame) - 1))

    def figure(self) -> Figure | Table:
        """Bars from before to now; the empty table where there is nothing to compare."""
        if self.before is None or self.now is None:
            return self.table()
        largest = self.largest
        names = self.definitions()
        labels = [names[f"bridge.{key}"].name for key in ("before", *EFFECTS, "now")]
        values = [self.effects[key] for key in EFFECTS]
        starts = self.before + np.concatenate([[0.0], np.cumsum(values)[:-1]])
        before, now = self.before, self.now

        def draw(axes: Axes, theme: Theme) -> None:
            colours = [theme.accent if key == largest else theme.context for key in EFFECTS]
            axes.bar([0, 5], [before, now], color=theme.muted, width=0.6)
            axes.bar(range(1, 5), values, bottom=starts, color=colours, width=0.6)
            ends = np.array(
                [
                    max(start, start + np.nanmax([self.effects[key], self.high[key]]))
                    for key, start in zip(EFFECTS, starts, strict=True)
                ]
            )
            tops = [before, *ends, now]
            texts = [money(before), *(money(value, signed=True) for value in values), money(now)]
            for place, (top, text) in enumerate(zip(tops, texts, strict=True)):
                axes.annotate(text, (place, top), xytext=(0, 4), textcoords="offset points", ha="center")
            for place, (key, start) in enumerate(zip(EFFECTS, starts, strict=True), start=1):
                # A part near nothing would be no bar at all: a line says where it stands.
                axes.hlines(start + self.effects[key], place - 0.3, place + 0.3, color=colours[place - 1], linewidth=2)
                if np.isfinite(self.low[key]) and np.isfinite(self.high[key]):
                    axes.vlines(place, start + self.low[key], start + self.high[key], color=theme.ink, linewidth=1)
            axes.set_xticks(range(6), labels)
            axes.grid(visible=False)
            axes.set_ylim(min(0.0, *starts, now), 1.14 * max(tops))
            money_axis(axes.yaxis)

        change = self.now - self.before
        title = _("Revenue per active customer did not change on the period before")
        if largest is not None:
            told = (
                _("Revenue per active customer rose by {change}; the largest part is {part}")
                if change > 0
                else _("Revenue per active customer fell by {change}; the largest part is {part}")
            )
            title = told.format(change=money(abs(change)), part=names[f"bridge.{largest}"].name.lower())
        return figure(
            draw,
            title=title,
            subtitle=_("Revenue per active customer, the period before and now, and the parts of the change"),
            foot=_(
                "n = {n} customers active in either period. The parts add up exactly; their intervals ({level}) are in the table."
            ).format(n=number(self.n), level=percent(self.level, digits=0)),
            alt=_("Waterfall from {before} to {now}: {parts}").format(
                before=money(self.before),
                now=money(self.now),
                parts=listing(
                    (f"{names[f'bridge.{key}'].name} {money(value)}" for key, value in self.effects.items()),
                    style="unit",
                ),
            ),
            data=self.table(),
        )

    def _repr_html_(self) -> str:
        return self.figure()._repr_html_()


def bridge(seen: Activity, *, level: float, seed: int, replicates: int) -> Bridge:
    """Split the change of ARPU between the windows `last` and `now` of an activity.

    Args:
        seen: From `activity`.
        level: Coverage of the percentile intervals.
        seed: Of the bootstrap.
        replicates: Of the bootstrap.
    """
    people = seen.customers
    columns = _columns(people, "last"), _columns(people, "now")
    nothing = {key: float("nan") for key in EFFECTS}
    active = int(((columns[0] + columns[1])[:, : len(SEGMENTS)].sum(axis=1) > 0).sum()) if "last" in seen.windows else 0
    both = np.concatenate(columns, axis=1) if "last" in seen.windows else None
    if both is None or not (both[:, :3].sum() > 0 and both[:, 10:13].sum() > 0):
        return Bridge(before=None, now=None, effects={}, low=nothing, high=nothing, level=level, n=active)
    totals = both.sum(axis=0)
    effects = split(totals)
    low, high = percentile(both[np.abs(both).sum(axis=1) > 0], split, level=level, seed=seed, replicates=replicates)
    before, now = (part[6:].sum() / part[:3].sum() for part in (totals[:10], totals[10:]))
    return Bridge(
        before=float(before),
        now=float(now),
        effects=dict(zip(EFFECTS, map(float, effects), strict=True)),
        low=dict(zip(EFFECTS, map(float, low), strict=True)),
        high=dict(zip(EFFECTS, map(float, high), strict=True)),
        level=level,
        n=active,
    )


def split(totals: np.ndarray) -> np.ndarray:
    """Effects from totals.

    Args:
        totals: Shape (..., 20): for the period before, then for now, the active customers, orders and net revenue of
            each of the three segments, and the net revenue of customers who did not order.

    Returns:
        Shape (..., 4): mix, frequency, order value and refunds of earlier orders.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        active = np.stack([totals[..., 0:3], totals[..., 10:13]])
        orders = np.stack([totals[..., 3:6], totals[..., 13:16]])
        revenue = np.stack([totals[..., 6:9], totals[..., 16:19]])
        everyone = active.sum(axis=-1)
        weight = active / everyone[..., None]
        frequency, value = orders / active, revenue / orders
        spend = np.where(active > 0, revenue / active, 0.0)
        lasting = (active > 0).all(axis=0)
        mean_spend = np.where(lasting, spend.mean(axis=0), spend.sum(axis=0))
        mean_weight = weight.mean(axis=0)
        often = np.where(lasting, mean_weight * (frequency[1] - frequency[0]) * value.mean(axis=0), 0.0)
        much = np.where(lasting, mean_weight * frequency.mean(axis=0) * (value[1] - value[0]), 0.0)
        mix = (weight[1] - weight[0]) * mean_spend
        late = totals[..., 19] / everyone[1] - totals[..., 9] / everyone[0]
    # Exact: w1 y1 - w0 y0 = dw mean(y) + mean(w) dy, and dy = df mean(a) + mean(f) da, for y = f a.
    return np.stack([mix.sum(-1), often.sum(-1), much.sum(-1), late], axis=-1)


def _columns(people: pd.DataFrame, window: str) -> np.ndarray:
    """Per-customer columns whose sums `split` takes; shape (customers, 10)."""
    if f"orders_{window}" not in people:
        return np.zeros((len(people), 10))
    orders = people[f"orders_{window}"].to_numpy(float)
    revenue = people[f"revenue_{window}"].to_numpy(float)
    active = orders > 0
    inside = [active & (people[f"tenure_{window}"] == segment).to_numpy() for segment in SEGMENTS]
    return np.column_stack(
        [
            *(member.astype(float) for member in inside),
            *(member * orders for member in inside),
            *(member * revenue for member in inside),
            ~active * revenue,
        ]
    )

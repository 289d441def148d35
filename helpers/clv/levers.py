"""Levers: what a point of retention, of order value and of frequency would each be worth for the base of today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.clv.expect import MONTH, discount_factors, expected_if_alive, p_alive, posterior_ends
from helpers.clv.spend import expected_spend
from helpers.reporting.findings import Check, Decision, Definition, Number, Result, where_given
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, interval, language, money, number, percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.clv.model import Model

POINT = 0.01
# Of a point: what a few draws in which there is less to gain may take from the mean.
SHORT = 0.995
FEWEST, MOST = 30, 200
WORK = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Levers(Result):
    """What one point of each behaviour is worth.

    Attributes:
        rows: `lever`, `value`, `low`, `high`: change of the base's expected margin over the horizon, posterior.
        gained: By how much today's customers are more likely to stay with the lever of retention, on average: a point, or all
            that they lack of staying for certain where that is less.
        process: The purchase process, which says what staying means.
        horizon_months: Of the values.
        level: Coverage of the intervals.
        n: Customers of today.
    """

    rows: pd.DataFrame
    gained: float
    process: str
    horizon_months: int
    level: float
    n: int

    @property
    def short(self) -> bool:
        """Whether customers lack less than a point of staying for certain."""
        return self.gained < SHORT * POINT

    def names(self) -> dict[str, str]:
        """Levers as a reader knows them."""
        if self.short:
            retention = (
                _("Retention: nobody stops any more ({points} points more likely to stay a month)")
                if self.process == "pareto_nbd"
                else _("Retention: nobody stops any more ({points} points more likely to stay after an order)")
            ).format(points=number(100 * self.gained, digits=2))
        elif self.process == "pareto_nbd":
            retention = _("Retention: one point more likely to stay a month")
        else:
            retention = _("Retention: one point more likely to stay after an order")
        return {
            "retention": retention,
            "order_value": _("Order value: 1 % more an order"),
            "frequency": _("Frequency: 1 % more orders while customers stay"),
        }

    def numbers(self) -> dict[str, Number]:
        """What each lever is worth."""
        return {
            f"lever.{row.lever}": Number(
                value=row.value,
                low=row.low,
                high=row.high,
                level=self.level,
                unit=language().currency,
                n=self.n,
                definition=f"lever.{row.lever}",
            )
            for row in self.rows.itertuples()
        }

    def definitions(self) -> dict[str, Definition]:
        """What each lever is."""
        text = _("Change of the expected margin of today’s customers within {months} months.").format(
            months=number(self.horizon_months)
        )
        how = _(
            "Every customer’s chance to stop falls by the same share: by so much that those who are still there are one point "
            "more likely to stay on average."
        )
        found = {f"lever.{lever}": Definition(name=name, text=text) for lever, name in self.names().items()}
        if not self.short:
            found["lever.retention"] = Definition(name=self.names()["retention"], text=f"{text} {how}")
        return found

    def checks(self) -> list[Check]:
        """Whether there is a whole point of retention to be had."""
        if not self.short:
            return []
        return [
            Check(
                id="clv.lever.retention",
                status="warn",
                value=self.gained,
                threshold=str(POINT),
                message=_(
                    "Today’s customers stop so seldom that there is less than a point of retention to gain: its lever is "
                    "worth what {points} points bring, with nobody stopping any more."
                ).format(points=number(100 * self.gained, digits=2)),
            )
        ]

    def decisions(self) -> list[Decision]:
        """The lever worth most."""
        best = self.rows.loc[self.rows["value"].idxmax()]
        return [
            Decision(
                id="lever",
                text=_("Of the three, this would be worth most: {lever}, {value} ({interval}).").format(
                    lever=self.names()[best["lever"]],
                    value=money(best["value"]),
                    interval=interval(best["low"], best["high"], language().currency),
                ),
                evidence="model",
                value={
                    "lever": best["lever"],
                    "value": float(best["value"]),
                    "horizon_months": self.horizon_months,
                },
            )
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The levers."""
        return {"levers": self.rows}

    def table(self) -> Table:
        """What one point is worth."""
        columns = {
            "name": Column(label=_("Change")),
            "value": Column(
                label=_("Worth within the horizon, {currency}").format(currency=language().currency),
                kind="money",
                low="low",
                high="high",
            ),
        }
        foot = _(
            "n = {n} customers of today, {months} months, {level} posterior intervals. What brings the change about is not said."
        )
        return table(
            self.rows.assign(name=self.rows["lever"].map(self.names())),
            columns,
            title=_("What one point is worth"),
            foot=foot.format(n=number(self.n), months=number(self.horizon_months), level=percent(self.level, digits=0)),
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


@where_given
def levers(model: Model, *, horizon_months: int, margin: float, discount_rate: float, seed: int) -> Levers:
    """What one point of each lever is worth, by posterior draw.

    Args:
        model: The fitted model.
        horizon_months: Months that count.
        margin: Share of net revenue.
        discount_rate: A year.
        seed: Of all randomness.
    """
    base = model.base
    factors = discount_factors(horizon_months, discount_rate)
    net = margin * (1 - base.refunds)
    orders, spends = model.parameters(), model.spend_parameters()
    x, total = model.spend_history()
    # The base's spend by history: expected orders are the same within one, so only sums of spend are needed.
    mean = total / np.maximum(x, 1)
    shared = base.histories
    weight = shared["weight"].to_numpy(float)
    at = np.searchsorted(shared["history"].to_numpy(), base.customers["history"].to_numpy())
    columns = {name: shared[name].to_numpy(float) for name in ("x", "t_x", "T")}
    groups = shared["group"].to_numpy()
    rng = np.random.default_rng(seed)
    distinct = len(shared[["group", "x", "T"]].drop_duplicates())
    draws = int(np.clip(WORK // (distinct * horizon_months), FEWEST, MOST))
    picks = rng.choice(len(orders["r"]), min(draws, len(orders["r"])), replace=False)
    found, gained = [], []
    for s in picks:
        own = {name: float(values[s % len(values)]) for name, values in spends.items()}
        spent = np.bincount(at, weights=expected_spend(own, x=x, mean=mean, rate=model.rate), minlength=len(shared))
        (plain, stay, faster), more = _discounted(model.process, orders, s, columns, weight, groups, factors)
        gained.append(more)
        whole = float(spent @ plain) * net
        found.append((float(spent @ stay) * net - whole, whole * POINT, float(spent @ faster) * net - whole))
    drawn = np.array(found)
    low, high = posterior_ends(drawn, level=model.level)
    rows = pd.DataFrame(
        {"lever": ["retention", "order_value", "frequency"], "value": drawn.mean(axis=0), "low": low, "high": high}
    )
    return Levers(
        rows=rows,
        gained=float(np.mean(gained)),
        process=model.process,
        horizon_months=horizon_months,
        level=model.level,
        n=base.n,
    )


def _discounted(
    process: str,
    parameters: dict[str, NDArray],
    s: int,
    columns: dict[str, NDArray],
    weight: NDArray,
    groups: NDArray,
    factors: NDArray,
) -> tuple[list[NDArray], float]:
    """Discounted expected orders of each history: as things are, with one point of staying, and of frequency.

    Also by how much customers are more likely to stay with the second.
    """
    ahead = MONTH * np.arange(1, len(factors) + 1)
    weights = factors - np.append(factors[1:], 0.0)
    several = parameters["r"].shape[1] > 1
    parts = [
        (
            {name: float(values[s, g]) for name, values in parameters.items()},
            groups == g if several else np.ones(len(groups), dtype=bool),
        )
        for g in (np.unique(groups) if several else [0])
    ]
    alive = np.empty(len(groups))
    for own, mine in parts:
        alive[mine] = p_alive(process, own, **{name: values[mine] for name, values in columns.items()})
    less, gained = _less_dropout(process, parts, x=columns["x"], T=columns["T"], there=weight * alive)
    changes: list[dict[str, Any]] = [{}, {"dropout": less}, {"faster": 1 + POINT}]
    found = [np.empty(len(groups)) for _change in changes]
    for own, mine in parts:
        pairs, at = np.unique(np.column_stack([columns["x"][mine], columns["T"][mine]]), axis=0, return_inverse=True)
        for place, change in enumerate(changes):
            lived = expected_if_alive(process, own, x=pairs[:, 0], T=pairs[:, 1], ahead=ahead, **change)
            found[place][mine] = alive[mine] * (lived @ weights)[at]
    return found, gained


def _less_dropout(
    process: str, parts: list[tuple[dict[str, float], NDArray]], *, x: NDArray, T: NDArray, there: NDArray
) -> tuple[float, float]:
    """Factor on drop-out with which today's customers are one point more likely to stay, on average, and what they gain.

    The point is that of those who are still there, each as likely as `there` says, not of all who ever came: those who have
    stayed stop more seldom. Where they lack less than a point of staying for certain, the factor is 0 and they gain that.
    """

    def stop(factor: float) -> float:
        total = 0.0
        for own, mine in parts:
            if process == "pareto_nbd":
                rest = own["beta"] + T[mine]
                each = -np.expm1(-own["s"] * np.log1p(factor * MONTH / rest))
            else:
                chances = x[mine] + (process == "mbg_nbd")
                each = factor * own["a"] / (own["a"] + own["b"] + chances)
            total += float(there[mine] @ each)
        return total / float(there.sum())

    now = stop(1.0)
    if now <= POINT:
        return 0.0, now
    if process != "pareto_nbd":
        return 1 - POINT / now, POINT
    from scipy.optimize import brentq

    return float(brentq(lambda factor: stop(factor) - (now - POINT), 0.0, 1.0)), POINT

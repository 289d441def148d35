"""Decisions: what a new customer may cost, when that is earned back, and what a change in behaviour would be worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.clv.expect import expected_if_alive, expected_new, p_alive
from helpers.clv.predict import MONTH, discount_factors
from helpers.clv.simulate import simulate
from helpers.reporting.figures import Figure, Theme, figure, money_axis
from helpers.reporting.findings import Decision, Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, interval, language, money, number, percent, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from helpers.clv.model import Model

POINT = 0.01
DRAWS = 60
FUTURES = 4000


@dataclass(frozen=True, kw_only=True)
class Economics(Result):
    """A new customer's value, and what moves the base's.

    Attributes:
        process: The purchase process, which says what staying means.
        curve: `month`, `value`, `low`, `high`: expected cumulative margin of a new customer, the first order in month 0,
            with its posterior interval.
        p_above_cac: Share of new customers whose own margin exceeds the CAC; `None` where the CAC is unknown.
        ceiling: Highest CAC that a new customer's mean margin exceeds with probability `confidence`.
        payback: First month in which the expected margin reaches the CAC; `None` where it does not.
        payback_ends: The same for the upper and lower end of the curve.
        levers: `lever`, `value`, `low`, `high`: what one point is worth over the horizon, for the base of today.
    """

    process: str
    curve: pd.DataFrame
    p_above_cac: float | None
    ceiling: float
    payback: int | None
    payback_ends: tuple[int | None, int | None]
    levers: pd.DataFrame
    cac: float | None
    confidence: float
    level: float
    n: int
    horizon_months: int

    def numbers(self) -> dict[str, Number]:
        """Value of a new customer, ceiling, payback and levers."""
        unit = language().currency
        end = self.curve.iloc[-1]
        found = {
            "clv.new_customer": Number(
                value=float(end["value"]),
                low=float(end["low"]),
                high=float(end["high"]),
                level=self.level,
                unit=unit,
                n=self.n,
                definition="clv.new_customer",
            ),
            "clv.cac_ceiling": Number(value=self.ceiling, unit=unit, n=self.n, definition="clv.cac_ceiling"),
        }
        if self.cac is not None:
            found["clv.p_above_cac"] = Number(
                value=self.p_above_cac, unit="share", n=self.n, definition="clv.p_above_cac"
            )
        for row in self.levers.itertuples():
            found[f"lever.{row.lever}"] = Number(
                value=row.value,
                low=row.low,
                high=row.high,
                level=self.level,
                unit=unit,
                n=self.n,
                definition=f"lever.{row.lever}",
            )
        return found

    def definitions(self) -> dict[str, Definition]:
        """What each means."""
        names = _lever_names(self.process)
        return {
            "clv.new_customer": Definition(
                name=_("Value of a new customer"),
                text=_(
                    "Expected discounted margin of the first order and of {months} months after it, for a customer like those "
                    "of the log; acquisition cost is not taken off."
                ).format(months=number(self.horizon_months)),
            ),
            "clv.cac_ceiling": Definition(
                name=_("Ceiling for acquisition cost"),
                text=_("With probability {share}, the mean new customer brings more than this.").format(
                    share=percent(self.confidence, digits=0)
                ),
            ),
            "clv.p_above_cac": Definition(
                name=_("Earns back the acquisition cost"),
                text=_("Share of new customers whose own margin within the horizon exceeds the acquisition cost."),
            ),
            **{
                f"lever.{lever}": Definition(
                    name=name, text=_("{name}: change of the base's expected margin.").format(name=name)
                )
                for lever, name in names.items()
            },
        }

    def decisions(self) -> list[Decision]:
        """The ceiling, and the lever worth most."""
        best = self.levers.loc[self.levers["value"].idxmax()]
        return [
            Decision(
                id="cac_ceiling",
                text=_("Pay up to {ceiling} for a new customer like those so far. {payback}").format(
                    ceiling=money(self.ceiling), payback=self._payback_text()
                )
                if self.ceiling > 0
                else _("New customers like those so far do not earn their cost: pay nothing for them."),
                evidence="model",
                value={
                    "ceiling": self.ceiling,
                    "confidence": self.confidence,
                    "payback_month": self.payback,
                    "payback_between": list(self.payback_ends),
                },
            ),
            Decision(
                id="lever",
                text=_("Of the three, this would be worth most: {lever}, {value} ({interval}).").format(
                    lever=_lever_names(self.process)[best["lever"]],
                    value=money(best["value"]),
                    interval=interval(best["low"], best["high"], language().currency),
                ),
                evidence="model",
                value={"lever": best["lever"], "value": float(best["value"])},
            ),
        ]

    def _payback_text(self) -> str:
        if self.cac is None:
            return _("What they cost today is not known (economics.cac).")
        if self.payback is None:
            return _("Today's cost of {cac} is not earned back within {months} months.").format(
                cac=money(self.cac), months=number(self.horizon_months)
            )
        if self.payback == 0:
            return _("Today's cost of {cac} is earned back by the first order.").format(cac=money(self.cac))
        months = plural("{count} month", "{count} months", self.payback)
        return _("Today's cost of {cac} is earned back after {months}.").format(cac=money(self.cac), months=months)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Curve and levers."""
        return {"new_customer": self.curve, "levers": self.levers}

    def lever_table(self) -> Table:
        """What one point is worth."""
        names = _lever_names(self.process)
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
            self.levers.assign(name=[names[lever] for lever in self.levers["lever"]]),
            columns,
            title=_("What one point is worth"),
            foot=foot.format(n=number(self.n), months=number(self.horizon_months), level=percent(self.level, digits=0)),
        )

    def figure(self) -> Figure:
        """Cumulative margin of a new customer against the CAC."""
        shown = self.curve

        def draw(axes: Axes, theme: Theme) -> None:
            axes.fill_between(shown["month"], shown["low"], shown["high"], color=theme.accent, alpha=0.2, linewidth=0)
            axes.plot(shown["month"], shown["value"], color=theme.accent)
            if self.cac is not None:
                axes.axhline(self.cac, color=theme.ink, linewidth=1)
                axes.annotate(
                    _("cost of acquisition"),
                    (shown["month"].iloc[-1], self.cac),
                    xytext=(0, 4),
                    textcoords="offset points",
                    ha="right",
                    color=theme.ink,
                )
            money_axis(axes.yaxis)
            axes.set(xlim=(0, shown["month"].iloc[-1]), xlabel=_("Months since the first order"))

        columns = {
            "month": Column(label=_("Month"), kind="number"),
            "value": Column(label=_("Cumulative margin"), kind="money", low="low", high="high"),
        }
        end = shown.iloc[-1]
        return figure(
            draw,
            title=_("A new customer is expected to bring {value} within {months} months").format(
                value=money(end["value"]), months=number(self.horizon_months)
            ),
            subtitle=_("Expected cumulative margin of a new customer, discounted, the first order included"),
            foot=_("n = {n}. The band is the {level} posterior interval of the mean. {payback}").format(
                n=number(self.n), level=percent(self.level, digits=0), payback=self._payback_text()
            ),
            alt=_("A rising line that ends at {value}").format(value=money(end["value"])),
            data=table(shown, columns, title=_("Cumulative margin of a new customer"), rows=len(shown)),
        )

    def _repr_html_(self) -> str:
        return self.figure()._repr_html_()


def _lever_names(process: str) -> dict[str, str]:
    monthly = process == "pareto_nbd"
    return {
        "retention": _("Retention: one point more likely to stay a month")
        if monthly
        else _("Retention: one point more likely to stay after an order"),
        "order_value": _("Order value: 1 % more an order"),
        "frequency": _("Frequency: 1 % more orders while customers stay"),
    }


def economics(
    model: Model,
    *,
    horizon_months: int,
    margin: float,
    discount_rate: float,
    cac: float | None,
    confidence: float,
    seed: int,
) -> Economics:
    """A new customer's value and the levers.

    Args:
        model: The fitted model.
        horizon_months: Months that count.
        margin: Share of net revenue.
        discount_rate: A year.
        cac: Cost of a new customer; `None` where unknown.
        confidence: With which a new customer's mean margin exceeds the ceiling.
        seed: Of all randomness.
    """
    base = model.base
    factors = discount_factors(horizon_months, discount_rate)
    net = margin * (1 - base.refunds)
    orders, spends = model.parameters(), model.spend_parameters()
    picks = np.linspace(0, len(orders["r"]) - 1, min(len(orders["r"]), 200)).round().astype(int)
    first = float(base.customers["first_value"].mean())
    # The first order's mean is a fact of the log; its standard error joins the posterior as one more draw.
    error = float(base.customers["first_value"].std(ddof=1) / np.sqrt(base.n)) if base.n > 1 else abs(first)
    rng = np.random.default_rng(seed)
    curves = np.empty((len(picks), horizon_months + 1))
    for place, s in enumerate(picks):
        own = {name: float(values[s].mean()) for name, values in orders.items()}
        monthly = np.diff(expected_new(model.process, own, ahead=MONTH * np.arange(1, horizon_months + 1)), prepend=0.0)
        p, q, v = (float(spends[name][s % len(spends[name])]) for name in "pqv")
        mean = p * v / (q - 1)
        opening = first + error * rng.standard_normal()
        curves[place] = np.append(opening, opening + (monthly * factors * mean).cumsum()) * net
    tail = (1 - model.level) / 2
    low, high = np.quantile(curves, [tail, 1 - tail], axis=0)
    value = curves.mean(axis=0)
    curve = pd.DataFrame({"month": np.arange(horizon_months + 1), "value": value, "low": low, "high": high})
    return Economics(
        process=model.process,
        curve=curve,
        p_above_cac=None if cac is None else _share_above(model, net, factors, cac, seed),
        ceiling=float(np.quantile(curves[:, -1], 1 - confidence)),
        payback=_reached(value, cac),
        payback_ends=(_reached(high, cac), _reached(low, cac)),
        levers=_levers(model, factors, net, seed),
        cac=cac,
        confidence=confidence,
        level=model.level,
        n=base.n,
        horizon_months=horizon_months,
    )


def _reached(curve: NDArray, cac: float | None) -> int | None:
    if cac is None or not (curve >= cac).any():
        return None
    return int(np.argmax(curve >= cac))


def _share_above(model: Model, net: float, factors: NDArray, cac: float, seed: int) -> float:
    """Share of simulated new customers whose first order and later ones bring more than the CAC."""
    opening = model.base.customers["first_value"].to_numpy(float)
    rng = np.random.default_rng(seed)
    starts = rng.choice(opening, FUTURES) * net
    zero = np.zeros(1)
    shares = []
    # One pass for each of some quantiles of the first order: the chance is smooth in it.
    edges = np.quantile(starts, np.linspace(0.025, 0.975, 20))
    parameters = {name: values.mean(axis=1, keepdims=True) for name, values in model.parameters().items()}
    for start in edges:
        futures = simulate(
            process=model.process,
            x=zero,
            t_x=zero,
            T=zero,
            spend_x=zero,
            spend_total=zero,
            rate=zero,
            purchase=parameters,
            spend=model.spend_parameters(),
            discount=factors,
            month=MONTH,
            margin=net,
            cac=cac - start,
            group=np.zeros(1, dtype=np.int64),
            groups=1,
            level=model.level,
            seed=seed,
            draws=FUTURES,
        )
        shares.append(float(futures.customers["p_above"][0]))
    return float(np.mean(shares))


def _levers(model: Model, factors: NDArray, net: float, seed: int) -> pd.DataFrame:
    """Change of the base's expected margin for one point of each lever, by posterior draw."""
    base = model.base
    orders = model.parameters()
    x, total = model.spend_history()
    frame = base.customers
    shared = base.histories
    # The base's spend by history: expected orders are the same within one, so only sums of spend are needed.
    mean = total / np.maximum(x, 1)
    columns = {name: shared[name].to_numpy(float) for name in ("x", "t_x", "T")}
    ahead = MONTH * np.arange(1, len(factors) + 1)
    weights = factors - np.append(factors[1:], 0.0)
    groups = shared["group"].to_numpy()
    spends = model.spend_parameters()
    rng = np.random.default_rng(seed)
    picks = rng.choice(len(orders["r"]), min(DRAWS, max(8, 3_000_000 // len(frame))), replace=False)
    history = np.searchsorted(shared["history"].to_numpy(), frame["history"].to_numpy())
    found = []
    for s in picks:
        own_spend = {name: float(values[s % len(values)]) for name, values in spends.items()}
        value = _spend_by_history(own_spend, x, mean, model.rate, history, len(shared))
        plain = _discounted(model.process, orders, s, columns, groups, ahead, weights, {})
        stay = _discounted(model.process, orders, s, columns, groups, ahead, weights, {"stay": POINT})
        faster = _discounted(model.process, orders, s, columns, groups, ahead, weights, {"faster": 1 + POINT})
        whole = float(value @ plain) * net
        found.append((float(value @ stay) * net - whole, whole * POINT, float(value @ faster) * net - whole))
    drawn = np.array(found)
    tail = (1 - model.level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return pd.DataFrame(
        {"lever": ["retention", "order_value", "frequency"], "value": drawn.mean(axis=0), "low": low, "high": high}
    )


def _spend_by_history(own: dict[str, Any], x: NDArray, mean: NDArray, rate: NDArray, at: NDArray, size: int) -> NDArray:
    from helpers.clv.spend import expected_spend

    return np.bincount(at, weights=expected_spend(own, x=x, mean=mean, rate=rate), minlength=size)


def _discounted(
    process: str,
    parameters: dict[str, NDArray],
    s: int,
    columns: dict[str, NDArray],
    groups: NDArray,
    ahead: NDArray,
    weights: NDArray,
    change: dict[str, float],
) -> NDArray:
    """Discounted expected orders of each history, with a change of behaviour from now on."""
    found = np.empty(len(groups))
    for g in np.unique(groups):
        mine = groups == g
        own = {name: float(values[s, min(g, values.shape[1] - 1)]) for name, values in parameters.items()}
        alive = p_alive(process, own, **{name: values[mine] for name, values in columns.items()})
        lived = expected_if_alive(process, own, x=columns["x"][mine], T=columns["T"][mine], ahead=ahead, **change)
        found[mine] = alive * (lived @ weights)
    return found

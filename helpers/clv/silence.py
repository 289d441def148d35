"""Silence: P(alive) by how often a customer ordered and how long ago, and how long a silence says more lost than not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.clv.expect import p_alive
from helpers.clv.purchase import NAMES
from helpers.reporting.figures import Figure, Theme, figure
from helpers.reporting.findings import Result, where_given
from helpers.reporting.tables import Column, table
from helpers.reporting.words import _, listing, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from helpers.clv.model import Model

# The picture's size does not hang on the client's.
MOST_ORDERS, STEPS, DRAWS = 16, 60, 50
EVEN = 0.5
LEVELS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


@dataclass(frozen=True, kw_only=True)
class Silence(Result):
    """P(alive) of customers watched for one length of time.

    Attributes:
        grid: P(alive), posterior mean, shape (frequencies, silences).
        orders: Repeat orders, shape (frequencies,).
        days: Days since the last order, shape (silences,).
        T: Days since the first order, of all cells.
        edges: `orders`, `days` of silence after which P(alive) is below a half (missing where it never is), `share` alive
            at the longest silence shown.
    """

    grid: NDArray
    orders: NDArray
    days: NDArray
    T: float
    edges: pd.DataFrame
    process: str
    n: int

    def tables(self) -> dict[str, pd.DataFrame]:
        """Silences by frequency."""
        return {"silence": self.edges}

    def figure(self) -> Figure:
        """P(alive) by frequency and silence."""
        told = self.edges.dropna(subset=["days"])

        def draw(axes: Axes, theme: Theme) -> None:
            from matplotlib.colors import to_rgb

            accent, paper = np.array(to_rgb(theme.accent)), np.array(to_rgb(theme.paper))
            shades = [tuple(paper + (accent - paper) * share) for share in np.linspace(0.0, 0.9, len(LEVELS) - 1)]
            axes.contourf(self.days, self.orders[1:], self.grid[1:], levels=LEVELS, colors=shades)
            crossed = [level for level in LEVELS[1:-1] if self.grid[1:].min() < level < self.grid[1:].max()]
            if crossed:
                widths = [1.5 if level == EVEN else 0.6 for level in crossed]
                line = axes.contour(
                    self.days, self.orders[1:], self.grid[1:], levels=crossed, colors=theme.ink, linewidths=widths
                )
                axes.clabel(line, fmt=lambda level: percent(level, digits=0), fontsize=9)
            axes.set_yticks(self.orders[1 :: 1 + len(self.orders) // 9])
            axes.set(
                xlabel=_("Days since the last order"), ylabel=_("Repeat orders"), xlim=(self.days[0], self.days[-1])
            )
            axes.grid(visible=False)

        columns = {
            "orders": Column(label=_("Repeat orders"), kind="number"),
            "days": Column(label=_("Days of silence until P(alive) is below 50 %"), kind="number"),
            "share": Column(label=_("P(alive) after {days} days").format(days=number(self.days[-1])), kind="share"),
        }
        pick = told[told["orders"] > 0].head(3).tail(1)
        title = (
            _("With {orders} repeat orders, {days} days of silence say more lost than not").format(
                orders=number(pick["orders"].iloc[0]), days=number(pick["days"].iloc[0])
            )
            if len(pick)
            else _("No silence within {days} days says more lost than not").format(days=number(self.days[-1]))
        )
        return figure(
            draw,
            title=title,
            subtitle=_("P(alive) of customers who first ordered {days} days ago; darker is likelier").format(
                days=number(self.T)
            ),
            foot=_(
                "{process}, posterior mean, n = {n} customers. Shades change at {levels}; who never ordered again is in the numbers."
            ).format(
                process=NAMES[self.process],
                n=number(self.n),
                levels=listing(percent(level, digits=0) for level in LEVELS[1:-1]),
            ),
            alt=_("A map in which P(alive) falls with days of silence, faster for those who ordered often"),
            data=table(self.edges, columns, title=_("How long a silence may last"), rows=len(self.edges)),
        )

    def _repr_html_(self) -> str:
        return self.figure()._repr_html_()


@where_given
def silence(model: Model) -> Silence:
    """P(alive) on a grid of bounded size, for customers watched as long as the base's upper quartile."""
    frame = model.base.customers
    T = float(max(np.quantile(frame["T"], 0.75), 2.0))
    most = int(np.clip(np.quantile(frame["x"], 0.99), 3, MOST_ORDERS))
    orders = np.arange(0, most + 1)
    # A customer with x repeat orders has had at least x days of them.
    days = np.unique(np.linspace(0, max(T - most, 1.0), STEPS).round())
    x, gap = (part.ravel().astype(float) for part in np.meshgrid(orders, days, indexing="ij"))
    t_x = np.where(x > 0, T - gap, 0.0)
    parameters = model.parameters()
    draws, groups = parameters["r"].shape
    # Who never ordered again has been silent since the first order: the silence is the time watched, and every day asks anew.
    every = np.arange(T + 1)
    never = np.zeros(len(every))
    found = np.zeros(len(x))
    picks = np.linspace(0, draws - 1, min(DRAWS, draws)).round().astype(int)
    for s in picks:
        for g in range(groups):
            own = {name: float(values[s, g]) for name, values in parameters.items()}
            share = model.shares[g] / len(picks)
            found += p_alive(model.process, own, x=x, t_x=t_x, T=np.full(len(x), T)) * share
            never += p_alive(model.process, own, x=0 * every, t_x=0 * every, T=every) * share
    grid = found.reshape(len(orders), len(days))
    below = grid < EVEN
    edges = pd.DataFrame(
        {
            "orders": orders,
            "days": [float(days[np.argmax(row)]) if row.any() else np.nan for row in below],
            "share": grid[:, -1],
        }
    )
    grid[0] = never[days.astype(int)]
    over = never < EVEN
    edges.loc[0, ["days", "share"]] = [float(np.argmax(over)) if over.any() else np.nan, grid[0, -1]]
    return Silence(grid=grid, orders=orders, days=days, T=T, edges=edges, process=model.process, n=len(frame))

"""Prior predictive: what the model expected of any client before it saw this one, beside what this one's log says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.clv import purchase, spend
from helpers.clv.simulate import simulate
from helpers.reporting.figures import Figure, Theme, figure, percent_axis
from helpers.reporting.findings import Check, Result, where_given
from helpers.reporting.tables import Column, table
from helpers.reporting.words import _, clauses, listing, money, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.clv.model import Model

DRAWS = 400
LIVES = 400
EDGES = (0.01, 0.99)
# The bars hold what lies between this quantile of the prior and the one as far from the top.
TAIL = 0.05


@dataclass(frozen=True, kw_only=True)
class Prior(Result):
    """The client's own figures among those of clients drawn from the priors.

    Attributes:
        rows: One row a figure: `name`, `observed`, quantiles `q05`, `q50`, `q95` of the prior predictive, `place` (share of
            it below what was observed), and the three as they are `told`.
        days: Days of observation the orders are counted over.
        n: Customers.
    """

    rows: pd.DataFrame
    days: float
    n: int

    def checks(self) -> list[Check]:
        """Whether the priors had room for this client."""
        out = self.rows[~self.rows["place"].between(*EDGES)]
        return [
            Check(
                id="clv.prior",
                status="warn" if len(out) else "pass",
                value=None,
                threshold=_("within {low} to {high} of the prior predictive").format(
                    low=percent(EDGES[0], digits=0), high=percent(EDGES[1], digits=0)
                ),
                message=_(
                    "The priors hardly had room for this log ({names}); look whether its units are right."
                ).format(names=listing(out["name"]))
                if len(out)
                else _("The log lies well within what the priors allow."),
            )
        ]

    def figure(self) -> Figure:
        """Where the log's figures lie in the prior predictive."""
        shown = self.rows[::-1].reset_index(drop=True)

        def draw(axes: Axes, theme: Theme) -> None:
            places = np.arange(len(shown))
            axes.barh(places, 1 - 2 * TAIL, left=TAIL, height=0.34, color=theme.rule)
            axes.plot(shown["place"], places, "o", color=theme.accent, markersize=8)
            for row in shown.itertuples():
                middle = 0.02 < row.place < 0.98  # noqa: PLR2004 - where the label would leave the axes
                axes.annotate(
                    row.told, (row.place, row.Index), xytext=(0, 11), textcoords="offset points",
                    ha="center" if middle else "left" if row.place <= 0.02 else "right", color=theme.ink,  # noqa: PLR2004
                )  # fmt: skip
            axes.set_yticks(places, list(shown["name"]))
            axes.set(xlim=(0, 1), ylim=(-0.6, len(shown) - 0.3), xlabel=_("Share of the prior predictive below"))
            percent_axis(axes.xaxis)
            axes.grid(axis="y", visible=False)

        columns = {
            "name": Column(label=_("Figure")),
            "told": Column(label=_("This log")),
            "told_q05": Column(label=_("Prior, {level}").format(level=percent(TAIL, digits=0))),
            "told_q50": Column(label=_("Prior, median")),
            "told_q95": Column(label=_("Prior, {level}").format(level=percent(1 - TAIL, digits=0))),
        }
        return figure(
            draw,
            title=_("The priors allow for almost any client; this one lies within them")
            if self.checks()[0].status == "pass"
            else _("The priors hardly had room for this client"),
            subtitle=_(
                "This log’s figures among those of clients drawn from the priors; bars hold the middle {level}"
            ).format(level=percent(1 - 2 * TAIL, digits=0)),
            foot=_(
                "{draws} clients from the priors, new customers over {days} days (the median observation). n = {n} customers."
            ).format(draws=number(DRAWS), days=number(self.days), n=number(self.n)),
            alt=_("Dots on bars: {parts}").format(
                parts=clauses(f"{row.name}: {row.told}" for row in self.rows.itertuples(index=False))
            ),
            data=table(self.rows, columns, title=_("Prior predictive")),
            height=2.6,
        )

    def _repr_html_(self) -> str:
        return self.figure()._repr_html_()


@where_given
def prior_predictive(model: Model, *, seed: int) -> Prior:
    """Draw clients from the priors and place this one among them.

    Args:
        model: The fitted model, for its process, scales and base.
        seed: Of all randomness.
    """
    rng = np.random.default_rng(seed)
    centre, spread = (np.array(part) for part in zip(*purchase.PRIORS[model.process], strict=True))
    theta = rng.normal(centre, spread, (DRAWS, len(centre)))
    parameters = purchase.to_parameters(theta, model.process, scale=model.scale)  # type: ignore[arg-type]
    zero = np.zeros(DRAWS)
    # Each client of the priors is one group with one new customer, whose life is lived many times.
    lives = simulate(
        process=model.process, x=zero, t_x=zero, T=zero, spend_x=zero, spend_total=zero, rate=zero,
        purchase={name: values[None, :] for name, values in parameters.items()},
        spend={"p": np.ones(1), "q": np.full(1, 3.0), "v": np.ones(1)}, discount=np.ones(1), month=model.scale,
        margin=1.0, cac=0.0, group=np.arange(DRAWS), groups=DRAWS, level=model.level, seed=seed, draws=LIVES,
    )  # fmt: skip
    mean, deviation = spend.PRIORS["gamma_gamma"][0]
    orders = np.exp(rng.normal(mean, deviation, DRAWS)) * model.spend_scale
    frame = model.base.customers
    # Customers are watched for different times: what they did is told for those watched about as long as the median.
    near = frame["T"].between(0.75 * model.scale, 1.25 * model.scale)
    seen = frame[near] if near.any() else frame
    x, total = model.spend_history()
    value = float(total.sum() / x.sum()) if x.sum() else float("nan")
    drawn = {
        _("Repeat orders a customer"): (lives.customers["orders"], float(seen["x"].mean())),
        _("Share that orders again"): (lives.customers["p_order"], float((seen["x"] > 0).mean())),
        _("Mean order"): (orders, value),
    }
    tellers = (lambda v: number(v, digits=2), percent, money)
    rows = []
    for (name, (values, observed)), tell in zip(drawn.items(), tellers, strict=True):
        quantiles = np.quantile(values, [TAIL, 0.5, 1 - TAIL])
        rows.append(
            {
                "name": name,
                "observed": observed,
                "place": float((values < observed).mean()),
                "told": tell(observed),
                **dict(zip(("q05", "q50", "q95"), quantiles, strict=True)),
                **{f"told_{key}": tell(value) for key, value in zip(("q05", "q50", "q95"), quantiles, strict=True)},
            }
        )
    return Prior(rows=pd.DataFrame(rows), days=model.scale, n=len(seen))

"""The fitted model of one base: purchases and spend, with what their samplers say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.clv import purchase, spend
from helpers.clv.fit import Posterior, fit
from helpers.clv.pace import log_rates
from helpers.clv.sampling import sampler_check, sampler_columns, sampler_foot, sampler_row
from helpers.reporting.findings import Check, Definition, Number, Result, where_given
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, number, percent, plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.clv.history import Base
    from helpers.clv.topic import Params

FEWEST_REPEAT_BUYERS = 30
# The dependence is told at 99 %, so that independent spend is flagged in about one run of a hundred.
DEPENDENCE_TAIL = 0.005


@dataclass(frozen=True, kw_only=True)
class Model(Result):
    """Posterior of a base.

    Attributes:
        base: The customers.
        process: The purchase process.
        purchase: Posterior of its coordinates; `parameters` gives them with times in days.
        spend: Posterior of Gamma-Gamma.
        tilted: Posterior of the alternative in which spend goes with frequency.
        scale: Days in a unit of the purchase coordinates' time.
        spend_scale: Currency in a unit of spend.
        spend_from: `repeat` orders, or `all` where repeat buyers are too few.
        spend_n: Customers whose spend was used.
        left_out: Customers with orders to tell spend from, whose mean is not positive.
        rate: Centred expected log order rate, shape (customers,).
        centre: Mean that was taken off the rates.
        level: Coverage of the intervals.
    """

    base: Base
    process: str
    purchase: Posterior
    spend: Posterior
    tilted: Posterior
    scale: float
    spend_scale: float
    spend_from: str
    spend_n: int
    left_out: int
    rate: NDArray
    centre: float
    level: float

    def parameters(self) -> dict[str, NDArray]:
        """Purchase parameters, shape (draws, groups)."""
        return purchase.to_parameters(self.purchase.theta, self.process, scale=self.scale)  # type: ignore[arg-type]

    @cached_property
    def shares(self) -> NDArray:
        """Share of the customers in each group of the parameters, shape (groups,)."""
        groups = self.purchase.theta.shape[1]
        if groups == 1:
            return np.ones(1)
        return np.bincount(self.base.customers["group"], minlength=groups) / self.base.n

    def pace(self, rates: NDArray) -> NDArray:
        """Centred log of order rates (orders a day), for `c` of the spend parameters; shape as given.

        Beyond the rates of the base's customers nothing is known of spend: it stays where it is at their ends.
        """
        logs = np.log(np.maximum(rates, np.finfo(float).tiny)) - self.centre
        return np.clip(logs, self.rate.min(), self.rate.max())

    @property
    def dependent(self) -> bool:
        """Whether spend goes with frequency beyond chance."""
        low, high = np.quantile(self.tilted.theta[:, 0, 3], [DEPENDENCE_TAIL, 1 - DEPENDENCE_TAIL])
        return bool(low > 0 or high < 0)

    def spend_parameters(self, *, tilted: bool | None = None) -> dict[str, NDArray]:
        """p, q, v and, where spend goes with frequency, c; shape (draws,) each."""
        use = self.dependent if tilted is None else tilted
        chosen, family = (self.tilted, "gamma_gamma_frequency") if use else (self.spend, "gamma_gamma")
        return spend.to_parameters(chosen.theta[:, 0, :], family, scale=self.spend_scale)  # type: ignore[arg-type]

    def spend_history(self) -> tuple[NDArray, NDArray]:
        """Orders and their sum that each customer's spend is known from, shape (customers,); zeros where unknown."""
        return _spend_history(self.base, self.spend_from)

    def numbers(self) -> dict[str, Number]:
        """The elasticity of spend to frequency."""
        c = self.tilted.theta[:, 0, 3]
        tail = (1 - self.level) / 2
        low, high = np.quantile(c, [tail, 1 - tail])
        return {
            "spend.elasticity": Number(
                value=float(c.mean()),
                low=float(low),
                high=float(high),
                level=self.level,
                unit="ratio",
                n=self.spend_n,
                definition="spend.elasticity",
            )
        }

    def definitions(self) -> dict[str, Definition]:
        """What the elasticity is."""
        return {
            "spend.elasticity": Definition(
                name=_("Spend against frequency"),
                text=_(
                    "By how many per cent the mean order differs between customers whose order rate differs by {share}."
                ).format(share=percent(0.01, digits=0)),
            )
        }

    def checks(self) -> list[Check]:
        """What the samplers say, whether spend depends on frequency, and who was left out."""
        found = [
            sampler_check(f"clv.sampler.{name}", posterior)
            for name, posterior in (
                ("purchase", self.purchase),
                ("spend", self.spend),
                ("spend_frequency", self.tilted),
            )
        ]
        found.append(
            Check(
                id="clv.spend_frequency",
                status="warn" if self.dependent else "pass",
                value=float(self.tilted.theta[:, 0, 3].mean()),
                threshold=_("{level} interval holds {value}").format(
                    level=percent(1 - 2 * DEPENDENCE_TAIL, digits=0), value=number(0)
                ),
                message=_("Customers who order more often spend differently per order; the model in use takes that in.")
                if self.dependent
                else _("No sign that spend per order goes with how often customers order."),
            )
        )
        if self.left_out:
            found.append(
                Check(
                    id="clv.spend_not_positive",
                    status="warn",
                    value=self.left_out,
                    threshold="0",
                    message=plural(
                        "{count} customer’s repeat orders are worth nothing or less; the base’s mean order is used.",
                        "{count} customers’ repeat orders are worth nothing or less; the base’s mean order is used.",
                        self.left_out,
                    ),
                )
            )
        return found

    def table(self) -> Table:
        """How each part was fitted."""
        rows = [
            sampler_row(purchase.NAMES[self.process], self.purchase),
            sampler_row("Gamma-Gamma", self.spend),
            sampler_row(_("Gamma-Gamma with frequency"), self.tilted),
        ]
        columns = sampler_columns(n=_("Customers"))
        return table(pd.DataFrame(rows), columns, title=_("How the models were fitted"), foot=sampler_foot())

    def parameter_table(self) -> Table:
        """Parameters with their intervals, times in days."""
        tail = (1 - self.level) / 2
        rows = []
        for name, values in {**self.parameters(), **self.spend_parameters()}.items():
            drawn = values if values.ndim == 1 else values @ self.shares
            low, high = np.quantile(drawn, [tail, 1 - tail])
            rows.append({"name": name, "value": drawn.mean(), "low": low, "high": high})
        columns = {
            "name": Column(label=_("Parameter")),
            "value": Column(label=_("Posterior mean"), kind="decimal", low="low", high="high"),
        }
        foot = _("n = {n} customers, {spend} for spend. Times in days. Intervals at {level}.").format(
            n=number(self.base.n), spend=number(self.spend_n), level=percent(self.level, digits=0)
        )
        return table(pd.DataFrame(rows), columns, title=_("Parameters"), foot=foot, rows=len(rows))

    def sentence(self) -> Sentence:
        """What was fitted, and whether spend depends on frequency."""
        told = next(check.message for check in self.checks() if check.id == "clv.spend_frequency")
        return Sentence(
            text=_(
                "{process} for orders, Gamma-Gamma for spend, on {n} customers with {units} distinct histories. {told}"
            ).format(
                process=purchase.NAMES[self.process],
                n=number(self.base.n),
                units=number(self.purchase.units),
                told=told,
            )
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


@where_given
def fit_model(base: Base, *, settings: Params, seed: int) -> Model:
    """Fit purchases and spend.

    Args:
        base: The customers' histories.
        settings: Process, tier, draws, level, and whether the base's groups have parameters of their own, partially pooled.
        seed: Of all randomness.
    """
    process, tier, draws = settings.process, settings.tier, settings.draws
    split = settings.pooled and len(base.groups) > 1
    rows = base.rows(pooled=split)
    orders = fit(process, purchase.compressed(rows), tier=tier, draws=draws, seed=seed, pooled=split)
    parameters = purchase.to_parameters(orders.theta, process, scale=rows.scale)
    rate = log_rates(base, process, {name: values.mean(axis=0) for name, values in parameters.items()})
    centre = float(rate.mean())
    rate -= centre
    frame = base.customers
    use = "repeat" if int((frame["x"] > 0).sum()) >= FEWEST_REPEAT_BUYERS else "all"
    x, total = _spend_history(base, use)
    known = x > 0
    told = frame["x"].to_numpy() > 0 if use == "repeat" else np.ones(len(frame), dtype=bool)
    means_known = total[known] / x[known]
    scale = float(np.median(means_known)) if known.any() else 1.0
    # Where nothing is known of spend, one row without weight leaves the priors as they are.
    about = (
        (x[known], means_known, np.ones(int(known.sum())), rate[known]) if known.any() else ([1.0], [1.0], [0.0], [0.0])
    )
    plain = spend.compressed(about[0], about[1], weight=about[2], scale=scale)
    return Model(
        base=base,
        process=process,
        purchase=orders,
        spend=fit("gamma_gamma", plain, tier=tier, draws=draws, seed=seed + 1),
        tilted=fit(
            "gamma_gamma_frequency", plain | {"rate": np.asarray(about[3])}, tier=tier, draws=draws, seed=seed + 2
        ),
        scale=rows.scale,
        spend_scale=scale,
        spend_from=use,
        spend_n=int(known.sum()),
        left_out=int((told & ~known).sum()),
        rate=rate,
        centre=centre,
        level=settings.level,
    )


def _spend_history(base: Base, use: str) -> tuple[NDArray, NDArray]:
    frame = base.customers
    x = frame["x"].to_numpy(float) + (use == "all")
    total = frame["spend_total" if use == "repeat" else "total"].to_numpy(float)
    known = (x > 0) & (total > 0)
    return np.where(known, x, 0.0), np.where(known, total, 0.0)

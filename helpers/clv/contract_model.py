"""The fitted renewal model of a client's contracts: sBG and BdW by plan, and the curves of who stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.clv import contractual
from helpers.clv.sampling import sampler_check, sampler_columns, sampler_foot, sampler_row
from helpers.reporting.figures import Figure, Theme, figure, label_end, percent_axis
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, day, foreign, listing, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from helpers.clv.contracts import Contracts
    from helpers.clv.fit import Posterior

NAMES = {"sbg": "sBG", "bdw": "BdW"}
# Both tails of a 99 % interval, shared among the plans, so that tenure is called into play in about one run of a hundred.
TENURE_TAIL = 0.005
CURVES = 3
FEWEST_AT_RISK = 10
# Height of a label, as a share of the axis.
GAP = 0.055


@dataclass(frozen=True, kw_only=True)
class ContractModel(Result):
    """Posterior of who renews.

    Attributes:
        base: The contracts.
        sbg: Posterior where the chance of leaving differs between customers only.
        bdw: Posterior of the alternative in which it moves with tenure as well.
        groups: Names of the groups that have parameters of their own.
        group: Place of each plan's group, shape (plans,).
        met: Whether the log tells anything of a group's renewals, shape (groups,): one of its contracts has met a renewal
            date, or the groups learn from one another and a contract of any has.
        curves: Of each group that is told of: `group`, `renewals`, `observed` (Kaplan-Meier), `at_risk`, `fitted`, `low`, `high`.
        level: Coverage of the intervals.
    """

    base: Contracts
    sbg: Posterior
    bdw: Posterior
    groups: tuple[str, ...]
    group: NDArray
    met: NDArray
    curves: pd.DataFrame
    level: float

    @property
    def tenure(self) -> int:
        """Sign of how the chance of leaving moves with tenure beyond what the mix explains; 0 where it does not."""
        return tenure_sign(self.bdw)

    @property
    def family(self) -> contractual.Contract:
        """The family in use."""
        return "bdw" if self.tenure else "sbg"

    def parameters(self) -> dict[str, NDArray]:
        """alpha, beta and perhaps c, shape (draws, groups)."""
        return contractual.to_parameters(self._used.theta, self.family)

    @property
    def unmet(self) -> tuple[str, ...]:
        """Groups of whose renewals nothing is known: what the model says of them is its prior alone."""
        return tuple(name for name, met in zip(self.groups, self.met, strict=True) if not met)

    @property
    def _used(self) -> Posterior:
        return self.bdw if self.tenure else self.sbg

    def numbers(self) -> dict[str, Number]:
        """Retention of the last period, as it was."""
        seen = self.base.retention(level=self.level)
        return {
            "contracts.retention.last": Number(
                value=seen.value,
                low=seen.low,
                high=seen.high,
                level=seen.level if seen.value is not None else None,
                unit="share",
                n=seen.n,
                definition="contracts.retention.last",
            )
        }

    def definitions(self) -> dict[str, Definition]:
        """What retention is."""
        return {
            "contracts.retention.last": Definition(
                name=_("Retention of the last period"),
                text=_(
                    "(customers at the end - new ones) / customers at the start, over the {days} days up to {day}; who changes "
                    "the plan or comes back within them is retained. Wilson’s interval."
                ).format(days=number(round(self.base.span)), day=day(self.base.as_of.date())),
            )
        }

    def checks(self) -> list[Check]:
        """What the sampler says, whether tenure counts, and which contracts were left out."""
        found = []
        if self.unmet:
            found = [Check(id="contracts.renewals", status="fail", value=0, threshold="1", message=self._unmet_said())]
        if self.met.any():
            found += [sampler_check("contracts.sampler", self._used), self._tenure_check()]
        return [*found, *self.base.checks()]

    def _unmet_said(self) -> str:
        return unmet_said(self.unmet, all_groups=not self.met.any())

    def _tenure_check(self) -> Check:
        messages = {
            1: _(
                "Customers who have stayed longer leave more often than the mix of customers explains; the model in use (BdW) "
                "takes that in."
            ),
            0: _(
                "That customers who have stayed longer leave less often is explained by the mix of customers alone; the model "
                "in use is sBG."
            ),
            -1: _(
                "Customers who have stayed longer leave less often even than the mix of customers explains; the model in use "
                "(BdW) takes that in."
            ),
        }
        unknown = not self.bdw.sound
        return Check(
            id="contracts.tenure",
            status="warn" if self.tenure or unknown else "pass",
            value=float(contractual.to_parameters(self.bdw.theta, "bdw")["c"].mean()),
            threshold=_("{level} interval of c holds {value}").format(
                level=percent(1 - 2 * TENURE_TAIL, digits=0), value=number(1)
            ),
            message=_("Whether leaving moves with tenure could not be told; the model in use is sBG.")
            if unknown
            else messages[self.tenure],
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Curves of who stays."""
        return {"contracts_survival": self.curves}

    def table(self) -> Table | Sentence:
        """How each part was fitted."""
        if not self.met.any():
            return Sentence(text=self._unmet_said())
        rows = [
            sampler_row(NAMES[posterior.family], posterior)
            | {"use": _("in use") if posterior.family == self.family else ""}
            for posterior in (self.sbg, self.bdw)
        ]
        part, *others = sampler_columns(n=_("Contracts")).items()
        columns = dict([part, ("use", Column(label=_("In use"))), *others])
        return table(pd.DataFrame(rows), columns, title=_("How the renewal models were fitted"), foot=sampler_foot())

    def parameter_table(self) -> Table | Sentence:
        """Parameters of each group that is told of, with their intervals."""
        if not self.met.any():
            return Sentence(text=self._unmet_said())
        tail = (1 - self.level) / 2
        rows = []
        for name, values in self.parameters().items():
            low, high = np.quantile(values, [tail, 1 - tail], axis=0)
            rows += [
                {"name": name, "group": group, "value": values[:, place].mean(), "low": low[place], "high": high[place]}
                for place, group in enumerate(self.groups)
                if self.met[place]
            ]
        columns = {
            "name": Column(label=_("Parameter")),
            "group": Column(label=_("Plan")),
            "value": Column(label=_("Posterior mean"), kind="decimal", low="low", high="high"),
        }
        foot = _("n = {n} contracts. Intervals at {level}.").format(
            n=number(self.base.n), level=percent(self.level, digits=0)
        )
        return table(pd.DataFrame(rows), columns, title=_("Parameters of renewals"), foot=foot, rows=len(rows))

    def sentence(self) -> Sentence:
        """What was fitted, and whether tenure counts."""
        if not self.met.any():
            return Sentence(text=self._unmet_said())
        fitted = Sentence(
            text=_("{family} for renewals, on {n} contracts with {units} distinct histories. {told}").format(
                family=NAMES[self.family],
                n=number(self.base.n),
                units=number(len(self.base.histories)),
                told=self._tenure_check().message,
            )
        )
        return Sentence(text=f"{fitted.text} {self._unmet_said()}") if self.unmet else fitted

    def figure(self) -> Figure | Sentence:
        """Who stays: observed against fitted, by renewals."""
        if not self.met.any():
            return Sentence(text=self._unmet_said())
        from matplotlib.ticker import MaxNLocator

        names = self.curves.groupby("group")["at_risk"].max().nlargest(CURVES).index.tolist()
        parts = {name: self.curves[self.curves["group"] == name] for name in names}
        at = max(1, min(12, *(_last_seen(part) for part in parts.values())))
        kept = {name: part.set_index("renewals").loc[at] for name, part in parts.items()}
        best, worst = (
            max(names, key=lambda name: kept[name]["fitted"]),
            min(names, key=lambda name: kept[name]["fitted"]),
        )
        said = {name: percent(row["fitted"], digits=0) for name, row in kept.items()}

        last = self.curves["renewals"].max()
        ends = _apart({name: part["fitted"].iloc[-1] for name, part in parts.items()})

        def draw(axes: Axes, theme: Theme) -> None:
            for place, (name, part) in enumerate(parts.items()):
                colour = theme.accent if len(parts) == 1 else theme.hues[place]
                seen = part["renewals"] <= _last_seen(part)
                ahead = part["renewals"] >= _last_seen(part)
                axes.fill_between(part["renewals"], part["low"], part["high"], color=colour, alpha=0.18, linewidth=0)
                axes.plot(part.loc[seen, "renewals"], part.loc[seen, "fitted"], color=colour)
                axes.plot(part.loc[ahead, "renewals"], part.loc[ahead, "fitted"], color=colour, linestyle=":")
                shown = part[_shown(part)]
                axes.scatter(
                    shown["renewals"], shown["observed"], s=16, color=colour, edgecolor=theme.paper, linewidth=0.6
                )
                label_end(axes, last, ends[name], name if len(parts) > 1 else _("model"), colour)
            percent_axis(axes.yaxis)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set(xlabel=_("Renewals"), ylim=(0, 1.02), xlim=(0, last))

        columns = {
            "group": Column(label=_("Plan")),
            "renewals": Column(label=_("Renewals"), kind="number"),
            "observed": Column(label=_("Observed"), kind="share"),
            "at_risk": Column(label=_("Contracts at risk"), kind="number"),
            "fitted": Column(label=_("Model"), kind="share", low="low", high="high"),
        }
        rows = pd.concat(parts.values(), ignore_index=True)
        title = (
            _("{share} of contracts are expected to see {renewals} renewals").format(
                share=said[best], renewals=number(at)
            )
            if len(parts) == 1
            else _("After {renewals} renewals {best} keeps {high} of its contracts, {worst} {low}").format(
                renewals=number(at), best=best, high=said[best], worst=worst, low=said[worst]
            )
        )
        return figure(
            draw,
            title=title,
            subtitle=_(
                "Share of contracts that see so many renewals: points observed, lines fitted, dotted beyond the log"
            ),
            foot=_(
                "n = {n} contracts. Points: Kaplan-Meier, where {least} or more were at risk. The band is the {level} posterior "
                "interval of the curve."
            ).format(n=number(self.base.n), least=number(FEWEST_AT_RISK), level=percent(self.level, digits=0)),
            alt=_("Falling curves: {parts} after {renewals} renewals").format(
                parts=listing((f"{foreign(name)} {share}" for name, share in said.items()), style="unit"),
                renewals=number(at),
            ),
            data=table(rows, columns, title=_("Who stays, by renewals"), rows=len(rows)),
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def unmet_said(groups: tuple[str, ...], *, all_groups: bool) -> str:
    """That nothing is known of these groups' renewals."""
    if all_groups:
        return _("No contract has met a renewal date yet: who renews is not known, and no value is told.")
    return _(
        "No contract of {plans} has met a renewal date yet: who renews there is not known, and no value of all contracts "
        "together is told."
    ).format(plans=listing(map(foreign, groups)))


def tenure_sign(posterior: Posterior) -> int:
    """1 where a plan's c lies above 1 beyond chance, -1 below, 0 where none does or the posterior is not sound."""
    if not posterior.sound:
        return 0
    log_c = posterior.theta[:, :, 2]
    tail = TENURE_TAIL / log_c.shape[1]
    low, high = np.quantile(log_c, [tail, 1 - tail], axis=0)
    if not ((low > 0) | (high < 0)).any():
        return 0
    distance = np.where((low > 0) | (high < 0), log_c.mean(axis=0) / log_c.std(axis=0), 0.0)
    return int(np.sign(distance[np.abs(distance).argmax()]))


def _apart(ends: dict[str, float]) -> dict[str, float]:
    """Heights of the labels at the lines' ends, moved up until none lies over another."""
    found: dict[str, float] = {}
    for name in sorted(ends, key=ends.__getitem__):
        found[name] = max(ends[name], *(height + GAP for height in found.values()), 0.0)
    return found


def _last_seen(part: pd.DataFrame) -> int:
    return int(part.loc[part["observed"].notna(), "renewals"].max())


def _shown(part: pd.DataFrame) -> pd.Series:
    """Points that rest on enough contracts."""
    return part["observed"].notna() & (part["at_risk"] >= FEWEST_AT_RISK)

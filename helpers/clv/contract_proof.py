"""What the back-test of contracts says: the gate, its table and the curve of who stayed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.clv.proof import LEVEL
from helpers.reporting.figures import Figure, Theme, figure, label_end, percent_axis
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, day, number, percent

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd
    from matplotlib.axes import Axes

KINDS = ("active", "renewals")


@dataclass(frozen=True, kw_only=True)
class ContractBacktest(Result):
    """What was predicted at an earlier date against what happened.

    Attributes:
        totals: By `active` (contracts of the origin still active at the end) and `renewals` (their renewals until then):
            `predicted`, `low`, `high` (predictive), `actual`, `bias`.
        track: `days` since the origin; `predicted`, `low`, `high`, `actual`: share of the origin's contracts still active.
        origin: Up to when the model was fitted.
        days: Days ahead.
        n: Contracts active at the origin.
        tolerated: Bias that is passed although the interval misses.
        reason: Why there is none; empty otherwise.
    """

    totals: pd.DataFrame
    track: pd.DataFrame
    origin: date | None
    days: int
    n: int
    tolerated: float
    reason: str = ""

    def numbers(self) -> dict[str, Number]:
        """Contracts still active, and renewals: predicted, actual and the bias."""
        if self.reason:
            return {}
        found = {}
        for kind, prefix in zip(KINDS, ("contracts.backtest", "contracts.backtest.renewals"), strict=True):
            row, unit = self.totals.loc[kind], "customers" if kind == "active" else "orders"
            for name in ("predicted", "actual", "bias"):
                told = name == "predicted"
                found[f"{prefix}.{name}"] = Number(
                    value=_told(row[name]),
                    low=float(row["low"]) if told else None,
                    high=float(row["high"]) if told else None,
                    level=LEVEL if told else None,
                    unit="share" if name == "bias" else unit,
                    n=self.n,
                    definition=f"{prefix}.{name}",
                )
        return found

    def definitions(self) -> dict[str, Definition]:
        """What was held against what."""
        if self.reason or self.origin is None:
            return {}
        when = _("in the {days} days from {day}").format(days=number(self.days), day=day(self.origin))
        bias = Definition(name=_("Bias"), text=_("Predicted / actual - 1."))
        return {
            "contracts.backtest.predicted": Definition(
                name=_("Predicted to stay"),
                text=_("Active contracts that do not end {when}, by a model that saw no later day.").format(when=when),
            ),
            "contracts.backtest.actual": Definition(
                name=_("Stayed"), text=_("Active contracts that did not end {when}.").format(when=when)
            ),
            "contracts.backtest.bias": bias,
            "contracts.backtest.renewals.predicted": Definition(
                name=_("Predicted renewals"),
                text=_("Renewals of those contracts {when}, by a model that saw no later day.").format(when=when),
            ),
            "contracts.backtest.renewals.actual": Definition(
                name=_("Actual renewals"), text=_("Renewals of those contracts {when}.").format(when=when)
            ),
            "contracts.backtest.renewals.bias": bias,
        }

    def checks(self) -> list[Check]:
        """The gate: contracts that stayed, and renewals."""
        if self.reason:
            return [Check(id="contracts.backtest", status="warn", message=self.reason)]
        return [self._gate(kind) for kind in KINDS]

    def _gate(self, kind: str) -> Check:
        row = self.totals.loc[kind]
        held = bool(row["low"] <= row["actual"] <= row["high"]) or bool(abs(row["bias"]) <= self.tolerated)
        messages = {
            ("active", True): _(
                "A model fitted on the past predicted that {predicted} of {n} contracts stay ({low} to {high}); {actual} did."
            ),
            ("active", False): _(
                "Do not decide on these values: a model fitted on the past predicted that {predicted} of {n} contracts stay "
                "({low} to {high}), and {actual} did."
            ),
            ("renewals", True): _(
                "A model fitted on the past predicted {predicted} renewals ({low} to {high}); {actual} came."
            ),
            ("renewals", False): _(
                "Do not decide on these values: a model fitted on the past predicted {predicted} renewals ({low} to {high}), "
                "and {actual} came."
            ),
        }
        return Check(
            id=f"contracts.backtest.{kind}",
            status="pass" if held else "fail",
            value=_told(row["bias"]),
            threshold=_("in the {level} interval, or bias up to {share}").format(
                level=percent(LEVEL, digits=0), share=percent(self.tolerated)
            ),
            message=messages[kind, held].format(
                predicted=number(row["predicted"]),
                low=number(row["low"]),
                high=number(row["high"]),
                actual=number(row["actual"]),
                n=number(self.n),
            ),
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Totals and track."""
        if self.reason:
            return {}
        return {"contracts_backtest": self.totals.reset_index(names="what"), "contracts_backtest_track": self.track}

    def sentence(self) -> Sentence:
        """The verdict of the gate."""
        return Sentence(text=" ".join(check.message for check in self.checks()))

    def table(self) -> Table | Sentence:
        """Predicted and actual."""
        if self.reason or self.origin is None:
            return Sentence(text=self.reason)
        names = {"active": _("Contracts that stayed"), "renewals": _("Renewals")}
        columns = {
            "what": Column(label=_("What")),
            "predicted": Column(label=_("Predicted"), kind="number", low="low", high="high"),
            "actual": Column(label=_("Actual"), kind="number"),
            "bias": Column(label=_("Bias"), kind="signed_share"),
        }
        foot = _("n = {n} contracts active on {day}, {days} days ahead; predictive intervals at {level}.").format(
            n=number(self.n), day=day(self.origin), days=number(self.days), level=percent(LEVEL, digits=0)
        )
        rows = self.totals.assign(what=[names[kind] for kind in self.totals.index])
        return table(rows, columns, title=_("Back-test of contracts"), foot=foot)

    def figure(self) -> Figure | Sentence:
        """Who stayed, predicted and actual."""
        if self.reason or self.origin is None:
            return Sentence(text=self.reason)
        shown = self.track
        end = shown.iloc[-1]

        def draw(axes: Axes, theme: Theme) -> None:
            axes.fill_between(shown["days"], shown["low"], shown["high"], color=theme.accent, alpha=0.18, linewidth=0)
            axes.plot(shown["days"], shown["predicted"], color=theme.accent)
            axes.plot(shown["days"], shown["actual"], color=theme.ink)
            label_end(axes, end["days"], end["predicted"], _("predicted"), theme.accent)
            label_end(axes, end["days"], end["actual"], _("actual"), theme.ink)
            percent_axis(axes.yaxis)
            axes.set(xlabel=_("Days since the model was fitted"), ylim=(0, 1.02), xlim=(0, end["days"]))

        columns = {
            "days": Column(label=_("Days"), kind="number"),
            "predicted": Column(label=_("Predicted"), kind="share", low="low", high="high"),
            "actual": Column(label=_("Actual"), kind="share"),
        }
        return figure(
            draw,
            title=_("{predicted} of contracts were predicted to stay, {actual} did").format(
                predicted=percent(end["predicted"]), actual=percent(end["actual"])
            ),
            subtitle=_("Share of the contracts active on {day} that are still active").format(day=day(self.origin)),
            foot=_("n = {n} contracts. The band is the {level} predictive interval.").format(
                n=number(self.n), level=percent(LEVEL, digits=0)
            ),
            alt=_("Two falling lines, predicted {predicted} and actual {actual} at the end").format(
                predicted=percent(end["predicted"]), actual=percent(end["actual"])
            ),
            data=table(shown, columns, title=_("Contracts still active"), rows=len(shown)),
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _told(value: float) -> float | None:
    """A bias against nothing is not defined."""
    return float(value) if math.isfinite(value) else None

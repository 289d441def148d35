"""What a back-test says: the gate, its figures, tables and track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from helpers.clv import purchase
from helpers.reporting.figures import Figure, Theme, figure, label_end, number_axis
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, day, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.clv.purchase import Process

LEVEL = 0.90
COVERAGE = (0.85, 0.97)


@dataclass(frozen=True, kw_only=True)
class Backtest(Result):
    """Predictions of earlier dates against what happened.

    Attributes:
        origins: One row an origin, the latest first: `origin`, `days` ahead, `customers`, `predicted`, `low`, `high`
            (predictive), `actual`, `bias`, `coverage90`, `gini`, `mae`, and MAE, bias and Gini of the baselines.
        track: Of the latest origin: `days`, `predicted`, `low`, `high`, `actual`, all cumulative.
        deciles: Of the latest origin: `decile`, `customers`, `predicted`, `actual`, orders a customer.
        tolerated: Bias that is passed although the interval misses.
        reason: Why there is none; empty otherwise.
    """

    origins: pd.DataFrame
    track: pd.DataFrame
    deciles: pd.DataFrame
    process: Process
    tolerated: float
    reason: str = ""

    def numbers(self) -> dict[str, Number]:
        """The latest origin's figures."""
        if self.origins.empty:
            return {}
        last = self.origins.iloc[0]
        n = int(last["customers"])

        def told(key: str, value: float, unit: str, low: float | None = None, high: float | None = None) -> Number:
            level = LEVEL if low is not None else None
            return Number(value=value, low=low, high=high, level=level, unit=unit, n=n, definition=f"backtest.{key}")

        return {
            "backtest.predicted": told(
                "predicted", float(last["predicted"]), "orders", float(last["low"]), float(last["high"])
            ),
            "backtest.actual": told("actual", float(last["actual"]), "orders"),
            "backtest.bias": told("bias", float(last["bias"]), "share"),
            "backtest.coverage90": told("coverage90", float(last["coverage90"]), "share"),
            "backtest.gini": told("gini", float(last["gini"]), "ratio"),
            "backtest.naive_bias": told("naive_bias", float(last["naive_bias"]), "share"),
            "backtest.naive_gini": told("naive_gini", float(last["naive_gini"]), "ratio"),
        }

    def definitions(self) -> dict[str, Definition]:
        """What was held against what."""
        if self.origins.empty:
            return {}
        last = self.origins.iloc[0]
        when = _("in the {days} days from {day}").format(days=number(last["days"]), day=day(last["origin"]))
        return {
            "backtest.predicted": Definition(
                name=_("Predicted orders"),
                text=_("Repeat orders {when}, by a model that saw no later day.").format(when=when),
            ),
            "backtest.actual": Definition(name=_("Actual orders"), text=_("Repeat orders {when}.").format(when=when)),
            "backtest.bias": Definition(name=_("Bias"), text=_("Predicted / actual - 1.")),
            "backtest.coverage90": Definition(
                name=_("Coverage"),
                text=_("Customers whose actual orders lie in their own {level} interval.").format(level=_level()),
            ),
            "backtest.gini": Definition(
                name=_("Ranking"),
                text=_(
                    "Normalised Gini coefficient: 1 when customers are ranked as their actual orders rank them, 0 at chance."
                ),
            ),
            "backtest.naive_bias": Definition(
                name=_("Bias of a constant rate"),
                text=_("Each customer’s past rate x days ahead, against the actual orders."),
            ),
            "backtest.naive_gini": Definition(
                name=_("Ranking by past rate"), text=_("Normalised Gini coefficient of each customer’s past rate.")
            ),
        }

    def checks(self) -> list[Check]:
        """The gate: portfolio, coverage, ranking; and whether earlier origins agree."""
        if self.origins.empty:
            return [
                Check(id="clv.backtest", status="warn", value=None, threshold=None, message=self.reason),
            ]
        last = self.origins.iloc[0]
        inside = bool(last["low"] <= last["actual"] <= last["high"])
        near = abs(last["bias"]) <= self.tolerated
        covered = COVERAGE[0] <= last["coverage90"] <= COVERAGE[1]
        facts = {
            "predicted": number(last["predicted"]),
            "low": number(last["low"]),
            "high": number(last["high"]),
            "actual": number(last["actual"]),
        }
        portfolio = (
            _("A model fitted on the past predicted {predicted} orders ({low} to {high}); {actual} came.")
            if inside or near
            else _(
                "Do not decide on these values: a model fitted on the past predicted {predicted} orders ({low} to {high}), "
                "and {actual} came."
            )
        ).format(**facts)
        found = [
            Check(
                id="clv.backtest.portfolio",
                status="pass" if inside or near else "fail",
                value=float(last["bias"]),
                threshold=_("in the {level} interval, or bias up to {share}").format(
                    level=_level(), share=percent(self.tolerated)
                ),
                message=portfolio,
            ),
            Check(
                id="clv.backtest.coverage",
                status="pass" if covered else ("fail" if last["coverage90"] < COVERAGE[0] else "warn"),
                value=float(last["coverage90"]),
                threshold=f"{COVERAGE[0]}..{COVERAGE[1]}",
                message=_("{share} of customers ordered as often as their {level} intervals said.").format(
                    share=percent(last["coverage90"]), level=_level()
                ),
            ),
            Check(
                id="clv.backtest.gini",
                status="pass" if last["gini"] >= last["naive_gini"] - 0.01 else "warn",
                value=float(last["gini"]),
                threshold=f">= {last['naive_gini']:.3f}",
                message=_("The model ranks customers at {gini}, their past rate alone at {naive}.").format(
                    gini=number(last["gini"], digits=2), naive=number(last["naive_gini"], digits=2)
                ),
            ),
        ]
        if len(self.origins) > 1:
            missed = int(
                ((self.origins["actual"] < self.origins["low"]) | (self.origins["actual"] > self.origins["high"])).sum()
            )
            found.append(
                Check(
                    id="clv.backtest.origins",
                    status="warn" if missed > len(self.origins) / 2 else "pass",
                    value=missed,
                    threshold=_("at most half"),
                    message=_("{missed} of {all} origins lie outside their intervals.").format(
                        missed=number(missed), all=number(len(self.origins))
                    ),
                )
            )
        return found

    def tables(self) -> dict[str, pd.DataFrame]:
        """Origins and deciles."""
        return {} if self.origins.empty else {"backtest": self.origins, "backtest_deciles": self.deciles}

    def sentence(self) -> Sentence:
        """The verdict of the gate."""
        return Sentence(text=self.checks()[0].message)

    def table(self) -> Table | Sentence:
        """Origins with the baselines."""
        if self.origins.empty:
            return Sentence(text=self.reason)
        columns = {
            "origin": Column(label=_("Fitted up to"), kind="date"),
            "customers": Column(label=_("Customers"), kind="number"),
            "predicted": Column(label=_("Predicted"), kind="number", low="low", high="high"),
            "actual": Column(label=_("Actual"), kind="number"),
            "bias": Column(label=_("Bias"), kind="signed_share"),
            "coverage90": Column(label=_("Coverage"), kind="share"),
            "gini": Column(label=_("Ranking"), kind="decimal"),
        }
        foot = _("{process}. Repeat orders in the {days} days ahead; predictive intervals at {level}.").format(
            process=purchase.NAMES[self.process],
            level=percent(LEVEL, digits=0),
            days=number(self.origins["days"].iloc[0]),
        )
        return table(self.origins, columns, title=_("Back-test"), foot=foot, rows=len(self.origins), strong=(0,))

    def baseline_table(self) -> Table | Sentence:
        """The model beside simpler rules, at the latest origin."""
        if self.origins.empty:
            return Sentence(text=self.reason)
        last = self.origins.iloc[0]
        names = {
            "": purchase.NAMES[self.process],
            "naive_": _("Past rate goes on"),
            "nbd_": _("Nobody stops (NBD)"),
            "zero_": _("Nobody orders"),
        }
        rows = [
            {"rule": name, **{kind: last.get(f"{key}{kind}", float("nan")) for kind in ("bias", "gini", "mae")}}
            for key, name in names.items()
        ]
        columns = {
            "rule": Column(label=_("Rule")),
            "bias": Column(label=_("Bias"), kind="signed_share"),
            "gini": Column(label=_("Ranking"), kind="decimal"),
            "mae": Column(label=_("Mean error, orders"), kind="decimal"),
        }
        foot = _("n = {n} customers, fitted up to {day}. Mean errors flatter who predicts none; read the first two.")
        return table(
            pd.DataFrame(rows),
            columns,
            title=_("Beside simpler rules"),
            foot=foot.format(n=number(last["customers"]), day=day(last["origin"])),
            strong=(0,),
        )

    def decile_table(self) -> Table | Sentence:
        """Predicted and actual orders by tenth of customers."""
        if self.origins.empty:
            return Sentence(text=self.reason)
        columns = {
            "decile": Column(label=_("Tenth, by predicted orders"), kind="number"),
            "customers": Column(label=_("Customers"), kind="number"),
            "predicted": Column(label=_("Predicted orders each"), kind="decimal"),
            "actual": Column(label=_("Actual orders each"), kind="decimal"),
        }
        return table(self.deciles, columns, title=_("Calibration by tenth of customers"))

    def figure(self) -> Figure | Sentence:
        """Cumulative orders, predicted and actual, of the latest origin."""
        if self.origins.empty:
            return Sentence(text=self.reason)
        last, shown = self.origins.iloc[0], self.track

        def draw(axes: Axes, theme: Theme) -> None:
            axes.fill_between(shown["days"], shown["low"], shown["high"], color=theme.accent, alpha=0.18, linewidth=0)
            axes.plot(shown["days"], shown["predicted"], color=theme.accent)
            axes.plot(shown["days"], shown["actual"], color=theme.ink)
            end = shown.iloc[-1]
            label_end(axes, end["days"], end["predicted"], _("predicted"), theme.accent)
            label_end(axes, end["days"], end["actual"], _("actual"), theme.ink)
            axes.set(xlabel=_("Days since the model was fitted"), ylim=(0, None), xlim=(0, end["days"]))
            number_axis(axes.yaxis)

        columns = {
            "days": Column(label=_("Days"), kind="number"),
            "predicted": Column(label=_("Predicted"), kind="number", low="low", high="high"),
            "actual": Column(label=_("Actual"), kind="number"),
        }
        return figure(
            draw,
            title=_("Predicted {predicted} orders, {actual} came ({bias})").format(
                predicted=number(last["predicted"]),
                actual=number(last["actual"]),
                bias=percent(last["bias"], signed=True),
            ),
            subtitle=_("Cumulative repeat orders after {day}").format(day=day(last["origin"])),
            foot=_("n = {n} customers. The band is the {level} predictive interval.").format(
                n=number(last["customers"]), level=_level()
            ),
            alt=_("Two lines of cumulative orders, predicted {predicted} and actual {actual} at the end").format(
                predicted=number(last["predicted"]), actual=number(last["actual"])
            ),
            data=table(shown, columns, title=_("Cumulative orders"), rows=len(shown)),
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _level() -> str:
    """Level of the back-test's intervals, as it is printed."""
    return percent(LEVEL, digits=0)

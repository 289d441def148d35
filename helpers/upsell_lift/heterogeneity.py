"""Heterogeneity: for whom the offer does more or less, and whether a ranking of customers holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.reporting.figures import Figure, Theme, figure
from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, foreign, language, listing, money, number, percent
from helpers.upsell_lift.average import Empty
from helpers.upsell_lift.calibration import Calibration, calibrated
from helpers.upsell_lift.gates import shown
from helpers.upsell_lift.policy import RATE_LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.upsell_lift.analyse import Analysis
    from helpers.upsell_lift.rate import Rate

MOST_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Heterogeneity(Result):
    """Differences between customers in what the offer earns.

    Attributes:
        analysis: The campaign.
    """

    analysis: Analysis

    def _ranked(self) -> list[tuple[str, int, str, Any]]:
        """Outcome id, arm, outcome as shown, ranking."""
        proof, settings = self.analysis.proof, self.analysis.campaign.settings
        if proof is None:
            return []
        outcomes = [settings.profit, *settings.with_role("success")]
        return [
            (outcomes[place].name, arm, shown(outcomes[place]), found) for (arm, place), found in proof.rankings.items()
        ]

    def numbers(self) -> dict[str, Number]:
        """`rate.<arm>.<outcome>.autoc` and `.qini`, and the segments' effects."""
        found: dict[str, Number] = {}
        profit = self.analysis.campaign.settings.profit.name
        for name, arm, _shown, one in self._ranked():
            unit = language().currency if name == profit else "ratio"
            for kind in ("autoc", "qini"):
                rate: Rate = getattr(one, kind)
                found[f"rate.{self.analysis.campaign.arms[arm]}.{name}.{kind}"] = Number(
                    value=rate.value, low=rate.low, high=rate.high, level=rate.level, unit=unit, n=rate.n,
                    definition=f"upsell_lift.{kind}",
                )  # fmt: skip
        for row in self.analysis.segments.to_dict("records"):
            found[f"segment.{self.analysis.campaign.arms[row['arm']]}.{row['by']}.{row['segment']}"] = Number(
                value=row["effect"], low=row["low"], high=row["high"], level=self.analysis.campaign.settings.level,
                unit=language().currency, n=int(row["customers"]), definition="upsell_lift.segment",
            )  # fmt: skip
        return found

    def definitions(self) -> dict[str, Definition]:
        """Formulas of what is measured."""
        return {
            "upsell_lift.autoc": Definition(
                name="AUTOC",
                text=_(
                    "TOC(u) is the mean score of the first share u of the ranking less the mean of all; AUTOC is the integral "
                    "of TOC(u) du from 0 to 1. Scores are doubly robust, of customers whom the ranking was not learned from "
                    "(Yadlowsky et al. 2025)."
                ),
            ),
            "upsell_lift.qini": Definition(
                name="QINI",
                text=_(
                    "TOC(u) is the mean score of the first share u of the ranking less the mean of all; QINI is the integral "
                    "of u TOC(u) du from 0 to 1. Scores are doubly robust, of customers whom the ranking was not learned from "
                    "(Yadlowsky et al. 2025)."
                ),
            ),
            "upsell_lift.segment": Definition(
                name=_("Profit a customer by segment"),
                text=_(
                    "Mean score of the segment, drawn towards that of all by as much as it is uncertain (Rubin 1981; Gelman 2006)."
                ),
            ),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Segments, rankings and the calibration of predicted effects."""
        found = {}
        if len(self.analysis.segments):
            names = [self.analysis.campaign.arms[arm] for arm in self.analysis.segments["arm"]]
            found["segments"] = self.analysis.segments.assign(arm=names)
        if self._calibration:
            found |= {"rankings": self._rankings(), "calibration": self._calibration.fifths}
        return found

    def _rankings(self) -> pd.DataFrame:
        rows = []
        for name, arm, said, one in self._ranked():
            rows.append(
                {
                    "arm": self.analysis.campaign.label(arm), "outcome": name, "shown": said,
                    "verdict": ranking_words(one.autoc), "autoc": one.autoc.value, "autoc_low": one.autoc.low,
                    "autoc_high": one.autoc.high, "autoc_z": one.autoc.z, "qini": one.qini.value, "qini_low": one.qini.low,
                    "qini_high": one.qini.high, "qini_z": one.qini.z, "customers": one.autoc.n,
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    @cached_property
    def _calibration(self) -> Calibration | None:
        return calibrated(self.analysis)

    def checks(self) -> list[Check]:
        """Whether predicted profits came true, where a list rests on them."""
        return [self._calibration.check()] if self._calibration and self.analysis.action == "target" else []

    def sentence(self) -> Sentence | Empty:
        """Segments that surely lose or gain."""
        frame = self.analysis.segments
        if frame.empty:
            return Empty()
        low, high = frame[frame["high"] < 0], frame[frame["low"] > 0]
        parts = []
        if len(low):
            text = _("It does harm with {segments}.")
            parts.append(text.format(segments=self._listed(low.sort_values("effect"))))
        if len(high):
            parts.append(
                _("It earns most with {segments}.").format(
                    segments=self._listed(high.sort_values("effect", ascending=False))
                )
            )
        return Sentence(text=" ".join(parts) or _("No segment surely gains or loses."))

    def _listed(self, frame: pd.DataFrame) -> str:
        return listing(
            _("{segment} ({profit} a customer)").format(segment=self._named(row), profit=money(row["effect"]))
            for row in frame.head(2).to_dict("records")
        )

    def _named(self, row: dict[str, Any]) -> str:
        """A segment, with its offer where there are several."""
        if len(self.analysis.campaign.arms) == 2:  # noqa: PLR2004 - the control and one offer
            return segment_words(row)
        offer = self.analysis.campaign.label(row["arm"])
        return _("{segment} – {offer}").format(segment=segment_words(row), offer=offer)

    def figure(self) -> Figure | Empty:
        """Segments' shrunk effects with intervals."""
        frame = self.analysis.segments
        if frame.empty:
            return Empty()
        frame = frame.assign(name=[self._named(row) for row in frame.to_dict("records")])
        if len(frame) > MOST_SHOWN:
            # Those farthest from nothing tell most.
            keep = (frame["effect"].abs() / (frame["high"] - frame["low"])).nlargest(MOST_SHOWN).index
            frame = frame.loc[sorted(keep)]
        frame = frame.sort_values("effect").reset_index(drop=True)
        harmed = frame[frame["high"] < 0]

        def draw(axes: Axes, theme: Theme) -> None:
            for place, row in enumerate(frame.to_dict("records")):
                colour = theme.warn if row["high"] < 0 else theme.accent if row["low"] > 0 else theme.muted
                axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2)
                axes.plot([row["effect"]], [place], marker="o", color=colour, markersize=6)
            axes.axvline(0, color=theme.muted, linewidth=1)
            axes.set_yticks(range(len(frame)), list(frame["name"]))
            axes.grid(axis="x")
            axes.grid(axis="y", visible=False)
            axes.xaxis.set_major_formatter(lambda value, _place: money(value))
            axes.set(xlabel=_("Profit a customer"))

        columns = {
            "name": Column(label=_("Segment")),
            "effect": Column(label=_("Profit a customer"), kind="money", low="low", high="high"),
            "raw": Column(label=_("Not drawn together"), kind="money"),
            "customers": Column(label=_("Customers"), kind="number"),
        }
        title = (
            _("The offer does harm with {segment}").format(segment=harmed["name"].iloc[0])
            if len(harmed)
            else _("No segment is shown to lose by the offer")
        )
        return figure(
            draw,
            title=title,
            subtitle=_("Incremental profit a customer by segment, {currency}, costs taken "
                "off").format(currency=language().currency),
            foot=_("n = {n} customers; {level} intervals; each segment is drawn towards all by as "
                "much as it is uncertain.").format(
                n=number(self.analysis.campaign.n), level=percent(self.analysis.campaign.settings.level, digits=0)
            ),
            alt=_("Profit by segment, from {low} ({worst}) to {high} ({best})").format(
                low=money(frame["effect"].iloc[0]), worst=frame["name"].iloc[0], high=money(frame["effect"].iloc[-1]),
                best=frame["name"].iloc[-1],
            ),
            data=table(frame, columns, title=_("Profit by segment"), rows=MOST_SHOWN),
            height=max(2.4, 0.36 * len(frame) + 1.2),
        )  # fmt: skip

    def table(self) -> Table | Empty:
        """Rankings, and whether each holds."""
        if self.analysis.proof is None:
            return Empty()
        frame = self._rankings()
        columns = {
            "shown": Column(label=_("Ranked by what the offer changes in")),
            **({"arm": Column(label=_("Offer"))} if len(self.analysis.campaign.arms) > 2 else {}),  # noqa: PLR2004
            "verdict": Column(label=_("Does the ranking hold?")),
            "autoc": Column(label="AUTOC", kind="decimal", low="autoc_low", high="autoc_high"),
            "qini": Column(label="QINI", kind="decimal", low="qini_low", high="qini_high"),
        }
        # Shares are small numbers: they are printed as percentage points.
        share = frame["outcome"].isin(
            [one.name for one in self.analysis.campaign.settings.outcomes if one.type == "binary"]
        )
        for column in ("autoc", "qini"):
            for end in ("", "_low", "_high"):
                frame[column + end] = np.where(share, 100 * frame[column + end], frame[column + end])
        holds = tuple(int(place) for place in np.flatnonzero(frame["autoc_low"] > 0))
        foot = _(
            "n = {n} customers whom the rankings were not learned from; {level} intervals; profit "
            "in {currency}, shares in percentage "
            "points. AUTOC and QINI are zero for a ranking no better than chance; their formulas are under Method."
        )
        return table(
            frame,
            columns,
            title=_("Which rankings of customers hold"),
            foot=foot.format(
                n=number(len(self.analysis.proof.rows)),
                level=percent(RATE_LEVEL, digits=0),
                currency=language().currency,
            ),
            rows=30,
            strong=holds,
        )

    def calibration(self) -> Table | Empty:
        """Predicted against observed profit by fifth."""
        return self._calibration.table() if self._calibration else Empty()


def heterogeneity(analysis: Analysis) -> Heterogeneity:
    """Differences between customers."""
    return Heterogeneity(analysis=analysis)


def ranking_words(rate: Rate) -> str:
    """Whether a ranking holds, in words."""
    if rate.low > 0:
        return _("Yes: those ranked first gain more than others would")
    if rate.high < 0:
        return _("No, it does harm: those ranked first gain less than a random pick would")
    return _("Not shown: no better than a random pick, as far as can be told")


def segment_words(row: dict[str, Any]) -> str:
    """A segment as a reader sees it."""
    by, segment = str(row["by"]).replace("_", " "), str(row["segment"])
    said = {"1": _("yes"), "0": _("no"), "true": _("yes"), "false": _("no"), "1.0": _("yes"), "0.0": _("no")}.get(
        segment.lower(), segment
    )
    return _("{attribute}: {value}").format(attribute=foreign(by), value=foreign(said))

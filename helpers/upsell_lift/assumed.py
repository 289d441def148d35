"""The assumption page: who is compared with whom, drawn and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.figures import Figure, Theme, figure, label
from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, number, percent
from helpers.upsell_lift.assumptions import MOST_IMBALANCE, balance, effective_size
from helpers.upsell_lift.average import Empty
from helpers.upsell_lift.gates import shown
from helpers.upsell_lift.wording import effect_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.upsell_lift.analyse import Analysis

MOST_SHOWN = 15


@dataclass(frozen=True, kw_only=True)
class Assumed(Result):
    """Balance, overlap and placebos.

    Attributes:
        analysis: The campaign.
    """

    analysis: Analysis

    def _balance(self) -> pd.DataFrame:
        campaign = self.analysis.campaign
        if not self.analysis.design.X.shape[1]:
            return pd.DataFrame(columns=["arm", "covariate", "before", "after"])
        parts = [
            balance(self.analysis.design, campaign.arm, self.analysis.estimates.weights[arm], treated=arm).assign(
                arm=campaign.arms[arm]
            )
            for arm in range(1, len(campaign.arms))
        ]
        return pd.concat(parts, ignore_index=True)[["arm", "covariate", "before", "after"]]

    def numbers(self) -> dict[str, Number]:
        """Largest imbalance, effective size and overlap by arm."""
        campaign, found = self.analysis.campaign, {}
        frame = self._balance()
        for arm in range(1, len(campaign.arms)):
            name, own = campaign.arms[arm], frame[frame["arm"] == campaign.arms[arm]]
            n = int(campaign.counts[[0, arm]].sum())
            if len(own):
                column = "before" if campaign.randomised else "after"
                found[f"balance.{name}"] = Number(
                    value=float(own[column].abs().max()), unit="ratio", n=n, definition="upsell_lift.balance"
                )
            weight = self.analysis.estimates.weights[arm]
            found[f"effective_controls.{name}"] = Number(
                value=effective_size(weight[campaign.arm == 0]), unit="ratio", n=int(campaign.counts[0]),
                definition="upsell_lift.effective",
            )  # fmt: skip
            one = self.analysis.estimates.of(campaign.settings.profit.name, arm)
            if one.overlap is not None:
                found[f"overlap.{name}"] = Number(
                    value=one.overlap.inside, unit="share", n=n, definition="upsell_lift.overlap"
                )
                found[f"overlap.{name}.thin"] = Number(
                    value=one.overlap.thin, unit="share", n=one.overlap.control, definition="upsell_lift.thin"
                )
            if one.e_value is not None:
                for part, value in zip(("estimate", "interval"), one.e_value, strict=True):
                    shown_value = value if np.isfinite(value) else None
                    found[f"e_value.{name}.{part}"] = Number(
                        value=shown_value, unit="ratio", n=n, definition=f"upsell_lift.e_value.{part}"
                    )
        return found

    def definitions(self) -> dict[str, Definition]:
        """What each is."""
        return {
            "upsell_lift.balance": Definition(
                name=_("Largest imbalance"),
                text=_(
                    "Largest standardised difference in means of what was known before the offer, "
                    "after weighting where there is any."
                ),
            ),
            "upsell_lift.effective": Definition(
                name=_("Controls that count"),
                text=_("Effective sample size of the weighted controls: (sum of weights)² / sum of squares (Kish)."),
            ),
            "upsell_lift.overlap": Definition(
                name=_("Overlap"),
                text=_(
                    "Share of the customers, of the less comparable side, whose odds of the offer "
                    "lie within a twentieth and twenty times the average."
                ),
            ),
            "upsell_lift.thin": Definition(
                name=_("Controls without a counterpart"),
                text=_("Share of the controls whose probability of the offer is below .01."),
            ),
            "upsell_lift.e_value.estimate": Definition(
                name=_("E-value"),
                text=_(
                    "Risk ratio that an unseen cause would need with both offer and outcome to "
                    "explain the estimate away (VanderWeele & Ding)."
                ),
            ),
            "upsell_lift.e_value.interval": Definition(
                name=_("E-value of the interval"),
                text=_("The same for the interval’s end that is nearer to no difference."),
            ),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Balance of every column."""
        return {"balance": self._balance()}

    def figure(self) -> Figure | Empty:
        """Love plot: imbalance of the first arm's columns, before and after weighting."""
        campaign = self.analysis.campaign
        frame = self._balance()
        if frame.empty:
            return Empty()
        worst = frame.groupby("covariate", sort=False)[["before", "after"]].agg(lambda one: one.abs().max())
        worst = worst.sort_values("before", ascending=False).head(MOST_SHOWN).iloc[::-1].reset_index()
        worst["covariate"] = [name.replace("_", " ") for name in worst["covariate"]]
        weighted = not campaign.randomised
        far = float(worst["before"].abs().max())

        def draw(axes: Axes, theme: Theme) -> None:
            axes.axvspan(0, MOST_IMBALANCE, color=theme.accent, alpha=0.10, linewidth=0)
            for place, row in enumerate(worst.to_dict("records")):
                if weighted:
                    axes.plot([row["before"], row["after"]], [place, place], color=theme.rule, linewidth=1.5)
                    axes.plot([row["before"]], [place], marker="o", color=theme.context, markersize=6)
                own = row["after"] if weighted else row["before"]
                axes.plot(
                    [own],
                    [place],
                    marker="o",
                    color=theme.accent if own <= MOST_IMBALANCE else theme.warn,
                    markersize=6,
                )
            axes.set_yticks(range(len(worst)), [label(name) for name in worst["covariate"]])
            axes.set(xlabel=_("Standardised difference in means"), xlim=(0, max(2 * MOST_IMBALANCE, 1.05 * far)))
            axes.grid(axis="x")
            axes.grid(axis="y", visible=False)
            axes.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10])
            axes.xaxis.set_major_formatter(lambda value, _place: number(value, digits=2))

        after = float((worst["after"] if weighted else worst["before"]).abs().max())
        title = (
            _("Those with and without the offer are alike in what was known before")
            if after <= MOST_IMBALANCE and not weighted
            else _("After weighting, those with and without the offer are alike in what was known")
            if after <= MOST_IMBALANCE
            else _("Those with and without the offer differ in what was known before")
        )
        columns = {
            "covariate": Column(label=_("Known before")),
            "before": Column(label=_("As it is"), kind="decimal"),
            **({"after": Column(label=_("After weighting"), kind="decimal")} if weighted else {}),
        }
        subtitle = (
            _("Love plot: grey as it is, coloured after weighting; the band ends at {limit}")
            if weighted
            else _("Love plot: standardised differences between the arms; the band ends at {limit}")
        )
        return figure(
            draw,
            title=title,
            subtitle=subtitle.format(limit=number(MOST_IMBALANCE, digits=1)),
            foot=_("n = {n} customers; of several offers, the largest difference.").format(n=number(campaign.n)),
            alt=_("Imbalance of {n} columns; the largest left is {size}").format(
                n=number(len(worst)), size=number(after, digits=2)
            ),
            data=table(worst.iloc[::-1], columns, title=_("Differences in what was known before"), rows=MOST_SHOWN),
            height=max(2.2, 0.32 * len(worst) + 1.2),
        )

    def table(self) -> Table | Empty:
        """Overlap and how the estimate moves with it."""
        campaign = self.analysis.campaign
        if campaign.randomised:
            return Empty()
        rows = []
        for arm in range(1, len(campaign.arms)):
            one = self.analysis.estimates.of(campaign.settings.profit.name, arm)
            assert one.overlap is not None  # noqa: S101 - made where chance did not assign
            rows.append(
                {
                    "arm": campaign.label(arm),
                    "naive": effect_text(one.outcome, one.naive),
                    "main": effect_text(one.outcome, one.main),
                    "trimmed": effect_text(one.outcome, one.overlap.trimmed) if one.overlap.trimmed else "–",
                    "kept": one.overlap.kept,
                    "thin": one.overlap.thin,
                    "effective": _("{n} of {all}").format(
                        n=number(one.overlap.effective), all=number(one.overlap.control)
                    ),
                }
            )
        columns = {
            "arm": Column(label=_("Offer")),
            "naive": Column(label=_("As it is")),
            "main": Column(label=_("Made comparable")),
            "trimmed": Column(label=_("Comparable customers only")),
            "kept": Column(label=_("Those are"), kind="share"),
            "thin": Column(label=_("Controls without a counterpart"), kind="share"),
            "effective": Column(label=_("Controls that count")),
        }
        profit = campaign.settings.profit
        foot = _(
            "Differences in {outcome}; {level} intervals. Comparable customers: probability of the "
            "offer between .1 and .9; without a "
            "counterpart: below .01."
        )
        return table(
            pd.DataFrame(rows),
            columns,
            title=_("How the difference moves with who is compared"),
            foot=foot.format(outcome=shown(profit), level=percent(campaign.settings.level, digits=0)),
        )


def assumed(analysis: Analysis) -> Assumed:
    """What the analysis rests on."""
    return Assumed(analysis=analysis)

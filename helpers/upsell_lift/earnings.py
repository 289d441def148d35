"""Earnings: what is gained by offering to the first so many, against everyone, no one and chance; and the rule one can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.figures import Figure, Theme, figure, label_end, money_axis, percent_axis
from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, clauses, foreign, language, listing, money, number, percent
from helpers.upsell_lift.average import Empty
from helpers.upsell_lift.tree import describe
from helpers.upsell_lift.verdict import value_number
from helpers.upsell_lift.wording import cost_text, round_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.upsell_lift.analyse import Analysis
    from helpers.upsell_lift.policy import Proof, Value
    from helpers.upsell_lift.tree import Question

# Profits a customer may be pennies; of so many customers they can be told apart.
PER = 1000


@dataclass(frozen=True, kw_only=True)
class Earnings(Result):
    """The policy's money.

    Attributes:
        analysis: The campaign.
    """

    analysis: Analysis

    @property
    def _proof(self) -> Proof | None:
        return self.analysis.proof

    def numbers(self) -> dict[str, Number]:
        """The policy's profit a customer and its leads; the rule's, and what it gives up."""
        if (proof := self._proof) is None:
            return {}
        unit = language().currency
        named = {"policy.profit": proof.value, "policy.rule": proof.tree, "policy.rule_gives_up": proof.gives_up}
        named |= {f"policy.lead.{self._against(key)}": value for key, value in proof.against.items() if key != "none"}
        return {key: value_number(value, unit, f"upsell_lift.{_definition(key)}") for key, value in named.items()}

    def _against(self, key: str) -> str:
        return f"all.{self.analysis.campaign.arms[int(key)]}" if key.isdigit() else key

    def definitions(self) -> dict[str, Definition]:
        """What each is."""
        held = _("Incremental profit a customer, on customers whom the choice was not learned from.")
        return {
            "upsell_lift.policy.profit": Definition(name=_("Profit of picking customers"), text=held),
            "upsell_lift.policy.rule": Definition(name=_("Profit of the simple rule"), text=held),
            "upsell_lift.policy.rule_gives_up": Definition(
                name=_("What the simple rule gives up"),
                text=_("Profit of picking customers one by one less that of the rule."),
            ),
            "upsell_lift.policy.lead": Definition(
                name=_("Lead of picking customers"),
                text=_(
                    "Profit of picking customers less that of an offer to all, or to as many at "
                    "random; the same customers in both."
                ),
            ),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """The curve and the comparisons."""
        if self._proof is None:
            return {}
        return {"profit_curve": self._curve(), "comparisons": self._comparisons()}

    def _curve(self) -> pd.DataFrame:
        from helpers.stats.intervals import quantile

        # Of as many customers as the headline counts, so that the tested choice stands at the headline's profit.
        proof, n = self._proof, round_size(self.analysis)
        assert proof is not None  # noqa: S101 - asked before
        half = quantile(self.analysis.campaign.settings.level) * proof.curve.gain_se
        at_random = float(proof.curve.gain[-1])
        return pd.DataFrame(
            {
                "share": proof.curve.share,
                "profit": proof.curve.gain * n,
                "low": (proof.curve.gain - half) * n,
                "high": (proof.curve.gain + half) * n,
                "random": proof.curve.share * at_random * n,
            }
        )

    def _comparisons(self) -> pd.DataFrame:
        proof, campaign = self._proof, self.analysis.campaign
        assert proof is not None  # noqa: S101 - asked before
        rows: list[tuple[str, float, Value | None, Value | None]] = [
            (_("Picking customers"), proof.share, proof.value, None)
        ]
        rows += [
            (
                _("{arm} to everyone").format(arm=campaign.label(arm)),
                1.0,
                # Of the same customers as the picks: else the rows would not differ by the lead beside them.
                one,
                proof.against.get(str(arm)),
            )
            for arm, one in proof.everyone.items()
        ]
        rows.append((_("As many, picked at random"), proof.share, None, proof.against["random"]))
        rows.append((_("The simple rule below"), float((proof.tree_choice > 0).mean()), proof.tree, proof.gives_up))
        return pd.DataFrame([_comparison(*row) for row in rows])

    def figure(self) -> Figure | Empty:
        """The incremental-profit curve."""
        if (proof := self._proof) is None:
            return Empty()
        frame, level = self._curve(), self.analysis.campaign.settings.level
        n = round_size(self.analysis)
        # The highest point of a curve that wavers is partly luck: only the choice that was made beforehand is told.
        peak = frame.loc[frame["profit"].idxmax()]
        tested, ends = proof.value.value * n, (proof.value.low * n, proof.value.high * n)

        def draw(axes: Axes, theme: Theme) -> None:
            x = np.concatenate([[0.0], frame["share"]])
            axes.fill_between(
                x, np.concatenate([[0.0], frame["low"]]), np.concatenate([[0.0], frame["high"]]), color=theme.accent, alpha=0.16,
                linewidth=0,
            )  # fmt: skip
            axes.axhline(0, color=theme.muted, linewidth=1)
            axes.plot(
                x, np.concatenate([[0.0], frame["random"]]), color=theme.muted, linewidth=1.4, linestyle=(0, (4, 3))
            )
            axes.plot(x, np.concatenate([[0.0], frame["profit"]]), color=theme.accent)
            if proof.share > 0:
                axes.plot([proof.share] * 2, ends, color=theme.ink, linewidth=1.4)
                axes.plot([proof.share], [tested], marker="o", color=theme.ink, markersize=6)
                axes.annotate(
                    _("tested choice"), (proof.share, tested), xytext=(8, -14), textcoords="offset points", ha="left",
                    color=theme.ink,
                )  # fmt: skip
            axes.annotate(
                _("best first"), (float(peak["share"]), float(peak["profit"])), xytext=(0, 6), textcoords="offset points",
                ha="center", color=theme.accent,
            )  # fmt: skip
            label_end(axes, 1.0, float(frame["random"].iloc[-1]), _("everyone"), theme.muted)
            axes.annotate(
                _("at random"), (0.72, float(np.interp(0.72, frame["share"], frame["random"]))), xytext=(0, -14),
                textcoords="offset points", ha="left", color=theme.muted,
            )  # fmt: skip
            axes.annotate(_("no one"), (0.02, 0), xytext=(0, -12), textcoords="offset points", color=theme.muted)
            axes.set(xlabel=_("Share of the customers who get their best offer"), xlim=(0, 1))
            percent_axis(axes.xaxis)
            money_axis(axes.yaxis)

        title = (
            _("Picking the right {share} earns more than offering to everyone").format(
                share=percent(proof.share, digits=0)
            )
            if proof.proven and self.analysis.budget_share is None
            else _("Picking within the budget earns more than chance would")
            if proof.proven
            else _("Picking customers is not shown to earn more than chance")
        )
        shown = frame.iloc[9::10]
        columns = {
            "share": Column(label=_("Share offered"), kind="share"),
            "profit": Column(label=_("Best first"), kind="money", low="low", high="high"),
            "random": Column(label=_("At random, each their best offer"), kind="money"),
        }
        return figure(
            draw,
            title=title,
            subtitle=_(
                "Incremental profit of the next round, {n} customers, {currency}, by the share who are offered something"
            ).format(n=number(n), currency=language().currency),
            foot=" ".join(
                [
                    _(
                        "n = {n} customers whom the ranking was not learned from, scaled to the round; {level} band, each share by "
                        "itself, so its highest point is partly luck. The tested choice: those with whom a profit was "
                        "predicted, {share}. {arm} to everyone: {everyone}."
                    ).format(
                        n=number(len(proof.rows)),
                        level=percent(level, digits=0),
                        share=percent(proof.share, digits=0),
                        arm=self.analysis.campaign.label(self.analysis.arm),
                        everyone=money(proof.everyone[self.analysis.arm].value * n, compact=True),
                    ),
                    *self._of_all(),
                ]
            ),
            alt=_(
                "A curve of profit by share offered: {tested} by the tested choice, at {share}; {all} where all are offered."
            ).format(
                tested=money(tested, compact=True),
                share=percent(proof.share, digits=0),
                all=money(frame["profit"].iloc[-1], compact=True),
            ),
            data=table(shown, columns, title=_("Incremental profit by share offered"), rows=10),
        )

    def _of_all(self) -> list[str]:
        """What an offer to everyone brings by all customers of the campaign, where the headline tells that."""
        if self.analysis.action == "target":
            return []
        told = _("By all {n} customers, of whom the verdict speaks, {arm} to everyone brings {profit} a customer.")
        arm = self.analysis.arm
        return [
            told.format(
                n=number(self.analysis.campaign.n),
                arm=self.analysis.campaign.label(arm),
                profit=money(self.analysis.to_all[arm].value),
            )
        ]

    def table(self) -> Table | Empty:
        """Policies side by side."""
        if self._proof is None:
            return Empty()
        frame = self._comparisons()
        columns = {
            "policy": Column(label=_("Policy")),
            "share": Column(label=_("Offered"), kind="share"),
            "profit": Column(
                label=_("Profit per {n} customers, {currency}").format(n=number(PER), currency=language().currency),
                kind="money", low="profit_low",
                high="profit_high",
            ),
            "lead": Column(label=_("Picking earns more by"), kind="money", low="lead_low", high="lead_high"),
        }  # fmt: skip
        foot = _(
            "n = {n} customers whom the picks were not learned from; {level} intervals. “Make the offer to these” is said only "
            "where picking leads over everyone, no one and chance by the lower end of every interval."
        ).format(n=number(len(self._proof.rows)), level=percent(self.analysis.campaign.settings.level, digits=0))
        foot = " ".join([foot, cost_text(self.analysis.campaign), *self._of_all()])
        title = (
            _("Picking customers beats everyone, no one and chance")
            if self._proof.proven and self.analysis.budget_share is None
            else _("Within the budget, picking customers beats chance and no one")
            if self._proof.proven
            else _("Picking customers does not pass its proof")
        )
        amounts = [name for name in frame.columns if name not in {"policy", "share"}]
        frame[amounts] = PER * frame[amounts].astype(float)
        return table(frame, columns, title=title, foot=foot, strong=(0,) if self._proof.proven else ())

    def rule(self) -> Sentence | Empty:
        """The simple rule in words, and what it gives up."""
        tree, proof = self.analysis.tree, self._proof
        if tree is None or proof is None:
            return Empty()
        labels = [self.analysis.campaign.label(arm) for arm in range(len(self.analysis.campaign.arms))]
        names = (_("no offer"), *labels[1:])
        parts = [
            _("{who}: {offer}").format(
                who=listing(self._answer(one, yes=yes) for one, yes in path) or _("everyone"), offer=offer
            )
            for path, offer in describe(tree, names)
        ]
        lost = proof.gives_up
        rule = _("A rule of at most two questions: {rule}.").format(rule=clauses(parts))
        ends = {"lost": lost.value, "low": lost.low, "high": lost.high}
        if lost.low > 0:
            text = _("It gives up {lost} per {n} customers against picking one by one ({low} to {high}).")
        elif lost.high < 0:
            text = _("It earns {lost} per {n} customers more than picking one by one.")
            ends["lost"] = -lost.value
        else:
            text = _(
                "It is not shown to give anything up against picking one by one ({lost} per {n} customers, {low} to {high})."
            )
        told = text.format(n=number(PER), **{name: money(PER * one) for name, one in ends.items()})
        return Sentence(text=f"{rule} {told}")

    def _answer(self, question: Question, *, yes: bool) -> str:
        """One answer in words."""
        design = self.analysis.design
        name, level = foreign(design.columns[question.column].replace("_", " ")), design.levels[question.column]
        if level is not None:
            return (_("{name} is {level}") if yes else _("{name} is not {level}")).format(
                name=name, level=foreign(level)
            )
        values = set(np.unique(design.X[:, question.column])[:3])
        if values <= {0.0, 1.0}:
            return (_("{name}: yes") if yes else _("{name}: no")).format(name=name)
        # Of whole numbers, more than 673.3 is more than 673.
        whole = not np.mod(design.X[:, question.column], 1).any()
        cut = number(np.floor(question.cut) if whole else question.cut, digits=0 if whole else 2)
        return (_("{name} above {cut}") if yes else _("{name} up to {cut}")).format(name=name, cut=cut)


def earnings(analysis: Analysis) -> Earnings:
    """The policy's money."""
    return Earnings(analysis=analysis)


def _definition(key: str) -> str:
    return "policy.lead" if key.startswith("policy.lead") else key


def _comparison(policy: str, share: float, value: Value | None, lead: Value | None) -> dict[str, object]:
    return {
        "policy": policy,
        "share": share,
        "profit": None if value is None else value.value,
        "profit_low": None if value is None else value.low,
        "profit_high": None if value is None else value.high,
        "lead": None if lead is None else lead.value,
        "lead_low": None if lead is None else lead.low,
        "lead_high": None if lead is None else lead.high,
    }

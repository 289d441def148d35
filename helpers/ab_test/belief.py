"""The Bayesian reading: how sure one may be that a variant is better, and what a wrong choice would cost, under a stated prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.ab_test import bayes
from helpers.ab_test.shown import Shown
from helpers.ab_test.wording import bounded, shown_metric, shown_test
from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, clauses, foreign, number, percent

if TYPE_CHECKING:
    from helpers.ab_test.analyse import Analysis
    from helpers.ab_test.bayes import Posterior, Prior

SURE = 0.999


@dataclass(frozen=True, kw_only=True)
class Beliefs(Result):
    """Posteriors of the metrics that decide.

    Attributes:
        rows: One a test, metric and variant.
        priors: Prior by test.
        level: Coverage of the intervals.
    """

    rows: pd.DataFrame
    priors: dict[str, Prior]
    level: float

    def numbers(self) -> dict[str, Number]:
        """Chance that each variant is better."""
        return {
            f"{row.id}.p_better": Number(value=row.p_better, unit="share", n=row.n, definition="ab_test.p_better")
            for row in self.rows.itertuples()
        }

    def definitions(self) -> dict[str, Definition]:
        """What it means."""
        return {
            "ab_test.p_better": Definition(
                name=_("Chance of being better"),
                text=_("Posterior probability that the variant is better than the control, under the stated prior."),
            )
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """All posteriors."""
        return {"posterior": self.rows}

    def table(self) -> Table | Shown:
        """Posteriors in words a client understands; nothing where there are none."""
        if self.rows.empty:
            return Shown(parts=())
        columns = {
            "name": Column(label=_("Test and metric")),
            "lift": Column(label=_("Lift, after the prior"), kind="signed_share", low="low", high="high"),
            "chance": Column(label=_("Chance of being better")),
            "loss_ship": Column(label=_("Expected loss if shipped"), kind="share"),
            "loss_keep": Column(label=_("Expected loss if not"), kind="share"),
        }
        said = clauses(prior_words(name, prior) for name, prior in self.priors.items())
        foot = _("{level} intervals. Losses are shares of the control’s value. Prior: {priors}.").format(
            level=percent(self.level, digits=0), priors=said or "–"
        )
        frame = self.rows.assign(chance=[_chance(value) for value in self.rows["p_better"]])
        return table(frame, columns, title=_("The same data, read with a prior"), foot=foot, rows=30)


def beliefs(analyses: tuple[Analysis, ...], *, level: float = 0.90) -> Beliefs:
    """Posteriors of the metrics that decide, of all sound tests."""
    rows: list[dict[str, Any]] = []
    priors: dict[str, Prior] = {}
    for one in analyses:
        if not one.sound:
            continue
        for own in one.judged:
            found = posterior_of(own, prior := prior_of(one, own.cell.metric.name, analyses), level=level)
            if (own.cell.metric.role == "information" and one.test.registered) or found is None:
                continue
            priors.setdefault(shown_test(one.test), prior)
            rows.append(
                {
                    "id": f"{one.test.id}.{own.cell.metric.name}.{own.cell.variant}",
                    "name": _("{test}, {metric}, {variant}").format(
                        test=shown_test(one.test),
                        metric=shown_metric(own.cell.metric),
                        variant=foreign(own.cell.variant),
                    ),
                    "lift": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "p_better": found.p_better,
                    "loss_ship": found.loss_ship,
                    "loss_keep": found.loss_keep,
                    "n": own.effect.n_control + own.effect.n_treatment,
                }
            )
    columns = ["id", "name", "lift", "low", "high", "p_better", "loss_ship", "loss_keep", "n"]
    return Beliefs(rows=pd.DataFrame(rows, columns=columns), priors=priors, level=level)


def posterior_of(own: object, prior: Prior, *, level: float) -> Posterior | None:
    """Posterior of one metric's lift."""
    return bayes.of_lift(own.effect, prior=prior, level=level, less_is_better=own.cell.metric.better == "less")  # type: ignore[attr-defined]


def prior_of(one: Analysis, metric: str, analyses: tuple[Analysis, ...]) -> Prior:
    """The stated prior, or the one that the client's other tests of the metric tell (five or more)."""
    stated = bayes.Prior(mean=one.test.prior.mean, sd=one.test.prior.sd, source="stated")
    if not one.test.prior.learn:
        return stated
    effects, errors = [], []
    for other in analyses:
        if other.test.id == one.test.id or not other.sound:
            continue
        for own in other.judged:
            low, high = bounded(own.effect.lift)
            if own.cell.metric.name == metric and low is not None and high is not None and own.effect.critical:
                effects.append(own.effect.lift.value)
                errors.append((high - low) / 2 / own.effect.critical)
    return bayes.learned_prior(effects, errors) or stated


def _chance(value: float) -> str:
    """A probability that is never printed as certain."""
    if value > SURE:
        return _("over {share}").format(share=percent(SURE))
    return _("under {share}").format(share=percent(1 - SURE)) if value < 1 - SURE else percent(value)


def prior_words(test: str, prior: Prior) -> str:
    """A prior as a reader sees it."""
    facts = {"test": test, "mean": percent(prior.mean, signed=True), "sd": percent(prior.sd), "n": number(prior.tests)}
    if prior.source == "past_tests":
        return _("{test}: learned from {n} past tests, mean {mean}, spread {sd}").format(**facts)
    return _("{test}: stated, mean {mean}, spread {sd}").format(**facts)

"""Calibration: whether the profits that were predicted came true, on customers whom the predictions were not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.reporting.findings import Check
from helpers.reporting.tables import Column, Table, table
from helpers.reporting.words import _, listing, number, percent
from helpers.upsell_lift.estimate import critical, mean_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from helpers.upsell_lift.analyse import Analysis

GROUPS = 5
# Groups that come true by such a chance or less, were all predictions right, are too few.
FEWER = 0.1


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Fifths of the ranking by predicted profit of the best offer: what was predicted and what came, a customer.

    Attributes:
        fifths: fifth, predicted, observed with low and high, and customers.
        level: Coverage of the intervals.
        learners: How often each base learner was picked.
    """

    fifths: pd.DataFrame
    level: float
    learners: Mapping[str, int]

    @property
    def came_true(self) -> int:
        """Groups whose interval holds what was predicted."""
        return int(self.fifths["predicted"].between(self.fifths["low"], self.fifths["high"]).sum())

    @property
    def least(self) -> int:
        """So many come true but for a chance of `FEWER`, were all predictions right."""
        from scipy.stats import binom

        return int(binom.ppf(FEWER, len(self.fifths), self.level))

    def check(self) -> Check:
        """A warning where too few came true."""
        few = self.came_true < self.least
        text = (
            _(
                "Predicted profits came true in only {n} of {all} groups of customers: the order of the list is tested, what it "
                "expects of one customer is rough."
            )
            if few
            else _("Predicted profits came true in {n} of {all} groups of customers.")
        )
        return Check(
            id="upsell_lift.calibration",
            status="warn" if few else "pass",
            value=self.came_true,
            threshold=f">= {self.least}",
            message=text.format(**self._counts()),
        )

    def table(self) -> Table:
        """Predicted against observed profit by fifth."""
        columns = {
            "shown": Column(label=_("Fifth of the customers")),
            "predicted": Column(label=_("Predicted profit a customer"), kind="money"),
            "observed": Column(label=_("Came true"), kind="money", low="low", high="high"),
            "customers": Column(label=_("Customers"), kind="number"),
        }
        ends = {1: _("{n} (lowest)"), GROUPS: _("{n} (highest)")}
        shown = [ends.get(one, "{n}").format(n=number(one)) for one in self.fifths["fifth"]]
        title = (
            _("Predictions came true in only {n} of {all} groups")
            if self.came_true < self.least
            else _("Predictions came true in {n} of {all} groups")
        )
        foot = _(
            "By predicted profit of each one’s best offer, on customers not learned from; {level} intervals. Learner: {names}."
        )
        return table(
            self.fifths.assign(shown=shown),
            columns,
            title=title.format(**self._counts()),
            foot=foot.format(
                level=percent(self.level, digits=0),
                names=listing(
                    _("{name} ({n})").format(name=learner_words()[name], n=number(n))
                    for name, n in self.learners.items()
                ),
            ),
        )

    def _counts(self) -> dict[str, str]:
        return {"n": number(self.came_true), "all": number(len(self.fifths))}


def calibrated(analysis: Analysis) -> Calibration | None:
    """What was predicted beside what came; `None` where no policy was tested on customers it was not learned from."""
    proof = analysis.proof
    if proof is None:
        return None
    rows, best = np.arange(len(proof.rows)), proof.best
    predicted = proof.effect[rows, best - 1, 0]
    came = proof.gamma[rows, best, 0] - proof.gamma[:, 0, 0]
    group = np.minimum((proof.priority * GROUPS - 1e-9).astype(int), GROUPS - 1)
    own, level = analysis.campaign.cluster, analysis.campaign.settings.level
    found: list[dict[str, Any]] = []
    for one in np.unique(group):
        inside = group == one
        cluster = None if own is None else np.unique(own[proof.rows][inside], return_inverse=True)[1]
        value, se = mean_error(came[inside], cluster)
        half = critical(level, cluster) * se
        found.append(
            {
                "fifth": int(one) + 1, "predicted": float(predicted[inside].mean()), "observed": value, "low": value - half,
                "high": value + half, "customers": int(inside.sum()),
            }
        )  # fmt: skip
    return Calibration(fifths=pd.DataFrame(found), level=level, learners=proof.learners)


def learner_words() -> dict[str, str]:
    """Base learners as a reader sees them."""
    return {"linear": _("linear"), "boosted": _("boosted trees")}

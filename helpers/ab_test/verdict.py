"""One test's findings: its numbers, its gates as checks, and its decision with the sentence that says it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.ab_test.wording import (
    bounded,
    decision_text,
    failure,
    how,
    meaning,
    metric_unit,
    shown_metric,
    shown_test,
    small,
    told,
    why_not,
)
from helpers.reporting.findings import Check, Decision, Definition, Number, Result
from helpers.reporting.words import _, foreign, listing, number
from helpers.stats.split import SRM_ALPHA

if TYPE_CHECKING:
    from helpers.ab_test.analyse import Analysis
    from helpers.ab_test.judge import Judged


@dataclass(frozen=True, kw_only=True)
class TestFindings(Result):
    """What one test publishes.

    Attributes:
        analysis: The test.
    """

    analysis: Analysis

    def scope(self) -> str:
        """The test: a broken one holds back no other."""
        return self.analysis.test.id

    def numbers(self) -> dict[str, Number]:
        """Lift, difference and both levels of every metric of every variant, and the units."""
        found: dict[str, Number] = {}
        test = self.analysis.test
        for one in self.analysis.judged:
            name = f"{test.id}.{one.cell.metric.name}.{one.cell.variant}"
            n = one.effect.n_control + one.effect.n_treatment
            level = 1 - one.effect.alpha
            unit = metric_unit(one.cell.metric)
            for part, interval, own in (
                ("lift", one.effect.lift, "share"),
                ("difference", one.effect.difference, unit),
            ):
                ends = bounded(interval)
                found[f"{name}.{part}"] = Number(
                    value=interval.value,
                    low=ends[0],
                    high=ends[1],
                    level=level if ends[0] is not None else None,
                    unit=own,
                    n=n,
                    definition=f"{name}.lift" if part == "lift" else "ab_test.difference",
                )
            sides = (
                ("control", one.effect.control, one.effect.n_control),
                (
                    "treatment",
                    one.effect.treatment,
                    one.effect.n_treatment,
                ),
            )
            for part, value, units in sides:
                shown = value if math.isfinite(value) else None
                found[f"{name}.{part}"] = Number(value=shown, unit=unit, n=units, definition=f"ab_test.{part}")
        total = self.analysis.profile.units
        found[f"{test.id}.units"] = Number(value=total, unit="customers", n=total, definition="ab_test.units")
        return found

    def definitions(self) -> dict[str, Definition]:
        """What each number is, in words."""
        test = self.analysis.test
        found = {
            "ab_test.units": Definition(name=_("Units"), text=_("Units that were assigned to a variant.")),
            "ab_test.difference": Definition(name=_("Difference"), text=_("The variant’s value less the control’s.")),
            "ab_test.control": Definition(name=_("Control’s value"), text=_("As adjusted for what was known before.")),
            "ab_test.treatment": Definition(
                name=_("Variant’s value"), text=_("As adjusted for what was known before.")
            ),
        }
        unusable = "" if self.analysis.sound else " " + _("A gate failed: this number must not be used.")
        for one in self.analysis.judged:
            head = _("{metric}, {variant} against {control}").format(
                metric=shown_metric(one.cell.metric).lower(), variant=one.cell.variant, control=test.control
            )
            text = _("{test}. Difference over the control’s value; {how}.").format(test=shown_test(test), how=how(one))
            found[f"{test.id}.{one.cell.key}.lift"] = Definition(
                name=_("Lift of {head}").format(head=head), text=text + unusable
            )
        return found

    def checks(self) -> list[Check]:
        """Gates, then the plan, then each metric's p where the gates passed."""
        found = [self._gate(place) for place in range(len(self.analysis.gates))]
        found += self._clock() + self._plan()
        # Behind a gate that failed no metric may be read, so none of its p-values can pass.
        judged = self.analysis.judged if self.analysis.sound else ()
        return found + [check for one in judged for check in self._metric(one)]

    def decisions(self) -> list[Decision]:
        """The answer."""
        one = self.analysis
        verdict = one.verdict
        text = decision_text(one)
        value = {
            "title": shown_test(one.test),
            "answer": one.answer,
            "variant": one.variant,
            "cause": verdict.cause if verdict else None,
            "metrics": list(verdict.names) if verdict else [],
            "variants": {name: own.answer for name, own in one.verdicts.items()},
        }
        evidence = "experiment" if one.answer in {"ship", "dont_ship"} else "association"
        return [Decision(id=f"{one.test.id}.decision", text=text, evidence=evidence, value=value)]  # type: ignore[arg-type]

    def _gate(self, place: int) -> Check:
        kept = self.analysis.gates[place]
        found = told(kept, self.analysis.units)
        facts = {
            "test": shown_test(self.analysis.test),
            "meaning": meaning(kept),
            "found": found,
            "failure": failure(kept),
        }
        passed = kept.gate.passed
        message = _("{test}: {meaning}: {found}.") if passed else _("{test}: {failure}. Found: {found}.")
        value = kept.gate.p if kept.gate.p is not None else kept.gate.count
        return Check(
            id=f"{self.analysis.test.id}.{kept.id}",
            status="pass" if passed else "fail",
            value=value,
            threshold=f">= {kept.gate.threshold}" if kept.gate.p is not None else f"<= {kept.gate.threshold:g}",
            message=message.format(**facts),
        )

    def _clock(self) -> list[Check]:
        """From when outcomes were counted, where exposure is recorded for some units only."""
        test, clock = self.analysis.test, self.analysis.units.clock
        if not clock.unexposed:
            return []
        text = (
            _(
                "{test}: the moment of exposure is missing for {split} units, not as often in each variant (p {p}). So outcomes "
                "are counted from assignment for everyone: from another moment in one variant, they could not be compared."
            )
            if clock.from_assignment
            else _(
                "{test}: the moment of exposure is missing for {split} units; no difference between variants is seen (p {p}). "
                "Their outcomes are counted from assignment, those of the others from exposure."
            )
        )
        split = listing((f"{foreign(arm)} {number(lost)}" for arm, lost in clock.unexposed.items()), style="unit")
        return [
            Check(
                id=f"{test.id}.exposure",
                status="warn" if clock.from_assignment else "pass",
                value=clock.p,
                threshold=f">= {SRM_ALPHA}",
                message=text.format(test=shown_test(test), split=split, p=small(clock.p)),
            )
        ]

    def _plan(self) -> list[Check]:
        one, test = self.analysis, self.analysis.test
        found = []
        if not test.registered:
            found.append(
                Check(
                    id=f"{test.id}.registered",
                    status="warn",
                    message=_(
                        "{test} was not registered beforehand: its metrics were read off the columns. Take what it shows as a lead "
                        "for a registered test."
                    ).format(test=shown_test(test)),
                )
            )
        elif test.planned_n is None and test.planned_days is None and test.sequential == "none":
            text = _(
                "{test}: no sample size was planned, so nobody can say whether it was stopped when it looked good."
            )
            found.append(Check(id=f"{test.id}.plan", status="warn", message=text.format(test=shown_test(test))))
        if one.looks.early:
            text = (
                _(
                    "{test} was looked at outside its plan ({n} times so far), also after its planned end; a verdict from such a look "
                    "is a false alarm more often than planned."
                )
                if one.looks.end
                else _(
                    "{test} was looked at before its planned end ({n} times so far); each such look makes a false alarm likelier."
                )
            )
            found.append(
                Check(
                    id=f"{test.id}.looks",
                    status="warn",
                    value=len(one.looks.early),
                    message=text.format(test=shown_test(test), n=number(len(one.looks.early))),
                )
            )
        return found

    def _metric(self, one: Judged) -> list[Check]:
        test, cell = self.analysis.test, one.cell
        facts = {"test": shown_test(test), "metric": shown_metric(cell.metric), "variant": cell.variant}
        text = (
            _("{test}: {metric}, {variant}: p {p}.").format(**facts, p=small(one.p))
            if one.p is not None
            else _("{test}: {metric}, {variant}: {why}.").format(**facts, why=why_not(one))
        )
        status = "warn" if one.p is None and cell.metric.role != "information" else "pass"
        found = [Check(id=f"{test.id}.{cell.key}.p", status=status, value=one.p, message=text)]  # type: ignore[arg-type]
        if one.uncapped and one.uncapped != one.state:
            text = _(
                "{test}: without its cap, {metric} of {variant} would be judged otherwise: few large values decide."
            )
            found.append(Check(id=f"{test.id}.{cell.key}.cap", status="warn", message=text.format(**facts)))
        if cell.way == "beyond":
            text = _(
                "{test}: {metric} of {variant} is more skewed than its test was proven for; its interval may be too narrow. "
                "Sturdier: capped amounts (cap_quantile) or, for a mean, typical values (scale: log)."
            )
            found.append(Check(id=f"{test.id}.{cell.key}.range", status="warn", message=text.format(**facts)))
        return found

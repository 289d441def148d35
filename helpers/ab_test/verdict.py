"""One test's findings: its numbers, its gates as checks, and its decision with the sentence that says it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.ab_test.integrity import failure, meaning, small, told
from helpers.ab_test.read import is_money
from helpers.reporting.findings import Check, Decision, Definition, Number, Result
from helpers.reporting.words import _, language, money, number, percent

if TYPE_CHECKING:
    from helpers.ab_test.analyse import Analysis
    from helpers.ab_test.fieller import Interval
    from helpers.ab_test.judge import Judged
    from helpers.ab_test.topic import Metric, Test


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
            for part, interval, own in (("lift", one.effect.lift, "share"), ("difference", one.effect.difference, unit)):
                ends = bounded(interval)
                found[f"{name}.{part}"] = Number(
                    value=interval.value,
                    low=ends[0],
                    high=ends[1],
                    level=level if ends[0] is not None else None,
                    unit=own,
                    n=n,
                    definition=f"{name}.{part}",
                )
            sides = ("control", one.effect.control, one.effect.n_control), (
                "treatment",
                one.effect.treatment,
                one.effect.n_treatment,
            )
            for part, value, units in sides:
                shown = value if math.isfinite(value) else None
                found[f"{name}.{part}"] = Number(value=shown, unit=unit, n=units, definition=f"{name}.{part}")
        total = self.analysis.profile.units
        found[f"{test.id}.units"] = Number(value=total, unit="customers", n=total, definition=f"{test.id}.units")
        return found

    def definitions(self) -> dict[str, Definition]:
        """What each number is, in words."""
        test = self.analysis.test
        found = {
            f"{test.id}.units": Definition(
                name=_("Units in {test}").format(test=shown_test(test)), text=_("Units that were assigned to a variant.")
            )
        }
        unusable = "" if self.analysis.sound else " " + _("A gate failed: this number must not be used.")
        for one in self.analysis.judged:
            name = f"{test.id}.{one.cell.metric.name}.{one.cell.variant}"
            facts = {"metric": shown_metric(one.cell.metric), "variant": one.cell.variant, "control": test.control}
            lower = {**facts, "metric": facts["metric"].lower()}
            head = _("{metric}, {variant} against {control}").format(**lower)
            parts = {
                "lift": (_("Lift of {head}").format(head=head), _("Difference over the control's value; {how}.")),
                "difference": (_("Difference of {head}").format(head=head), _("Treatment less control; {how}.")),
                "control": (_("{metric}, {control}").format(**facts), _("The control's value; {how}.")),
                "treatment": (_("{metric}, {variant}").format(**facts), _("The variant's value; {how}.")),
            }
            for part, (title, text) in parts.items():
                found[f"{name}.{part}"] = Definition(name=title, text=text.format(how=how(one)) + unusable)
        return found

    def checks(self) -> list[Check]:
        """Gates, then the plan, then each metric's p."""
        found = [self._gate(place) for place in range(len(self.analysis.gates))]
        found += self._plan()
        found += [check for one in self.analysis.judged for check in self._metric(one)]
        return found

    def decisions(self) -> list[Decision]:
        """The answer."""
        one = self.analysis
        verdict = one.verdict
        text = decision_text(one)
        value = {
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
        facts = {"test": shown_test(self.analysis.test), "meaning": meaning(kept), "found": found, "failure": failure(kept)}
        passed = kept.gate.passed
        message = (
            _("{test}: {meaning}: {found}.")
            if passed
            else _("{test}: {failure}. Found: {found}.")
        )
        value = kept.gate.p if kept.gate.p is not None else kept.gate.count
        return Check(
            id=f"{self.analysis.test.id}.{kept.id}",
            status="pass" if passed else "fail",
            value=value,
            threshold=f">= {kept.gate.threshold}" if kept.gate.p is not None else f"<= {kept.gate.threshold:g}",
            message=message.format(**facts),
        )

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
            text = _("{test}: no sample size was planned, so nobody can say whether it was stopped when it looked good.")
            found.append(Check(id=f"{test.id}.plan", status="warn", message=text.format(test=shown_test(test))))
        if one.looks.early:
            text = _("{test} was looked at before its planned end ({n} times so far); each such look makes a false alarm likelier.")
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
            text = _("{test}: without its cap, {metric} of {variant} would be judged otherwise: few large values decide.")
            found.append(Check(id=f"{test.id}.{cell.key}.cap", status="warn", message=text.format(**facts)))
        if cell.way == "beyond":
            text = _(
                "{test}: {metric} of {variant} is more skewed than its test was proven for; its interval may be too narrow."
            )
            found.append(Check(id=f"{test.id}.{cell.key}.range", status="warn", message=text.format(**facts)))
        return found


def shown_metric(metric: Metric) -> str:
    """A metric as a reader sees it."""
    return metric.label or metric.name.replace("_", " ").capitalize()


def shown_test(test: Test) -> str:
    """A test as a reader sees it."""
    return test.title or test.id.replace("_", " ").capitalize()


def metric_unit(metric: Metric) -> str:
    """Unit of a metric's values."""
    return "share" if metric.type == "proportion" else language().currency if is_money(metric) else "ratio"


def bounded(interval: Interval) -> tuple[float | None, float | None]:
    """Ends of an interval that has two; nothing otherwise."""
    kept = interval.bounded and math.isfinite(interval.low) and math.isfinite(interval.high)
    return (interval.low, interval.high) if kept else (None, None)


def value_text(metric: Metric, value: float | None) -> str:
    """A metric's value as it is printed."""
    unit = metric_unit(metric)
    if unit == "share":
        return percent(value, digits=2)
    return number(value, digits=3) if unit == "ratio" else money(value)


def lift_text(one: Judged) -> str:
    """Lift with its interval, or why there is none."""
    lift = one.effect.lift
    if lift.value is None:
        return why_not(one)
    ends = bounded(lift)
    if ends[0] is None:
        return _("{lift} (no bounds: the control's value may be zero)").format(lift=percent(lift.value, signed=True))
    return _("{lift} ({low} to {high})").format(
        lift=percent(lift.value, signed=True),
        low=percent(ends[0], signed=True),
        high=percent(ends[1], signed=True),
    )


def why_not(one: Judged) -> str:
    """Why there is no answer, in words."""
    reasons = {
        "too_few_units": _("too few units"),
        "too_few_clusters": _("too few groups were randomised"),
        "no_variation": _("every unit has the same value"),
        "zero_denominator": _("nothing to divide by"),
        "empty_stratum": _("an empty group"),
        "missing_pair": _("no value"),
        "control_near_zero": _("the control's value may be zero"),
        "control_zero": _("the control's value is zero"),
    }
    return reasons.get(str(one.effect.reason), _("no value"))


def how(one: Judged) -> str:
    """How a metric was measured and tested."""
    ways = {
        "welch": _("Welch's test with Fieller's interval"),
        "score": _("score test, since counts are small"),
        "permutation": _("permutation test, since values are skewed"),
        "beyond": _("Welch's test, beyond the range it was proven for"),
    }
    parts = [ways[one.cell.way]]
    if "crv3" in one.cell.pair.method:
        parts = [_("groups as units, jackknife variance")]
    if "cuped" in one.cell.pair.method:
        parts.append(
            _("adjusted for what was known before (variance {share} lower)").format(
                share=percent(1 - one.cell.variance_ratio, digits=0)
            )
        )
    if one.cell.uncapped is not one.cell.pair and one.cell.metric.cap_quantile:
        parts.append(_("capped at the {share} quantile").format(share=percent(one.cell.metric.cap_quantile)))
    return ", ".join(parts)


def decision_text(one: Analysis) -> str:
    """The decision as one sentence."""
    test, verdict = one.test, one.verdict
    facts = {"test": shown_test(test), "variant": one.variant or "", "control": test.control}
    if one.answer == "explore":
        return _("{test}: not registered beforehand, so no decision; what it shows is a lead for a registered test.").format(
            **facts
        )
    if not one.sound or verdict is None:
        missed = _(", and ").join(dict.fromkeys(failure(kept) for kept in one.failed))
        return _("{test}: no decision, since {missed}.").format(**facts, missed=missed)
    named = [own for own in one.judged if own.cell.variant == one.variant and own.cell.metric.name in verdict.names]
    effects = ", ".join(f"{shown_metric(own.cell.metric).lower()} {lift_text(own)}" for own in named)
    texts = {
        "better_and_safe": _("{test}: ship {variant}. {effects}{guards}."),
        "safe": _("{test}: ship {variant}. No guardrail lost more than its margin: {effects}."),
        "worse": _("{test}: don’t ship {variant}. Worse than {control}: {effects}."),
        "not_better": _("{test}: don’t ship {variant}. Not shown to be better than {control}: {effects}.")
        if one.complete
        else _("{test}: extend. Not yet shown to be better than {control}: {effects}."),
        "guardrail_undecided": _("{test}: don’t ship {variant}. It may lose more than the margin allows: {effects}.")
        if one.complete
        else _("{test}: extend. It is not yet clear whether it loses more than the margin allows: {effects}."),
        "too_early": _("{test}: extend. It has {n} of its planned {planned} units and is not read before its end."),
        "nothing_readable": _("{test}: no decision. No metric that decides can be read: {why}."),
        "no_metric": _("{test}: no decision. No success metric or guardrail was registered."),
    }
    guards = [own for own in one.judged if own.cell.variant == one.variant and own.cell.metric.role == "guardrail"]
    kept = _("; no guardrail lost more than its margin") if guards else ""
    why = ", ".join(dict.fromkeys(why_not(own) for own in named))
    first = effects[:1].upper() + effects[1:] if verdict.cause == "better_and_safe" else effects
    return texts[verdict.cause].format(
        **facts,
        effects=first,
        guards=kept,
        why=why,
        n=number(one.profile.units),
        planned=number(test.planned_n) if test.planned_n else "–",
    )

"""Wording: how tests, metrics, lifts, gates and decisions are said, from the objects that hold them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from helpers.ab_test.read import is_money
from helpers.reporting.words import _, day, foreign, language, level_text, listing, money, number, percent

if TYPE_CHECKING:
    from helpers.ab_test.analyse import Analysis
    from helpers.ab_test.fieller import Interval
    from helpers.ab_test.integrity import Kept
    from helpers.ab_test.judge import Judged
    from helpers.ab_test.read import Units
    from helpers.ab_test.registration import Metric, Test

SMALLEST_SHOWN = 0.0001
# Below this a p-value is printed with four digits.
FEW_DIGITS = 0.01


def shown_metric(metric: Metric) -> str:
    """A metric as a reader sees it."""
    name = foreign(metric.label or metric.name.replace("_", " ").capitalize())
    return _("{metric} (typical value)").format(metric=name) if metric.scale == "log" else name


def shown_test(test: Test) -> str:
    """A test as a reader sees it."""
    return foreign(test.title or test.id.replace("_", " ").capitalize())


def dated_test(one: Analysis) -> str:
    """A test with the days on which its units came: a report of one period may tell of a test of another."""
    first, last = one.profile.first, one.profile.last
    if first is None:
        return shown_test(one.test)
    return _("{test} ({first} to {last})").format(test=shown_test(one.test), first=day(first), last=day(last))


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
        text = (
            _("{lift} (no bounds yet: so early a look concludes nothing)")
            if one.effect.reason == "early_look"
            else _("{lift} (no bounds: the control’s value may be zero)")
        )
        return text.format(lift=percent(lift.value, signed=True))
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
        "control_near_zero": _("the control’s value may be zero"),
        "control_zero": _("the control’s value is zero"),
        "tied_values": _("too many units share one value there for its chance error to be known"),
        "early_look": _("so early a look concludes nothing"),
    }
    return reasons.get(str(one.effect.reason), _("no value"))


def how(one: Judged) -> str:
    """How a metric was measured and tested."""
    ways = {
        "welch": _("Welch’s test") if one.cell.pair.log else _("Welch’s test with Fieller’s interval"),
        "score": _("score test, since counts are small"),
        "permutation": _("permutation test, since values are skewed"),
        "beyond": _("Welch’s test, beyond the range it was proven for"),
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
    if one.cell.pair.log:
        parts.append(_("typical values on a log scale, not means"))
    if one.cell.uncapped is not one.cell.pair and one.cell.metric.cap_quantile:
        parts.append(_("capped at the {share} quantile").format(share=percent(one.cell.metric.cap_quantile)))
    return listing(parts, style="unit")


def levels_text(one: Analysis) -> str:
    """At which level the interval of each success metric of the shown variant stands."""
    own = [row for row in one.judged if row.cell.variant == one.variant and row.cell.metric.role == "success"]
    return listing(
        (
            _("{metric} {level}").format(metric=shown_metric(row.cell.metric), level=level_text(1 - row.effect.alpha))
            for row in own
        ),
        style="unit",
    )


def joint_text(one: Analysis) -> str:
    """What the levels of the intervals mean together: nothing where no metric is to succeed."""
    if not (each := levels_text(one)):
        return _("Each interval stands at {level} by itself.").format(level=level_text(1 - one.test.alpha))
    names = {"holm": "Holm", "bonferroni": "Bonferroni", "bh": "Benjamini-Hochberg", "none": _("no adjustment")}
    return _(
        "Success metrics are judged together at {level} ({method}), each interval at its own level: {each}."
    ).format(level=level_text(1 - one.test.alpha), method=names[one.test.method], each=each)


def margins_text(one: Analysis) -> str:
    """What each guardrail may lose; nothing where there is none."""
    kept = {own.cell.metric.name: own.cell.metric for own in one.judged if own.cell.metric.role == "guardrail"}
    if not kept:
        return ""
    each = (
        _("{metric} {level}").format(metric=shown_metric(metric), level=level_text(abs(metric.margin or 0.0)))
        for metric in kept.values()
    )
    return _("Margins, what a guardrail may lose of the control’s value: {margins}.").format(
        margins=listing(each, style="unit")
    )


def decision_text(one: Analysis, *, brief: bool = False) -> str:
    """The decision as one sentence; a headline names the first ground only."""
    test, verdict = one.test, one.verdict
    facts = {"test": dated_test(one), "variant": foreign(one.variant or ""), "control": foreign(test.control)}
    if one.answer == "explore":
        return _(
            "{test}: not registered beforehand, so no decision; what it shows is a lead for a registered test."
        ).format(**facts)
    if not one.sound or verdict is None:
        missed = listing(dict.fromkeys(failure(kept) for kept in one.failed[: 1 if brief else None]))
        return _("{test}: no decision, since {missed}.").format(**facts, missed=missed)
    named = [own for own in one.judged if own.cell.variant == one.variant and own.cell.metric.name in verdict.names]
    named = named[: 1 if brief else None]
    effects = listing((f"{shown_metric(own.cell.metric).lower()} {lift_text(own)}" for own in named), style="unit")
    guarded = any(own.cell.variant == one.variant and own.cell.metric.role == "guardrail" for own in one.judged)
    texts = {
        "better_and_safe": _("{test}: ship {variant}. {effects}; no guardrail lost more than its margin.")
        if guarded
        else _("{test}: ship {variant}. {effects}."),
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
    if verdict.cause == "kept":
        texts["kept"] = (
            _("{test}: ship {variant}, as decided with {n} units. What came later is supplementary: {effects}.")
            if verdict.answer == "ship"
            else _(
                "{test}: don’t ship {variant}, as decided with {n} units. What came later is supplementary: {effects}."
            )
        )
    why = listing(dict.fromkeys(why_not(own) for own in named))
    first = effects[:1].upper() + effects[1:] if verdict.cause == "better_and_safe" else effects
    text = texts[verdict.cause].format(
        **facts,
        effects=first,
        why=why,
        n=number(one.decided_with if verdict.cause == "kept" else one.observed),
        planned=number(test.planned_n) if test.planned_n else "–",
    )
    return text if one.complete or one.observed == one.profile.units else f"{text} {outcomes_text(one)}"


def outcomes_text(one: Analysis) -> str:
    """How many units the verdict rests on, where some have no outcome yet."""
    return _("{n} of {total} units have an outcome so far.").format(
        n=number(one.observed), total=number(one.profile.units)
    )


def meaning(kept: Kept) -> str:
    """What a gate looks for, in words a client understands."""
    texts = {
        "variants": _("Every variant has units"),
        "srm": _("Each variant got its planned share of units"),
        "crossed_over": _("Nobody was in two variants"),
        "duplicates": _("No unit is in the data twice"),
        "exposed_before": _("Nobody saw the variant before being assigned to it"),
        "outcome_before": _("No outcome is dated before the assignment ({about})"),
        "imbalance": _("The variants were alike before the test ({about})"),
        "missing": _("As many outcomes are missing in each variant ({about})"),
    }
    name = kept.id.split(".")[0]
    text = _("Each variant got its planned share within every {about}") if name == "srm" and kept.about else texts[name]
    return text.format(about=kept.about)


def failure(kept: Kept) -> str:
    """What went wrong where a gate failed, as the reader of a headline needs it."""
    texts = {
        "variants": _("there is nothing to compare"),
        "srm": _("its random split is broken"),
        "crossed_over": _("some units were in two variants"),
        "duplicates": _("some units are in the data twice"),
        "exposed_before": _("some units saw the variant before they were assigned"),
        "outcome_before": _("some outcomes are older than the assignment"),
        "imbalance": _("its variants differed before it began"),
        "missing": _("outcomes are missing more often in one variant"),
    }
    return texts[kept.id.split(".")[0]]


def told(kept: Kept, units: Units) -> str:
    """What a gate found, in one clause."""
    gate, name = kept.gate, kept.id.split(".")[0]
    if name in {"srm", "imbalance"}:
        return _told_p(kept, units)
    if name == "variants":
        text = _("{n} variants") if gate.passed else _("no units to compare: {names}")
        return text.format(n=number(gate.total), names=listing(map(foreign, gate.offenders)))
    if name == "missing":
        split = listing((f"{foreign(arm)} {number(lost)}" for arm, lost in gate.offenders), style="unit")
        return _("missing: {split} (p {p})").format(split=split, p=small(gate.p))
    text = _("{count} of {total}, such as {first}") if gate.count else _("none of {total}")
    first = listing(map(foreign, gate.offenders))
    return text.format(count=number(gate.count), total=number(gate.total), first=first)


def _told_p(kept: Kept, units: Units) -> str:
    """A gate that is a test: its p, and the counts or segments behind it."""
    gate = kept.gate
    if kept.id == "srm":
        arms = [(arm, number(kept.counts.get(arm, 0))) for arm in units.arms]
        split = listing((_("{variant} {n}").format(variant=foreign(arm), n=n) for arm, n in arms), style="unit")
        return _("{split} (p {p})").format(split=split, p=small(gate.p))
    if gate.p is None:
        return _("nothing to compare")
    names = listing(dict.fromkeys(foreign(first) for first, _rest in gate.offenders))
    text = _("p {p}; it shows in {names}") if names else _("p {p}")
    return text.format(p=small(gate.p), names=names)


def small(p: float | None) -> str:
    """A p-value as a reader sees it."""
    if p is None:
        return "–"
    if p < SMALLEST_SHOWN:
        return _("below {p}").format(p=number(SMALLEST_SHOWN, digits=4))
    return number(p, digits=4 if p < FEW_DIGITS else 3)

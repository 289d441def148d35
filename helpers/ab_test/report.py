"""All tests of a client: the headline, and the tables and pictures that stand for every one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.ab_test.execution import plan_rows
from helpers.ab_test.shown import Shown
from helpers.ab_test.verdict import TestFindings
from helpers.ab_test.wording import (
    bounded,
    decision_text,
    how,
    joint_text,
    margins_text,
    meaning,
    shown_metric,
    shown_test,
    told,
    value_text,
    why_not,
)
from helpers.reporting.findings import Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, number
from helpers.stats.split import SRM_ALPHA

if TYPE_CHECKING:
    from helpers.ab_test.analyse import Analysis
    from helpers.ab_test.judge import Judged

CARDS = 4


@dataclass(frozen=True, kw_only=True)
class Tests(Result):
    """Every test of the client.

    Attributes:
        each: What each publishes.
    """

    each: tuple[TestFindings, ...]

    @property
    def analyses(self) -> list[Analysis]:
        """The tests, those with a decision first."""
        order = {"ship": 0, "dont_ship": 1, "extend": 2, "explore": 3, "invalid": 4}
        return sorted((one.analysis for one in self.each), key=lambda one: (not one.sound, order[one.answer]))

    @property
    def sound(self) -> list[Analysis]:
        """Tests whose gates all passed and that have something to show."""
        return [one for one in self.analyses if one.sound and one.judged]

    def headline(self) -> str:
        """One sentence a test."""
        if not self.each:
            return ""
        shown = self.analyses[:3]
        text = " ".join(decision_text(one, brief=True) for one in shown)
        more = len(self.each) - len(shown)
        return text + (" " + _("{n} more tests are below.").format(n=number(more)) if more else "")

    def cards(self) -> tuple[str, ...]:
        """Lifts of the metrics that decide, of the tests that may be read."""
        names = [
            f"{one.test.id}.{own.cell.metric.name}.{own.cell.variant}.lift"
            for one in self.sound
            for role in ("success", "guardrail", "information")
            for own in one.judged
            if own.cell.metric.role == role and own.cell.variant == one.variant and own.effect.lift.value is not None
        ]
        return tuple(names[:CARDS]) or tuple(f"{one.analysis.test.id}.units" for one in self.each[:CARDS])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every metric, every gate, every answer."""
        return {"metrics": self.metrics(), "gates": self.gates(), "verdicts": self.verdicts()}

    def metrics(self) -> pd.DataFrame:
        """One row a test, metric and variant."""
        rows = [_row(one, own) for one in self.analyses for own in one.judged]
        return pd.DataFrame(rows, columns=list(_ROW))

    def gates(self) -> pd.DataFrame:
        """One row a gate, those that failed first."""
        rows = [
            {
                "test": shown_test(one.test),
                "gate": kept.id,
                "meaning": meaning(kept),
                "result": _("passed") if kept.gate.passed else _("FAILED"),
                "found": told(kept, one.units),
                "passed": kept.gate.passed,
            }
            for one in self.analyses
            for kept in one.gates
        ]
        frame = pd.DataFrame(rows, columns=["test", "gate", "meaning", "result", "found", "passed"])
        return frame.sort_values("passed", kind="stable").reset_index(drop=True)

    def verdicts(self) -> pd.DataFrame:
        """One row a test."""
        rows = [
            {
                "test": one.test.id,
                "answer": one.answer if one.sound else "invalid",
                "word": answer_words()[one.answer if one.sound else "invalid"],
                "variant": one.variant,
                "units": one.profile.units,
                "sentence": decision_text(one),
            }
            for one in self.analyses
        ]
        return pd.DataFrame(rows, columns=["test", "answer", "word", "variant", "units", "sentence"])

    def sentence(self) -> Shown:
        """Each test's decision as a paragraph."""
        return Shown(parts=tuple(Sentence(text=decision_text(one)) for one in self.analyses))

    def table(self) -> Shown:
        """Each sound test's metrics, one table a test."""
        return Shown(parts=tuple(_metrics_table(one) for one in self.sound))

    def gate_table(self) -> Table | Shown:
        """The gates with what they mean; nothing where there is no test."""
        if not self.each:
            return Shown(parts=())
        frame = self.gates()
        columns = {
            "meaning": Column(label=_("What must hold")),
            "test": Column(label=_("Test")),
            "result": Column(label=_("Result")),
            "found": Column(label=_("Found")),
        }
        failed = tuple(place for place, passed in enumerate(frame["passed"]) if not passed)
        title = (
            _("{n} gates failed; what they guard must not be read").format(n=number(len(failed)))
            if failed
            else _("All gates passed")
        )
        foot = _("A p-value below its limit says that chance alone hardly makes such data. The split’s limit is {p}.")
        return table(
            frame, columns, title=title, foot=foot.format(p=number(SRM_ALPHA, digits=4)), rows=40, strong=failed
        )

    def plan_table(self) -> Table | Shown:
        """What was planned beside what was done; nothing where there is no test."""
        if not self.each:
            return Shown(parts=())
        rows = [row for one in self.analyses for row in plan_rows(one)]
        frame = pd.DataFrame(rows, columns=["test", "what", "planned", "done"])
        columns = {
            "test": Column(label=_("Test")),
            "what": Column(label=_("What")),
            "planned": Column(label=_("Planned")),
            "done": Column(label=_("Done")),
        }
        return table(frame, columns, title=_("Plan and execution"), rows=60)


_ROW = (
    "test", "metric", "role", "type", "variant", "control_value", "treatment_value", "difference", "difference_low",
    "difference_high", "lift", "lift_low", "lift_high", "level", "p", "state", "raw_lift", "uncapped_lift", "how", "units",
)  # fmt: skip


def report(analyses: tuple[Analysis, ...]) -> Tests:
    """What the tests publish and show."""
    return Tests(each=tuple(TestFindings(analysis=one) for one in analyses))


def answer_words() -> dict[str, str]:
    """Answers as a reader sees them."""
    return {
        "ship": _("Ship"),
        "dont_ship": _("Don’t ship"),
        "extend": _("Extend"),
        "explore": _("Explore"),
        "invalid": _("No decision"),
    }


def state_words() -> dict[str, str]:
    """States of a metric as a reader sees them."""
    return {
        "better": _("better"),
        "worse": _("worse"),
        "undecided": _("not shown"),
        "unknown": _("cannot be read"),
        "non_inferior": _("within its margin"),
    }


def role_words() -> dict[str, str]:
    """Roles of a metric as a reader sees them."""
    return {"success": _("decides"), "guardrail": _("guardrail"), "information": _("shown only")}


def _lift(pair: Any, alpha: float) -> float | None:
    from helpers.ab_test.estimate import compare

    return compare(pair, alpha=alpha).lift.value


def _row(one: Analysis, own: Judged) -> dict[str, Any]:
    effect, cell = own.effect, own.cell
    low, high = bounded(effect.difference)
    lift_low, lift_high = bounded(effect.lift)
    values = (
        one.test.id, cell.metric.name, cell.metric.role, cell.metric.type, cell.variant, effect.control, effect.treatment,
        effect.difference.value, low, high, effect.lift.value, lift_low, lift_high, 1 - effect.alpha, own.p, own.state,
        _lift(cell.raw, effect.alpha), _lift(cell.uncapped, effect.alpha), how(own), effect.n_control + effect.n_treatment,
    )  # fmt: skip
    return dict(zip(_ROW, values, strict=True))


def _metrics_table(one: Analysis) -> Table:
    rows: list[dict[str, Any]] = []
    caps = any(own.cell.uncapped is not own.cell.pair for own in one.judged)
    for own in one.judged:
        metric = own.cell.metric
        raw, uncapped = _lift(own.cell.raw, own.effect.alpha), _lift(own.cell.uncapped, own.effect.alpha)
        capped = own.cell.uncapped is not own.cell.pair
        rows.append(
            {
                "metric": shown_metric(metric),
                "role": role_words()[metric.role],
                "variant": own.cell.variant,
                "control": value_text(metric, own.effect.control),
                "treatment": value_text(metric, own.effect.treatment),
                "lift": own.effect.lift.value,
                "low": bounded(own.effect.lift)[0],
                "high": bounded(own.effect.lift)[1],
                "state": state_words()[own.state] + (f" ({why_not(own)})" if own.effect.reason else ""),
                "raw": raw,
                "uncapped": uncapped if capped else None,
            }
        )
    columns = {
        "metric": Column(label=_("Metric")),
        "role": Column(label=_("Role")),
        **({"variant": Column(label=_("Variant"))} if len(one.units.variants) > 2 else {}),  # noqa: PLR2004
        "control": Column(label=_("Control’s value"), kind="printed"),
        "treatment": Column(label=_("Variant’s value"), kind="printed"),
        "lift": Column(label=_("Lift"), kind="signed_share", low="low", high="high"),
        "state": Column(label=_("Verdict")),
        **({"raw": Column(label=_("Not adjusted"), kind="signed_share")} if one.units.covariates else {}),
        **({"uncapped": Column(label=_("Not capped"), kind="signed_share")} if caps else {}),
    }
    foot = _(
        "n = {n} units. {levels} Guardrails and other metrics: each by itself. Not adjusted: without what was known before the "
        "test."
    ).format(n=number(one.observed), levels=joint_text(one))
    foot = " ".join(part for part in (foot, margins_text(one)) if part)
    strong = tuple(place for place, own in enumerate(one.judged) if own.cell.metric.role == "success")
    title = _("{test}: every metric").format(test=shown_test(one.test))
    return table(pd.DataFrame(rows), columns, title=title, foot=foot, rows=40, strong=strong)

"""The decision: from gates, success metrics and guardrails to one of four answers.

The rule is Spotify's (Schultzberg, Ankargren & Franberg 2024, Risk-aware product decisions in A/B tests with multiple metrics,
arXiv 2402.11609): ship if and only if at least one success metric is significantly better, every guardrail is shown to be
non-inferior, nothing is significantly worse, and the data pass their gates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Answer = Literal["ship", "dont_ship", "extend", "invalid"]
Success = Literal["better", "worse", "undecided", "unknown"]
Guardrail = Literal["non_inferior", "worse", "undecided", "unknown"]
Cause = Literal[
    "gate_failed",
    "no_metric",
    "nothing_readable",
    "too_early",
    "worse",
    "better_and_safe",
    "safe",
    "guardrail_undecided",
    "not_better",
    "kept",
]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer, and what it hangs on.

    Attributes:
        answer: `ship`, `dont_ship`, `extend` or `invalid`.
        cause: Why.
        names: The gates or metrics that the cause is about.
    """

    answer: Answer
    cause: Cause
    names: tuple[str, ...] = field(default=())


def decide(
    *,
    gates: Mapping[str, bool],
    success: Mapping[str, Success],
    guardrails: Mapping[str, Guardrail],
    complete: bool,
    sequential: bool,
) -> Verdict:
    """One answer for every combination.

    1. A gate that fails makes the data invalid, whatever they say. So does a test without a metric that can be read.
    2. A fixed test that has not reached its planned sample is not read: extend.
    3. Something significantly worse: don't ship.
    4. A success better (or no success metric declared) and all guardrails non-inferior: ship.
    5. Else there is nothing to ship on yet: extend, or at the planned end don't ship.

    Args:
        gates: Whether each passed.
        success: State of each success metric at its (adjusted) level.
        guardrails: State of each guardrail; `unknown` where it could not be computed.
        complete: Whether the planned sample has been reached.
        sequential: Whether the metrics' states come from a procedure that allows for looking early.
    """
    unread = _unread(gates, success, guardrails, complete=complete, sequential=sequential)
    if unread:
        return unread
    worse = _in_state({**success, **guardrails}, "worse")
    if worse:
        return Verdict(answer="dont_ship", cause="worse", names=worse)
    open_ended: Answer = "dont_ship" if complete else "extend"
    better = _in_state(success, "better")
    if success and not better:
        return Verdict(answer=open_ended, cause="not_better", names=tuple(success))
    unsafe = tuple(name for name, state in guardrails.items() if state != "non_inferior")
    if unsafe:
        return Verdict(answer=open_ended, cause="guardrail_undecided", names=unsafe)
    return Verdict(answer="ship", cause="better_and_safe" if better else "safe", names=better or tuple(guardrails))


def _unread(
    gates: Mapping[str, bool],
    success: Mapping[str, Success],
    guardrails: Mapping[str, Guardrail],
    *,
    complete: bool,
    sequential: bool,
) -> Verdict | None:
    """The answer where the metrics must not be read, or not yet."""
    failed = tuple(name for name, passed in gates.items() if not passed)
    if failed:
        return Verdict(answer="invalid", cause="gate_failed", names=failed)
    if not success and not guardrails:
        return Verdict(answer="invalid", cause="no_metric")
    judged: dict[str, Success] | dict[str, Guardrail] = dict(success) if success else dict(guardrails)
    if all(state == "unknown" for state in judged.values()):
        return Verdict(answer="invalid", cause="nothing_readable", names=tuple(judged))
    if not (complete or sequential):
        return Verdict(answer="extend", cause="too_early")
    return None


def _in_state(metrics: Mapping[str, str], wanted: str) -> tuple[str, ...]:
    return tuple(name for name, state in metrics.items() if state == wanted)


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Error rates of single tests that keep those of the decision.

    Attributes:
        success: Two-sided alpha of each success metric (Bonferroni).
        guardrail: One-sided alpha of each non-inferiority test: not adjusted for their number, since all of them must pass.
        deterioration: One-sided alpha of each test for something worse (Bonferroni over all metrics).
        beta: Type II error of each test that must succeed.
    """

    success: float
    guardrail: float
    deterioration: float
    beta: float


def error_levels(*, alpha: float = 0.05, beta: float = 0.2, success: int, guardrails: int, variants: int = 1) -> Levels:
    """Levels of single tests: alpha is shared by the successes alone, beta by the guardrails and one success.

    That alpha is not adjusted for guardrails while beta is, is Schultzberg et al. (arXiv 2402.11609). How beta is split is
    Bonferroni's bound over the tests that all have to succeed: enough whatever their dependence, if not the least that would do.

    Args:
        alpha: Chance of shipping without any success: two-sided.
        beta: Chance of not shipping what should be.
        success: Number of success metrics, of all variants together.
        guardrails: Number of guardrails of one variant.
        variants: Number of variants of which one may be shipped: each of them is a chance to ship what a guardrail guards against.
    """
    metrics = max(success + guardrails, 1)
    return Levels(
        success=alpha / max(success, 1),
        guardrail=alpha / 2 / max(variants, 1),
        deterioration=alpha / 2 / metrics,
        beta=beta / (guardrails + (1 if success else 0) or 1),
    )

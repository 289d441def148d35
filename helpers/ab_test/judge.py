"""Judging: adjusted levels, sequential looks, guardrails; the state of each metric and the answer for each variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.ab_test.decide import Answer, Verdict, decide, error_levels
from helpers.ab_test.estimate import Effect, OneSided, held_against
from helpers.ab_test.multiple import adjusted_p, levels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from helpers.ab_test.cell import Cell
    from helpers.ab_test.registration import Test
    from helpers.ab_test.sequential import Look


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One metric of one variant, judged.

    Attributes:
        cell: What was measured.
        effect: At the level that it was judged at.
        p: Adjusted p-value of a success metric, plain of the others; `None` where the data do not tell.
        state: `better`, `worse`, `undecided`, `unknown`, or for a guardrail `non_inferior`.
        margin: The guardrail's test; `None` for other roles.
        uncapped: State that the metric would have without its caps.
    """

    cell: Cell
    effect: Effect
    p: float | None
    state: str
    margin: OneSided | None = None
    uncapped: str = ""


def judge(
    cells: Sequence[Cell], test: Test, *, look: Callable[[Cell, float], Look | None] | None = None
) -> tuple[Judged, ...]:
    """State of every metric.

    Success metrics of all variants are one family. Guardrails are not adjusted, since all of them must hold
    (arXiv 2402.11609); something worse is looked for at a level that all metrics share.

    Args:
        cells: What was measured.
        test: As registered.
        look: Critical value and p of a sequential procedure at a level; `None` for a fixed test.
    """
    success = [cell for cell in cells if cell.metric.role == "success"]
    guards = [cell for cell in cells if cell.metric.role == "guardrail"]
    variants = max(len({cell.variant for cell in cells}), 1)
    share = error_levels(alpha=test.alpha, success=len(success), guardrails=len(guards) // variants, variants=variants)
    family = _family(success, test) if look is None else _looked(success, test, look)
    found = []
    for cell in cells:
        if cell.key in family and cell.metric.role == "success":
            effect, p = family[cell.key]
            state = _state(cell, effect, share.deterioration, look)
            found.append(
                Judged(cell=cell, effect=effect, p=p, state=state, uncapped=_without_caps(cell, effect, state))
            )
        elif cell.metric.role == "guardrail":
            found.append(_guarded(cell, share.guardrail, share.deterioration, look))
        else:
            effect = _effect(cell, test.alpha, look)
            found.append(Judged(cell=cell, effect=effect, p=effect.p, state=_plain_state(cell, effect)))
    return tuple(found)


def answers(judged: Sequence[Judged], test: Test, *, gates: Mapping[str, bool], complete: bool) -> dict[str, Verdict]:
    """The answer for each variant."""
    found = {}
    for variant in dict.fromkeys(one.cell.variant for one in judged):
        own = [one for one in judged if one.cell.variant == variant]
        found[variant] = decide(
            gates=gates,
            success={one.cell.metric.name: one.state for one in own if one.cell.metric.role == "success"},  # type: ignore[misc]
            guardrails={one.cell.metric.name: one.state for one in own if one.cell.metric.role == "guardrail"},  # type: ignore[misc]
            complete=complete,
            sequential=test.sequential != "none",
        )
    return found


def best(found: Mapping[str, Verdict], judged: Sequence[Judged]) -> tuple[str | None, Answer]:
    """The variant to ship, or the one whose answer stands for the test.

    Among several that may be shipped it is the one with the largest lift of the first success metric.
    """
    if not found:
        return None, "invalid"
    for answer in ("ship", "extend", "dont_ship", "invalid"):
        names = [name for name, verdict in found.items() if verdict.answer == answer]
        if names:
            return max(names, key=lambda name: _first_lift(name, judged)), answer
    return None, "invalid"


def _first_lift(variant: str, judged: Sequence[Judged]) -> float:
    for one in judged:
        if one.cell.variant == variant and one.cell.metric.role in {"success", "guardrail"}:
            sign = -1 if one.cell.metric.better == "less" else 1
            return sign * (one.effect.lift.value or 0.0)
    return 0.0


def _family(cells: Sequence[Cell], test: Test) -> dict[str, tuple[Effect, float | None]]:
    plain = {cell.key: cell.effect(test.alpha) for cell in cells}
    tested = [cell for cell in cells if plain[cell.key].p is not None]
    p = [float(plain[cell.key].p or 0.0) for cell in tested]
    corrected = dict(zip((cell.key for cell in tested), adjusted_p(p, method=test.method), strict=True))
    own = dict(zip((cell.key for cell in tested), levels(p, alpha=test.alpha, method=test.method), strict=True))
    return {
        cell.key: (
            cell.effect(own[cell.key]) if own.get(cell.key, test.alpha) != test.alpha else plain[cell.key],
            corrected.get(cell.key),
        )
        for cell in cells
    }


def _looked(
    cells: Sequence[Cell], test: Test, look: Callable[[Cell, float], Look | None]
) -> dict[str, tuple[Effect, float | None]]:
    """Bonferroni over the family: a step-down procedure would need the looks of all metrics to agree."""
    level = test.alpha / max(len(cells), 1)
    found = {}
    for cell in cells:
        effect = _effect(cell, level, look)
        found[cell.key] = (effect, None if effect.p is None else min(1.0, effect.p * len(cells)))
    return found


def _effect(cell: Cell, alpha: float, look: Callable[[Cell, float], Look | None] | None) -> Effect:
    now = look(cell, alpha) if look else None
    return cell.effect(alpha) if now is None else cell.looked(critical=now.critical, p=now.p, alpha=alpha)


def _sign(cell: Cell) -> int:
    return -1 if cell.metric.better == "less" else 1


def _plain_state(cell: Cell, effect: Effect) -> str:
    if effect.p is None:
        return "unknown"
    if not effect.significant:
        return "undecided"
    return "better" if _sign(cell) * (effect.difference.value or 0.0) > 0 else "worse"


def _state(cell: Cell, effect: Effect, deterioration: float, look: Callable[[Cell, float], Look | None] | None) -> str:
    state = _plain_state(cell, effect)
    if state == "undecided" and _plain_state(cell, _effect(cell, 2 * deterioration, look)) == "worse":
        return "worse"
    return state


def _without_caps(cell: Cell, effect: Effect, state: str) -> str:
    from helpers.ab_test.estimate import compare

    if cell.uncapped is cell.pair:
        return state
    return _plain_state(cell, compare(cell.uncapped, alpha=effect.alpha))


def _guarded(
    cell: Cell,
    level: float,
    deterioration: float,
    look: Callable[[Cell, float], Look | None] | None,
) -> Judged:
    """Non-inferiority: the end on the bad side of the interval that is shown is held against the margin."""
    effect = _effect(cell, 2 * level, look)
    margin = held_against(effect, margin=-abs(cell.metric.margin or 0.0), less_is_better=cell.metric.better == "less")
    worse = _plain_state(cell, _effect(cell, 2 * deterioration, look)) == "worse"
    state = "unknown" if cell.pair.reason else "worse" if worse else "non_inferior" if margin.shown else "undecided"
    return Judged(cell=cell, effect=effect, p=effect.p, state=state, margin=margin)

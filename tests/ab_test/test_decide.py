"""Every combination of gates, metrics and progress has one answer, and the answer is the rule's."""

from itertools import combinations_with_replacement, product

import numpy as np
import pytest

from helpers.ab_test.decide import decide, error_levels

SUCCESS = ("better", "worse", "undecided", "unknown")
GUARDRAIL = ("non_inferior", "worse", "undecided", "unknown")


def states(of, most):
    for count in range(most + 1):
        for combination in combinations_with_replacement(of, count):
            yield {f"metric {place}": state for place, state in enumerate(combination)}


def every():
    for passed, complete, sequential in product((True, False), repeat=3):
        for success in states(SUCCESS, 3):
            for guardrails in states(GUARDRAIL, 3):
                named = {f"guardrail {name}": state for name, state in guardrails.items()}
                yield {"srm": passed}, success, named, complete, sequential


def answer(case):
    gates, success, guardrails, complete, sequential = case
    return decide(gates=gates, success=success, guardrails=guardrails, complete=complete, sequential=sequential).answer


def test_every_combination_has_one_answer():
    cases = list(every())
    assert len(cases) == 8 * 35 * 35
    assert {answer(case) for case in cases} == {"ship", "dont_ship", "extend", "invalid"}


def test_ship_if_and_only_if_the_rule_says_so():
    """arXiv 2402.11609, and only on data that may be read."""
    for case in every():
        gates, success, guardrails, complete, sequential = case
        readable = all(gates.values()) and (complete or sequential)
        a_success = "better" in success.values() or (not success and "non_inferior" in guardrails.values())
        safe = set(guardrails.values()) <= {"non_inferior"}
        nothing_worse = "worse" not in success.values()
        assert (answer(case) == "ship") == (readable and a_success and safe and nothing_worse), case


def test_what_fails_a_gate_is_invalid_whatever_it_says():
    assert {answer(case) for case in every() if not case[0]["srm"]} == {"invalid"}


def test_at_the_planned_end_there_is_nothing_to_wait_for():
    assert {answer(case) for case in every() if case[3]} == {"ship", "dont_ship", "invalid"}


def test_a_fixed_test_is_not_read_early():
    assert {answer(case) for case in every() if case[0]["srm"] and not case[3] and not case[4]} == {"extend", "invalid"}


@pytest.mark.parametrize(
    ("success", "guardrails", "expected"),
    [
        ({"a": "better"}, {"g": "worse"}, ("dont_ship", "worse", ("g",))),
        ({"a": "better", "b": "worse"}, {}, ("dont_ship", "worse", ("b",))),
        ({"a": "better"}, {"g": "undecided"}, ("dont_ship", "guardrail_undecided", ("g",))),
        ({"a": "undecided"}, {"g": "non_inferior"}, ("dont_ship", "not_better", ("a",))),
        ({"a": "unknown"}, {"g": "non_inferior"}, ("invalid", "nothing_readable", ("a",))),
        ({}, {"g": "non_inferior"}, ("ship", "safe", ("g",))),
        ({"a": "better"}, {"g": "non_inferior"}, ("ship", "better_and_safe", ("a",))),
        ({}, {}, ("invalid", "no_metric", ())),
    ],
)
def test_the_cause_is_named(success, guardrails, expected):
    found = decide(gates={}, success=success, guardrails=guardrails, complete=True, sequential=False)
    assert (found.answer, found.cause, found.names) == expected


def test_levels_of_single_tests():
    found = error_levels(success=2, guardrails=3)
    assert (found.success, found.guardrail, found.deterioration) == (0.025, 0.025, 0.005)
    assert found.beta == 0.05
    # Each of several variants is another chance to ship what a guardrail guards against.
    assert error_levels(success=2, guardrails=3, variants=2).guardrail == 0.0125


def test_wrong_ships_stay_below_alpha():
    """Nothing is better: two success metrics and two guardrails, 20,000 times."""
    rng = np.random.default_rng(4)
    levels = error_levels(success=2, guardrails=2)
    z = rng.normal(size=(20_000, 4))
    # Guardrails have a margin of three standard errors.
    wins, losses = z[:, :2] > 2.2414, z < -2.5
    safe = z[:, 2:] > 1.96 - 3
    assert levels.success == 0.025
    wrong = 0
    for win, loss, fine in zip(wins, losses, safe, strict=True):
        success = {str(k): "better" if win[k] else "worse" if loss[k] else "undecided" for k in range(2)}
        guardrails = {str(k): "worse" if loss[2 + k] else "non_inferior" if fine[k] else "undecided" for k in range(2)}
        guardrails = {f"g{name}": state for name, state in guardrails.items()}
        found = decide(gates={"srm": True}, success=success, guardrails=guardrails, complete=True, sequential=False)
        wrong += found.answer == "ship"
    assert 0.005 < wrong / 20_000 < 0.05

"""Analysis: one test from its units to its answer; nothing is said before the gates have been passed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from helpers.ab_test import topic
from helpers.ab_test.decide import Verdict
from helpers.ab_test.integrity import Kept, run_gates
from helpers.ab_test.judge import Judged, answers, best, judge
from helpers.ab_test.looks import NEARLY, Looks, enter_look, kept, looker, read_looks, write_looks
from helpers.ab_test.measure import measure
from helpers.ab_test.profile import Outcomes, Profile, outcomes, profile
from helpers.ab_test.read import Units, one_row_each, registered, units
from helpers.ab_test.registration import SPENDING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import ibis.expr.types as ir

    from helpers.ab_test.registration import Test


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One test, analysed.

    Attributes:
        units: Its units.
        profile: Their counts.
        gates: What the gates found.
        judged: Every metric of every variant.
        verdicts: The answer for each variant.
        variant: The variant that the answer is about.
        answer: `ship`, `dont_ship`, `extend`, `invalid`, or `explore` for a test that was not registered.
        looks: Looks so far.
        complete: Whether the planned end has been reached.
        observed: Units that have an outcome: those that a verdict rests on.
        outside: Units whose variant is in no plan.
    """

    units: Units
    profile: Profile
    gates: tuple[Kept, ...]
    judged: tuple[Judged, ...]
    verdicts: Mapping[str, Verdict]
    variant: str | None
    answer: str
    looks: Looks
    complete: bool
    observed: int

    @property
    def test(self) -> Test:
        """As registered."""
        return self.units.test

    @property
    def sound(self) -> bool:
        """Whether every gate passed."""
        return all(kept.gate.passed for kept in self.gates)

    @property
    def failed(self) -> tuple[Kept, ...]:
        """Gates that did not."""
        return tuple(kept for kept in self.gates if not kept.gate.passed)

    @property
    def decided_with(self) -> int:
        """Units of the look that the answer stands from."""
        found = kept(self.looks, self.test).get(self.variant or "")
        return round(found[1].information) if found else self.observed

    @property
    def verdict(self) -> Verdict | None:
        """The answer with its grounds."""
        return self.verdicts.get(self.variant) if self.variant else None


def analyse(
    settings: topic.Params,
    experiments: ir.Table | None,
    *,
    orders: ir.Table | None = None,
    events: ir.Table | None = None,
    until: datetime | None = None,
    observed_until: datetime | None = None,
    ledger: Path | None = None,
    seed: int = 1,
    timezone: str = "UTC",
) -> tuple[Analysis, ...]:
    """Analyse every test.

    Args:
        settings: Section `ab_test` of the params.
        experiments: Kept rows of the contract's table; `None` where no test has been run.
        orders: Kept orders, for outcomes that are computed from them.
        events: Kept events.
        until: Units that were assigned later are left out.
        observed_until: First moment that orders and events do not reach.
        ledger: File that keeps the looks across runs.
        seed: Of permutations.
        timezone: Zone of the client.

    Raises:
        ParamsError: A test names what the table lacks.
    """
    given = {"experiments": experiments, "orders": orders, "events": events}
    tables: dict[str, Any] = {name: table for name, table in given.items() if table is not None}
    topic.preflight(settings, tables)
    if experiments is None:
        return ()
    found = []
    for test in registered(settings, experiments):
        read = units(
            test,
            experiments,
            orders=orders,
            events=events,
            until=until,
            observed_until=observed_until,
            timezone=timezone,
        )
        counted = profile(read)
        if until is not None and not counted.units:
            continue  # not yet begun
        found.append(_analysis(read, counted, ledger=ledger, seed=seed))
    write_looks(ledger, {one.test.id: one.looks for one in found if one.test.registered})
    return tuple(found)


def _analysis(read: Units, counted: Profile, *, ledger: Path | None, seed: int) -> Analysis:
    test = read.test
    gates = run_gates(read, counted)
    if not all(kept.gate.passed for kept in gates if kept.id in {"crossed_over", "duplicates"}) or test.tolerance:
        read = replace(read, table=one_row_each(read))
        counted = profile(read)
    known = outcomes(read, counted)
    complete = _complete(test, known, units=counted.units)
    at = str(counted.last or "")
    looks = enter_look(read_looks(ledger, test), test, n=max(known.n, 1), at=at, complete=complete)
    judged: tuple[Judged, ...] = ()
    if gates[0].gate.passed and all(counted.rows.get(name) for name in read.variants):
        cells = measure(read, counted, seed=seed)
        judged = judge(cells, test, look=looker(looks, test, n=max(known.n, 1)))
    crossed = any(one.state in {"better", "worse"} for one in judged if one.cell.metric.role == "success")
    passed = {kept.id: kept.gate.passed for kept in gates}
    verdicts = answers(judged, test, gates=passed, complete=complete)
    ended = {name: own.answer for name, own in verdicts.items() if own.answer in {"ship", "dont_ship"}}
    last = replace(looks.records[-1], crossed=crossed, answers=ended)
    looks = replace(looks, records=(*looks.records[:-1], last))
    standing = kept(looks, test) if all(passed.values()) else {}
    verdicts |= {
        name: Verdict(answer=standing[name][0], cause="kept", names=own.names)  # type: ignore[arg-type]
        for name, own in verdicts.items()
        if name in standing
    }
    variant, answer = best(verdicts, judged)
    return Analysis(
        units=read,
        profile=counted,
        gates=gates,
        judged=judged,
        verdicts=verdicts,
        variant=variant,
        answer=answer if test.registered or not all(passed.values()) else "explore",
        looks=looks,
        complete=complete,
        observed=known.n,
    )


def _complete(test: Test, known: Outcomes, *, units: int) -> bool:
    """Whether the planned end has come: its last day where days were planned and are known, else its last unit.

    Units count once they have an outcome, and days up to the last unit that has one: before its window is over, a unit says nothing.
    A test that ends with fewer units than planned has ended all the same; the plan beside the execution shows what it lacks.
    """
    enough = test.planned_n is not None and known.n >= NEARLY * test.planned_n
    if test.planned_days is not None and known.days is not None:
        # Spending goes by units: once all is spent there is nothing left to wait for.
        return known.days >= test.planned_days or (enough and test.sequential in SPENDING)
    return enough or (test.planned_n is None and known.waiting <= (1 - NEARLY) * units)

"""The A/B pipe under no effect: looks, decisions and gates as a run makes them; rows of tests/calibration/ab_test.csv.

Units are drawn, and from there on all is the kit's own: moments, looks and their spending, adjusted levels, guardrails, the decision
table. Only the engine is left out: cells are made of arrays, so that thousands of tests take minutes.
"""

from __future__ import annotations

import gc
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.ab_test import arms, gates
from helpers.ab_test.cell import Cell
from helpers.ab_test.clusters import clustered_moments
from helpers.ab_test.cuped import adjusted
from helpers.ab_test.estimate import compare, z_of
from helpers.ab_test.integrity import readings
from helpers.ab_test.judge import answers, best, judge
from helpers.ab_test.looks import Looks, enter_look, looker
from helpers.ab_test.moments import Moments, total
from helpers.ab_test.registration import Test
from helpers.ab_test.sequential import Look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

UNITS, GATE_UNITS = 2000, 12_000
# Nobody looks at fewer units.
FIRST = 100
GATES = {"srm": True, "imbalance": True}
SUCCESS = [
    {"name": "conversion", "type": "proportion", "column": "conversion", "role": "success"},
    {"name": "revenue", "type": "mean", "column": "revenue", "role": "success"},
]
GUARDRAIL = {"name": "kept", "type": "mean", "column": "kept", "role": "guardrail", "margin": -0.1}


def units(n: int, rng: np.random.Generator, *, harm: float = 0.0, gain: float = 0.0) -> dict[str, NDArray]:
    """Outcomes of an arm that go together, a past that explains a part of them, and what the treatment did."""
    level = rng.standard_gamma(2.0, n)
    converted = (rng.random(n) < np.minimum(0.15 * level * (1 + gain), 1)).astype(float)
    return {
        "conversion": converted,
        "revenue": converted * rng.lognormal(2, 0.5, n),
        "kept": level * rng.lognormal(0, 0.5, n) * (1 - harm),
        "past": level * rng.lognormal(0, 0.3, n),
    }


def cells(test: Test, sides: dict[str, Moments]) -> list[Cell]:
    """Every metric of every variant, adjusted for the past, as `measure` makes them of the engine's moments."""
    found = []
    for metric in test.metrics:
        for name, side in sides.items():
            if name == test.control:
                continue
            pair = adjusted(sides[test.control], side, metric.name, covariates=["past"]).pair
            found.append(Cell(metric=metric, variant=name, pair=pair, raw=pair, uncapped=pair))
    return found


def edges_of(test: Test, looks: Looks, n: int) -> Callable[[Cell, float], Look]:
    """What `looker` gives at this look, asked once a level: critical values do not hang on the data.

    The p-value is left out: it takes a second to find, and the verdict is the critical value's.
    """
    zero = Moments.of(y=np.array([-1.0, 0.0, 1.0]))
    pair = arms.independent(arms.mean(zero, "y"), arms.mean(zero, "y"))
    still = Cell(metric=test.metrics[0], variant="b", pair=pair, raw=pair, uncapped=pair)
    ask = looker(looks, test, n=n)
    assert ask is not None

    @cache
    def critical(alpha: float) -> float:
        found = ask(still, alpha)
        assert found is not None
        return found.critical

    def look(cell: Cell, alpha: float) -> Look:
        edge = critical(alpha)
        crossed = abs(z_of(cell.pair)) > edge
        return Look(critical=edge, p=0.0 if crossed else 1.0, crossed=crossed, spent=alpha)

    return look


def plan(kind: str, *, metrics: list[dict[str, object]], planned_n: int) -> Test:
    """A registered test."""
    return Test(id="t", metrics=metrics, covariates=["past"], sequential=kind, planned_n=planned_n)


def irregular(looks: int, n: int, rng: np.random.Generator) -> NDArray:
    """Units at each look of a test that ends with `n`: uneven gaps, as a client's days are."""
    at = np.round(FIRST + (n - FIRST) * rng.dirichlet(np.full(looks, 3.0)).cumsum()).astype(int)
    at[-1] = n
    return at


def looked_at(kind: str, looks: int, *, runs: int, seed: int) -> dict[str, object]:
    """Tests without any effect, looked at again and again: how often one metric ever stops, and how often that ships.

    One success metric, so that the level is the test's own; every look goes through ledger, spending, verdict and decision.
    """
    rng = np.random.default_rng([seed, looks, len(kind)])
    at = irregular(looks, UNITS, rng)
    test = plan(kind, metrics=SUCCESS[1:], planned_n=UNITS)
    past, asked = (), []
    for n in at:
        entered = enter_look(past, test, n=int(n), at="", complete=bool(n == at[-1]))
        asked.append((int(n), edges_of(test, entered, int(n))))
        past = entered.records
    false = wrong = 0
    for _ in range(runs):
        drawn = units(UNITS, rng)
        treated = rng.random(UNITS) < 0.5
        stopped = ship = False
        parts: dict[bool, list[Moments]] = {False: [], True: []}
        begun = 0
        for n, edge in asked:
            for side, kept in parts.items():
                mask = treated[begun:n] == side
                kept.append(Moments.of(**{name: column[begun:n][mask] for name, column in drawn.items()}))
            begun = n
            made = cells(test, {"control": total(parts[False]), "b": total(parts[True])})
            judged = judge(made, test, look=edge)
            stopped |= judged[0].effect.significant
            answer = best(answers(judged, test, gates=GATES, complete=n == UNITS), judged)[1]
            ship |= answer == "ship"
        false += stopped
        wrong += ship
    return {
        "part": "pipe_looks",
        "case": f"{len(at)} irregular looks",
        "n": looks,
        "method": kind,
        "fpr": false / runs,
        "wrong_ship": wrong / runs,
        "runs": runs,
        "seed": seed,
    }


# What the treatments do: nothing; or convert more at the cost of what the guardrail guards, just as much as its margin.
WRONG = {
    "nothing works": (0.0, 0.0),
    "a gain, and a guardrail that loses its margin": (0.1, 0.5),
}


def decided(case: str, *, arms_: int, runs: int, seed: int, n: int = UNITS) -> dict[str, object]:
    """Fixed tests with two success metrics and a guardrail, of which none should ship: how often one does."""
    rng = np.random.default_rng([seed, list(WRONG).index(case), arms_])
    harm, gain = WRONG[case]
    test = plan("none", metrics=[*SUCCESS, GUARDRAIL], planned_n=n)
    wrong = 0
    for _ in range(runs):
        sides = {"control": Moments.of(**units(n // 2, rng))}
        sides |= {f"b{k}": Moments.of(**units(n // 2, rng, harm=harm, gain=gain)) for k in range(arms_)}
        judged = judge(cells(test, sides), test)
        wrong += best(answers(judged, test, gates=GATES, complete=True), judged)[1] == "ship"
    return {
        "part": "pipe_decisions",
        "case": case,
        "n": n,
        "method": f"{arms_} variants",
        "wrong_ship": wrong / runs,
        "runs": runs,
        "seed": seed,
    }


def pasts(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, NDArray]:
    """Two covariates that go together, and the arm."""
    level = rng.gamma(1.0, 1.0, n)
    frame = pd.DataFrame({"spent": level * rng.lognormal(3, 0.5, n), "orders": rng.poisson(level * 2).astype(float)})
    return frame, rng.random(n) < 0.5


def closed(frame: pd.DataFrame, treated: NDArray) -> dict[str, bool]:
    """Which gates of a test with this past close: sample ratio and balance."""
    read: dict[str, pd.Series] = {}
    for name in frame:
        value = frame[name].fillna(0.0)
        flags = frame[name].isna().astype(float), (value != 0).astype(float)
        read |= readings(str(name), value, *flags, scale=float(frame[name].abs().mean()))
    sides = [Moments.of(**{name: column[mask] for name, column in read.items()}) for mask in (~treated, treated)]
    split = gates.srm({"a": sides[0].rows, "b": sides[1].rows}, expected={"a": 1, "b": 1})
    return {"srm": not split.passed, "imbalance": not gates.imbalance(sides[0], sides[1], covariates=list(read)).passed}


SPOILT = {
    "one more order": lambda frame, hit: frame.assign(orders=frame["orders"] + hit),
    "spent half as much again": lambda frame, hit: frame.assign(spent=frame["spent"].where(~hit, 1.5 * frame["spent"])),
    "spent is lost and zero": lambda frame, hit: frame.assign(spent=frame["spent"].where(~hit, 0.0)),
    "orders are missing": lambda frame, hit: frame.assign(orders=frame["orders"].where(~hit)),
}


def gate_power(case: str, share: float, *, runs: int, seed: int) -> dict[str, object]:
    """How often the balance gate finds a past that was spoilt in a share of one arm's units."""
    rng = np.random.default_rng([seed, list(SPOILT).index(case), round(share * 1000)])
    found = 0
    for _ in range(runs):
        frame, treated = pasts(GATE_UNITS, rng)
        hit = pd.Series(treated & (rng.random(GATE_UNITS) < share))
        found += closed(SPOILT[case](frame, hit), treated)["imbalance"]
    return {
        "part": "gates",
        "case": case,
        "n": GATE_UNITS,
        "share": share,
        "method": "imbalance",
        "power": found / runs,
        "runs": runs,
        "seed": seed,
    }


def clean_gates(n: int, *, runs: int, seed: int) -> dict[str, object]:
    """Clean tests: how often sample ratio or balance close all the same."""
    rng = np.random.default_rng([seed, n])
    shut = sum(any(closed(*pasts(n, rng)).values()) for _ in range(runs))
    return {
        "part": "gates",
        "case": "clean",
        "n": n,
        "method": "srm, imbalance",
        "fpr": shut / runs,
        "runs": runs,
        "seed": seed,
    }


def clean_pipe(*, runs: int, seed: int, n: int = 2000) -> dict[str, object]:
    """Clean tests from a table in the engine to their answer, all gates: how often one is blocked, and how often one ships."""
    from tests.ab_test.pipe import analysed, registered
    from tests.ab_test.test_gates import clean

    metrics = [{"name": "spend", "type": "mean", "column": "spend", "role": "success", "at": "ordered_at"}]
    settings = registered(metrics=metrics, covariates=["pre_revenue", "pre_orders"], segments=["segment"])
    blocked = ship = 0
    for run in range(runs):
        frame = clean([seed, run], n)
        frame["spend"] = frame["pre_revenue"] + np.random.default_rng([seed, run, 1]).lognormal(3, 0.5, n)
        (one,) = analysed(frame, settings)
        blocked += not one.sound
        ship += one.answer == "ship"
    return {
        "part": "gates",
        "case": "clean, whole pipe",
        "n": n,
        "method": "all gates",
        "fpr": blocked / runs,
        "wrong_ship": ship / runs,
        "runs": runs,
        "seed": seed,
    }


def clusters_adjusted(count: int, *, runs: int, seed: int) -> dict[str, object]:
    """CRV3 with a covariate: clusters of uneven size, of which the covariate explains a part between and within."""
    rng = np.random.default_rng([seed, count, 7])
    false = covered = 0
    raw, better = [], []
    for _ in range(runs):
        sides: list[list[Moments]] = [[], []]
        lifted: list[Moments] = []
        for group in range(count):
            size = int(rng.poisson(rng.gamma(4.0, 5.0))) + 5
            level = rng.normal()
            x = level + rng.normal(size=size)
            y = 10 + 0.5 * x + 0.3 * level + rng.normal(size=size)
            sides[group % 2].append(Moments.of(y=y, x=x))
            if group % 2:
                lifted.append(Moments.of(y=1.1 * y, x=x))
        pair = clustered_moments(sides[0], sides[1], "y", covariates=["x"])
        raw.append(clustered_moments(sides[0], sides[1], "y").difference)
        better.append(pair.difference)
        false += compare(pair).significant
        covered += compare(clustered_moments(sides[0], lifted, "y", covariates=["x"])).lift.contains(0.1)
    return {
        "part": "clusters_cuped",
        "case": f"{count} clusters",
        "n": count,
        "method": "crv3, t, cuped",
        "fpr": false / runs,
        "coverage": covered / runs,
        "variance_ratio": np.var(better) / np.var(raw),
        "runs": runs,
        "seed": seed,
    }


def pipe(*, runs: int, seed: int) -> Iterator[dict[str, object]]:
    """All rows: `runs` of each sequential case, and of the others in proportion."""
    # Each correction of several tests collects garbage, which is quick where all that came before is left alone.
    gc.freeze()
    for looks in (5, 14, 28):
        for kind in ("obrien_fleming", "pocock", "always_valid"):
            yield looked_at(kind, looks, runs=runs, seed=seed)
    for case in WRONG:
        for arms_ in (1, 2):
            yield decided(case, arms_=arms_, runs=runs, seed=seed)
    for n in (2000, GATE_UNITS):
        yield clean_gates(n, runs=runs, seed=seed)
    yield clean_pipe(runs=max(runs // 5, 20), seed=seed)
    for case in SPOILT:
        for share in (0.02, 0.05, 0.1, 0.2, 0.33):
            yield gate_power(case, share, runs=max(runs // 25, 20), seed=seed)
    for count in (10, 20, 40):
        yield clusters_adjusted(count, runs=max(runs // 4, 50), seed=seed)

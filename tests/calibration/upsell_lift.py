"""How often upsell intervals cover, and the proof is given where there is none: `python -m tests.calibration.upsell_lift`.

Each part knows its truth. A ranking of random numbers is worth nothing; a policy's profit is that of its own choices over many
customers of the same kind, whose effects are known; without any difference between customers, picking them earns no more than
offering to all.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from helpers.upsell_lift.allocate import allocate
from helpers.upsell_lift.design import scaled
from helpers.upsell_lift.estimate import aipw, aipw_treated
from helpers.upsell_lift.heldout import held_out, stages
from helpers.upsell_lift.nuisance import cross_fitted, folds
from helpers.upsell_lift.policy import Proof, prove
from helpers.upsell_lift.rate import ranking
from tests.calibration.record import write

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 20_240_229
CUSTOMERS, ORACLE, COST = 2000, 4000, 1.0
RUNS = {"rate": 1000, "profit": 500, "gate": 500, "effect": 500}


def draw(n: int, rng: np.random.Generator, *, differ: bool) -> tuple[NDArray, NDArray]:
    """Customers and the true effect of two offers on each, shape (n, p) and (n, 2); the cost is not taken off."""
    X = np.column_stack([rng.normal(size=(n, 3)), rng.random((n, 2)) < 0.4])
    if not differ:
        return X, np.full((n, 2), COST)
    first = 1.0 + 2.0 * X[:, 0] + 1.5 * X[:, 3]
    return X, np.column_stack([first, 0.5 + 2.5 * np.maximum(X[:, 1], 0) - X[:, 4]])


def campaign(n: int, rng: np.random.Generator, *, differ: bool) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Covariates, outcomes (profit and cost), arms and true gains of a randomised campaign with spend-like outcomes."""
    X, effect = draw(n, rng, differ=differ)
    arm = rng.integers(0, 3, n)
    buys = rng.random(n) < 0.4
    spend = np.where(buys, rng.gamma(1.5, 8.0, n), 0.0) + X[:, 1]
    gains = np.column_stack([np.zeros(n), effect - COST])
    cost = COST * (arm > 0)
    profit = spend + gains[np.arange(n), arm]
    return X, np.column_stack([profit, cost]), arm, gains


def profit_run(seed: int, *, differ: bool) -> tuple[Proof, float]:
    """One campaign: the proof, and the true profit a customer of the policies that it judged."""
    rng = np.random.default_rng(seed)
    X, Y, arm, _gains = campaign(CUSTOMERS, rng, differ=differ)
    known = {"arms": 3, "shares": np.bincount(arm, minlength=3) / CUSTOMERS, "seed": seed}
    proof = prove(X, Y, arm, targets=(0,), budget_share=None, level=0.90, **known)
    if not differ:
        return proof, 0.0
    more, effect = draw(ORACLE, rng, differ=differ)
    wide = np.concatenate([X, more])
    rows = np.arange(CUSTOMERS, CUSTOMERS + ORACLE)
    blank = np.concatenate([Y, np.zeros((ORACLE, 2))]), np.concatenate([arm, np.zeros(ORACLE, int)])
    truths, sizes = [], []
    for train, test in stages(CUSTOMERS, seed=seed):
        stage = held_out(wide, blank[0], blank[1], targets=(0,), train=train, test=rows, **known)
        choice = allocate(stage.effect[:, :, 0], np.full((ORACLE, 2), COST)).choice
        gain = np.column_stack([np.zeros(ORACLE), effect - COST])
        truths.append(gain[np.arange(ORACLE), choice].mean())
        sizes.append(len(test))
    return proof, float(np.average(truths, weights=sizes))


def rate_run(seed: int, *, kind: str) -> tuple[float, float]:
    """z of AUTOC and QINI of a random ranking."""
    rng = np.random.default_rng(seed)
    n = 1000
    effect = rng.normal(size=n)
    heavy = np.where(rng.random(n) < 0.1, rng.lognormal(3, 1, n), 0.0)
    gamma = effect + (
        rng.normal(0, 4, n) if kind == "normal" else (heavy - heavy.mean()) * np.where(rng.random(n) < 0.5, 2, -2)
    )
    found = ranking(gamma, rng.random(n), seed=seed, replicates=200)
    return found.autoc.z, found.qini.z


def effect_run(seed: int) -> dict[str, bool]:
    """Whether the intervals of ATE and ATT cover, where who gets the offer depends on what also moves the outcome."""
    rng = np.random.default_rng(seed)
    n = 1000
    X = rng.normal(size=(n, 3))
    e = 1 / (1 + np.exp(-0.5 * X[:, 0] + 0.4 * X[:, 1]))
    arm = (rng.random(n) < e).astype(int)
    effect = 1 + X[:, 0]
    y = X @ np.array([1.0, 1.0, 0.5]) + effect * arm + rng.normal(0, 2, n)
    # Truth: E[effect] = 1; E[effect | offered] = 1 + E[X0 e] / E[e], by a fine grid over the index.
    many = np.random.default_rng(1).normal(size=(400_000, 2))
    weight = 1 / (1 + np.exp(-0.5 * many[:, 0] + 0.4 * many[:, 1]))
    treated = 1 + float((many[:, 0] * weight).sum() / weight.sum())
    found = cross_fitted(scaled(X), y[:, None], arm, arms=2, shares=None, fold=folds(n, seed=seed), seed=seed)
    mu = found.mu[:, :, 0]
    ate = aipw(y, arm, mu, found.e, treated=1, level=0.95)
    att = aipw_treated(y, arm, mu, found.e, treated=1, level=0.95)
    return {"ate": ate.low <= 1 <= ate.high, "att": att.low <= treated <= att.high}


def rows(part: str, runs: int) -> list[dict[str, object]]:
    """One part's rows."""
    seeds = [SEED + run for run in range(runs)]
    about: dict[str, object] = {"part": part, "runs": runs, "first_seed": SEED}
    if part == "rate":
        found = []
        for kind in ("normal", "spend"):
            z = np.array([rate_run(seed, kind=kind) for seed in seeds])
            for place, name in enumerate(("autoc", "qini")):
                covered = float((np.abs(z[:, place]) <= 1.959964).mean())
                found.append(about | {"what": f"{name}.{kind}", "level": 0.95, "value": covered})
        return found
    if part == "effect":
        covers = [effect_run(seed) for seed in seeds]
        return [
            about | {"what": name, "level": 0.95, "value": float(np.mean([one[name] for one in covers]))}
            for name in ("ate", "att")
        ]
    results = [profit_run(seed, differ=part == "profit") for seed in seeds]
    if part == "gate":
        return [
            about
            | {"what": "false_proof", "level": 0.90, "value": float(np.mean([proof.proven for proof, _t in results]))}
        ]
    covered = float(np.mean([proof.value.low <= truth <= proof.value.high for proof, truth in results]))
    bias = float(np.mean([proof.value.value - truth for proof, truth in results]))
    size = float(np.mean([truth for _proof, truth in results]))
    return [
        about | {"what": "profit_coverage", "level": 0.90, "value": covered},
        about | {"what": "profit_bias", "level": 0.90, "value": bias},
        about | {"what": "profit_true_mean", "level": 0.90, "value": size},
        about | {"what": "proven", "level": 0.90, "value": float(np.mean([proof.proven for proof, _t in results]))},
    ]


def main(scale: float) -> None:
    """All parts."""
    write("upsell_lift", [row for part, runs in RUNS.items() for row in rows(part, round(runs * scale))])


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)

"""Two promises of the CLV topic on simulated order logs, through the same steps a client's log takes.

Coverage: the 90 % predictive intervals of a back-test hold the orders of the customers, and of the base as a whole, as often
as they say. Dependence: that spend goes with frequency is said where it does (customers' correlation of .24 between orders
and mean order), and in fewer than 5 % of bases where it does not.
"""

from __future__ import annotations

import sys

import ibis
import numpy as np

from helpers import clv
from helpers.clv.topic import Params
from tests.calibration.record import write
from tests.clv.simulated import CDNOW, LIVELY, START, order_log

COVERAGE_RUNS = 100
DEPENDENCE_RUNS = 300
# Of a base whose back-test is judged, and of one whose spend is.
BASE, CUSTOMERS = 600, 1500
PROCESSES = ("mbg_nbd", "bg_nbd", "pareto_nbd")
# The elasticity at which the mean correlation between repeat orders and mean order is .24, and none.
ELASTICITIES = (0.0, 0.4)


def coverage(process: str, *, runs: int, seed: int) -> dict[str, object]:
    """Shares of customers, and of whole bases, whose orders ahead lay within the 90 % predictive interval."""
    inside, whole, bias = [], [], []
    for run in range(runs):
        log = order_log(BASE, days=546, truth=LIVELY, seed=seed + run, process=process)
        proof = clv.backtest(
            ibis.memtable(log),
            until=(START + np.timedelta64(546, "D")).to_pydatetime(),
            first=START.to_pydatetime(),
            settings=Params(process=process, origins=1, draws=500),
            seed=run,
        )
        found = proof.origins.iloc[0]
        inside.append(found["coverage90"])
        whole.append(found["low"] <= found["actual"] <= found["high"])
        bias.append(found["bias"])
    return {
        "part": "coverage",
        "case": process,
        "customers": BASE,
        "runs": runs,
        "seed": seed,
        "inside": float(np.mean(inside)),
        "least_inside": float(np.min(inside)),
        "totals_inside": float(np.mean(whole)),
        "bias": float(np.mean(bias)),
    }


def dependence(elasticity: float, *, runs: int, seed: int) -> dict[str, object]:
    """Share of bases in which spend is said to go with frequency."""
    flagged, estimates, correlations = [], [], []
    for run in range(runs):
        log = order_log(CUSTOMERS, days=273, truth=CDNOW, seed=seed + run, elasticity=elasticity)
        later = log[log.sort_values("ordered_at").duplicated("customer_id").reindex(log.index)]
        repeat = later.groupby("customer_id")["revenue"].agg(["size", "mean"])
        correlations.append(np.corrcoef(repeat["size"], repeat["mean"])[0, 1])
        base = clv.histories(ibis.memtable(log), as_of=(START + np.timedelta64(273, "D")).to_pydatetime())
        model = clv.fit_model(base, settings=Params(process="bg_nbd", draws=1000), seed=run)
        flagged.append(model.dependent)
        estimates.append(model.numbers()["spend.elasticity"].value)
    return {
        "part": "dependence",
        "case": f"elasticity {elasticity}",
        "customers": CUSTOMERS,
        "runs": runs,
        "seed": seed,
        "correlation": float(np.mean(correlations)),
        "flagged": float(np.mean(flagged)),
        "estimate": float(np.mean(estimates)),
    }


if __name__ == "__main__":
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    rows = [coverage(process, runs=round(COVERAGE_RUNS * share), seed=20_000) for process in PROCESSES]
    rows += [dependence(elasticity, runs=round(DEPENDENCE_RUNS * share), seed=40_000) for elasticity in ELASTICITIES]
    write("clv_predictive", rows)

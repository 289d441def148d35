"""Values of other packages for `test_oracles.py`: `python -m tests.ab_test.make_oracles`.

gbstats 0.8 needs pandas below 2, which the kit does not run on, so its values are kept as a table. In an environment of their own:

    pip install tea-tasting==2.0.0 numpy scipy pandas pydantic pyarrow
    pip install --no-deps gbstats==0.8.0
"""

from __future__ import annotations

import csv
from importlib.metadata import version
from pathlib import Path

from tests.ab_test.units import arm

PATH = Path(__file__).with_name("oracles.csv")
# gbstats' sequential example, from its own tests: sum, sum of squares and n of both arms.
SEQUENTIAL = ((1396.87, 52377.9767, 3000), (2422.7, 134698.29, 3461))


def tea_tasting() -> dict[str, float]:
    """Means, ratios, CUPED, sample ratio and power."""
    import numpy as np
    import pyarrow as pa
    import tea_tasting as tt

    sides = [arm("control"), arm("treatment")]
    columns = {name: np.concatenate([side[name] for side in sides]) for name in sides[0]}
    columns["variant"] = np.repeat([0, 1], [len(side["y"]) for side in sides])
    metrics = {
        "mean": tt.Mean("y"),
        "mean.cuped": tt.Mean("y", "x"),
        "ratio": tt.RatioOfMeans("orders", "sessions"),
        "ratio.cuped": tt.RatioOfMeans("orders", "sessions", "pre_orders", "pre_sessions"),
        "srm": tt.SampleRatio(0.8, method="binom"),
    }
    result = tt.Experiment(metrics).analyze(pa.table(columns))
    found = {}
    for name in ("mean", "mean.cuped", "ratio", "ratio.cuped"):
        one = result[name]
        found |= {
            f"{name}.difference": one.effect_size,
            f"{name}.low": one.effect_size_ci_lower,
            f"{name}.high": one.effect_size_ci_upper,
            f"{name}.lift": one.rel_effect_size,
            f"{name}.lift.low": one.rel_effect_size_ci_lower,
            f"{name}.lift.high": one.rel_effect_size_ci_upper,
            f"{name}.p": one.pvalue,
            f"{name}.statistic": one.statistic,
        }
    found["srm.p"] = result["srm"].pvalue
    planned = tt.Mean("y", use_t=False, effect_size=1.5, n_obs=4000).solve_power(
        pa.table({"y": sides[0]["y"]}), "power"
    )
    found["power"] = planned[0].power
    return found


def gbstats() -> dict[str, float]:
    """T-test, ratio, sequential test, sample ratio and Bayesian posterior."""
    import numpy as np
    from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig, GaussianPrior
    from gbstats.frequentist.tests import FrequentistConfig, SequentialConfig, SequentialTwoSidedTTest, TwoSidedTTest
    from gbstats.models.statistics import (
        QuantileStatistic,
        RatioStatistic,
        RegressionAdjustedStatistic,
        SampleMeanStatistic,
    )
    from gbstats.utils import check_srm

    sides = [arm("control"), arm("treatment")]

    def sums(values: np.ndarray) -> SampleMeanStatistic:
        return SampleMeanStatistic(n=len(values), sum=float(values.sum()), sum_squares=float((values**2).sum()))

    def ratio(side: dict[str, np.ndarray]) -> RatioStatistic:
        return RatioStatistic(
            n=len(side["orders"]),
            m_statistic=sums(side["orders"]),
            d_statistic=sums(side["sessions"]),
            m_d_sum_of_products=float((side["orders"] * side["sessions"]).sum()),
        )

    def regressed(side: dict[str, np.ndarray]) -> RegressionAdjustedStatistic:
        return RegressionAdjustedStatistic(
            n=len(side["y"]),
            post_statistic=sums(side["y"]),
            pre_statistic=sums(side["x"]),
            post_pre_sum_of_products=float((side["y"] * side["x"]).sum()),
            theta=0,
        )

    def quantile(side: dict[str, np.ndarray]) -> QuantileStatistic:
        n, z = len(side["y"]), 1.959963984540054
        reach = z * (0.9 * 0.1 / n) ** 0.5
        low, value, high = np.quantile(side["y"], [0.9 - reach, 0.9, 0.9 + reach])
        return QuantileStatistic(n=n, n_star=n, nu=0.9, quantile_hat=value, quantile_lower=low, quantile_upper=high)

    found = {}
    for name, make in (
        ("mean", lambda side: sums(side["y"])),
        ("ratio", ratio),
        ("mean.cuped", regressed),
        ("quantile", quantile),
    ):
        for kind in ("absolute", "relative"):
            pair = [make(side) for side in sides]
            one = TwoSidedTTest(*pair, FrequentistConfig(difference_type=kind)).compute_result()
            label = name if kind == "absolute" else f"{name}.lift"
            found |= {
                f"{label}.value": one.expected,
                f"{label}.low": one.ci[0],
                f"{label}.high": one.ci[1],
                f"{label}.p": one.p_value,
            }
    pair = [SampleMeanStatistic(n=n, sum=total, sum_squares=squares) for total, squares, n in SEQUENTIAL]
    one = SequentialTwoSidedTTest(*pair, SequentialConfig(sequential_tuning_parameter=1000)).compute_result()
    found |= {"sequential.lift.low": one.ci[0], "sequential.lift.high": one.ci[1], "sequential.lift.p": one.p_value}
    settings = SequentialConfig(sequential_tuning_parameter=1000, difference_type="absolute")
    one = SequentialTwoSidedTTest(*pair, settings).compute_result()
    found |= {"sequential.low": one.ci[0], "sequential.high": one.ci[1], "sequential.p": one.p_value}
    prior = GaussianPrior(mean=0.5, variance=4.0, proper=True)
    config = EffectBayesianConfig(difference_type="absolute", prior_type="absolute", prior_effect=prior)
    one = EffectBayesianABTest(sums(sides[0]["y"]), sums(sides[1]["y"]), config).compute_result()
    found |= {
        "bayes.mean": one.expected,
        "bayes.low": one.ci[0],
        "bayes.high": one.ci[1],
        "bayes.better": one.chance_to_win,
        "bayes.loss_keep": one.risk[0],
        "bayes.loss_ship": one.risk[1],
    }
    found["srm.p"] = check_srm([1200, 900], [0.55, 0.45])
    return found


if __name__ == "__main__":
    with PATH.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["library", "version", "quantity", "value"])
        for library, values in (("tea-tasting", tea_tasting()), ("gbstats", gbstats())):
            for quantity, value in values.items():
                table.writerow([library, version(library), quantity, repr(float(value))])

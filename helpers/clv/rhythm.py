"""Rhythm: whether orders come as the model takes them to come, at random while a customer stays and in every season alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import numpy as np
import pandas as pd

from helpers.clv.expect import MONTH, expected_new
from helpers.clv.simulate import simulate
from helpers.clv.tracking import Tracking
from helpers.data.customers import order_days, with_first_day
from helpers.reporting.findings import where_given
from helpers.stats.intervals import quantile

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    from numpy.typing import NDArray

    from helpers.clv.model import Model

DRAWS = 40
LIVES = 4000
COHORTS = 5
SEASONS = 24
COHORT_COLUMNS = ["cohort", "month", "customers", "actual", "expected"]


@where_given
def track(orders: ir.Table, model: Model, *, as_of: datetime, level: float, seed: int) -> Tracking:
    """Hold the log's own course against the model.

    Args:
        orders: One row an order or refund, with its `kind`.
        model: Fitted on the same orders.
        as_of: First moment that does not count.
        level: Coverage of the intervals.
        seed: Of all randomness.
    """
    days = with_first_day(order_days(orders, as_of=as_of))
    born = days.filter(days.on == days["first"]).group_by("on").agg(n=ibis._.count()).order_by("on").execute()
    later = days.filter(days.on > days["first"])
    counted = later.group_by(month=later.on.truncate("M")).agg(orders=ibis._.count()).execute()
    births = (pd.to_datetime(born["on"]), born["n"].to_numpy(float))
    months = _months(births, counted, model, as_of=as_of, level=level, seed=seed)
    regularity, error, n = _regularity(days)
    half = quantile(level) * error
    return Tracking(
        months=months,
        cohorts=_cohorts(days, births, model, as_of=as_of),
        regularity=(regularity, regularity - half, regularity + half),
        regular_n=n,
        season=_season(months),
        customers=int(born["n"].sum()),
        process=model.process,
        level=level,
    )


def _regularity(days: ir.Table) -> tuple[float, float, int]:
    """Mean of each customer's sum of squared gaps over what chance would make it, its standard error, and n.

    Given the first and last day and how many days lie between, days of a Poisson process fall anywhere alike, whatever
    the customer's rate and whichever drop-out the model has: with x gaps over t days the expected sum is
    2 t (t + 1) / (x + 1) - t (spacings of a draw without replacement). The statistic is Greenwood's (1946).
    """
    per = ibis.window(group_by="customer_id", order_by="on")
    gaps = days.mutate(gap=days.on.delta(days.on.lag().over(per), unit="day").cast("float64"))
    own = gaps.group_by("customer_id").agg(
        x=gaps.gap.count().cast("float64"), t=gaps.gap.sum(), squares=(gaps.gap * gaps.gap).sum()
    )
    own = own.filter(own.x > 1)
    ratio = own.squares / (2 * own.t * (own.t + 1) / (own.x + 1) - own.t)
    row = own.agg(mean=ratio.mean(), sd=ratio.std(how="sample"), n=own.count()).execute().iloc[0]
    n = int(row["n"])
    if n < 2:  # noqa: PLR2004 - one customer has no spread
        return float("nan"), float("nan"), n
    return float(row["mean"]), float(row["sd"]) / np.sqrt(n), n


def _months(
    births: tuple[pd.Series, NDArray],
    counted: pd.DataFrame,
    model: Model,
    *,
    as_of: datetime,
    level: float,
    seed: int,
) -> pd.DataFrame:
    """Repeat orders of each whole calendar month, actual and as the model expects them with predictive interval."""
    on, n = births
    begun = on.min()
    # The month of the first order is whole only where that is its first day.
    start = begun if begun.day == 1 else (begun + pd.offsets.MonthBegin(1))
    edges = pd.date_range(start, pd.Timestamp(as_of), freq="MS")
    if len(edges) < 2:  # noqa: PLR2004 - no whole month
        return pd.DataFrame(columns=["month", "actual", "expected", "low", "high"])
    age = (edges.to_numpy()[:, None] - on.to_numpy()[None, :]) / np.timedelta64(1, "D")
    longest = int(age.max())
    at = np.clip(age, 0, longest).astype(int)
    curves = _curves(model, np.arange(1, longest + 1))
    expected = np.diff(np.array([np.append(0.0, curve)[at] @ n for curve in curves]), axis=1)
    spread = _spread(model, longest, seed=seed)
    life = (np.clip(age[:-1], 0, None) / MONTH).astype(int)
    present = age[1:] > 0
    variance = (np.where(present, spread[life], 0.0) @ n) + expected.var(axis=0)
    half = quantile(level) * np.sqrt(variance)
    actual = counted.assign(month=pd.to_datetime(counted["month"])).set_index("month")["orders"]
    return pd.DataFrame(
        {
            "month": edges[:-1],
            "actual": actual.reindex(edges[:-1]).fillna(0).to_numpy(float),
            "expected": expected.mean(axis=0),
            "low": (expected.mean(axis=0) - half).clip(min=0),
            "high": expected.mean(axis=0) + half,
        }
    )


def _spread(model: Model, longest: int, *, seed: int) -> NDArray:
    """Variance of one customer's orders by month of life, whichever group it is of, from simulated lives; shape (months,)."""
    months = int(longest / MONTH) + 1
    zero = np.zeros(1)
    mean, square = np.zeros(months), np.zeros(months)
    for g, share in enumerate(model.shares):
        lives = simulate(
            process=model.process, x=zero, t_x=zero, T=zero, spend_x=zero, spend_total=zero, rate=zero,
            purchase={name: values[:, [g]] for name, values in model.parameters().items()},
            spend={"p": np.ones(1), "q": np.full(1, 3.0), "v": np.ones(1)}, discount=np.ones(months), month=MONTH,
            margin=1.0, cac=0.0, group=np.zeros(1, dtype=np.int64), groups=1, level=model.level, seed=seed + g, draws=LIVES,
        )  # fmt: skip
        mean += share * lives.orders.mean(axis=0)
        square += share * (lives.orders**2).mean(axis=0)
    found: NDArray = square - mean**2
    return found


def _cohorts(days: ir.Table, births: tuple[pd.Series, NDArray], model: Model, *, as_of: datetime) -> pd.DataFrame:
    """Cumulative repeat orders a customer by month of life: cohort, month, customers, actual, expected.

    A month stands only where every customer of the cohort has been through it.
    """
    on, n = births
    length = "Y" if on.dt.to_period("Q").nunique() > 2 * COHORTS else "Q"
    quarters = on.dt.to_period(length)
    ages = days.mutate(age=(days.on.delta(days["first"], unit="day") / MONTH).floor().cast("int64"))
    later = ages.filter(ages.on > ages["first"])
    counts = later.group_by(["first", "age"]).agg(orders=ibis._.count()).execute()
    counts["cohort"] = pd.to_datetime(counts["first"]).dt.to_period(length)
    size = pd.Series(n).groupby(quarters).sum()
    youngest = on.groupby(quarters).max()
    whole = ((pd.Timestamp(as_of) - youngest).dt.days / MONTH).astype(int)
    usable = whole[whole > 0].index
    if not len(usable):
        return pd.DataFrame(columns=COHORT_COLUMNS)
    chosen = [
        usable[place] for place in np.unique(np.linspace(0, len(usable) - 1, min(COHORTS, len(usable))).astype(int))
    ]
    rows = []
    most = int(whole.max())
    curves = _curves(model, MONTH * np.arange(1, most + 1))
    for cohort in chosen:
        mine = counts[counts["cohort"] == cohort].groupby("age")["orders"].sum()
        actual = mine.reindex(range(int(whole[cohort]))).fillna(0).cumsum().to_numpy() / size[cohort]
        rows += [
            {
                "cohort": str(cohort).replace("Q", "-Q"),
                "month": month + 1,
                "customers": int(size[cohort]),
                "actual": value,
                "expected": float(curves[:, month].mean()),
            }
            for month, value in enumerate(actual)
        ]
    return pd.DataFrame(rows, columns=COHORT_COLUMNS)


def _curves(model: Model, ahead: NDArray) -> NDArray:
    """Expected orders of a new customer within `ahead` days by some posterior draws, shape (draws, len(ahead)).

    Where groups have parameters of their own, their curves are averaged by their customers.
    """
    parameters = model.parameters()
    draws, groups = parameters["r"].shape
    picks = np.linspace(0, draws - 1, min(DRAWS, draws)).round().astype(int)
    return np.array(
        [
            np.average(
                [
                    expected_new(
                        model.process, {name: float(values[s, g]) for name, values in parameters.items()}, ahead=ahead
                    )
                    for g in range(groups)
                ],
                axis=0,
                weights=model.shares,
            )
            for s in picks
        ]
    )


def _season(months: pd.DataFrame) -> pd.DataFrame:
    """Factor of each calendar month on what the model expects, over a straight trend; empty below two years.

    Columns: calendar_month, factor, and p of the F test of twelve factors against none, the same in every row.
    """
    nothing = pd.DataFrame(columns=["calendar_month", "factor", "p"])
    if len(months) < SEASONS or (months["expected"] <= 0).any():
        return nothing
    import statsmodels.api as sm

    ratio = np.log(months["actual"] + 0.5) - np.log(months["expected"] + 0.5)
    trend = pd.DataFrame({"constant": 1.0, "trend": np.linspace(-1, 1, len(months))})
    dummies = pd.get_dummies(months["month"].dt.month, dtype=float)
    # Deviation coding: the factors multiply to one.
    coded = dummies.iloc[:, :-1].sub(dummies.iloc[:, -1], axis=0)
    full = sm.OLS(ratio.to_numpy(), pd.concat([trend, coded], axis=1).to_numpy()).fit()
    plain = sm.OLS(ratio.to_numpy(), trend.to_numpy()).fit()
    effects = full.params[2:]
    p = float(full.compare_f_test(plain)[1])
    return pd.DataFrame(
        {"calendar_month": dummies.columns, "factor": np.exp(np.append(effects, -effects.sum())), "p": p}
    )

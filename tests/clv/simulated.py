"""Order logs of customers who behave as the models say, for tests, calibrations and benchmarks."""

from __future__ import annotations

import numpy as np
import pandas as pd

START = pd.Timestamp("2024-01-01")
# Days; with CDNOW's shape of rates and drop-out, and with rates at which a log of a year tells more.
CDNOW = {"r": 0.2426, "alpha": 4.4136 * 7, "a": 0.7929, "b": 2.4259}
LIVELY = {"r": 0.8, "alpha": 60.0, "a": 0.9, "b": 3.0, "s": 0.8, "beta": 200.0}
SPEND = {"p": 6.25, "q": 3.74, "v": 15.44}


def order_log(
    n: int,
    *,
    days: int,
    truth: dict[str, float],
    seed: int,
    process: str = "bg_nbd",
    acquired: int = 84,
    elasticity: float = 0.0,
) -> pd.DataFrame:
    """A log of `n` customers over `days`, acquired within the first `acquired` of them.

    Args:
        n: Customers.
        days: Length of the log.
        truth: Parameters of the purchase process, times in days.
        seed: Of all randomness.
        process: Purchase process.
        acquired: Days over which first orders are spread.
        elasticity: By how many per cent a customer's mean order differs where the order rate differs by 1 %.

    Returns:
        One row an order: customer_id, ordered_at, revenue, kind.
    """
    rng = np.random.default_rng(seed)
    rate = rng.gamma(truth["r"], 1 / truth["alpha"], n)
    stop, end = np.zeros(n), np.full(n, np.inf)
    born = rng.integers(0, acquired, n).astype(float)
    if process == "pareto_nbd":
        end = born + rng.exponential(1.0, n) / np.maximum(rng.gamma(truth["s"], 1 / truth["beta"], n), 1e-12)
    else:
        stop = rng.beta(truth["a"], truth["b"], n)
    relative = np.maximum(rate, 1e-12) * truth["alpha"] / truth["r"]
    nu = rng.gamma(SPEND["q"], 1 / SPEND["v"], n) / relative**elasticity
    who, now, parts = np.arange(n), born.copy(), []
    while len(who):
        parts.append((who, now[who], rng.gamma(SPEND["p"], 1 / nu[who])))
        # After each order, the first one too under MBG/NBD, a customer may stop.
        if len(parts) > 1 or process == "mbg_nbd":
            who = who[rng.random(len(who)) >= stop[who]]
        now[who] += rng.exponential(1.0, len(who)) / np.maximum(rate[who], 1e-12)
        who = who[now[who] < np.minimum(days, end[who])]
    customer, day, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    return pd.DataFrame(
        {
            "customer_id": customer.astype(str),
            "ordered_at": START + pd.to_timedelta(day, "D").floor("s"),
            "revenue": value.round(2),
            "kind": "order",
        }
    )

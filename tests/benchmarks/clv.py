"""Fit and full prediction against pymc-marketing on the same simulated histories, in one run, as ratios.

`make bench` makes the peer's environment. Each side runs in a process of its own; its import is not counted, its
compiling is. The peer fits BG/NBD by NUTS (two chains of 1,000) and draws expected purchases and P(alive); the kit also
draws every customer's predictive orders, which the peer's figures lack.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.results import Row, record
from tests.clv.simulated import CDNOW, order_log

SIZES = (2_357, 23_570, 100_000)
MILLION = 1_000_000
DAYS = 273

OURS = """
import json, resource, sys, time
import numpy as np, pandas as pd
from helpers.clv import purchase
from helpers.clv.expect import expect
from helpers.clv.fit import fit
from helpers.clv.simulate import simulate
import nutpie, pymc
frame = pd.read_parquet(sys.argv[1])
def once(tier):
    started = time.perf_counter()
    shared = frame.groupby(["x", "t_x", "T"]).size().reset_index(name="weight")
    rows = purchase.Rows.of(shared["x"], shared["t_x"], shared["T"], weight=shared["weight"])
    posterior = fit("bg_nbd", purchase.compressed(rows), tier=tier)
    fitted = time.perf_counter() - started
    parameters = purchase.to_parameters(posterior.theta, "bg_nbd", scale=rows.scale)
    columns = {name: shared[name].to_numpy(float) for name in ("x", "t_x", "T")}
    expect("bg_nbd", **columns, weight=shared["weight"].to_numpy(float), group=np.zeros(len(shared), dtype=int),
           parameters=parameters, discount=np.ones(9), month=273 / 9)
    zero = np.zeros(len(frame))
    simulate(process="bg_nbd", **{name: frame[name].to_numpy(float) for name in ("x", "t_x", "T")}, spend_x=zero,
             spend_total=zero, rate=zero, purchase=parameters,
             spend={"p": np.ones(1), "q": np.full(1, 3.0), "v": np.ones(1)}, discount=np.ones(9), month=273 / 9,
             margin=1.0, cac=0.0, group=zero.astype(np.int64), groups=1, level=0.9, seed=1)
    return {"seconds": time.perf_counter() - started, "fit": fitted, "tier": posterior.tier,
            "mean": {k: float(v.mean()) for k, v in parameters.items()},
            "sd": {k: float(v.std()) for k, v in parameters.items()}}
cold = once(sys.argv[2])
warm = once(sys.argv[2])
print(json.dumps({"cold": cold, "warm": warm, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""

THEIRS = """
import json, resource, sys, time
import numpy as np, pandas as pd
from pymc_marketing import clv
frame = pd.read_parquet(sys.argv[1])
data = pd.DataFrame({"customer_id": np.arange(len(frame)), "frequency": frame["x"], "recency": frame["t_x"], "T": frame["T"]})
started = time.perf_counter()
model = clv.BetaGeoModel()
model.fit(data=data, method="mcmc", nuts_sampler="nutpie" if len(sys.argv) > 2 and sys.argv[2] == "nutpie" else "pymc",
          chains=2, draws=1000, tune=1000, cores=2, progressbar=False, random_seed=1)
fitted = time.perf_counter() - started
model.expected_purchases(data, future_t=273)
model.expected_probability_alive(data)
seconds = time.perf_counter() - started
found = model.idata.posterior
print(json.dumps({"seconds": seconds, "fit": fitted, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  "mean": {k: float(found[k].mean()) for k in ("r", "alpha", "a", "b")},
                  "sd": {k: float(found[k].std()) for k in ("r", "alpha", "a", "b")}}))
"""


def histories(n: int, seed: int = 1) -> pd.DataFrame:
    """BG/NBD customers at CDNOW's parameters (in days), acquired over twelve weeks."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(CDNOW["r"], 1 / CDNOW["alpha"], n)
    stop = rng.beta(CDNOW["a"], CDNOW["b"], n)
    T = DAYS - rng.integers(0, 84, n).astype(float)
    x, t_x, now = np.zeros(n), np.zeros(n), np.zeros(n)
    alive = np.ones(n, dtype=bool)
    while alive.any():
        now = np.where(alive, now + rng.exponential(1.0, n) / np.maximum(rate, 1e-12), now)
        alive &= now <= T
        x += alive
        t_x = np.where(alive, np.ceil(now), t_x)
        alive &= rng.random(n) >= stop
    return pd.DataFrame({"x": x, "t_x": np.minimum(t_x, T), "T": T})


END_TO_END = """
import json, resource, sys, time
started = time.perf_counter()
from datetime import datetime
import ibis
from helpers import clv
from helpers.clv.topic import Params
orders = ibis.duckdb.connect().read_parquet(sys.argv[1])
base = clv.histories(orders, as_of=datetime(2024, 12, 31))
model = clv.fit_model(base, settings=Params(), seed=1)
value = clv.predict(model, horizon_months=24, margin=0.35, discount_rate=0.1, cac=10.0, seed=1)
total = value.numbers()["clv.total"]
print(json.dumps({"seconds": time.perf_counter() - started, "customers": len(value.customers), "tier": model.purchase.tier,
                  "value": total.value, "low": total.low, "high": total.high,
                  "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def end_to_end(folder: Path) -> None:
    """From the log of a million customers to their values, in a process of its own."""
    path = folder / "log.parquet"
    log = order_log(MILLION, days=365, truth=CDNOW, seed=1)
    log.to_parquet(path)
    found = run(sys.executable, END_TO_END, path)
    sys.stdout.write(
        f"{found['customers']:,} customers, {len(log):,} orders, log to values with intervals, tier {found['tier']}: "
        f"{found['seconds']:.0f} s, {found['mb']:,.0f} MB (alone, nothing to compare with)\n"
    )


def run(python: str, code: str, *arguments: object) -> dict[str, object]:
    """What a script prints as JSON in its last line."""
    done = subprocess.run([python, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
        raise SystemExit(1)
    return json.loads(done.stdout.strip().splitlines()[-1])


def rows(ours: dict, theirs: dict, *, n: int, note: str) -> list[Row]:
    """One size and tier against the peer, for the book."""
    named = f"fit and predict, {ours['cold']['tier']}"
    told = {"peer": "pymc-marketing", "n": n, "of": "customers", "note": note}
    return [
        Row(name=f"{named}, cold", ratio=theirs["seconds"] / ours["cold"]["seconds"], unit="time", **told),
        Row(name=f"{named}, warm", ratio=theirs["seconds"] / ours["warm"]["seconds"], unit="time", **told),
        Row(name=named, ratio=theirs["mb"] / ours["mb"], unit="memory", **told),
    ]


def main(peer: str | None, sizes: tuple[int, ...]) -> None:
    """Print a line a size and tier."""
    measured: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        if MILLION in sizes:
            end_to_end(Path(folder))
        for n in (size for size in sizes if size != MILLION):
            path = Path(folder) / f"{n}.parquet"
            histories(n).to_parquet(path)
            theirs = run(peer, THEIRS, path) if peer else None
            for tier in ("fast", "full"):
                ours = run(sys.executable, OURS, path, tier)
                told = f"{n:>9,} {tier}: {ours['mb']:,.0f} MB, warm/cold {ours['warm']['seconds'] / ours['cold']['seconds']:.2f}"
                if theirs:
                    gap = max(
                        abs(ours["warm"]["mean"][k] - theirs["mean"][k]) / theirs["sd"][k] for k in theirs["mean"]
                    )
                    told += (
                        f"; against pymc-marketing {theirs['seconds'] / ours['cold']['seconds']:.1f} x cold, "
                        f"{theirs['seconds'] / ours['warm']['seconds']:.1f} x warm, memory 1/{theirs['mb'] / ours['mb']:.1f}, "
                        f"posterior means within {gap:.2f} sd"
                    )
                    measured += rows(ours, theirs, n=n, note=f"posterior means within {gap:.2f} sd")
                else:
                    told += f"; {ours['cold']['seconds']:.0f} s cold (alone, nothing to compare with)"
                sys.stdout.write(told + "\n")
                sys.stdout.flush()
    if measured:
        record("clv", measured, peer=peer)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None, tuple(map(int, sys.argv[2:])) or (*SIZES, MILLION))

"""Hillstrom's effects, heterogeneity and policy against causalml and scikit-uplift, and a million customers, in one run, as ratios.

`make bench` makes the peers' environment. Each side runs in a process of its own, and its imports are counted apart. The peers do what
they can of it: causalml the average effects and a doubly robust learner of both offers, without held-out proof, costs or allocation;
scikit-uplift a two-model ranking of one offer with its own Qini. Without the data folder the log is simulated in Hillstrom's shape.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.results import Row, record

MILLION, COLUMNS = 1_000_000, 20
LIMIT_MB = 4096
COVARIATES = ("recency", "history", "mens", "womens", "newbie", "zip_code", "channel")

HEAD = """
import json, resource, sys, time
import numpy as np, pandas as pd
started = time.perf_counter()
"""
TAIL = """
print(json.dumps(found | {"seconds": time.perf_counter() - begun, "import_seconds": begun - started,
                          "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""

EFFECTS = (
    HEAD
    + """
from helpers.upsell_lift.estimate import aipw
from helpers.upsell_lift.nuisance import cross_fitted, folds
frame = pd.read_parquet(sys.argv[1])
begun = time.perf_counter()
X, arm, y = frame.filter(like="x_").to_numpy(float), frame["arm"].to_numpy(), frame["spend"].to_numpy(float)
known = cross_fitted(X, y[:, None], arm, arms=3, shares=np.bincount(arm) / len(arm), fold=folds(len(y), seed=1), seed=1)
found = {"effects": [aipw(y, arm, known.mu[:, :, 0], known.e, treated=a).value for a in (1, 2)]}
"""
    + TAIL
)

WHOLE = (
    HEAD
    + """
import ibis
from helpers import upsell_lift
from helpers.upsell_lift.topic import Params
begun = time.perf_counter()
names = [name for name in pd.read_parquet(sys.argv[1]).columns if name.startswith("x_")]
outcomes = [{"name": "spend", "column": "spend", "type": "spend", "role": "profit", "worth": 0.35}]
arms = {"1": {"contact_cost": 0.05}, "2": {"contact_cost": 0.05}}
settings = Params(**{"from": "experiments", "control": "0", "arms": arms, "outcomes": outcomes, "covariates": names})
table = ibis.duckdb.connect().read_parquet(sys.argv[1])
table = table.mutate(experiment=ibis.literal("t"), unit_id=ibis.row_number().cast("string"), variant=table.arm.cast("string"))
one = upsell_lift.analyse(settings, {"experiments": table}, margin=0.35)
found = {"effects": [one.estimates.of("spend", a).adjusted.value for a in (1, 2)], "action": one.action}
"""
    + TAIL
)

CAUSALML = (
    HEAD
    + """
from causalml.inference.meta import BaseDRLearner, LRSRegressor
from sklearn.linear_model import LinearRegression
frame = pd.read_parquet(sys.argv[1])
begun = time.perf_counter()
X, arm, y = frame.filter(like="x_").to_numpy(float), frame["arm"].to_numpy(), frame["spend"].to_numpy(float)
shares = np.bincount(arm) / len(arm)
p = {a: np.full(len(arm), shares[a] / (shares[a] + shares[0])) for a in (1, 2)}
average = LRSRegressor(control_name=0).estimate_ate(X=X, treatment=arm, y=y)
learner = BaseDRLearner(learner=LinearRegression(), control_name=0)
effect = learner.fit_predict(X=X, treatment=arm, y=y, p=p, seed=1)
choice = np.where(effect.max(axis=1) > 0.05 / 0.35, effect.argmax(axis=1) + 1, 0)
found = {"effects": [float(one) for one in effect.mean(axis=0)]}
"""
    + TAIL
)

SKUPLIFT = (
    HEAD
    + """
from sklearn.linear_model import LogisticRegression
from sklift.models import TwoModels
frame = pd.read_parquet(sys.argv[1])
begun = time.perf_counter()
frame = frame[frame["arm"] != 1]
X, arm, y = frame.filter(like="x_"), (frame["arm"] == 2).astype(int), frame["visit"].astype(int)
half = np.arange(len(y)) % 2 == 1
first, second = (LogisticRegression(max_iter=2000) for _ in range(2))
model = TwoModels(first, second, method="vanilla").fit(X[~half], y[~half], arm[~half])
effect = model.predict(X[half])
found = {"effects": [float(np.mean(effect))]}
"""
    + TAIL
)


def hillstrom(path: Path) -> None:
    """Hillstrom's customers as numbers; simulated in their shape where the public file is not at hand."""
    from helpers.upsell_lift.design import encode

    folder = os.environ.get("VALUEBOOK_DATA")
    if folder:
        raw = pd.read_csv(Path(folder) / "hillstrom/hillstrom.csv.gz")
        design = encode(raw[list(COVARIATES)])
        arm = raw["segment"].map({"No E-Mail": 0, "Mens E-Mail": 1, "Womens E-Mail": 2}).to_numpy()
        frame = pd.DataFrame(design.X, columns=[f"x_{place}" for place in range(design.X.shape[1])])
        frame.assign(arm=arm, spend=raw["spend"], visit=raw["visit"]).to_parquet(path)
        return
    simulated(path, 64_000, 10)


def simulated(path: Path, n: int, columns: int) -> None:
    """Customers of three arms with spends of which most are zero."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(n, columns)), columns=[f"x_{place}" for place in range(columns)])
    arm = rng.integers(0, 3, n)
    buys = rng.random(n) < 0.01 + 0.005 * (arm > 0)
    frame.assign(arm=arm, spend=np.where(buys, rng.gamma(2, 55, n), 0.0), visit=rng.random(n) < 0.1).to_parquet(path)


def run(python: str, code: str, *arguments: object) -> dict:
    """What a script prints as JSON in its last line."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
        raise SystemExit(1)
    return json.loads(done.stdout.strip().splitlines()[-1])


def installed_mb(python: str) -> float:
    """Size of an environment's packages."""
    place = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return sum(file.stat().st_size for file in Path(place).rglob("*") if file.is_file() and not file.is_symlink()) / 1e6


def rows(effects: dict, whole: dict, theirs: dict, *, name: str) -> list[Row]:
    """Average effects and the whole analysis against one peer, for the book."""
    sides = (
        ("average effects", effects, ""),
        ("whole analysis", whole, "with its proof, policy and list, which the peer has not"),
    )
    return [
        Row(name=told, peer=name, ratio=theirs[key] / side[key], unit=unit, n=64_000, of="customers", note=note)
        for told, side, note in sides
        for unit, key in (("time", "seconds"), ("memory", "mb"))
    ]


def main(peer: str | None, million: int) -> None:
    """Print one line a comparison."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.parquet", Path(folder) / "large.parquet"
        hillstrom(small)
        effects, whole = run(sys.executable, EFFECTS, small), run(sys.executable, WHOLE, small)
        lines = [
            (
                f"64,000 customers, two offers: average effects {effects['seconds']:.2f} s, "
                f"whole analysis with its proof, policy and list {whole['seconds']:.1f} s and {whole['mb']:,.0f} MB"
            )
        ]
        measured: list[Row] = []
        if peer:
            for name, code in (("causalml", CAUSALML), ("scikit-uplift", SKUPLIFT)):
                theirs = run(peer, code, small)
                measured += rows(effects, whole, theirs, name=name)
                lines.append(
                    f"against {name} ({theirs['seconds']:.1f} s and {theirs['import_seconds']:.1f} s of imports, "
                    f"{theirs['mb']:,.0f} MB): "
                    f"effects take {effects['seconds'] / theirs['seconds']:.2f} of its time and {effects['mb'] / theirs['mb']:.2f} of "
                    f"its memory; the whole analysis {whole['seconds'] / theirs['seconds']:.2f} of its time and "
                    f"{whole['mb'] / theirs['mb']:.2f} of its memory"
                )
            share = installed_mb(sys.executable) / installed_mb(peer)
            lines.append(f"installed: the whole kit's environment is {share:.2f} of that of these peers")
        simulated(large, million, COLUMNS)
        million_run = run(sys.executable, WHOLE, large)
        lines.append(
            f"{million:,} customers x {COLUMNS}: whole analysis {million_run['seconds']:.0f} s, {million_run['mb']:,.0f} MB, which is "
            f"{million_run['mb'] / LIMIT_MB:.2f} of its limit of {LIMIT_MB:,} MB"
        )
        sys.stdout.write("\n".join(lines) + "\n")
        limit = {"peer": "its limit", "unit": "memory", "n": million, "of": "customers", "target": 1.0}
        measured.append(Row(name="whole analysis", ratio=LIMIT_MB / million_run["mb"], **limit))
        record("upsell_lift", measured, peer=peer)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None, int(sys.argv[2]) if len(sys.argv) > 2 else MILLION)

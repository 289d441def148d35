"""One run of small clients through the command line, which the tests of this folder look at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.data.demo import make_demo

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("valuebook")


def valuebook(*arguments, cwd=ROOT, **environment):
    """Run the command line as a user does."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("VALUEBOOK_")} | environment
    return subprocess.run(
        [str(COMMAND), *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=env, check=False
    )


CLIENT = """client: {name}
name: {title}
currency: {currency}
timezone: Europe/London
data:
  tables:
    {tables}
economics: {{margin: 0.4, cac: 20}}
pulse: {{replicates: 300}}
segmentation: {{replicates: 200, clusters: 4}}
"""


def client(folder, name, tables, *, title="A client", currency="GBP"):
    """Write a client's params."""
    (folder / f"{name}.yaml").write_text(CLIENT.format(name=name, title=title, tables=tables, currency=currency))


TESTS = "ab_test:\n  replays: 100\n  tests:\n" + "".join(
    f"""    - id: {name}
      metrics: [{{name: conversion, type: proportion, column: converted, role: success}}]
      covariates: [pre_orders]
      planned_n: 1600
"""
    for name in ("button", "banner")
)


def _tests():
    """A test that works, and one that lost a part of its treatment: the same in every run."""
    rows = []
    for name, kept, better in (("button", 1000, 3), ("banner", 700, 2)):
        for place in range(2000):
            treated = place % 2
            if treated and place // 2 >= kept:
                continue
            converted = int(place // 2 % 10 < (better if treated else 2))
            day = 1 + place // 2 % 28
            rows.append(
                f"{name},{name}{place},{'treatment' if treated else 'control'},2024-05-{day:02d},{converted},{place // 2 % 7}"
            )
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A params folder with a whole client, a hostile one, one of one order, and one without orders."""
    base = tmp_path_factory.mktemp("world")
    params = base / "params"
    params.mkdir()
    demo = make_demo(base / "demo", seed=5, customers=600)
    client(
        params,
        "shop",
        f"order_lines: {{from: {demo}/order_lines.parquet}}\n    customers: {{from: {demo}/customers.parquet}}",
        title="Harbour & Hill",
    )
    (base / "one.csv").write_text("order_id,customer_id,ordered_at,revenue\n1,ann,2024-05-05,12.5\n")
    client(params, "one", f"orders: {{from: {base}/one.csv}}")
    (base / "refunds.csv").write_text(
        "order_id,customer_id,ordered_at,revenue\n1,ann,2024-05-05,-12.5\n2,bob,2024-05-06,-1\n"
    )
    client(params, "refunds", f"orders: {{from: {base}/refunds.csv}}")
    rows = [
        # Customers from c20 on are fewer and older, so that the hostile town is told apart in the profiles.
        f"{place},c{place % 40},2024-0{6 if place % 40 < 20 else 1}-10,{90 if place % 40 < 20 else 9},<script>alert(1)</script>"
        for place in range(200)
    ]
    (base / "evil.csv").write_text("order_id,customer_id,ordered_at,revenue,channel\n" + "\n".join(rows) + "\n")
    attributes = [f"c{place},<img src=x onerror=alert(1)>,=1+1,person{place}@example.com" for place in range(40)]
    (base / "people.csv").write_text(
        "customer_id,town,motto,email\n"
        + "\n".join(attributes[:20])
        + "\n"
        + "\n".join(f"c{place},Tame,plain,x{place}@example.com" for place in range(20, 40))
        + "\n"
    )
    client(
        params,
        "evil",
        f"orders: {{from: {base}/evil.csv}}\n    customers: {{from: {base}/people.csv}}",
        title="'<script>alert(1)</script> $x$'",
        currency="USD",
    )
    (base / "tests.csv").write_text("experiment,unit_id,variant,assigned_at,converted,pre_orders\n" + _tests())
    client(params, "tested", f"experiments: {{from: {base}/tests.csv}}")
    with (params / "tested.yaml").open("a") as file:
        file.write(TESTS)
    (base / "plan.csv").write_text("customer_id,plan,started_at,price\nann,gold,2024-05-05,9.9\n")
    client(params, "plan", f"subscriptions: {{from: {base}/plan.csv}}")
    return params


@pytest.fixture(scope="session")
def ran(world, tmp_path_factory):
    """The reports of one run over that folder, with its outcome."""
    reports = tmp_path_factory.mktemp("reports")
    return reports, valuebook("run", "--params", world, "--reports", reports, "--jobs", 2)

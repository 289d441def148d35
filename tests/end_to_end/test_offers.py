"""Two periods of one client's offers through the command line: the list of the first is judged by the second."""

import json

import numpy as np
import pandas as pd

from tests.end_to_end.conftest import client, valuebook
from tests.upsell_lift.pipe import campaign

SECTION = """upsell_lift:
  arms: {offer: {label: Upgrade}}
  outcomes:
    - {name: margin, column: margin, type: spend, role: profit, worth: 1}
    - {name: opt_out, column: opt_out, type: binary, role: guardrail, better: less, margin: 0.03}
  covariates: [plan, age, before]
"""


def test_the_list_of_one_period_is_scored_on_the_next(tmp_path):
    first = campaign(2500, seed=11)
    orders = pd.DataFrame(
        {
            "order_id": range(182),
            "customer_id": [f"c{day:05d}" for day in range(182)],
            "ordered_at": pd.date_range("2025-01-01", periods=182, freq="D") + pd.Timedelta(hours=12),
            "revenue": 20.0,
        }
    )
    orders.to_parquet(tmp_path / "orders.parquet")
    first.to_parquet(tmp_path / "offers.parquet")
    params, reports = tmp_path / "params", tmp_path / "reports"
    params.mkdir()
    client(
        params,
        "shop",
        f"orders: {{from: {tmp_path}/orders.parquet}}\n    offers: {{from: {tmp_path}/offers.parquet}}",
    )
    with (params / "shop.yaml").open("a") as file:
        file.write(SECTION)

    def run(period):
        done = valuebook(
            "run", "shop", "--topic", "upsell_lift", "--period", period, "--params", params, "--reports", reports
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((reports / "shop" / period / "upsell_lift.json").read_text())

    found = run("2025-Q1")
    listed = pd.read_parquet(reports / "shop/2025-Q1" / found["tables"]["list"]).set_index("customer")
    plan = first.set_index("customer_id")["plan"]
    assert (plan.loc[listed.index] == "c").mean() < 0.02
    assert "last_list.profit" not in found["numbers"]

    # Who is listed gets the offer next time, but for those held out; it earns them what it earned before.
    second = campaign(2500, seed=12).set_index("customer_id")
    second[["plan", "age"]] = first.set_index("customer_id")[["plan", "age"]]
    second = second.loc[listed.index].rename_axis("customer_id").reset_index()
    free = ~listed["holdout"].to_numpy(dtype=bool)
    rng = np.random.default_rng(13)
    gain = second["plan"].map({"a": 6.0, "b": 1.0, "c": -6.0}).to_numpy()
    second["arm"] = np.where(free, "offer", "control")
    second["cost"] = np.where(free, 0.5, 0.0)
    second["accepted"] = free & (rng.random(len(second)) < 0.3)
    second["margin"] = 0.4 * second["before"] + 0.2 * (second["age"] - 45) + gain * free + rng.normal(0, 8, len(second))
    second["offered_at"] = pd.Timestamp("2025-06-02 09:00")
    pd.concat([first, second], ignore_index=True).to_parquet(tmp_path / "offers.parquet")
    found = run("2025-Q2")
    earned, expected = found["numbers"]["last_list.profit"], found["numbers"]["last_list.expected"]
    truth = float(gain.mean()) - 0.5
    assert earned["low"] < truth < earned["high"]
    assert expected["value"] > 0
    assert expected["n"] == len(listed)
    (check,) = [check for check in found["checks"] if check["id"] == "last_list"]
    assert "2025-Q1" in check["message"]

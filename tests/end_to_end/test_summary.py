"""The summary on whole runs: its numbers are those of the topics it read, and a later period follows up what an earlier advised."""

import json
import re

import pandas as pd
import pytest

from tests.end_to_end.conftest import ROOT, client, valuebook
from tests.end_to_end.test_run import CAUSAL, findings

MONTHS, RATE = 24, 0.10
ANNUITY = sum((1 + RATE) ** (-month / 12) for month in range(1, MONTHS + 1))


def test_a_client_without_tests_and_offers_gets_a_summary_of_what_there_is(ran):
    found = findings(ran[0], "shop", "summary")
    assert found["status"] == "warn"
    pulse = findings(ran[0], "shop", "pulse")
    for name in ("before", "now", "mix", "frequency", "aov", "refunds"):
        mine, theirs = found["numbers"][f"arpu.{name}"], pulse["numbers"][f"bridge.{name}"]
        assert [mine[key] for key in ("value", "low", "high", "n")] == [
            theirs[key] for key in ("value", "low", "high", "n")
        ]
    # Its lifetime values are held back and it brought no offers: none of these is counted.
    assert not [key for key in found["numbers"] if key.startswith("lever.")]
    unsaid = pd.read_parquet(next(ran[0].glob("shop/*")) / found["tables"]["unsaid"])
    assert {"clv", "upsell_lift"} <= set(unsaid["topic"])


def test_the_list_of_actions_has_each_customer_of_the_segments_once(ran):
    folder = next(ran[0].glob("shop/*"))
    found, segments = findings(ran[0], "shop", "summary"), findings(ran[0], "shop", "segmentation")
    listed = pd.read_parquet(folder / found["tables"]["actions"])
    customers = pd.read_parquet(folder / segments["tables"]["customers"]).set_index("customer_id")["segment"]
    assert listed["customer_id"].is_unique
    assert listed.set_index("customer_id")["segment"].to_dict() == customers.to_dict()
    assert found["numbers"]["actions.customers"]["value"] == segments["numbers"]["segments.customers"]["value"]


def test_a_client_of_tests_alone_is_told_which_roll_out_is_not_in_money(ran):
    found = findings(ran[0], "tested", "summary")
    assert [one["id"] for one in found["decisions"]] == ["lever.rollout.button"]
    page = next(ran[0].glob("tested/*/summary.html")).read_text()
    assert "It has no metric in money" in page


def test_the_summary_stands_first_on_the_cover(ran):
    page = next(ran[0].glob("shop/*/index.html")).read_text()
    assert page.index('href="summary.html"') < page.index('href="clv.html"')


def test_a_summary_comes_out_again_also_where_topics_were_skipped(world, tmp_path):
    chosen = [part for topic in ("pulse", "upsell_lift", "summary") for part in ("--topic", topic)]
    done = valuebook("run", "one", *chosen, "--params", world, "--reports", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert findings(tmp_path, "one", "upsell_lift")["status"] == "skipped"
    done = valuebook("verify", next(tmp_path.glob("one/*")), "--params", world)
    assert done.returncode == 0, done.stdout + done.stderr


def test_with_nothing_found_there_is_nothing_to_sum_up(world, tmp_path):
    done = valuebook("run", "one", "--topic", "summary", "--params", world, "--reports", tmp_path)
    assert done.returncode == 0, done.stdout
    found = findings(tmp_path, "one", "summary")
    assert found["status"] == "skipped"
    assert "nothing to sum up" in found["reason"]


def test_a_later_period_follows_up_what_an_earlier_one_advised(demo_data, tmp_path):
    params, reports = tmp_path / "params", tmp_path / "reports"
    params.mkdir()
    orders = pd.read_parquet(demo_data / "order_lines.parquet")
    kept = orders[orders["customer_id"].isin(sorted(orders["customer_id"].dropna().unique())[:300])]
    kept.to_parquet(tmp_path / "lines.parquet")
    client(params, "shop", f"order_lines: {{from: {tmp_path}/lines.parquet}}")
    entry = "{decision: action.at_risk.playbook, period: 2025-Q3, done_on: 2025-10-20, note: called them}"
    with (params / "shop.yaml").open("a") as file:
        file.write(f"summary: {{done: [{entry}]}}\n")
    chosen = [part for topic in ("pulse", "segmentation", "summary") for part in ("--topic", topic)]
    periods = ("--period", "2025-Q4", "--period", "2025-Q3")
    done = valuebook("run", "shop", *chosen, *periods, "--jobs", 2, "--params", params, "--reports", reports)
    assert done.returncode == 0, done.stdout + done.stderr
    earlier, later = (
        json.loads((reports / "shop" / period / "summary.json").read_text()) for period in ("2025-Q3", "2025-Q4")
    )
    log = pd.read_parquet(reports / "shop" / "2025-Q4" / later["tables"]["log"])
    assert log["decision"].tolist()[0] == "action.at_risk.playbook"
    assert sorted(log["decision"]) == sorted(one["id"] for one in earlier["decisions"])
    row = log.iloc[0]
    assert row["note"] == "called them"
    key = "action.at_risk.playbook.customers"
    assert (row["then"], row["now"]) == (earlier["numbers"][key]["value"], later["numbers"][key]["value"])
    assert "called them" in (reports / "shop" / "2025-Q4" / "summary.html").read_text()
    again = valuebook("run", "shop", *chosen, *periods, "--params", params, "--reports", reports)
    assert "6 were cached" in again.stdout


@pytest.mark.full
def test_the_demos_summary_has_its_sources_numbers_and_blames_nothing_on_chance(demo_data, tmp_path):
    params, reports = tmp_path / "params", tmp_path / "reports"
    params.mkdir()
    text = (ROOT / "params" / "demo.yaml").read_text().replace("data/demo/", f"{demo_data}/")
    (params / "demo.yaml").write_text(re.sub(r"\n  demo: .*", "", text))
    done = valuebook("run", "demo", "--jobs", 2, "--params", params, "--reports", reports)
    assert done.returncode == 3, done.stdout + done.stderr
    found = {topic: findings(reports, "demo", topic) for topic in ("summary", "ab_test", "upsell_lift", "clv", "pulse")}
    numbers = found["summary"]["numbers"]
    monthly = found["ab_test"]["numbers"]["checkout_2025.revenue_per_visitor.treatment.monthly.shrunk"]
    rollout = numbers["lever.rollout.checkout_2025.profit"]
    for part in ("value", "low", "high"):
        assert rollout[part] == pytest.approx(monthly[part] * ANNUITY)
        assert numbers["lever.upsell.profit"][part] == found["upsell_lift"]["numbers"]["profit.round"][part]
        assert numbers["arpu.frequency"][part] == found["pulse"]["numbers"]["bridge.frequency"][part]
    assert found["clv"]["status"] == "blocked"
    assert {key for key in numbers if key.startswith("lever.")} == {
        "lever.rollout.checkout_2025.profit",
        "lever.upsell.profit",
    }
    assert found["summary"]["headline"].startswith("Roll out Checkout 2025: this comes first. Expect £")
    advised = {one["id"]: one["text"] for one in found["summary"]["decisions"]}
    (goodwill,) = (one["message"] for one in found["upsell_lift"]["checks"] if one["id"] == "guardrail.opt_out")
    assert advised["lever.upsell"] == f"{found['upsell_lift']['decisions'][0]['text']} {goodwill}"
    assert advised["lever.rollout.checkout_2025"] == found["ab_test"]["decisions"][0]["text"]
    folder = next(reports.glob("demo/*"))
    listed = pd.read_parquet(folder / found["summary"]["tables"]["actions"])
    offered = pd.read_parquet(folder / found["upsell_lift"]["tables"]["list"])
    assert listed["customer_id"].is_unique
    assert set(listed.loc[listed["kind"] == "offer", "customer_id"]) == set(
        offered.loc[~offered["holdout"], "customer"]
    )
    page = (folder / "summary.html").read_text()
    assert f"{rollout['value']:,.0f}" in page
    prose = re.sub(r"<(style|pre|code).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert not CAUSAL.search(prose)

"""A run leaves a workbook per study and a table over all; what is unchanged is not written again, what changed is."""

import json

import pandas as pd

CELLS = ("from tests.running.published import Count",)


def published(small, count="len(client)"):
    small.notebook("pulse", *CELLS, last=f"study.publish(Count(n={count}))")


def test_a_workbook_is_written_when_its_study_changed_and_only_then(small):
    small.client("acme")
    published(small)
    assert small.run("--topic", "pulse").returncode == 0
    folder = small.reports / "acme" / "all"
    path = folder / "tables" / "acme-all.xlsx"
    told = json.loads((folder / "manifest.json").read_text())["workbook"]
    assert told["file"] == "tables/acme-all.xlsx"
    before = path.stat().st_mtime_ns
    (folder / "tables" / ".acme-all.xlsx.killed.xlsx").write_bytes(b"half")
    small.run("--topic", "pulse")
    assert path.stat().st_mtime_ns == before
    assert json.loads((folder / "manifest.json").read_text())["workbook"] == told
    path.unlink()
    small.run("--topic", "pulse")
    assert path.is_file()
    assert [made.name for made in (folder / "tables").iterdir()] == ["acme-all.xlsx"], (
        "what a killed run left is still there"
    )
    published(small, count="41")
    small.run("--topic", "pulse")
    numbers = pd.read_excel(path, sheet_name="Numbers", engine="calamine")
    assert numbers.set_index("Number")["Value"]["count"] == 41
    assert json.loads((folder / "manifest.json").read_text())["workbook"]["made_of"] != told["made_of"]


def test_the_table_over_all_studies_follows_every_run(small):
    for name in ("acme", "beta"):
        small.client(name)
    published(small)
    small.run("acme", "--topic", "pulse")
    path = small.reports / "findings.parquet"
    assert set(pd.read_parquet(path)["client"]) == {"acme"}
    small.run("beta", "--topic", "pulse")
    assert set(pd.read_parquet(path)["client"]) == {"acme", "beta"}
    published(small, count="41")
    small.run("beta", "--topic", "pulse")
    found = pd.read_parquet(path)
    assert found[found["key"] == "count"].set_index("client")["value"].to_dict() == {"acme": 4.0, "beta": 41.0}

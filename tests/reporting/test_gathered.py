"""`findings.parquet`: one row a number over all studies, brought up to date with what changed."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from helpers.reporting import gathered
from helpers.reporting.gathered import write_all_findings
from tests.reporting.test_workbook import HOSTILE, findings

COLUMNS = [
    "client", "period", "topic", "status", "key", "value", "low", "high", "level", "unit", "n", "definition",
    "definition_name", "generated_at",
]  # fmt: skip


def publish(reports, client, topic="pulse", **changes):
    path = reports / client / "2024-Q4" / f"{topic}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    provenance = {"generated_at": "2025-01-02T03:04:05+00:00"}
    path.write_text(json.dumps(findings(topic, client=client, **{"provenance": provenance, **changes}).to_json()))
    return path


def read(reports):
    return pd.read_parquet(reports / "findings.parquet")


def test_every_number_is_a_row(tmp_path):
    publish(tmp_path, "acme")
    publish(tmp_path, "beta", status="blocked", reason="no", provenance={})
    (tmp_path / "acme" / "2024-Q4" / "manifest.json").write_text("{}")
    (tmp_path / "acme" / "2024-Q4" / "other.json").write_text('{"schema": 99}')
    assert write_all_findings(tmp_path)
    made = read(tmp_path)
    assert [*made.columns] == COLUMNS
    assert len(made) == 6
    row = made[(made["client"] == "acme") & (made["key"] == "pulse.arpu")].iloc[0]
    assert row[["topic", "status", "value", "low", "high", "level", "unit", "n", "definition_name"]].tolist() == [
        "pulse", "ok", 81.2, 76.0, 86.9, 0.95, "GBP", 2357, "ARPU",
    ]  # fmt: skip
    assert row["generated_at"] == pd.Timestamp("2025-01-02T03:04:05", tz="UTC")
    assert made[made["client"] == "beta"]["generated_at"].isna().all()
    assert set(made[made["client"] == "beta"]["status"]) == {"blocked"}


def test_only_what_changed_is_parsed(tmp_path, monkeypatch):
    for client in ("acme", "beta", "gamma"):
        publish(tmp_path, client)
    write_all_findings(tmp_path)
    parsed = []
    rows = gathered._rows
    monkeypatch.setattr(gathered, "_rows", lambda name, content: parsed.append(name) or rows(name, content))
    before = (tmp_path / "findings.parquet").stat().st_mtime_ns
    assert not write_all_findings(tmp_path)
    assert (tmp_path / "findings.parquet").stat().st_mtime_ns == before
    assert parsed == []
    publish(tmp_path, "beta", status="warn")
    publish(tmp_path, "gamma").unlink()
    publish(tmp_path, "delta")
    assert write_all_findings(tmp_path)
    assert parsed == ["beta/2024-Q4/pulse.json", "delta/2024-Q4/pulse.json"]
    made = read(tmp_path)
    assert made.groupby("client")["status"].first().to_dict() == {"acme": "ok", "beta": "warn", "delta": "ok"}
    changed = made.reset_index(drop=True)
    (tmp_path / "findings.parquet").unlink()
    write_all_findings(tmp_path)
    pd.testing.assert_frame_equal(changed, read(tmp_path))


@pytest.mark.parametrize("content", [b"", b"half a file", None])
def test_a_table_that_is_not_ours_or_broken_is_made_anew(tmp_path, content):
    publish(tmp_path, "acme")
    if content is None:
        pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "findings.parquet")
    else:
        (tmp_path / "findings.parquet").write_bytes(content)
    assert write_all_findings(tmp_path)
    assert len(read(tmp_path)) == 3


def test_nothing_found_is_an_empty_table(tmp_path):
    assert write_all_findings(tmp_path)
    assert [*read(tmp_path).columns] == COLUMNS
    assert len(read(tmp_path)) == 0


def test_a_hostile_client_goes_through_as_plain_text(tmp_path):
    found = findings()
    definitions = {name: found.definitions[name].__class__(name=HOSTILE, text=HOSTILE) for name in found.definitions}
    numbers = {HOSTILE: found.numbers["pulse.arpu"]}
    publish(tmp_path, "acme", definitions=definitions, numbers=numbers)
    write_all_findings(tmp_path)
    made = read(tmp_path)
    assert made["key"].iloc[0].startswith("<script>")
    assert "\u202e" not in made["key"].iloc[0] + made["definition_name"].iloc[0]
    assert made["value"].iloc[0] == 81.2
    assert {str(kind) for kind in pq.read_schema(tmp_path / "findings.parquet").types} == {
        "string", "double", "int64", "timestamp[s, tz=UTC]", "timestamp[ms, tz=UTC]",
    } - {"timestamp[s, tz=UTC]"}  # fmt: skip


def test_what_a_killed_run_left_goes(tmp_path):
    publish(tmp_path, "acme")
    (tmp_path / ".findings.parquet.x1y2.parquet").write_bytes(b"half")
    assert write_all_findings(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".runs", "acme", "findings.parquet"]

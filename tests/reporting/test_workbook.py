"""The workbook of a study: every number of its findings, every table, once."""

import pandas as pd

from helpers.reporting import workbook
from helpers.reporting.findings import Check, Decision, Definition, Findings, Number
from helpers.reporting.workbook import workbook_file, write_workbook

HOSTILE = "<script>alert(1)</script>\"'=1+1$x$\u202eevil\u0007😀" + "z" * 10_000


def findings(topic="pulse", **changes):
    made = {
        "client": "acme",
        "period": "2024-Q4",
        "topic": topic,
        "status": "ok",
        "numbers": {
            f"{topic}.arpu": Number(value=81.2, low=76.0, high=86.9, level=0.95, unit="GBP", n=2357, definition="arpu"),
            f"{topic}.repeat": Number(value=0.41, unit="share", n=2357, definition="repeat"),
            f"{topic}.none": Number(value=None, unit="ratio", n=0, definition="repeat"),
        },
        "definitions": {
            "arpu": Definition(name="ARPU", text="=net revenue / customers"),
            "repeat": Definition(name="Repeat rate", text="Share that ordered again."),
        },
        "tables": {"deciles": f"tables/{topic}.deciles.parquet", "workbook": f"tables/{topic}.xlsx"},
        "provenance": {"data_through": "2024-12-31"},
    }
    return Findings(**{**made, **changes})


def table(folder, name, **columns):
    path = folder / "tables" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_parquet(path, index=False)


def test_numbers_and_tables_of_all_topics_are_in_it(tmp_path):
    table(tmp_path, "pulse.deciles", decile=[1, 2], share=[0.4, 0.6])
    table(tmp_path, "clv.deciles", decile=[1], share=[1.0])
    table(tmp_path, "quarantine", rule=["a"])
    found = [
        findings(),
        findings("clv", status="blocked", reason="no"),
        findings("ab_test", status="skipped", numbers={}, tables={}),
    ]
    path = write_workbook(tmp_path, found)
    assert path == tmp_path / workbook_file("acme", "2024-Q4") == tmp_path / "tables" / "acme-2024-Q4.xlsx"
    book = pd.read_excel(path, sheet_name=None, engine="calamine")
    assert [*book] == ["Contents", "Numbers", "pulse deciles", "clv deciles", "quarantine"]
    numbers = book["Numbers"]
    assert len(numbers) == 6
    first = numbers.iloc[0]
    told = {name: first[name] for name in ("Name", "Value", "Low", "High", "Level", "Unit", "n", "Number")}
    assert told == {
        "Name": "ARPU", "Value": 81.2, "Low": 76.0, "High": 86.9, "Level": 0.95, "Unit": "GBP", "n": 2357, "Number": "pulse.arpu",
    }  # fmt: skip
    assert first["Definition"] == "'=net revenue / customers"
    assert set(numbers["State"]) == {"All checks passed", "Do not use"}
    assert numbers["Value"].isna().sum() == 2
    assert book["Contents"]["Sheet"].tolist() == [*book][1:]
    notes = book["Contents"].set_index("Sheet")["Note"].fillna("")
    assert notes["clv deciles"] == "Do not use this for the decision. no"
    assert not notes["pulse deciles"]


def test_where_one_test_failed_its_numbers_must_not_be_used_and_the_others_stand(tmp_path):
    numbers = {f"{test}.lift": Number(value=0.1, unit="share", n=9, definition="repeat") for test in ("good", "broken")}
    found = findings(
        "ab_test",
        status="blocked",
        reason="Broken: its split.",
        numbers=numbers,
        checks=(Check(id="broken.srm", status="fail", message="Broken: its split."),),
        decisions=(Decision(id="good", text="Ship.", evidence="experiment"),),
    )
    book = pd.read_excel(write_workbook(tmp_path, [found]), sheet_name="Numbers", engine="calamine")
    assert book.set_index("Number")["State"].to_dict() == {"good.lift": "Use in part", "broken.lift": "Do not use"}


def test_a_table_too_long_for_a_workbook_is_cut_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_ROWS", 2)
    table(tmp_path, "pulse.deciles", decile=[1, 2, 3])
    book = pd.read_excel(write_workbook(tmp_path, [findings()]), sheet_name=None, engine="calamine")
    assert len(book["pulse deciles"]) == 2
    assert book["Contents"]["Note"].iloc[-1] == "2 of 3 rows; all are in tables/pulse.deciles.parquet."


def test_without_numbers_there_is_no_workbook(tmp_path):
    assert write_workbook(tmp_path, [findings(numbers={}, status="failed")]) is None
    assert not list(tmp_path.rglob("*.xlsx"))


def test_a_hostile_client_goes_through_whole(tmp_path):
    table(tmp_path, "pulse.deciles", **{HOSTILE[:60]: [HOSTILE, "=1+1"], "n": [1, 2]})
    definitions = {name: Definition(name=HOSTILE, text=HOSTILE) for name in ("arpu", "repeat")}
    path = write_workbook(tmp_path, [findings(definitions=definitions)])
    book = pd.read_excel(path, sheet_name=None, engine="calamine")
    name = book["Numbers"]["Name"].iloc[0]
    assert name.startswith("<script>alert(1)</script>")
    assert name.endswith("z" * 10_000)
    assert "\u202e" not in name
    assert book["pulse deciles"].iloc[1, 0] == "'=1+1"

"""Spreadsheets hold what frames hold, run no formula that a client wrote, and say what they had to cut."""

import re
import zipfile
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from helpers.reporting import sheets
from helpers.reporting.sheets import Sheet, safe_cell, sheet_names, unit_pattern, write_sheets
from helpers.reporting.words import use_language


def written(tmp_path, *told, **options):
    path = tmp_path / "book.xlsx"
    write_sheets(path, told, **options)
    return path


def part(path, name):
    with zipfile.ZipFile(path) as book:
        return book.read(name).decode()


def back(path, sheet):
    return pd.read_excel(path, sheet_name=sheet, engine="calamine")


def test_cells_are_never_formulas(tmp_path):
    frame = pd.DataFrame(
        {
            "=bad": ["=1+1", "+x", "-x", "@x", "\tx", "\r=x", "\n=x", "\uff1d1", "\u202e=x", "plain", "a\x00b"],
            "n": [1.5, -2, np.nan, 4, 5, 6, np.inf, 8, 9, 10, 11],
        }
    )
    path = written(tmp_path, Sheet(name="=1+1", frame=frame, file="=cmd|' /C calc'!A0"))
    for place in (1, 2):
        assert "<f>" not in part(path, f"xl/worksheets/sheet{place}.xml")
    found = back(path, "=1+1")
    assert [*found.columns] == ["'=bad", "n"]
    told = [text if isinstance(text, str) else "" for text in found["'=bad"]]
    assert all(not text or text[0] == "'" or text in {"plain", "ab"} for text in told), told
    assert found["n"].iloc[1] == -2
    assert found["n"].isna().sum() == 2
    assert "hyperlink" not in part(path, "xl/worksheets/sheet2.xml")


def test_values_keep_their_types(tmp_path):
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime(["2024-01-05", None]),
            "moment": pd.to_datetime(["2024-01-05 13:45", "2024-01-06 00:00"]).tz_localize("Asia/Tehran"),
            "old": [date(1850, 1, 1), None],
            "yes": [True, False],
            "count": pd.array([3, None], dtype="Int64"),
            "id": [1234567890123456789, 5],
            "parts": [["a", "b"], {"c": 1}],
        }
    )
    path = written(tmp_path, Sheet(name="t", frame=frame))
    found = back(path, "t")
    assert found["day"].iloc[0] == pd.Timestamp("2024-01-05")
    assert found["moment"].iloc[0] == pd.Timestamp("2024-01-05 13:45")
    assert found["old"].iloc[0] == "1850-01-01"
    assert found["yes"].tolist() == [True, False]
    assert found["count"].iloc[0] == 3
    assert pd.isna(found["count"].iloc[1])
    sheet = part(path, "xl/worksheets/sheet2.xml")
    assert ">1234567890123456789<" in sheet, "a long id lost its last digits"
    assert found["parts"].tolist() == ["['a', 'b']", "{'c': 1}"]


def test_numbers_are_printed_by_their_unit(tmp_path):
    assert unit_pattern("share", 0.5) == "0.0%"
    assert unit_pattern("GBP", 81.2) == "#,##0.00"
    assert unit_pattern("VND", 81.2) == "#,##0"
    assert unit_pattern("customers", 12.0) == "#,##0"
    assert unit_pattern("orders", 1.25) == "#,##0.00"
    frame = pd.DataFrame({"value": [0.5, 81.2], "unit": ["share", "GBP"]})
    path = written(tmp_path, Sheet(name="t", frame=frame, units={"value": frame["unit"].tolist()}))
    sheet, styles = part(path, "xl/worksheets/sheet2.xml"), part(path, "xl/styles.xml")
    used = {cell: int(style) for cell, style in re.findall(r'<c r="(A\d)" s="(\d+)"', sheet)}
    ids = re.findall(r'numFmtId="(\d+)"', styles[styles.index("<cellXfs") :])
    for cell, pattern in {"A2": "0.0%", "A3": "#,##0.00"}.items():
        assert f'numFmtId="{ids[used[cell]]}" formatCode="{pattern}"' in styles
    assert 'state="frozen"' in sheet


def test_a_column_of_numbers_may_hold_none(tmp_path):
    frame = pd.DataFrame({"customers": pd.array([None, None], dtype="Int64"), "value": [np.nan, np.nan]})
    assert back(written(tmp_path, Sheet(name="levers", frame=frame)), "levers").isna().all(axis=None)


def test_names_of_sheets_are_safe_short_and_unique(tmp_path):
    wanted = [
        "Contents", "contents", "a" * 40, "A" * 40, "a/b\\c[d]:*?", "'quoted'", "History", "", "\u202e",
        "😀" * 40, "😀" * 40, "=1+1", "<b>&",
    ]  # fmt: skip
    names = sheet_names(wanted)
    assert len({name.casefold() for name in names}) == len(wanted)
    for name in names:
        assert 1 <= len(name.encode("utf-16-le")) // 2 <= 31
        assert not set(name) & set("[]:*?/\\")
        assert name[0] != "'" != name[-1]
    frame = pd.DataFrame({"x": [1]})
    path = written(tmp_path, *(Sheet(name=name, frame=frame) for name in wanted))
    assert len(pd.read_excel(path, sheet_name=None, engine="calamine")) == len(wanted) + 1


@pytest.mark.parametrize("text", ["z" * 40_000, "=" + "z" * 32_766, "😀" * 17_000])
def test_a_text_that_no_cell_can_hold_is_cut_and_that_is_said(tmp_path, text):
    frame = pd.DataFrame({"x": ["short", text]})
    path = written(tmp_path, Sheet(name="t", frame=frame, file="tables/t.parquet"))
    held = back(path, "t")["x"].iloc[1]
    assert 32_000 < len(held.encode("utf-16-le")) // 2 <= 32_767
    note = back(path, "Contents")["Note"].iloc[0]
    assert text[0] == "=" or note == "Texts longer than a cell can hold are cut; whole in tables/t.parquet."
    assert len(safe_cell(text).encode("utf-16-le")) // 2 <= 32_767


def test_rows_that_no_sheet_can_hold_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "SHEET_ROWS", 2)
    path = written(tmp_path, Sheet(name="t", frame=pd.DataFrame({"a": [1, 2, 3]}), file="tables/t.parquet"))
    assert len(back(path, "t")) == 2
    contents = back(path, "Contents")
    assert contents["Note"].iloc[0] == "2 of 3 rows; all are in tables/t.parquet."
    assert contents["Rows"].iloc[0] == 3


def test_equal_content_makes_equal_bytes(tmp_path):
    frame = pd.DataFrame({"x": [1.5, 2.5], "who": ["a", "b"]})
    made = [
        written(tmp_path, Sheet(name="t", frame=frame), made=datetime(2024, 5, 1)).read_bytes() for _time in range(2)
    ]
    assert made[0] == made[1]
    stamps = {info.date_time for info in zipfile.ZipFile(tmp_path / "book.xlsx").infolist()}
    assert all(stamp[0] < datetime.now(UTC).year for stamp in stamps)


def test_a_persian_workbook_reads_from_right_to_left(tmp_path):
    use_language("fa_IR", "IRR")
    path = written(tmp_path, Sheet(name="t", frame=pd.DataFrame({"x": [1]})))
    assert all('rightToLeft="1"' in part(path, f"xl/worksheets/sheet{place}.xml") for place in (1, 2))

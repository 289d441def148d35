"""The workbook of a study: all numbers of its findings on one sheet, each table on one of its own."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.reporting.html import status_word, status_words
from helpers.reporting.pages import topic_name
from helpers.reporting.sheets import UNDATED, Sheet, note_of, write_sheets
from helpers.reporting.words import _

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from helpers.reporting.findings import Findings

# A workbook of several sheets that long opens in no reasonable time; the topics' own have all that a sheet holds.
MOST_ROWS = 100_000
QUARANTINE = "tables/quarantine.parquet"


def workbook_file(client: str, period: str) -> str:
    """Where a study's workbook is, within its folder."""
    return f"tables/{client}-{period}.xlsx"


def write_workbook(folder: Path, findings: Sequence[Findings]) -> Path | None:
    """Write the workbook of one study, in the active language.

    A notebook writes the one of its study, as far as that has run, by `write_workbook(study.folder, study.findings())`.

    Args:
        folder: The study's.
        findings: Of its topics.

    Returns:
        The file; `None` where no topic has numbers, and no workbook is left.
    """
    if not any(found.numbers for found in findings):
        return None
    path = folder / workbook_file(findings[0].client, findings[0].period)
    sheets = [_numbers(findings), *_tables(folder, findings)]
    write_sheets(path, sheets, made=_data_through(findings))
    return path


def _numbers(findings: Sequence[Findings]) -> Sheet:
    """One row a number, as a person reads it."""
    name, value, low, high, level, unit = _("Name"), _("Value"), _("Low"), _("High"), _("Level"), _("Unit")
    rows: list[dict[str, Any]] = [
        {
            _("Topic"): topic_name(found.topic),
            _("State"): _state(found, key),
            name: found.definitions[told.definition].name,
            value: told.value,
            low: told.low,
            high: told.high,
            level: told.level,
            unit: told.unit,
            "n": told.n,
            _("Number"): key,
            _("Definition"): found.definitions[told.definition].text,
        }
        for found in findings
        for key, told in found.numbers.items()
    ]
    frame = pd.DataFrame(rows)
    for column in (value, low, high, level):
        frame[column] = frame[column].astype("float64")
    units = frame[unit].tolist()
    shares = ["share"] * len(frame)
    return Sheet(name=_("Numbers"), frame=frame, units={value: units, low: units, high: units, level: shares})


def _state(found: Findings, key: str) -> str:
    """State of one number: where a check of one test failed, that test's numbers must not be used and the others stand."""
    failed = {check.id.partition(".")[0] for check in found.checks if check.status == "fail"}
    return status_words()["blocked"] if key.partition(".")[0] in failed else status_word(found)


def _tables(folder: Path, findings: Sequence[Findings]) -> list[Sheet]:
    """Every table of the topics, and the rows that any of them put aside, once."""
    files = {
        f"{found.topic} {name}": (file, note_of(found))
        for found in findings
        for name, file in found.tables.items()
        if file.endswith(".parquet") and name != "quarantine"
    }
    if (folder / QUARANTINE).is_file():
        files["quarantine"] = QUARANTINE, ""
    return [
        Sheet(name=name, frame=pd.read_parquet(folder / file), file=file, note=note, most=MOST_ROWS)
        for name, (file, note) in files.items()
        if (folder / file).is_file()
    ]


def _data_through(findings: Sequence[Findings]) -> datetime:
    """The last day of the data, which dates the workbook's properties."""
    days = [through for found in findings if (through := found.provenance.get("data_through"))]
    return datetime.fromisoformat(max(days)) if days else UNDATED

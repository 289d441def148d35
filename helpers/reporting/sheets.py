"""Spreadsheets: frames as formatted sheets in which nothing a client wrote is a formula, and nothing is cut in silence."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.reporting.export import replacing
from helpers.reporting.tables import clean
from helpers.reporting.words import _, language, number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from helpers.reporting.findings import Findings

SHEET_ROWS = 1_048_575
SHEET_NAME = 31
LONGEST_CELL = 32_767
# A spreadsheet reads a cell that starts like this as a formula; some also take the full-width forms for one.
FORMULA = re.compile(r"^[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 - meant
NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\]")
NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
WIDEST, LOOKED_AT = 40, 200
# Excel keeps fifteen digits: a longer number, which is an id, stays whole as text.
LARGEST = 10**15
FIRST_YEAR = 1900
SMALL, GROUPED_FROM = 10, 10_000
# The moment at which a file was made would make equal content differ.
UNDATED = datetime(2000, 1, 1)  # noqa: DTZ001 - Excel knows no zones


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One sheet.

    Attributes:
        name: Its name; made safe, short and unique when it is written.
        frame: Its rows.
        file: Where the table is whole, said where a part is cut.
        note: What must be said of its rows, from `note_of`.
        units: The unit of each row's number, for columns of which it is known.
        most: Rows that are written; never more than a sheet holds.
    """

    name: str
    frame: pd.DataFrame
    file: str = ""
    note: str = ""
    units: Mapping[str, Sequence[str]] = field(default_factory=dict)
    most: int = SHEET_ROWS


def write_sheets(path: Path, sheets: Sequence[Sheet], *, made: datetime = UNDATED) -> None:
    """Write a workbook: a sheet of contents with links and notes, then the sheets. Equal content makes equal bytes.

    Args:
        path: The file; it appears whole or not at all.
        sheets: What it holds.
        made: Date of the workbook's properties.
    """
    import xlsxwriter

    names = sheet_names([_("Contents"), *(sheet.name for sheet in sheets)])
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "remove_timezone": True,
    }
    with replacing(path) as scratch, xlsxwriter.Workbook(str(scratch), options) as book:
        book.set_properties({"created": made})
        formats = _Formats(book)
        first = book.add_worksheet(names[0])
        told = []
        for name, sheet in zip(names[1:], sheets, strict=True):
            notes = _write(book.add_worksheet(name), sheet, formats)
            told.append({"name": name, "rows": len(sheet.frame), "file": sheet.file, "note": " ".join(notes)})
        _write_contents(first, told, formats)


def note_of(found: Findings) -> str:
    """What must be said beside the tables of a topic that a check holds back, whole or in part."""
    if found.status != "blocked":
        return ""
    told = _("Do not use this for the decision.") if found.held_back else _("A part of this must not be used.")
    return f"{told} {found.reason}"


def sheet_names(wanted: Sequence[str]) -> list[str]:
    """Names that Excel takes: without the characters it refuses, of at most 31 characters, each once whatever its case."""
    found: list[str] = []
    taken = {"history"}  # Excel's own
    for name in wanted:
        plain = NOT_IN_XML.sub("", NOT_IN_NAMES.sub(" ", clean(name).replace("\n", " "))).strip("' ") or "-"
        short, place = _cut(plain, SHEET_NAME).strip("' "), 1
        while short.casefold() in taken:
            place += 1
            ending = f" {place}"
            short = _cut(plain, SHEET_NAME - len(ending)).strip("' ") + ending
        taken.add(short.casefold())
        found.append(short)
    return found


def safe_cell(text: str) -> str:
    """Text for a cell that no spreadsheet takes for a formula, without marks that would hide what it says; cut where too long."""
    plain = NOT_IN_XML.sub("", clean(text))
    plain = f"'{plain}" if FORMULA.match(plain) else plain
    return plain if not _too_long(plain) else _cut(plain, LONGEST_CELL - 1) + "…"


class _Formats:
    """The formats of one workbook, each made once."""

    def __init__(self, book: Any) -> None:
        self.book, self.made = book, dict[str, Any]()
        self.head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self.link = book.get_default_url_format()

    def of(self, pattern: str) -> Any:
        """The format of a pattern; `None` for none."""
        if not pattern:
            return None
        if pattern not in self.made:
            self.made[pattern] = self.book.add_format({"num_format": pattern})
        return self.made[pattern]


def unit_pattern(unit: str, value: float | None) -> str:
    """How numbers of a unit are printed in a cell."""
    whole = value is not None and float(value).is_integer()
    patterns = {"share": "0.0%", "chance": "0.00%", "ratio": "0.00##", "days": "#,##0.0"}
    if unit in patterns:
        return patterns[unit]
    if re.fullmatch("[A-Z]{3}", unit):
        from babel.numbers import get_currency_precision

        digits = get_currency_precision(unit)
        return "#,##0" + ("." + "0" * digits if digits else "")
    return "#,##0" if whole else "#,##0.00"


def _write(sheet: Any, told: Sheet, formats: _Formats) -> list[str]:
    """Write one sheet; what must be said about it."""
    frame = told.frame.head(min(told.most, SHEET_ROWS))
    notes = [told.note] if told.note else []
    if len(frame) < len(told.frame):
        notes.append(
            _("{shown} of {all} rows; all are in {file}.").format(
                shown=number(len(frame)), all=number(len(told.frame)), file=told.file or "–"
            )
        )
    _set_up(sheet, frame)
    sheet.write_row(0, 0, [safe_cell(str(column)) for column in frame.columns], formats.head)
    writers = [
        _writer(sheet, place, frame[column], formats, told.units.get(column))
        for place, column in enumerate(frame.columns)
    ]
    cut = 0
    for row, values in enumerate(zip(*(frame[column].tolist() for column in frame.columns), strict=True), start=1):
        for write, value in zip(writers, values, strict=True):
            cut += bool(write(row, value))
    if cut:
        notes.append(_("Texts longer than a cell can hold are cut; whole in {file}.").format(file=told.file or "–"))
    return notes


def _set_up(sheet: Any, frame: pd.DataFrame) -> None:
    if language().direction == "rtl":
        sheet.right_to_left()
    sheet.freeze_panes(1, 1)
    for place, column in enumerate(frame.columns):
        longest = max(len(str(column)), *(len(_looks(value)) for value in frame[column].head(LOOKED_AT)), 0)
        sheet.set_column(place, place, min(longest + 2, WIDEST))
    if len(frame.columns):
        sheet.autofilter(0, 0, len(frame), len(frame.columns) - 1)


def _looks(value: Any) -> str:
    """About how a value is printed, for the width of its column."""
    if isinstance(value, (pd.Timestamp, datetime)):
        return "2024-01-01"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _writer(
    sheet: Any, place: int, column: pd.Series, formats: _Formats, units: Sequence[str] | None
) -> Callable[[int, Any], bool]:
    """What writes one column's values, given their row and value; it says whether it had to cut one."""
    pattern = formats.of(_pattern(column))
    day, moment = formats.of("yyyy-mm-dd"), formats.of("yyyy-mm-dd hh:mm")

    def write(row: int, value: Any) -> bool:
        if isinstance(value, bool):
            sheet.write_boolean(row, place, value)
        elif isinstance(value, (int, float)):
            if not math.isfinite(value):
                return False
            if isinstance(value, int) and abs(value) >= LARGEST:
                sheet.write_string(row, place, str(value))
                return False
            shown = formats.of(unit_pattern(units[row - 1], value)) if units else pattern
            sheet.write_number(row, place, value, shown)
        elif isinstance(value, date) and not pd.isna(value) and value.year >= FIRST_YEAR:
            timed = isinstance(value, datetime) and (value.hour or value.minute or value.second)
            sheet.write_datetime(row, place, value, moment if timed else day)
        elif not _missing(value):
            text = safe_cell(str(value))
            sheet.write_string(row, place, text)
            return _too_long(str(value))
        return False

    return write


def _pattern(column: pd.Series) -> str:
    """How a column's numbers are printed whose unit is not known: by their size."""
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return ""
    # A column may hold nothing at all, and what is missing has no size.
    largest = column.dropna().abs().max() if column.notna().any() else 0
    if pd.api.types.is_integer_dtype(column):
        return "#,##0" if largest >= GROUPED_FROM else "0"
    return "#,##0.00" if largest >= SMALL else "0.0000"


def _write_contents(sheet: Any, told: list[dict[str, Any]], formats: _Formats) -> None:
    heads = (_("Sheet"), _("Rows"), _("File"), _("Note"))
    if language().direction == "rtl":
        sheet.right_to_left()
    sheet.freeze_panes(1, 0)
    for place, width in enumerate((SHEET_NAME + 2, 12, WIDEST, 2 * WIDEST)):
        sheet.set_column(place, place, width)
    sheet.write_row(0, 0, heads, formats.head)
    for row, line in enumerate(told, start=1):
        quoted = line["name"].replace("'", "''")
        sheet.write_url(row, 0, f"internal:'{quoted}'!A1", formats.link, safe_cell(line["name"]))
        sheet.write_number(row, 1, line["rows"], formats.of("#,##0"))
        sheet.write_string(row, 2, safe_cell(line["file"]))
        sheet.write_string(row, 3, safe_cell(line["note"]))


def _missing(value: Any) -> bool:
    return value is None or value is pd.NaT or value is pd.NA


def _too_long(text: str) -> bool:
    # Excel counts in UTF-16: an emoji is two.
    return len(text) > LONGEST_CELL // 2 and len(text.encode("utf-16-le", "replace")) // 2 > LONGEST_CELL


def _cut(text: str, longest: int) -> str:
    """The first `longest` characters as Excel counts them."""
    return text.encode("utf-16-le", "replace")[: 2 * longest].decode("utf-16-le", "ignore")

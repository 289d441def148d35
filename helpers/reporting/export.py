"""Files that stand beside a report. Each appears whole or not at all: temporary file, flush to disk, rename."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        with scratch.open("rb") as written:
            os.fsync(written.fileno())
        scratch.chmod(0o644)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def clear(path: Path) -> None:
    """Take away what killed processes left while they wrote a file; only for who alone may write it."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of bytes."""
    with replacing(path) as scratch:
        scratch.write_bytes(content)


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Add lines to a file's end, under a lock: processes beside each other lose none of one another's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        _lock(file, alone=True)
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[str]:
    """Lines of a file that others append to; none where it is not there."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        # Without it, a line that another process is writing at this moment would be read by half.
        _lock(file, alone=False)
        return file.read().splitlines()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file, so that processes beside each other go one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        _lock(file, alone=True)
        yield


def _lock(file: IO[str], *, alone: bool) -> None:
    """Hold the file until it is closed, alone or with other readers. Windows knows no such lock; there, one run at a time."""
    if os.name == "nt":
        return
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file; numbers that JSON does not know are an error."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a Parquet file."""
    with replacing(path) as scratch:
        frame.to_parquet(scratch, index=False)
<<<<<<< HEAD
=======


def write_excel(path: Path, sheets: Mapping[str, pd.DataFrame]) -> None:
    """Write a workbook, one sheet a frame; text that would act as a formula gets an apostrophe in front.

    Raises:
        DataError: A frame has more rows than a sheet can hold.
    """
    import xlsxwriter

    for name, frame in sheets.items():
        if len(frame) > SHEET_ROWS:
            raise DataError(f"{path.name}: table {name} has {len(frame)} rows and a sheet holds {SHEET_ROWS}")
    with replacing(path) as scratch:
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "default_date_format": "yyyy-mm-dd",
        }
        with xlsxwriter.Workbook(str(scratch), options) as book:
            head = book.add_format({"bold": True, "bottom": 1})
            for name, frame in zip(_sheet_names(sheets), sheets.values(), strict=True):
                _write_sheet(book.add_worksheet(name), frame, head)


def _sheet_names(names: Iterable[str]) -> list[str]:
    """Names as short as a workbook allows; of those that would be the same, the later ones end in a number."""
    taken: dict[str, str] = {}
    for name in names:
        short, place = name[:SHEET_NAME], 1
        while short.lower() in taken:
            place += 1
            short = f"{name[: SHEET_NAME - 1 - len(str(place))]}~{place}"
        taken[short.lower()] = short
    return list(taken.values())


def _write_sheet(sheet: Any, frame: pd.DataFrame, head: Any) -> None:
    sheet.freeze_panes(1, 1)
    for place, column in enumerate(frame.columns):
        texts = frame[column].head(200).astype("string").fillna("")
        width = max([len(str(column)), *texts.str.len()])
        sheet.set_column(place, place, min(width + 2, WIDEST))
    sheet.write_row(0, 0, [safe_cell(str(column)) for column in frame.columns], head)
    for row, values in enumerate(frame.itertuples(index=False, name=None), start=1):
        for place, value in enumerate(values):
            _write_cell(sheet, row, place, value)


def _write_cell(sheet: Any, row: int, place: int, value: Any) -> None:
    import pandas as pd

    if pd.isna(value):
        return
    if isinstance(value, pd.Timestamp):
        sheet.write_datetime(row, place, value.to_pydatetime())
    elif isinstance(value, bool) or type(value).__name__ == "bool":
        sheet.write_boolean(row, place, bool(value))
    elif hasattr(value, "__float__") and not isinstance(value, str):
        number = float(value)
        if abs(number) != float("inf"):
            sheet.write_number(row, place, number)
    else:
        sheet.write_string(row, place, safe_cell(str(value)))


def safe_cell(text: str) -> str:
    """Text for a cell that no spreadsheet takes for a formula."""
    plain = NOT_IN_XML.sub("", text)[:32_767]
    return f"'{plain}" if FORMULA.match(plain) else plain
>>>>>>> w-design

"""Places: what `from:` in the params stands for. One file, a glob, a folder (also a partitioned one), or a URL of these."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import DataError, ParamsError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Formats that a file's suffix tells.
SUFFIXES = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xls": "excel",
    ".ods": "excel",
}
URL = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
PARTITION = re.compile(r"[^=]+=[^=]*")


def suffix_format(path: Path) -> str | None:
    """Format by a file's suffix; compressed files by the one before `.gz`."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return SUFFIXES.get(plain.suffix.lower())


def filled(text: str, *, key: str) -> str:
    """A path or URL of the params with its `${VAR}` filled.

    Raises:
        ParamsError: The environment variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not os.environ.get(name):
            raise ParamsError(f"{key}: environment variable {name} is not set (in {text!r})")
        return os.environ[name]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", value, text)


def is_url(source: str) -> bool:
    """Whether `from:` names something that is not on this machine's disks."""
    return URL.match(source) is not None


def files_at(pattern: Path) -> tuple[Path, ...]:
    """Files of a path, a glob or a folder, in the order of their names; empty where there are none.

    A folder stands for all files below it in a format that is read, as a partitioned data set keeps them; names that
    begin with a dot or an underscore are not data.
    """
    if pattern.is_dir():
        return tuple(
            path for path in sorted(pattern.rglob("*")) if path.is_file() and _is_data(path.relative_to(pattern))
        )
    return tuple(Path(path) for path in sorted(glob.glob(str(pattern), recursive=True)))  # noqa: PTH207 - takes full patterns


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def partitions(path: Path) -> tuple[str, ...]:
    """The parts of a file's path that say what its rows share, such as `month=2024-01`."""
    return tuple(part for part in path.parent.parts if PARTITION.fullmatch(part))


def fetched(url: str, *, key: str, into: Path) -> tuple[Path, ...]:
    """Local copies of a URL's files (one, a glob or a folder), under the folders they have there.

    They are read from here, so that every question is asked of the same rows however long a study takes.

    Raises:
        DataError: Nothing is there, it cannot be reached, or the package that speaks its protocol is not installed.
    """
    try:
        from fsspec.core import url_to_fs

        files, root = url_to_fs(url)
        found = files.find(root) if files.isdir(root) else files.glob(root)
        base = root.rstrip("/") if files.isdir(root) else root.split("*", 1)[0].rpartition("/")[0]
        # The folders that tell what rows share come along.
        while PARTITION.fullmatch(base.rpartition("/")[2]):
            base = base.rpartition("/")[0]
        copies = []
        for place in sorted(found):
            below = Path(place.removeprefix(base).lstrip("/"))
            if files.isfile(place) and (len(found) == 1 or _is_data(below)):
                # A storage may name its objects as it likes; none is written anywhere else.
                copy = into / (below if ".." not in below.parts else below.name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(place, str(copy))
                copies.append(copy)
    except ImportError as error:
        raise DataError(f"{key}: {URL.match(url)[0]} needs a package that is not installed: {error}") from error  # type: ignore[index]
    except Exception as error:  # noqa: BLE001 - drivers raise what they like
        # A storage's own message may repeat what it was signed in with, so only the error's type is told.
        raise DataError(f"{key}: the files at the URL cannot be fetched ({type(error).__name__})") from None
    return tuple(copies)


def one_format(paths: Iterable[Path], *, key: str) -> str | None:
    """The format that the files' suffixes tell; `None` where they tell none.

    Raises:
        DataError: They are of several formats.
    """
    found = {suffix_format(path) for path in paths}
    if len(found) > 1:
        raise DataError(f"{key}: files of several formats; name one of them, as in folder/*.parquet")
    return found.pop()


def _is_data(below: Path) -> bool:
    return suffix_format(below) is not None and not any(part.startswith((".", "_")) for part in below.parts)

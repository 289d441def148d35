"""Messages that stand in no code: markdown cells of notebooks and the words of the playbook, looked up where they are shown."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def extract_notebook(
    fileobj: IO[bytes], keywords: object, comment_tags: object, options: object
) -> Iterator[tuple[int, str | None, Any, list[str]]]:
    """Babel's extraction method for notebooks (its four arguments are Babel's).

    Yields:
        Place of the cell, no function, the cell's source, no comments.
    """
    del keywords, comment_tags, options
    for place, cell in enumerate(json.load(fileobj)["cells"], start=1):
        if cell["cell_type"] == "markdown":
            yield place, None, "".join(cell["source"]), []


def extract_playbook(
    fileobj: IO[bytes], keywords: object, comment_tags: object, options: object
) -> Iterator[tuple[int, str | None, Any, list[str]]]:
    """Babel's extraction method for the playbook: its segments, and each trait, action and example.

    Yields:
        Place of the segment, no function, the message, no comments.
    """
    import yaml

    del keywords, comment_tags, options
    for place, (segment, entry) in enumerate(yaml.safe_load(fileobj).items(), start=1):
        for message in (segment, *entry.values()):
            yield place, None, message, []

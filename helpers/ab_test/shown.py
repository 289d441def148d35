"""Several things shown one after the other, where a cell stands for a number of tests that the params decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Sentences, tables and figures in a row; nothing, where there are none.

    Attributes:
        parts: What is shown.
    """

    parts: tuple[Any, ...]

    def _repr_html_(self) -> str:
        return "".join(part._repr_html_() for part in self.parts)

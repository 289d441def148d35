"""Several things shown one after the other, where a cell stands for a number of tests that the params decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helpers.reporting.tables import Sentence


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Sentences, tables and figures in a row; nothing, where there are none.

    Attributes:
        parts: What is shown.
        otherwise: What is said where there are none.
    """

    parts: tuple[Any, ...]
    otherwise: str = ""

    def _repr_html_(self) -> str:
        return "".join(part._repr_html_() for part in self._said())

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self._said()))

    def _said(self) -> tuple[Any, ...]:
        return self.parts or ((Sentence(text=self.otherwise),) if self.otherwise else ())

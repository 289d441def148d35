"""Secrets: values of the environment variables that params name, which reach nothing that is written."""

from __future__ import annotations

import html
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

from helpers.errors import DataError

if TYPE_CHECKING:
    from helpers.reporting.findings import Findings

HIDDEN = "•••"
SHORTEST = 4  # what is shorter stands in any text by chance


@dataclass(frozen=True)
class Secrets:
    """The secrets of one client.

    Attributes:
        values: Texts that must not be written, longest first: whole values, and the passwords in those that are URLs.
    """

    values: tuple[str, ...]

    @classmethod
    def of(cls, params: Any) -> Self:
        """Values of every variable that a key of the params ending in `_env` names."""
        found: set[str] = set()
        for name in _named(params.model_dump()):
            value = os.environ.get(name, "")
            password = urlsplit(value).password or "" if "://" in value else ""
            for text in (value, password, unquote(password)):
                # As it stands, and as JSON and HTML would write it.
                found |= {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], html.escape(text)}
        return cls(tuple(sorted((value for value in found if len(value) >= SHORTEST), key=len, reverse=True)))

    def out_of(self, text: str) -> str:
        """The text with every secret hidden."""
        for value in self.values:
            text = text.replace(value, HIDDEN)
        return text

    def checked(self, findings: Findings) -> Findings:
        """The findings, which the notebook wrote itself.

        Raises:
            DataError: They hold a secret.
        """
        if any(value in str(findings.to_json()) for value in self.values):
            raise DataError(
                "the findings hold a secret of the params (a key that ends in _env); they were not published"
            )
        return findings


def _named(content: Any) -> set[str]:
    if not isinstance(content, dict):
        return set()
    found = {str(value) for key, value in content.items() if str(key).endswith("_env") and value}
    return found.union(*(_named(value) for value in content.values()))

"""JSON Schema, which papermill and nbclient read notebooks by, without the slowest part of its loading."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

# A grammar of international web addresses, built anew in each process for longer than all else takes to load.
GRAMMAR = "rfc3987_syntax"


def load_schemas() -> None:
    """Load `jsonschema` as it loads where that grammar is not installed: no schema of a notebook asks for such an address."""
    if "jsonschema" in sys.modules or GRAMMAR in sys.modules:
        return
    modules: dict[str, Any] = sys.modules
    modules[GRAMMAR] = None  # this is how Python is told that there is no such module
    try:
        import_module("jsonschema")
    finally:
        modules.pop(GRAMMAR, None)

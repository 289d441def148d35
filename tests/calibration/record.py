"""Calibration tables: results with their seeds, runs and versions, as CSV beside the code that made them."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pymc", "nutpie")


def write(name: str, rows: list[dict[str, object]]) -> Path:
    """Write a table with the versions it was made with."""
    path = Path(__file__).with_name(f"{name}.csv")
    versions = " ".join(f"{library} {version(library)}" for library in LIBRARIES)
    frame = pd.DataFrame(rows).assign(versions=f"python {platform.python_version()} {versions}")
    frame.to_csv(path, index=False, float_format="%.4f")
    print(frame.drop(columns="versions").to_string(index=False))  # noqa: T201 - a command's output
    return path

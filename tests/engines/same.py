"""Whether two engines gave the same: results are walked to their leaves, which may differ by a relative 1e-9 and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.reporting.findings import Absent

NEAR = 1e-9


def assert_same(found: Any, known: Any, at: str = "result", *, near: float = NEAR) -> None:
    """Hold what another engine gave against what DuckDB gave; tables that are yet to be computed are passed over.

    Types count: a Decimal is no float, and an absent value is no NaN.
    """
    if isinstance(known, ir.Expr):
        return
    if isinstance(known, pd.DataFrame):
        pd.testing.assert_frame_equal(_timed(found), _timed(known), rtol=near, atol=near, obj=at)
    elif isinstance(known, pd.Series):
        pd.testing.assert_series_equal(found, known, rtol=near, atol=near, obj=at)
    elif isinstance(known, np.ndarray):
        assert found.dtype.kind == known.dtype.kind, f"{at}: {found.dtype}, not {known.dtype}"
        if known.dtype.kind == "f":
            np.testing.assert_allclose(found, known, rtol=near, atol=near, err_msg=at)
        else:
            np.testing.assert_array_equal(found, known, err_msg=at)
    else:
        _same_parts(found, known, at, near)


def _timed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with all moments in one unit: engines count them in micro- or nanoseconds."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("datetime").columns, "datetime64[us]"))


def _same_parts(found: Any, known: Any, at: str, near: float) -> None:
    assert type(found) is type(known), f"{at}: {found!r}, not {known!r}"
    if is_dataclass(known):
        for field in fields(known):
            assert_same(getattr(found, field.name), getattr(known, field.name), f"{at}.{field.name}", near=near)
    elif isinstance(known, Mapping):
        assert list(found) == list(known), f"{at}: {list(found)}, not {list(known)}"
        for key, value in known.items():
            assert_same(found[key], value, f"{at}[{key!r}]", near=near)
    elif isinstance(known, Sequence) and not isinstance(known, str):
        assert len(found) == len(known), f"{at}: {found!r}, not {known!r}"
        for place, value in enumerate(known):
            assert_same(found[place], value, f"{at}[{place}]", near=near)
    elif isinstance(known, float):
        np.testing.assert_allclose(found, known, rtol=near, atol=near, err_msg=at)
    elif not isinstance(known, Absent):
        assert found == known, f"{at}: {found!r}, not {known!r}"

"""Design: covariates as one matrix of numbers, with what was done to each of them kept visible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A category keeps its most frequent levels; the rest, and levels of fewer customers than this, are taken together.
MOST_LEVELS = 12
LEAST_CUSTOMERS = 20
OTHER = "(other)"
MISSING = "(missing)"


@dataclass(frozen=True, kw_only=True)
class Design:
    """Covariates as numbers.

    Attributes:
        X: Shape (n, p): numbers as they are, their gaps filled with the mean; one column a level of each category but its most
            frequent; one column a covariate with gaps, 1 where it has none.
        columns: Name of each column: its covariate, and for a category the level.
        levels: Level that a column stands for; `None` for numbers.
        constant: Covariates that never vary; they are in no column.
        grouped: Levels of a category that were taken together, by covariate.
        missing: Customers without a value, by covariate that has such.
    """

    X: NDArray
    columns: tuple[str, ...]
    levels: tuple[str | None, ...]
    constant: tuple[str, ...]
    grouped: dict[str, int]
    missing: dict[str, int]

    def label(self, place: int) -> str:
        """A column as a reader sees it."""
        level = self.levels[place]
        return self.columns[place] if level is None else f"{self.columns[place]}: {level}"


def encode(covariates: pd.DataFrame) -> Design:
    """Covariates as a design matrix.

    Args:
        covariates: One row a customer; text and booleans are categories.

    Returns:
        The design. It looks at covariates alone, never at arms or outcomes, so that nothing leaks from those.
    """
    parts: list[NDArray] = []
    columns: list[str] = []
    levels: list[str | None] = []
    constant: list[str] = []
    grouped: dict[str, int] = {}
    missing: dict[str, int] = {}
    for name in covariates.columns:
        values = covariates[name]
        gaps = values.isna().to_numpy()
        if gaps.any():
            missing[name] = int(gaps.sum())
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            found, own = _number(values, gaps)
        else:
            text, others = coarse(values)
            if others:
                grouped[name] = others
            found, own = _category(text)
        if not found:
            constant.append(name)
        parts += found
        columns += [name] * len(own)
        levels += own
    X = np.column_stack(parts) if parts else np.empty((len(covariates), 0))
    return Design(
        X=X, columns=tuple(columns), levels=tuple(levels), constant=tuple(constant), grouped=grouped, missing=missing
    )


def coarse(values: pd.Series) -> tuple[pd.Series, int]:
    """A category with its rare levels taken together, and how many those are."""
    text = values.astype("object").where(values.notna(), MISSING).astype(str)
    counts = text.value_counts()
    # Equally frequent levels in the order of their names, so that no run differs from another.
    ordered = counts.sort_index().sort_values(ascending=False, kind="stable")
    least = min(LEAST_CUSTOMERS, max(1, len(text) // 10))
    kept = ordered.index[:MOST_LEVELS][ordered.iloc[:MOST_LEVELS] >= least]
    others = len(ordered) - len(kept)
    if others == 1:
        # A single rare level needs no cover; it stays what it is.
        return text, 0
    return text.where(text.isin(kept), OTHER), others


def _number(values: pd.Series, gaps: NDArray) -> tuple[list[NDArray], list[str | None]]:
    plain = values.to_numpy(dtype=float, na_value=np.nan)
    if gaps.all():
        return [], []
    found: list[NDArray] = []
    own: list[str | None] = []
    filled = np.where(gaps, np.nanmean(plain), plain) if gaps.any() else plain
    if np.ptp(filled) > 0:
        found.append(filled)
        own.append(None)
    if gaps.any():
        found.append(gaps.astype(float))
        own.append(MISSING)
    return found, own


def _category(text: pd.Series) -> tuple[list[NDArray], list[str | None]]:
    ordered = text.value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    plain = text.to_numpy()
    return [(plain == level).astype(float) for level in ordered[1:]], list(ordered[1:])


def scaled(X: NDArray) -> NDArray:
    """Columns with mean 0 and standard deviation 1."""
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)

"""Sufficient statistics of an experiment: counts, means and centred sums of cross-products, one set a variant.

Everything that the mean, ratio, CUPED and stratified estimates need is linear in these, so raw rows are read once (see `sums`),
and two sets add up (days, shards, segments, clusters).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Sufficient statistics of some columns over some units.

    Attributes:
        columns: Names, k of them.
        n: Units with a value in every column.
        mean: Shape (k,).
        cross: Shape (k, k), centred sums of cross-products; NaN for pairs that were not asked for.
        third: Shape (k,), centred sums of cubes; NaN where not asked for.
        rows: Units that were looked at, with or without values.
        nulls: Units without a value, for each column.
    """

    columns: tuple[str, ...]
    n: int
    mean: NDArray
    cross: NDArray
    third: NDArray
    rows: int
    nulls: tuple[int, ...]

    @classmethod
    def of(cls, **columns: Any) -> Moments:
        """Moments of arrays of equal length, shape (n,) each; NaN counts as no value."""
        matrix = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
        missing = np.isnan(matrix)
        kept = matrix[~missing.any(axis=1)]
        mean = kept.mean(axis=0) if len(kept) else np.zeros(matrix.shape[1])
        centred = kept - mean
        return cls(
            columns=tuple(columns),
            n=len(kept),
            mean=mean,
            cross=centred.T @ centred,
            third=(centred**3).sum(axis=0),
            rows=len(matrix),
            nulls=tuple(int(count) for count in missing.sum(axis=0)),
        )

    def __add__(self, other: Moments) -> Moments:
        """Both together, by the pairwise update (Chan, Golub & LeVeque 1983; third moments: Pebay 2008).

        Raises:
            ValueError: The columns differ.
        """
        if self.columns != other.columns:
            raise ValueError(f"columns == {other.columns}, must be {self.columns}")
        n = self.n + other.n
        apart = other.mean - self.mean
        share = other.n / n if n else 0.0
        weight = self.n * share
        third = self.third + other.third + weight * (self.n - other.n) / max(n, 1) * apart**3
        third += 3 * apart * ((1 - share) * np.diag(other.cross) - share * np.diag(self.cross))
        return Moments(
            columns=self.columns,
            n=n,
            mean=self.mean + share * apart,
            cross=self.cross + other.cross + weight * np.outer(apart, apart),
            third=third,
            rows=self.rows + other.rows,
            nulls=tuple(left + right for left, right in zip(self.nulls, other.nulls, strict=True)),
        )

    def __sub__(self, part: Moments) -> Moments:
        """What is left without a part of the units: the inverse of the sum, without third moments.

        Raises:
            ValueError: The columns differ.
        """
        if self.columns != part.columns:
            raise ValueError(f"columns == {part.columns}, must be {self.columns}")
        n = self.n - part.n
        apart = part.mean - self.mean
        mean = self.mean - part.n / n * apart if n else self.mean
        return Moments(
            columns=self.columns,
            n=n,
            mean=mean,
            cross=self.cross - part.cross - part.n * self.n / max(n, 1) * np.outer(apart, apart),
            third=np.full(len(self.columns), np.nan),
            rows=self.rows - part.rows,
            nulls=tuple(left - right for left, right in zip(self.nulls, part.nulls, strict=True)),
        )

    def mean_of(self, column: str) -> float:
        """Mean of a column."""
        return float(self.mean[self._place(column)])

    def variance(self, column: str) -> float:
        """Sample variance of a column, with n - 1; NaN below two units."""
        return self.covariance(column, column)

    def covariance(self, left: str, right: str) -> float:
        """Sample covariance of two columns, with n - 1; NaN below two units.

        Raises:
            KeyError: The pair was not asked for.
        """
        value = float(self.cross[self._place(left), self._place(right)])
        if np.isnan(value) and self.n:
            raise KeyError(f"pair ({left}, {right}) was not among those asked for")
        return value / (self.n - 1) if self.n > 1 else float("nan")

    def skewness(self, column: str) -> float:
        """Moment coefficient of skewness of a column; NaN where the column does not vary."""
        place = self._place(column)
        squares = self.cross[place, place]
        return float(np.sqrt(self.n) * self.third[place] / squares**1.5) if squares > 0 else float("nan")

    def combined(self, weights: Mapping[str, float], *, name: str) -> Moments:
        """Moments with one column more: a weighted sum of others, such as a linearised ratio.

        Its third moment is unknown: cubes of sums need more than cubes.
        """
        vector = np.zeros(len(self.columns))
        for column, weight in weights.items():
            vector[self._place(column)] = weight
        used = vector != 0
        row = self.cross[:, used] @ vector[used]
        own = vector[used] @ row[used]
        return Moments(
            columns=(*self.columns, name),
            n=self.n,
            mean=np.append(self.mean, vector @ self.mean),
            cross=np.block([[self.cross, row[:, None]], [row[None, :], np.array([[own]])]]),
            third=np.append(self.third, np.nan),
            rows=self.rows,
            nulls=(*self.nulls, max((self.nulls[place] for place in np.flatnonzero(used)), default=0)),
        )

    def places(self, columns: Sequence[str]) -> NDArray:
        """Where the columns are, for indexing `mean` and `cross`."""
        return np.array([self._place(column) for column in columns], dtype=np.int64)

    def block(self, columns: Sequence[str]) -> NDArray:
        """Centred cross-products among some columns, shape (k, k).

        Raises:
            KeyError: A pair was not asked for.
        """
        places = self.places(columns)
        found = self.cross[np.ix_(places, places)]
        if np.isnan(found).any():
            raise KeyError(f"cross-products of {list(columns)} are needed, and some pairs were not asked for")
        return found.copy()

    def _place(self, column: str) -> int:
        if column not in self.columns:
            raise KeyError(f"column == {column!r}, must be one of {list(self.columns)}")
        return self.columns.index(column)


def total(parts: Iterable[Moments]) -> Moments:
    """All parts together."""
    return reduce(Moments.__add__, parts)

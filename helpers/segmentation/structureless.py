"""Structureless data like a given sample: what a clustering must beat to be called one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Draw = Callable[[np.random.Generator], NDArray]

# A mode is one that rises by this share of the highest above its valleys; smaller bumps are noise of the sample.
MODE = 0.05


def _normal(points: NDArray) -> Draw:
    mean, spread = points.mean(0), np.atleast_2d(np.cov(points.T))
    return lambda rng: rng.multivariate_normal(mean, spread, len(points), method="eigh")


def _unimodal(points: NDArray) -> Draw:
    """Independent columns, each drawn from the nearest density with one mode (smoothed bootstrap of Silverman 1981)."""
    widths = [_critical_width(column) for column in points.T]

    def draw(rng: np.random.Generator) -> NDArray:
        drawn = []
        for column, width in zip(points.T, widths, strict=True):
            noisy = rng.choice(column, len(column)) + width * rng.standard_normal(len(column))
            drawn.append((noisy - column.mean()) / np.sqrt(1 + width**2 / max(column.var(), 1e-12)) + column.mean())
        return np.column_stack(drawn)

    return draw


def _unimodal_axes(points: NDArray) -> Draw:
    """The same along the principal axes, which keeps the correlation of the columns."""
    centre = points.mean(0)
    _left, _scale, axes = np.linalg.svd(points - centre, full_matrices=False)
    along = _unimodal((points - centre) @ axes.T)
    return lambda rng: along(rng) @ axes + centre


def _critical_width(column: NDArray) -> float:
    """Smallest width of a normal kernel at which a column's density has one mode that matters."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    spread = float(column.std())
    if not spread > 0:
        return 0.0
    edges = np.linspace(column.min() - 3 * spread, column.max() + 3 * spread, 513)
    counts = np.histogram(column, edges)[0].astype(float)
    step = edges[1] - edges[0]
    low, high = 0.05 * spread, 2.0 * spread
    for _halving in range(12):
        middle = (low + high) / 2
        density = gaussian_filter1d(counts, middle / step, mode="constant")
        if len(find_peaks(density, prominence=MODE * density.max())[0]) <= 1:
            high = middle
        else:
            low = middle
    return high


def _uniform(points: NDArray) -> Draw:
    low, high = points.min(0), points.max(0)
    return lambda rng: rng.uniform(low, high, points.shape)


STRUCTURELESS: tuple[Callable[[NDArray], Draw], ...] = (_normal, _unimodal, _unimodal_axes, _uniform)

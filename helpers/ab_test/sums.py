"""Sums: the moments of every variant by one aggregate in the engine, so that raw rows stay where they are.

Sums are taken of differences from a rough centre: squares of raw amounts lose their digits where the mean is far from zero
(Chan, Golub & LeVeque 1983).
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.ab_test.moments import Moments
from helpers.data.dialects import as_number

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from ibis.expr.types import Table
    from numpy.typing import NDArray

# Rows that the rough centre is taken from.
PEEK = 1024
# A centre so many variances off costs about as many digits of the sums: they are taken again around the mean.
FAR_OFF = 1e6


def moments(
    table: Table,
    *,
    by: str | Sequence[str],
    columns: Sequence[str],
    pairs: Iterable[tuple[str, str]] | None = None,
    skewed: Sequence[str] = (),
    fill: Mapping[str, float] | None = None,
    caps: Mapping[str, tuple[float, float]] | None = None,
) -> dict[Any, Moments]:
    """Moments of every variant, by one aggregate in the engine.

    A unit without a value in any of the columns (NULL or NaN) is left out of the sums and counted in `nulls`; where that
    would be wrong, `fill` says what the missing value means. A filled column brings its indicator along, as
    `<column>__missing`: with it, a covariate's fill is arbitrary.

    Args:
        table: One row a unit.
        by: Column of the variant, or variant and segment, day or cluster.
        columns: Numeric or boolean columns.
        pairs: Pairs whose cross-products are needed beside each column's own square; all where `None`.
        skewed: Columns whose third moment is needed.
        fill: Values for missing ones, by column.
        caps: Lower and upper bound by column: a further column `<column>__capped` is clipped to them (see `caps`).

    Returns:
        Moments by variant; by tuple where `by` has more than one column.
    """
    keys = [by] if isinstance(by, str) else list(by)
    prepared, names = _prepared(table, columns=columns, fill=fill or {}, caps=caps or {})
    if pairs is None:
        wanted: set[tuple[str, ...]] = set(combinations_with_replacement(names, 2))
    else:
        order = {name: place for place, name in enumerate(names)}
        wanted = {tuple(sorted(pair, key=order.__getitem__)) for pair in pairs} | {(name, name) for name in names}
    centre = _peek(prepared, names)
    found = _aggregate(prepared, keys, names, wanted, skewed, centre)
    if any(sum(part.nulls) or np.isnan(part.mean).any() for part in found.values()):
        # Values are missing: another pass over what is complete. Most tables need none, and it costs half as much again.
        prepared = _complete(prepared, names)
        found = _aggregate(prepared, keys, names, wanted, skewed, centre)
    if any(_far_off(part, centre) for part in found.values()):
        found = _aggregate(prepared, keys, names, wanted, skewed, None)
    return found


def quantile_caps(
    table: Table, *, columns: Sequence[str], tail: float, where_positive: bool = False
) -> dict[str, tuple[float, float]]:
    """Two-sided caps: quantiles of all variants pooled, so that a cap cannot favour one of them.

    Args:
        table: One row a unit.
        columns: What to cap.
        tail: Share beyond each cap, such as .001.
        where_positive: Take the quantiles among positive values alone, for amounts that are mostly zero.

    Raises:
        ValueError: `tail` is not within 0 and .5.
    """
    if not 0 < tail < 0.5:  # noqa: PLR2004
        raise ValueError(f"tail == {tail}, must be within 0 and 0.5")
    asked: dict[str, Any] = {}
    for place, column in enumerate(columns):
        value = table[column].cast("float64")
        if where_positive:
            value = (value > 0).ifelse(value, None)
        asked |= {f"low{place}": value.quantile(tail), f"high{place}": value.quantile(1 - tail)}
    row = table.aggregate(**asked).to_pyarrow().to_pylist()[0]
    found = {}
    for place, column in enumerate(columns):
        low, high = row[f"low{place}"], row[f"high{place}"]
        if low is not None:
            found[column] = (0.0 if where_positive else float(low), float(high))
    return found


def _prepared(
    table: Table, *, columns: Sequence[str], fill: Mapping[str, float], caps: Mapping[str, tuple[float, float]]
) -> tuple[Table, list[str]]:
    """The table with float columns, filled, indicated and capped, and the names of what is to be summed."""
    made, names = {}, list(columns)
    for column in columns:
        value = as_number(table[column])
        if column in fill:
            value = value.isnan().ifelse(None, value)
            made[f"{column}__missing"] = as_number(value.isnull())
            value = value.fill_null(fill[column])
            names.append(f"{column}__missing")
        made[column] = value
        if column in caps:
            low, high = caps[column]
            made[f"{column}__capped"] = value.clip(low, high)
            names.append(f"{column}__capped")
    return table.mutate(**made), names


def _peek(table: Table, names: Sequence[str]) -> NDArray:
    row = table.limit(PEEK).aggregate(**{f"c{i}": table[name].mean() for i, name in enumerate(names)})
    first = row.to_pyarrow().to_pylist()[0]
    return np.nan_to_num([first[f"c{i}"] or 0.0 for i in range(len(names))])


def _complete(table: Table, names: Sequence[str]) -> Table:
    """The table with a flag for each missing value, and no values at all in units that miss one."""
    import ibis

    flags = {f"{name}__empty": table[name].isnull() | table[name].isnan() for name in names}
    table = table.mutate(**flags)
    complete = ~ibis.or_(*(table[flag] for flag in flags))
    return table.mutate(**{name: complete.ifelse(table[name], None) for name in names})


def _aggregate(
    table: Table,
    keys: list[str],
    names: list[str],
    pairs: Iterable[tuple[str, ...]],
    skewed: Sequence[str],
    centre: NDArray | None,
) -> dict[Any, Moments]:
    """Sums by variant; about each variant's own mean where there is no common centre (a window: slower)."""
    place = {name: i for i, name in enumerate(names)}
    flagged = f"{names[0]}__empty" in table.columns
    if centre is None:
        own = {f"{name}__centre": table[name].mean() for name in names}
        table = table.group_by(keys).mutate(**own)
        shifted = {f"z{i}": table[name] - table[f"{name}__centre"] for i, name in enumerate(names)}
        shifted |= {f"c{i}": table[f"{name}__centre"] for i, name in enumerate(names)}
    else:
        shifted = {f"z{i}": table[name] - float(centre[i]) for i, name in enumerate(names)}
    if flagged:
        shifted |= {f"e{i}": table[f"{name}__empty"] for i, name in enumerate(names)}
    inner = table.select(*keys, **shifted)
    asked: dict[str, Any] = {"rows": inner.count(), "n": inner["z0"].count()}
    asked |= {f"s{i}": inner[f"z{i}"].sum() for i in range(len(names))}
    empty = {i: inner[f"e{i}"].sum() if flagged else inner[f"z{i}"].isnull().sum() for i in range(len(names))}
    asked |= {f"m{i}": count for i, count in empty.items()}
    at = sorted((place[left], place[right]) for left, right in pairs)
    asked |= {f"p{i}_{j}": (inner[f"z{i}"] * inner[f"z{j}"]).sum() for i, j in at}
    asked |= {
        f"t{place[c]}": (inner[f"z{place[c]}"] * inner[f"z{place[c]}"] * inner[f"z{place[c]}"]).sum() for c in skewed
    }
    if centre is None:
        asked |= {f"c{i}": inner[f"c{i}"].max() for i in range(len(names))}
    rows = inner.group_by(keys).aggregate(**asked).order_by(keys).to_pyarrow().to_pylist()
    found: dict[Any, Moments] = {}
    for row in rows:
        key: Hashable = row[keys[0]] if len(keys) == 1 else tuple(row[name] for name in keys)
        about = np.array([row[f"c{i}"] or 0.0 for i in range(len(names))]) if centre is None else centre
        found[key] = _centred(row, names, at, {place[c] for c in skewed}, about)
    return found


def _centred(
    row: dict[str, Any], names: list[str], at: list[tuple[int, int]], cubes: set[int], centre: NDArray
) -> Moments:
    """Moments about the mean from sums about the rough centre."""
    n, k = row["n"], len(names)
    sums = np.array([row[f"s{i}"] or 0.0 for i in range(k)])
    off = sums / n if n else np.zeros(k)
    cross, third = np.full((k, k), np.nan), np.full(k, np.nan)
    for i, j in at:
        value = (row[f"p{i}_{j}"] or 0.0) - sums[i] * off[j]
        # What is left of rounding is not a variance.
        cross[i, j] = cross[j, i] = max(value, 0.0) if i == j else value
    for i in cubes:
        third[i] = (row[f"t{i}"] or 0.0) - 3 * off[i] * (row[f"p{i}_{i}"] or 0.0) + 2 * n * off[i] ** 3
    return Moments(
        columns=tuple(names),
        n=n,
        mean=centre + off,
        cross=cross,
        third=third,
        rows=row["rows"],
        nulls=tuple(int(row[f"m{i}"] or 0) for i in range(k)),
    )


def _far_off(part: Moments, centre: NDArray) -> bool:
    squares = np.diag(part.cross)
    return bool((part.n * (part.mean - centre) ** 2 > FAR_OFF * squares).any() and (part.mean != centre).any())

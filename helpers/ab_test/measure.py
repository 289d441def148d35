"""Measuring: each metric of each variant against the control, adjusted and raw, capped and uncapped, by the method that holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from helpers.ab_test import arms
from helpers.ab_test.cell import Cell
from helpers.ab_test.clusters import clustered_moments
from helpers.ab_test.cuped import adjusted
from helpers.ab_test.sums import moments, quantile_caps
from helpers.ab_test.supported import pooled_skewness, supported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from helpers.ab_test.arms import Pair
    from helpers.ab_test.cell import Way
    from helpers.ab_test.moments import Moments
    from helpers.ab_test.profile import Profile
    from helpers.ab_test.read import Units

# Values that may be fetched and shuffled.
MOST_SHUFFLED = 200_000
FAINT = 1e-12


def measure(units: Units, profile: Profile, *, seed: int) -> tuple[Cell, ...]:
    """Every metric of every variant that has units.

    Sums are taken in one pass over all metrics without missing values; each metric with some has a pass of its own, so that a
    unit that lacks one outcome still counts for the others.

    Args:
        units: The test's units.
        profile: Of the same units.
        seed: Of permutations.
    """
    caps = _caps(units)
    whole: list[int] = []
    apart: list[int] = []
    for place, metric in enumerate(units.test.metrics):
        if metric.type != "quantile":
            lost = any(profile.missing(name, units.columns(place)) for name in units.variants)
            (apart if lost else whole).append(place)
    sums: dict[int, Mapping[Any, Moments]] = {}
    for places in ([whole] if whole else []) + [[place] for place in apart]:
        found = gathered(units, places, by=["variant", "group"] if units.test.cluster else "variant", caps=caps)
        sums |= dict.fromkeys(places, found)
    cells = []
    for place, metric in enumerate(units.test.metrics):
        for variant in units.variants[1:]:
            if metric.type == "quantile":
                cells.append(_quantile(units, place, variant))
            elif units.test.cluster:
                cells.append(_clustered(units, place, variant, sums[place], capped=f"m{place}" in caps))
            else:
                cells.append(_cell(units, place, variant, sums[place], seed, capped=f"m{place}" in caps))
    return tuple(cells)


def gathered(
    units: Units,
    places: Iterable[int],
    *,
    by: str | list[str] = "variant",
    caps: Mapping[str, tuple[float, float]],
    adjust: bool = True,
) -> dict[Any, Moments]:
    """Moments of some metrics, and of the covariates that adjust them.

    Args:
        units: The test's units.
        places: Places of the metrics.
        by: The variant, or the variant and something else.
        caps: Of columns that have them.
        adjust: Whether covariates come along.
    """
    columns = [column for place in places for column in units.columns(place)]
    covariates = units.covariates if adjust else []
    own = {name: value for name, value in caps.items() if name in columns}
    extra = [name for covariate in covariates for name in (covariate, f"{covariate}__missing")]
    names = [*columns, *(f"{name}__capped" for name in own)]
    pairs = [(name, other) for name in names for other in extra]
    pairs += [(left, right) for place, left in enumerate(extra) for right in extra[place:]]
    for place in places:
        if len(both := units.columns(place)) > 1:
            pairs += [(both[0], both[1])] + ([(f"{both[0]}__capped", both[1])] if both[0] in own else [])
    skewed = [name for name in names if not name.startswith("d")] if by == "variant" else []
    return moments(
        units.table,
        by=by,
        columns=[*columns, *covariates],
        pairs=pairs,
        skewed=skewed,
        fill=dict.fromkeys(covariates, 0.0),
        caps=own,
    )


def caps_of(units: Units) -> dict[str, tuple[float, float]]:
    """Caps by column, of the metrics that have them."""
    return _caps(units)


def _caps(units: Units) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for place, metric in enumerate(units.test.metrics):
        if metric.cap_quantile and metric.type != "quantile":
            found |= quantile_caps(units.table, columns=[f"m{place}"], tail=1 - metric.cap_quantile)
    return found


def pair_of(units: Units, place: int, control: Moments, treatment: Moments, *, capped: bool, adjust: bool) -> Pair:
    """Two arms of a metric, from their moments."""
    column, *bottom = units.columns(place)
    column = f"{column}__capped" if capped else column
    denominator = bottom[0] if bottom else None
    if adjust and units.covariates:
        extra = _covariates(control)
        pair = adjusted(control, treatment, column, covariates=extra, denominator=denominator).pair
    else:
        sides = [
            arms.ratio(side, numerator=column, denominator=denominator) if denominator else arms.mean(side, column)
            for side in (control, treatment)
        ]
        pair = arms.independent(*sides)
    return replace(pair, log=units.test.metrics[place].scale == "log")


def _covariates(side: Moments) -> list[str]:
    """Covariates, and the indicators of their missing values."""
    return [name for name in side.columns if name.startswith("x")]


def _cell(units: Units, place: int, variant: str, sums: Mapping[Any, Moments], seed: int, *, capped: bool) -> Cell:
    metric, (control, treatment) = units.test.metrics[place], (sums[units.variants[0]], sums[variant])
    raw = pair_of(units, place, control, treatment, capped=capped, adjust=False)
    pair = pair_of(units, place, control, treatment, capped=capped, adjust=True)
    uncapped = pair_of(units, place, control, treatment, capped=False, adjust=True) if capped else pair
    ratio = pair.variance / raw.variance if not raw.reason and raw.variance > 0 else 1.0
    way, counts, values = _way(units, place, variant, control, treatment, capped=capped)
    if way in {"score", "permutation"}:
        pair, ratio = raw, 1.0
    return Cell(
        metric=metric,
        variant=variant,
        pair=pair,
        raw=raw,
        uncapped=uncapped,
        variance_ratio=ratio,
        way=way,
        counts=counts,
        values=values,
        seed=seed,
    )


def _way(
    units: Units, place: int, variant: str, control: Moments, treatment: Moments, *, capped: bool
) -> tuple[Way, tuple[int, int, int, int] | None, tuple[Any, Any] | None]:
    """The test that holds for these units (see `supported`)."""
    metric = units.test.metrics[place]
    column = f"m{place}__capped" if capped else f"m{place}"
    if min(control.n, treatment.n) < arms.LEAST:
        return "welch", None, None
    skew = (
        _ratio_skewness(units, place, variant, control, treatment)
        if metric.type == "ratio"
        else pooled_skewness(control, treatment, column)
    )
    if supported(skewness=skew, n_control=control.n, n_treatment=treatment.n):
        return "welch", None, None
    if metric.type == "proportion":
        tops = [round(side.mean_of(column) * side.n) for side in (control, treatment)]
        return "score", (tops[0], control.n, tops[1], treatment.n), None
    # Shuffled values have no log scale: where even that is too skewed, the report says so.
    if (
        metric.type != "ratio"
        and metric.scale == "linear"
        and control.n + treatment.n <= MOST_SHUFFLED
        and skew < float("inf")
    ):
        return "permutation", None, _values(units, place, variant, capped=capped)
    return "beyond", None, None


def _ratio_skewness(units: Units, place: int, variant: str, control: Moments, treatment: Moments) -> float:
    top, bottom = units.columns(place)
    below = control.mean_of(bottom) + treatment.mean_of(bottom)
    if not below:
        return float("inf")
    value = (control.mean_of(top) + treatment.mean_of(top)) / below
    table = units.table.filter(units.table["variant"].isin([units.variants[0], variant]))
    table = table.mutate(linear=table[top].cast("float64") - value * table[bottom].cast("float64"))
    sides = moments(table, by="variant", columns=["linear"], skewed=["linear"])
    return pooled_skewness(sides[units.variants[0]], sides[variant], "linear")


def _values(units: Units, place: int, variant: str, *, capped: bool) -> tuple[Any, Any]:
    """Values of control and treatment, shape (n,) each."""
    table = units.table.filter(units.table["variant"].isin([units.variants[0], variant]))
    value = table[f"m{place}"].cast("float64")
    if capped:
        value = value.clip(*_caps(units)[f"m{place}"])
    frame = table.select("unit", "variant", value=value).order_by("unit").to_pandas().dropna(subset=["value"])
    split = [frame.loc[frame["variant"] == name, "value"].to_numpy(float) for name in (units.variants[0], variant)]
    return split[0], split[1]


def _quantile(units: Units, place: int, variant: str) -> Cell:
    metric = units.test.metrics[place]
    sides = [arms.quantile(values, metric.p) for values in _values(units, place, variant, capped=False)]
    pair = arms.independent(*sides, method=("woodruff",))
    return Cell(metric=metric, variant=variant, pair=pair, raw=pair, uncapped=pair)


def _clustered(units: Units, place: int, variant: str, sums: Mapping[Any, Moments], *, capped: bool) -> Cell:
    """Clusters' moments, and their comparison."""
    metric = units.test.metrics[place]
    column, *bottom = units.columns(place)
    sides = [[part for (arm, _group), part in sums.items() if arm == name] for name in (units.variants[0], variant)]
    extra = _covariates(sides[0][0]) if sides[0] else []

    def pair(name: str, covariates: list[str]) -> Pair:
        found = clustered_moments(
            sides[0], sides[1], name, denominator=bottom[0] if bottom else None, covariates=covariates
        )
        return replace(found, log=metric.scale == "log")

    own = f"{column}__capped" if capped else column
    raw, judged = pair(own, []), pair(own, extra)
    return Cell(
        metric=metric,
        variant=variant,
        pair=judged,
        raw=raw,
        uncapped=pair(column, extra) if capped else judged,
        variance_ratio=judged.variance / raw.variance if not raw.reason and raw.variance > 0 else 1.0,
    )

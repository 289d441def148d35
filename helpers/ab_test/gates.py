"""Gates: whether an experiment's data may be read at all. Each asks the engine for counts only, and names the first offenders.

A gate that fails says nothing about the treatment; it says that the comparison is not the one that was randomised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.stats.split import SRM_ALPHA, ratio_p

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ibis.expr.types import Table

    from helpers.ab_test.moments import Moments

IMBALANCE_ALPHA = 0.001
OFFENDERS = 5


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One check of the data.

    Attributes:
        name: `srm`, `srm_segment`, `crossed_over`, `duplicates`, `outcome_before`, `imbalance`.
        passed: Whether the data may be read.
        p: P-value, where the gate is a test.
        threshold: What p is held against, or the largest count allowed.
        count: Units that offend; 0 where the gate is a test.
        total: Units looked at.
        offenders: The first few: unit ids, or segments and variants with their counts.
    """

    name: str
    passed: bool
    p: float | None = None
    threshold: float = 0.0
    count: int = 0
    total: int = 0
    offenders: tuple[Any, ...] = field(default=())


def counts_by(table: Table, *, unit: str, variant: str, segment: str | None = None) -> dict[Any, int]:
    """Distinct units of each variant; by (segment, variant) where a segment is named."""
    keys = [variant] if segment is None else [segment, variant]
    rows = table.group_by(keys).aggregate(units=table[unit].nunique()).order_by(keys).to_pyarrow().to_pylist()
    return {row[variant] if segment is None else (row[segment], row[variant]): row["units"] for row in rows}


def srm(counts: Mapping[Any, int], *, expected: Mapping[Any, float], alpha: float = SRM_ALPHA) -> Gate:
    """Sample-ratio mismatch: whether variants have the units that their shares promise (Pearson's chi-square).

    Args:
        counts: Units by variant.
        expected: Planned shares by variant; they need not add up to one.
        alpha: Level; at every look the same, so it has to be small (see `SRM_ALPHA`).

    Raises:
        ValueError: A variant has no planned share, or one that is not positive.
    """
    observed, shares = _aligned(counts, expected)
    total = int(observed.sum())
    p = ratio_p(observed, shares)
    return Gate(
        name="srm",
        passed=p >= alpha,
        p=p,
        threshold=alpha,
        total=total,
        offenders=tuple((name, int(observed[place])) for place, name in enumerate(expected)) if p < alpha else (),
    )


def srm_by_segment(
    counts: Mapping[tuple[Any, Any], int], *, expected: Mapping[Any, float], alpha: float = SRM_ALPHA
) -> Gate:
    """Sample-ratio mismatch within segments, Holm over the segments.

    Args:
        counts: Units by (segment, variant); variants that a segment lacks count as zero.
        expected: Planned shares by variant, the same in every segment.
        alpha: Level over all segments.

    Returns:
        `p` is the smallest adjusted one; offenders are the segments that fail, worst first, with their counts.
    """
    from helpers.ab_test.multiple import adjusted_p

    segments = list(dict.fromkeys(segment for segment, _ in counts))
    if not segments:
        return Gate(name="srm_segment", passed=True, threshold=alpha)
    tables = [{name: counts.get((segment, name), 0) for name in expected} for segment in segments]
    stray = {variant for _, variant in counts} - set(expected)
    if stray:
        raise ValueError(f"variants {sorted(map(str, stray))} have no planned share")
    plain = [ratio_p(*_aligned(table, expected)) for table in tables]
    corrected = adjusted_p(plain, method="holm")
    failing = sorted((place for place, p in enumerate(corrected) if p < alpha), key=lambda place: plain[place])
    return Gate(
        name="srm_segment",
        passed=not failing,
        p=float(min(corrected)),
        threshold=alpha,
        count=len(failing),
        total=len(segments),
        offenders=tuple((segments[place], tuple(tables[place].values())) for place in failing[:OFFENDERS]),
    )


def crossed_over(table: Table, *, unit: str, variant: str, share: float = 0.0) -> Gate:
    """Units that were seen in more than one variant.

    Args:
        table: One row an assignment.
        unit: Column of the unit.
        variant: Column of the variant.
        share: Largest share of units that is let pass; they have to be left out of both arms all the same.
    """
    per_unit = table.group_by(unit).aggregate(variants=table[variant].nunique())
    return _counted("crossed_over", per_unit, per_unit["variants"] > 1, unit=unit, share=share)


def duplicates(table: Table, *, unit: str, variant: str, share: float = 0.0) -> Gate:
    """Units with more than one row in a variant: a join that went wrong, or a unit that is finer than was randomised."""
    per_unit = table.group_by([unit, variant]).aggregate(rows_of_unit=table.count())
    return _counted("duplicates", per_unit, per_unit["rows_of_unit"] > 1, unit=unit, share=share)


def outcome_before(table: Table, *, unit: str, assigned_at: str, outcome_at: str, share: float = 0.0) -> Gate:
    """Units whose outcome is dated before their assignment: it cannot be an effect.

    Args:
        table: One row a unit, or an outcome.
        unit: Column of the unit.
        assigned_at: Moment of assignment.
        outcome_at: Moment of the (first) outcome; NULL where there is none.
        share: Largest share that is let pass.
    """
    early = (table[outcome_at] < table[assigned_at]).fill_null(False)  # noqa: FBT003 - Ibis's own signature
    return _counted("outcome_before", table, early, unit=unit, share=share)


def imbalance(
    control: Moments, treatment: Moments, *, covariates: Sequence[str], alpha: float = IMBALANCE_ALPHA
) -> Gate:
    """Whether arms differed before the test: one joint test over all covariates.

    A Wald test with unequal covariances, read as F with Hotelling's scaling.

    It also refuses a covariate that the treatment has moved: one from after assignment must not go into CUPED.

    Args:
        control: Moments with the covariates and their cross-products.
        treatment: The same of the other arm.
        covariates: Columns that were known before assignment.
        alpha: Level.

    Returns:
        Offenders are the covariates with their own p, smallest first.
    """
    from scipy.stats import f

    from helpers.ab_test import arms
    from helpers.ab_test.estimate import compare

    total = control.n + treatment.n
    own, apart_for_sure = [], []
    for name in covariates:
        pair = arms.independent(arms.mean(control, name), arms.mean(treatment, name))
        p = compare(pair).p
        if p is not None:
            own.append((name, p))
        elif pair.reason == "no_variation" and pair.difference:
            apart_for_sure.append((name, 0.0))
    if apart_for_sure:
        # The same in every unit of an arm, and another in the other: that is the assignment itself, or its consequence.
        first = tuple(apart_for_sure[:OFFENDERS])
        return Gate(name="imbalance", passed=False, p=0.0, threshold=alpha, total=total, offenders=first)
    if not own or min(control.n, treatment.n) < arms.LEAST:
        return Gate(name="imbalance", passed=True, threshold=alpha, total=total)
    names = [name for name, _ in own]
    apart = treatment.mean[treatment.places(names)] - control.mean[control.places(names)]
    spread = np.zeros((len(names), len(names)))
    for side in (control, treatment):
        spread += side.block(names) / (side.n - 1) / side.n
    size = np.sqrt(np.diag(spread))
    scaled = spread / np.outer(size, size)
    rank = int(np.linalg.matrix_rank(scaled, tol=1e-8 * len(names)))
    statistic = float(apart / size @ np.linalg.pinv(scaled, rcond=1e-8) @ (apart / size))
    df = total - 2
    left = df - rank + 1
    p = float(f.sf(statistic * left / (df * rank), rank, left)) if left > 0 else 1.0
    worst = sorted(own, key=lambda pair: pair[1])[:OFFENDERS] if p < alpha else []
    return Gate(name="imbalance", passed=p >= alpha, p=p, threshold=alpha, total=total, offenders=tuple(worst))


def _aligned(counts: Mapping[Any, int], expected: Mapping[Any, float]) -> tuple[np.ndarray, np.ndarray]:
    stray = [name for name in counts if name not in expected]
    if stray:
        raise ValueError(
            f"variants {sorted(map(str, stray))} have no planned share: expected has {sorted(map(str, expected))}"
        )
    shares = np.array(list(expected.values()), dtype=float)
    if not (shares > 0).all():
        raise ValueError(f"expected == {dict(expected)}, every share must be > 0")
    return np.array([counts.get(name, 0) for name in expected], dtype=float), shares / shares.sum()


def _counted(name: str, table: Table, offends: Any, *, unit: str, share: float) -> Gate:
    flagged = table.mutate(offends__=offends)
    row = flagged.aggregate(total=flagged.count(), count=flagged["offends__"].sum()).to_pyarrow().to_pylist()[0]
    count, total = int(row["count"] or 0), int(row["total"])
    offenders: tuple[Any, ...] = ()
    if count:
        guilty = flagged.filter(flagged["offends__"]).select(unit).distinct().order_by(unit).limit(OFFENDERS)
        offenders = tuple(guilty.to_pyarrow()[unit].to_pylist())
    return Gate(
        name=name, passed=count <= share * total, threshold=share * total, count=count, total=total, offenders=offenders
    )

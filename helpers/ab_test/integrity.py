"""A test's gates: all that could make its arms incomparable, each with what it means for the reader."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from helpers.ab_test import gates
from helpers.ab_test.gates import Gate
from helpers.ab_test.sums import moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from helpers.ab_test.profile import Profile
    from helpers.ab_test.read import Units

MISSING_ALPHA = 0.001


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A gate with its place: `srm.<segment>` and the like.

    Attributes:
        id: Name within the test.
        gate: What it found.
        about: Segment, covariates or metric that it is about, as the client calls it.
        counts: Units by variant, of the sample ratio.
    """

    id: str
    gate: Gate
    about: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


def run_gates(units: Units, profile: Profile) -> tuple[Kept, ...]:
    """All gates that the data allow, the sample ratio first.

    Args:
        units: The test's units.
        profile: Counts by variant and column.
    """
    test = units.test
    alone = _each_once(units, profile)
    found = [Kept(id="variants", gate=_variants(units, profile))]
    if found[0].gate.passed:
        counts = profile.rows if alone else gates.counts_by(units.rows, unit="group", variant="variant")
        found.append(Kept(id="srm", gate=_srm(units, counts), counts=counts))
        for place, name in enumerate(test.segments):
            each = gates.counts_by(units.rows, unit="group", variant="variant", segment=f"g{place}")
            gate = gates.srm_by_segment(each, expected=_expected(units))
            found.append(Kept(id=f"srm.{name}", gate=gate, about=name))
    names = ("crossed_over", "duplicates")
    if alone:
        found += [Kept(id=name, gate=Gate(name=name, passed=True, total=profile.units)) for name in names]
    else:
        crossed = gates.crossed_over(units.rows, unit="group", variant="variant", share=test.tolerance)
        twice = gates.duplicates(units.rows, unit="unit", variant="variant", share=test.tolerance)
        found += [Kept(id=name, gate=gate) for name, gate in zip(names, (crossed, twice), strict=True)]
    found += _moments_in_order(units)
    if found[0].gate.passed:
        found += _balance(units)
        found += _missing(units, profile)
    return tuple(found)


def _expected(units: Units) -> dict[str, float]:
    return {name: units.test.shares.get(name, 1.0) for name in units.variants}


def _variants(units: Units, profile: Profile) -> Gate:
    empty = tuple(name for name in units.variants if not profile.rows.get(name))
    alone = len(units.variants) < 2  # noqa: PLR2004
    return Gate(
        name="variants",
        passed=not empty and not alone,
        count=len(empty),
        total=len(units.variants),
        offenders=empty or units.variants[:1],
    )


def _each_once(units: Units, profile: Profile) -> bool:
    """Whether every row is another unit: one count that spares a grouping of all units where data are as they should be."""
    return not units.test.cluster and int(units.rows["unit"].nunique().to_pyarrow().as_py()) == profile.units


def _srm(units: Units, counts: Mapping[str, int]) -> Gate:
    if units.test.sequential == "always_valid":
        return gates.srm_always_valid(counts, expected=_expected(units))
    return gates.srm(counts, expected=_expected(units))


def _moments_in_order(units: Units) -> list[Kept]:
    """Exposure and outcomes after assignment, where the moments are known."""
    found: list[Kept] = []
    if not units.dated:
        return found
    if "exposed_at" in units.moments and "assigned_at" in units.moments:
        gate = gates.outcome_before(units.rows, unit="unit", assigned_at="at", outcome_at="exposed")
        found.append(Kept(id="exposed_before", gate=gate))
    for place, metric in enumerate(units.test.metrics):
        if metric.at:
            gate = gates.outcome_before(units.rows, unit="unit", assigned_at="at", outcome_at=f"o{place}")
            found.append(Kept(id=f"outcome_before.{metric.name}", gate=gate, about=metric.name))
    return found


def _balance(units: Units) -> list[Kept]:
    """Covariates and the indicator of their missing values, each variant against the control."""
    if not units.covariates:
        return []
    sides = moments(units.table, by="variant", columns=units.covariates, fill=dict.fromkeys(units.covariates, 0.0))
    names = dict(zip(units.covariates, units.test.covariates, strict=True))
    found = []
    for variant in units.variants[1:]:
        gate = gates.imbalance(
            sides[units.variants[0]],
            sides[variant],
            covariates=sides[variant].columns,
            alpha=gates.IMBALANCE_ALPHA / (len(units.variants) - 1),
        )
        told = tuple((names[name.removesuffix("__missing")], p) for name, p in gate.offenders)
        about = ", ".join(dict.fromkeys(name for name, _p in told)) or ", ".join(units.test.covariates)
        id_ = "imbalance" if len(units.variants) == 2 else f"imbalance.{variant}"  # noqa: PLR2004
        found.append(Kept(id=id_, gate=replace(gate, offenders=told), about=about))
    return found


def _missing(units: Units, profile: Profile) -> list[Kept]:
    """Whether as many outcomes are missing in each arm: units that drop out of one are no longer a random half."""
    from scipy.stats import chi2_contingency

    found = []
    for place, metric in enumerate(units.test.metrics):
        lost = {name: profile.missing(name, units.columns(place)) for name in units.variants}
        if not any(lost.values()):
            continue
        kept = {name: profile.rows[name] - lost[name] for name in units.variants}
        varies = any(kept.values())
        p = float(chi2_contingency([list(lost.values()), list(kept.values())]).pvalue) if varies else 1.0
        gate = Gate(
            name="missing",
            passed=p >= MISSING_ALPHA,
            p=p,
            threshold=MISSING_ALPHA,
            count=sum(lost.values()),
            total=sum(profile.rows.values()),
            offenders=tuple(lost.items()),
        )
        found.append(Kept(id=f"missing.{metric.name}", gate=gate, about=metric.name))
    return found


def expected(units: Units) -> Mapping[str, Any]:
    """Planned shares by variant, adding up to one."""
    shares = _expected(units)
    return {name: share / sum(shares.values()) for name, share in shares.items()}

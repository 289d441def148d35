"""The topic's tables and params, and their check against the client's tables."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from helpers.errors import ParamsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEEDS: tuple[str, ...] = ("experiments",)
OPTIONAL: tuple[str, ...] = ("orders", "events")
READS: tuple[str, ...] = ("clv",)
# Looks go into a ledger of the client: its periods run one after another.
IN_ORDER = True

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
# What `orders` gives a unit after exposure; `events` gives a count of any event by its name, and the sum of `value`.
FROM_ORDERS = ("orders", "revenue")


class Section(BaseModel):
    """A part of the section: unknown keys are errors and values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(Section):
    """One metric of a test.

    Attributes:
        name: As the findings call it.
        label: As the report calls it; the name without underscores, unless given.
        type: Proportion, mean or count a unit, ratio of two sums, or quantile over units.
        column: What is measured; for `orders` one of orders and revenue, for `events` an event's name or `value`.
        numerator: Of a ratio.
        denominator: Of a ratio.
        role: `success` decides, `guardrail` must not get worse by more than `margin`, `information` is only shown.
        better: Whether more or less of it is good.
        margin: Share of the control's value that a guardrail may lose.
        cap_quantile: Amounts beyond this quantile (of all variants together) count as that quantile.
        window_days: Outcomes of so many days after exposure count; units whose days are not over are left out.
        p: Of a quantile, .5 for the median.
        source: Table that the outcome is computed from.
        at: Column with the moment of the outcome, to be held against the assignment.
        unit: How values are printed; `money` where the name says so.
    """

    name: str = Field(pattern=NAME)
    label: str | None = Field(default=None, min_length=1, max_length=40)
    type: Literal["proportion", "mean", "ratio", "quantile", "count"] = "mean"
    column: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    role: Literal["success", "guardrail", "information"] = "information"
    better: Literal["more", "less"] = "more"
    margin: float | None = Field(default=None, gt=-1, lt=1)
    cap_quantile: float | None = Field(default=None, gt=0.5, lt=1)
    window_days: int | None = Field(default=None, ge=1, le=730)
    p: float = Field(default=0.5, gt=0, lt=1)
    source: Literal["experiments", "orders", "events"] = Field(default="experiments", alias="from")
    at: str | None = None
    unit: Literal["money", "number"] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        ratio = self.type == "ratio"
        if ratio != bool(self.numerator and self.denominator) or ratio == bool(self.column):
            wanted = "numerator and denominator" if ratio else "column"
            raise ValueError(f"metric {self.name}: a {self.type} needs {wanted}, and nothing else to measure")
        if self.role == "guardrail" and not self.margin:
            raise ValueError(f"metric {self.name}: a guardrail needs a margin, such as -0.02: what it may lose at most")
        if self.source == "orders":
            for column in self.columns:
                if column not in FROM_ORDERS:
                    raise ValueError(f"metric {self.name}: orders give {' and '.join(FROM_ORDERS)}, not {column!r}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that are measured."""
        if self.type == "ratio":
            return (str(self.numerator), str(self.denominator))
        return (str(self.column),)


class Prior(Section):
    """What is believed of a relative effect before its test: `learn` takes it from the client's past tests, five or more."""

    mean: float = Field(default=0.0, ge=-1, le=1)
    sd: float = Field(default=0.10, gt=0, le=10)
    learn: bool = False


class Test(Section):
    """One registered test.

    Attributes:
        id: Its name in the findings, and in the table's `experiment` unless that is given.
        title: Its name in the report; the id without underscores, unless given.
        source: The table.
        experiment: Its name in the table.
        unit: Column of the unit that was randomised.
        control: Name of the control.
        variants: The other variants; all that the table has, unless given.
        shares: Planned share of units by variant; equal unless given.
        metrics: What was decided beforehand to be measured.
        covariates: Columns from before assignment, for CUPED and the balance gate.
        segments: Columns by which the split is checked and effects are shown.
        cluster: Column of the group that was randomised as a whole, if any.
        alpha: Two-sided level of all success metrics together.
        method: How alpha is shared by several success metrics and variants.
        sequential: Kind of looking early that was planned.
        planned_looks: Information fractions of the planned looks.
        planned_n: Units of all variants at the planned end.
        planned_days: Days from the first assignment to the planned end.
        power: Wanted power, for planning.
        prior: For the Bayesian reading and the shrunk effect.
        eligible_per_month: Units a month that a roll-out would reach; as many as came to the test, unless given.
        rollout: Share of them that would get it.
        tolerance: Share of units that may be in two variants or twice in the data.
    """

    id: str = Field(pattern=NAME)
    title: str | None = Field(default=None, min_length=1, max_length=60)
    source: Literal["experiments"] = Field(default="experiments", alias="from")
    experiment: str | None = None
    unit: str = "unit_id"
    control: str = "control"
    variants: tuple[str, ...] = ()
    shares: dict[str, float] = {}
    metrics: tuple[Metric, ...] = Field(min_length=1)
    covariates: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    cluster: str | None = None
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    method: Literal["holm", "bonferroni", "bh", "none"] = "holm"
    sequential: Literal["none", "obrien_fleming", "pocock", "always_valid"] = "none"
    planned_looks: tuple[float, ...] = ()
    planned_n: int | None = Field(default=None, ge=2)
    planned_days: int | None = Field(default=None, ge=1)
    power: float = Field(default=0.8, gt=0, lt=1)
    prior: Prior = Prior()
    eligible_per_month: float | None = Field(default=None, gt=0)
    rollout: float = Field(default=1.0, gt=0, le=1)
    tolerance: float = Field(default=0.0, ge=0, lt=0.1)
    registered: bool = Field(default=True, exclude=True)

    @field_validator("shares")
    @classmethod
    def _positive(cls, shares: dict[str, float]) -> dict[str, float]:
        if any(not share > 0 for share in shares.values()):
            raise ValueError("every share must be > 0")
        return shares

    @field_validator("planned_looks")
    @classmethod
    def _growing(cls, looks: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share <= 1 for share in looks) or list(looks) != sorted(set(looks)):
            raise ValueError("planned_looks are growing shares of the planned units, up to 1")
        return looks

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [metric.name for metric in self.metrics]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two metrics are called {', '.join(twice)}")
        if self.sequential in {"obrien_fleming", "pocock"} and not self.planned_n:
            raise ValueError(f"sequential: {self.sequential} needs planned_n, the units at the planned end")
        if self.cluster and any(metric.type == "quantile" for metric in self.metrics):
            raise ValueError("a quantile has no interval where clusters were randomised")
        return self

    @property
    def name_in_table(self) -> str:
        """What the table calls it."""
        return self.experiment or self.id


class Params(Section):
    """Section `ab_test` of the params.

    Attributes:
        tests: Registered tests; each experiment of the table is explored where there are none.
        replays: Random splits of the A/A replay.
        level: Coverage of the shrunk and Bayesian intervals.
    """

    tests: tuple[Test, ...] = ()
    replays: int = Field(default=400, ge=100, le=10_000)
    level: float = Field(default=0.90, gt=0.5, lt=1)

    @field_validator("tests")
    @classmethod
    def _one_name_each(cls, tests: tuple[Test, ...]) -> tuple[Test, ...]:
        names = [test.id for test in tests]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two tests are called {', '.join(twice)}")
        return tests


def preflight(settings: Params, tables: Mapping[str, Any]) -> None:
    """Hold the registered tests against the tables.

    Args:
        settings: The section.
        tables: Kept Ibis tables by contract name.

    Raises:
        ParamsError: A test names an experiment, control, variant or column that is not there.
    """
    table = tables.get("experiments")
    if table is None or not settings.tests:
        return
    there = table.select("experiment", "variant").distinct().to_pyarrow().to_pylist()
    for place, test in enumerate(settings.tests):
        key = f"ab_test.tests.{place} ({test.id})"
        _named(test.name_in_table, {row["experiment"] for row in there}, f"{key}: experiment")
        arms = {row["variant"] for row in there if row["experiment"] == test.name_in_table}
        _named(test.control, arms, f"{key}.control")
        for variant in (*test.variants, *test.shares):
            _named(variant, arms, f"{key}.variants")
        for variant in {*test.variants, *arms} if test.shares else ():
            _named(variant, test.shares, f"{key}.shares: share of variant")
        _columns(test, table.columns, tables, key)


def _columns(test: Test, columns: Iterable[str], tables: Mapping[str, Any], key: str) -> None:
    named = [("unit", test.unit), *(("covariates", name) for name in test.covariates)]
    named += [("segments", name) for name in test.segments] + ([("cluster", test.cluster)] if test.cluster else [])
    for what, name in named:
        _named(name, columns, f"{key}.{what}: column")
    for metric in test.metrics:
        where = f"{key}.metrics.{metric.name}"
        if metric.source != "experiments":
            if metric.source not in tables:
                raise ParamsError(f"{where}: from: {metric.source}, a table that the client did not bring")
            if not {"assigned_at", "exposed_at"} & set(columns):
                raise ParamsError(
                    f"{where}: outcomes from {metric.source} need assigned_at or exposed_at in experiments"
                )
            continue
        for name in (*metric.columns, *([metric.at] if metric.at else [])):
            _named(name, columns, f"{where}: column")


def _named(name: str, known: Iterable[str], what: str) -> None:
    names = sorted(map(str, known))
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names[:20])}"
    raise ParamsError(f"{what} {name!r} is not in the table; {hint}")

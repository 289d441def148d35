"""Registration: what a test's plan says beforehand, as the params hold it: its metrics, covariates, looks and levels."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
# What `orders` gives a unit after exposure; `events` gives a count of any event by its name, and the sum of `value`.
FROM_ORDERS = ("orders", "revenue")
# Procedures that spend alpha look by look.
SPENDING = ("obrien_fleming", "pocock")
# What one of a metric is, where it is turned into money.
Counts = Literal["revenue", "profit", "new_customers"]


class Section(BaseModel):
    """A part of the section: unknown keys are errors and values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Covariate(Section):
    """What was known of a unit before its assignment, computed from the client's log.

    Attributes:
        name: As the report calls it.
        source: The log.
        column: For `orders` one of orders and revenue, for `events` an event's name or `value`.
        window_days: So many days before the assignment count; all of the log before it, unless given.
    """

    name: str = Field(pattern=NAME)
    source: Literal["orders", "events"] = Field(default="orders", alias="from")
    column: str
    window_days: int | None = Field(default=None, ge=1, le=3650)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.source == "orders" and self.column not in FROM_ORDERS:
            raise ValueError(f"covariate {self.name}: orders give {' and '.join(FROM_ORDERS)}, not {self.column!r}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Column that is measured."""
        return (self.column,)


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
        scale: `log` compares means of log(1 + value): typical values, which a few large ones do not decide.
        window_days: Outcomes of so many days after exposure count, or after assignment where exposure is not recorded; units
            whose days are not over are left out.
        p: Of a quantile, .5 for the median.
        source: Table that the outcome is computed from.
        at: Column with the moment of the outcome, to be held against the assignment.
        unit: How values are printed; `money` where the name says so.
        counts: What one of it is, for what a roll-out is worth: `revenue`, of which the margin counts, `profit`, which counts as it
            is, or `new_customers`, each at their lifetime value. Amounts are what their column's name says, unless given.
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
    scale: Literal["linear", "log"] = "linear"
    window_days: int | None = Field(default=None, ge=1, le=730)
    p: float = Field(default=0.5, gt=0, lt=1)
    source: Literal["experiments", "orders", "events"] = Field(default="experiments", alias="from")
    at: str | None = None
    unit: Literal["money", "number"] | None = None
    counts: Counts | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        ratio = self.type == "ratio"
        if ratio != bool(self.numerator and self.denominator) or ratio == bool(self.column):
            wanted = "numerator and denominator" if ratio else "column"
            raise ValueError(f"metric {self.name}: a {self.type} needs {wanted}, and nothing else to measure")
        if self.role == "guardrail" and not self.margin:
            raise ValueError(f"metric {self.name}: a guardrail needs a margin, such as -0.02: what it may lose at most")
        if self.counts == "new_customers" and (self.type not in {"proportion", "count"} or self.better == "less"):
            raise ValueError(
                f"metric {self.name}: counts: new_customers is for a proportion or a count of which more is better"
            )
        if self.counts in {"revenue", "profit"} and (self.type != "mean" or self.scale == "log"):
            raise ValueError(f"metric {self.name}: counts: {self.counts} is for a mean a unit on the linear scale")
        if self.source == "orders":
            for column in self.columns:
                if column not in FROM_ORDERS:
                    raise ValueError(f"metric {self.name}: orders give {' and '.join(FROM_ORDERS)}, not {column!r}")
        if self.scale == "log" and self.type not in {"mean", "count"}:
            raise ValueError(f"metric {self.name}: scale: log is for a mean or a count, not for a {self.type}")
        if self.scale == "log" and self.role == "guardrail" and self.better == "less":
            raise ValueError(f"metric {self.name}: a guardrail on the log scale is one of which more is better")
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
        pool: Variants that are read as one, by the name they get: `{any_email: [mens, womens]}`. Their split is still checked apart.
        shares: Planned share of units by variant; equal unless given.
        metrics: What was decided beforehand to be measured.
        covariates: Columns from before assignment, or what they are computed from, for CUPED and the balance gate.
        segments: Columns by which the split is checked and effects are shown.
        cluster: Column of the group that was randomised as a whole, if any: a shop, a household, or in a switchback test the
            block of time (by place) in which everybody saw one variant. Blocks must be long enough that what one leaves
            behind does not reach far into the next: no analysis can take that out again.
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
    pool: dict[str, tuple[str, ...]] = {}
    shares: dict[str, float] = {}
    metrics: tuple[Metric, ...] = Field(min_length=1)
    covariates: tuple[str | Covariate, ...] = ()
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
        if self.sequential in SPENDING and not self.planned_n:
            raise ValueError(f"sequential: {self.sequential} needs planned_n, the units at the planned end")
        if self.cluster and any(metric.type == "quantile" for metric in self.metrics):
            raise ValueError("a quantile has no interval where clusters were randomised")
        measured = {column for metric in self.metrics if metric.source == "experiments" for column in metric.columns}
        if after := sorted(measured.intersection(self.covariate_names)):
            raise ValueError(
                f"covariates: {', '.join(after)} is an outcome of this test, and a covariate is from before it"
            )
        members = [name for names in self.pool.values() for name in names]
        if twice := sorted({name for name in members if members.count(name) > 1}):
            raise ValueError(f"pool: {', '.join(twice)} cannot be in two pools")
        if self.control in {*members, *self.pool}:
            raise ValueError(f"pool: the control {self.control} cannot be pooled with what it is compared to")
        return self

    @property
    def covariate_names(self) -> tuple[str, ...]:
        """Names of the covariates."""
        return tuple(one if isinstance(one, str) else one.name for one in self.covariates)

    def pooled(self, variant: str) -> str:
        """The variant that an arm of the table is read as."""
        return next((name for name, members in self.pool.items() if variant in members), variant)

    def share(self, variant: str) -> float:
        """Planned share of a variant, or of all that are pooled in it; equal shares where none were planned."""
        return sum(self.shares.get(name, 1.0) for name in self.pool.get(variant, (variant,)))

    @property
    def name_in_table(self) -> str:
        """What the table calls it."""
        return self.experiment or self.id


class Ahead(Section):
    """A test that has not begun, planned from the client's own log (`ab_test.plan`).

    Attributes:
        traffic: Who would be in it: `base`, all who ordered in the `base_days` before, at once (an e-mail); `orders` or
            `events`, whoever comes, from their first order or event on (a change in the shop).
        base_days: Days that make the base.
        metrics: What would be measured, from orders or events; conversion, orders and revenue a customer, and the average order
            value, unless given.
        covariates: What is known before, from orders or events; it makes the test smaller.
        window_days: Outcomes of so many days count, unless a metric says otherwise.
        lift: Relative effect that the test shall find.
        share: Share of units in the treatment.
        alpha: Two-sided level.
        power: Wanted power.
        sequential: Kind of looking early; five even looks, unless `planned_looks` are given.
        planned_looks: Information fractions of the looks.
    """

    traffic: Literal["base", "orders", "events"] = "base"
    base_days: int = Field(default=365, ge=7, le=3650)
    metrics: tuple[Metric, ...] = ()
    covariates: tuple[Covariate, ...] = ()
    window_days: int = Field(default=28, ge=1, le=365)
    lift: float = Field(default=0.05, gt=0, le=5)
    share: float = Field(default=0.5, gt=0, lt=1)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    power: float = Field(default=0.8, gt=0, lt=1)
    sequential: Literal["none", "obrien_fleming", "pocock"] = "none"
    planned_looks: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for metric in self.metrics:
            if metric.source == "experiments":
                raise ValueError(
                    f"plan.metrics.{metric.name}: from: orders or events, since there is no experiment yet"
                )
        looks = self.planned_looks
        if looks and (list(looks) != sorted(set(looks)) or looks[0] <= 0 or looks[-1] != 1):
            raise ValueError("plan.planned_looks are growing shares of the planned units, the last one 1")
        return self

"""The topic's tables and params, and their check against the client's tables."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from helpers.errors import ParamsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEEDS: tuple[tuple[str, ...], ...] = (("offers", "experiments"),)
OPTIONAL: tuple[str, ...] = ("orders",)
# Topics whose findings it reads where there are any: they run before it.
READS: tuple[str, ...] = ("clv",)
# The list of the period before is scored: a client's periods run one after another.
IN_ORDER = True

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
# How each table calls the customer, the campaign and the arm, and which columns may date an offer.
COLUMNS: dict[str, tuple[str, str, str]] = {
    "offers": ("customer_id", "offer", "arm"),
    "experiments": ("unit_id", "experiment", "variant"),
}
MOMENTS: dict[str, tuple[str, ...]] = {"offers": ("offered_at",), "experiments": ("assigned_at", "exposed_at")}


class Section(BaseModel):
    """A part of the section: unknown keys are errors and values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Arm(Section):
    """One offer.

    Attributes:
        label: Its name in the report; the table's, unless given.
        contact_cost: Cost of offering it to one customer; the mean of the table's `cost`, or nothing, unless given.
        redemption_cost: Cost of one customer's taking it up, from the table's `accepted`.
    """

    label: str | None = Field(default=None, min_length=1, max_length=40)
    contact_cost: float | None = Field(default=None, ge=0)
    redemption_cost: float = Field(default=0.0, ge=0)


class Outcome(Section):
    """What is measured of each customer.

    Attributes:
        name: As the findings call it.
        label: As the report calls it; the name without underscores, unless given.
        column: The table's column.
        type: 0 or 1, a count, or an amount.
        role: `profit` is what the offer is to earn; `success` is shown and its ranking is proven beside; a `guardrail` must not
            get worse by more than `margin`; a `placebo` lies before the offer, and a `negative_control` cannot be moved by it.
        worth: Profit of one unit of a `profit` outcome: its margin, where it is revenue; `economics.margin` unless given.
        better: Whether more or less of it is good.
        margin: What a guardrail may get worse by at most, in its own units.
        window_days: It takes so many days after the offer; customers whose days are not over are left out.
        at: Column with the moment of the outcome, to be held against the offer's.
        unit: How values are printed.
    """

    name: str = Field(pattern=NAME)
    label: str | None = Field(default=None, min_length=1, max_length=40)
    column: str
    type: Literal["binary", "count", "spend"] = "spend"
    role: Literal["profit", "success", "guardrail", "placebo", "negative_control"] = "success"
    worth: float | None = None
    better: Literal["more", "less"] = "more"
    margin: float | None = Field(default=None, gt=0)
    window_days: int | None = Field(default=None, ge=1, le=730)
    at: str | None = None
    unit: Literal["money", "number"] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.role == "guardrail" and self.margin is None:
            raise ValueError(
                f"outcome {self.name}: a guardrail needs a margin, such as 0.01: how much worse it may get"
            )
        if self.worth is not None and self.role != "profit":
            raise ValueError(f"outcome {self.name}: only the profit outcome has a worth")
        return self


class Params(Section):
    """Section `upsell_lift` of the params: one campaign, with one or several offers.

    Attributes:
        source: The table that the campaign is in.
        campaign: Its name in the table; the latest one's, unless given.
        title: Its name in the report.
        control: Arm of those who were offered nothing.
        arms: The offers; all that the table has beside the control, unless given.
        leave_out: Arms of the table that are neither an offer nor the control.
        shares: Planned shares of control and offers; equal ones are looked for, unless given.
        randomised: Whether chance decided who was offered what; the table's `randomised`, and for experiments yes, unless given.
        estimand: Without chance, the effect on all customers (ATE) or on those who got the offer (ATT).
        outcomes: What is measured; one has the role `profit`.
        covariates: Columns from before the offer; text columns are categories.
        segments: Columns by which effects are shown; the covariates that are categories, unless given.
        cluster: Column of the group that was given an offer as a whole, if any.
        accepted: Column that says who took the offer up.
        budget: Most that one round of offers may cost.
        holdout: Random share of the list that is offered nothing, so that the next period can be judged.
        level: Coverage of the intervals of effects and profits.
    """

    source: Literal["offers", "experiments"] = Field(default="offers", alias="from")
    campaign: str | None = None
    title: str | None = Field(default=None, min_length=1, max_length=60)
    control: str = "control"
    arms: dict[str, Arm] = {}
    leave_out: tuple[str, ...] = ()
    shares: dict[str, float] = {}
    randomised: bool | None = None
    estimand: Literal["ATE", "ATT"] = "ATT"
    outcomes: tuple[Outcome, ...] = ()
    covariates: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    cluster: str | None = None
    accepted: str = "accepted"
    budget: float | None = Field(default=None, ge=0)
    holdout: float = Field(default=0.10, gt=0, lt=0.9)
    level: float = Field(default=0.90, gt=0.5, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [outcome.name for outcome in self.outcomes]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two outcomes are called {', '.join(twice)}")
        if self.outcomes and sum(outcome.role == "profit" for outcome in self.outcomes) != 1:
            raise ValueError("one outcome, and one only, needs role: profit")
        if any(not share > 0 for share in self.shares.values()):
            raise ValueError("every share must be > 0")
        if self.control in self.arms:
            raise ValueError(f"arms names the control {self.control!r}, which is no offer")
        return self

    @property
    def profit(self) -> Outcome:
        """The outcome that earns."""
        return next(outcome for outcome in self.outcomes if outcome.role == "profit")

    def with_role(self, *roles: str) -> tuple[Outcome, ...]:
        """Outcomes of some roles."""
        return tuple(outcome for outcome in self.outcomes if outcome.role in roles)


def preflight(settings: Params, tables: Mapping[str, Any]) -> None:
    """Hold the campaign against the tables.

    Args:
        settings: The section.
        tables: Kept Ibis tables by contract name.

    Raises:
        ParamsError: The section names a campaign, arm or column that is not there, or leaves an arm unnamed.
    """
    if not settings.outcomes:
        return
    if settings.source not in tables:
        raise ParamsError(f"upsell_lift.from: {settings.source}, a table that the client did not bring")
    table = tables[settings.source]
    unit, campaign, arm = COLUMNS[settings.source]
    if arm not in table.columns:
        raise ParamsError(
            f"upsell_lift: the table {settings.source} has no column {arm}, so nobody in it is known to be a control; "
            f"map one under data.tables.{settings.source}.columns"
        )
    _named_arms(settings, table, campaign, arm)
    _named_columns(settings, table, unit, arm)


def _named_arms(settings: Params, table: Any, campaign: str, arm: str) -> None:
    there = table.select(campaign, arm).distinct().to_pyarrow().to_pylist()
    if settings.campaign:
        _named(settings.campaign, {row[campaign] for row in there}, "upsell_lift.campaign: campaign")
        arms = {row[arm] for row in there if row[campaign] == settings.campaign}
        _named(settings.control, arms, "upsell_lift.control: arm")
        for name in (*settings.arms, *settings.leave_out, *settings.shares):
            _named(name, arms, "upsell_lift.arms: arm")
        if settings.arms and (more := arms - {None, settings.control, *settings.arms, *settings.leave_out}):
            raise ParamsError(
                f"upsell_lift.arms: the table {settings.source} has arms that are neither an offer nor the control: "
                f"{', '.join(sorted(more))}. Another offer is no control; name each in arms or in leave_out"
            )


def _named_columns(settings: Params, table: Any, unit: str, arm: str) -> None:
    named = [("covariates", name) for name in settings.covariates]
    named += [("segments", name) for name in settings.segments] + (
        [("cluster", settings.cluster)] if settings.cluster else []
    )
    for outcome in settings.outcomes:
        named += [(f"outcomes.{outcome.name}", name) for name in (outcome.column, outcome.at) if name]
        if outcome.window_days and not set(MOMENTS[settings.source]) & set(table.columns):
            raise ParamsError(
                f"upsell_lift.outcomes.{outcome.name}.window_days: the offers have no moment to count from"
            )
    for key, name in named:
        _named(name, table.columns, f"upsell_lift.{key}: column")
    if taken := {outcome.column for outcome in settings.outcomes if outcome.role != "placebo"} & set(
        settings.covariates
    ):
        raise ParamsError(
            f"upsell_lift.covariates: {', '.join(sorted(taken))} is an outcome, which lies after the offer"
        )
    if taken := {unit, arm, settings.accepted} & set(settings.covariates):
        raise ParamsError(f"upsell_lift.covariates: {', '.join(sorted(taken))} is no property from before the offer")


def _named(name: str, known: Iterable[Any], what: str) -> None:
    names = sorted(str(one) for one in known if one is not None)
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names[:20])}"
    raise ParamsError(f"{what} {name!r} is not in the table; {hint}")

"""What the summary needs, and its params."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from helpers.errors import ParamsError
from helpers.periods import Period, parse_period

# Whatever dates the study: all that it says comes from other topics' findings, which the runner makes first.
NEEDS: tuple[tuple[str, ...], ...] = (("orders", "subscriptions", "experiments", "offers"),)
OPTIONAL: tuple[str, ...] = ()
# Its own decisions of all earlier periods are followed up: a client's periods run one after another.
IN_ORDER = True
EARLIER = True

Strength = Literal["low", "middle", "high"]


class Section(BaseModel):
    """A part of the section: unknown keys are errors and values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Effort(Section):
    """What each lever takes to be pulled, as the client sees it.

    Attributes:
        retention: Something that makes customers stay has to be found, tested and kept up.
        frequency: The same for ordering more often.
        order_value: Prices, bundles and thresholds are quicker to change.
        upsell: The list is there; the offers have to be made.
        win_back: Customers who have probably left have to be reached one by one.
        rollout: A variant that won has been built; it has to be switched on for all.
        avoided: Nothing is to be done.
    """

    retention: Strength = "high"
    frequency: Strength = "high"
    order_value: Strength = "middle"
    upsell: Strength = "low"
    win_back: Strength = "middle"
    rollout: Strength = "low"
    avoided: Strength = "low"


class Done(Section):
    """What was done about one decision.

    Attributes:
        decision: Id of the decision, as the decision log of the summary has it.
        period: The period whose summary advised it.
        done_on: When.
        note: Anything else that should be remembered.
    """

    decision: str = Field(min_length=1, max_length=200)
    period: str
    done_on: date
    note: str = Field(default="", max_length=500)

    @field_validator("period")
    @classmethod
    def _known_form(cls, period: str) -> str:
        _period(period)
        return period

    @model_validator(mode="after")
    def _after_it_was_advised(self) -> Self:
        if self.done_on < (start := _period(self.period).start.date()):
            raise ValueError(f"done_on == {self.done_on}, must be >= {start}, when the period {self.period} began")
        return self


class Params(Section):
    """The `summary:` section.

    Attributes:
        effort: Of each kind of lever.
        done: What was done about decisions of earlier periods.
    """

    effort: Effort = Effort()
    done: tuple[Done, ...] = ()

    @field_validator("done")
    @classmethod
    def _once_each(cls, done: tuple[Done, ...]) -> tuple[Done, ...]:
        named = [(one.decision, one.period) for one in done]
        if twice := sorted({f"{name} of {period}" for name, period in named if named.count((name, period)) > 1}):
            raise ValueError(f"{', '.join(twice)} stands twice")
        return done


def _period(text: str) -> Period:
    try:
        return parse_period(text)
    except ParamsError as error:
        raise ValueError(str(error)) from error

"""What the pulse needs, and its params."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

NEEDS = ("orders",)
OPTIONAL: tuple[str, ...] = ()


class Params(BaseModel):
    """The `pulse:` section.

    Attributes:
        level: Coverage of the intervals.
        repeat_days: A second order counts as a repeat within so many days of the first.
        replicates: Draws of the bootstrap.
        cohorts: Monthly cohorts that are shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: float = Field(default=0.95, gt=0.5, lt=1)
    repeat_days: int = Field(default=90, ge=1, le=730)
    replicates: int = Field(default=2000, ge=200, le=20_000)
    cohorts: int = Field(default=18, ge=2, le=60)

"""The topic's tables and params."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from helpers.clv.fit import Tier
from helpers.clv.purchase import Process

NEEDS: tuple[str, ...] = ("orders",)
OPTIONAL: tuple[str, ...] = ()


class Params(BaseModel):
    """Section `clv` of the params."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    process: Process = "mbg_nbd"
    tier: Tier = "auto"
    draws: int = Field(default=1000, ge=200, le=20_000)
    by: Literal["cohort", "channel"] = "cohort"
    pooled: bool = False
    level: float = Field(default=0.90, gt=0, lt=1)
    confidence: float = Field(default=0.90, gt=0.5, lt=1)
    bias: float = Field(default=0.05, gt=0, lt=1)
    origins: int = Field(default=3, ge=1, le=12)

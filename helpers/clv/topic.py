"""The topic's tables and params."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from helpers.clv.fit import Tier
from helpers.clv.purchase import Process
from helpers.errors import ParamsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# A tuple: any of these will do.
NEEDS: tuple[str | tuple[str, ...], ...] = (("orders", "subscriptions"),)
OPTIONAL: tuple[str, ...] = ("customers",)


class Params(BaseModel):
    """Section `clv` of the params."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    process: Process = "mbg_nbd"
    tier: Tier = "auto"
    draws: int = Field(default=1000, ge=200, le=20_000)
    by: str = Field(default="cohort", min_length=1)
    pooled: bool = False
    level: float = Field(default=0.90, gt=0, lt=1)
    confidence: float = Field(default=0.90, gt=0.5, lt=1)
    bias: float = Field(default=0.05, gt=0, lt=1)
    origins: int = Field(default=3, ge=1, le=12)


def preflight(settings: Params, tables: Mapping[str, Any]) -> None:
    """Find what is wrong between the section and the client's tables, before any kernel starts.

    Raises:
        ParamsError: `by` names what is not there.
    """
    if "orders" in tables:
        customers = tables["customers"].columns if "customers" in tables else ()
        check_by(settings.by, orders=tables["orders"].columns, customers=customers)


def check_by(by: str, *, orders: Collection[str], customers: Collection[str]) -> None:
    """Find out whether customers can be grouped so.

    Raises:
        ParamsError: They can't; the message says by what they can.
    """
    known = ["cohort", *(["channel"] if "channel" in orders else []), *sorted(set(customers) - {"customer_id"})]
    if by not in known:
        raise ParamsError(f"clv.by == {by!r}, must be one of {', '.join(known)}")

"""Reading: one campaign's rows as one table of customers, with arm, outcomes and what was known before the offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import numpy as np
import pandas as pd

from helpers.errors import DataError, ParamsError, TopicSkippedError
from helpers.reporting.words import _, foreign
from helpers.upsell_lift.columns import columns_read, revenue_before
from helpers.upsell_lift.topic import COLUMNS, MOMENTS, preflight

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import ibis.expr.types as ir
    from numpy.typing import NDArray

from helpers.upsell_lift.topic import Params


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """One campaign's customers.

    Attributes:
        settings: The section of the params.
        name: The campaign's name in the table.
        unit: Customer ids, shape (n,), in their order as text.
        arm: Arm of each, shape (n,): 0 for the control.
        arms: Names of the arms, the control first.
        outcomes: Values by outcome, shape (n,) each.
        accepted: Who took the offer up, shape (n,); `None` where that is not known.
        covariates: What was known before the offer, one column each.
        segments: Groupings by which effects are shown.
        cluster: Number of each customer's group, shape (n,); `None` where customers were offered to one by one.
        randomised: Whether chance decided.
        offered: First and last moment of an offer; `None` where rows have no date.
        contact_cost: Cost of offering, by arm, shape (arms,).
        before: Revenue of the days before the offer from the order log, shape (n,); `None` where it is not known.
        left_out: Rows that do not count, by reason.
        assigned: Customers by arm before those without a value of some outcome were left out, shape (arms,).
        early: Outcomes that are dated before their offer, by outcome.
        several_arms: Customers with more than one arm.
    """

    settings: Params
    name: str
    unit: NDArray
    arm: NDArray
    arms: tuple[str, ...]
    outcomes: Mapping[str, NDArray]
    accepted: NDArray | None
    covariates: pd.DataFrame
    segments: pd.DataFrame
    cluster: NDArray | None
    randomised: bool
    offered: tuple[datetime, datetime] | None
    contact_cost: NDArray
    before: NDArray | None
    left_out: Mapping[str, int]
    assigned: NDArray
    early: Mapping[str, int]
    several_arms: int

    @property
    def n(self) -> int:
        """Customers."""
        return len(self.unit)

    @property
    def counts(self) -> NDArray:
        """Customers by arm."""
        return np.bincount(self.arm, minlength=len(self.arms))

    def label(self, place: int) -> str:
        """An arm as a reader sees it."""
        name = self.arms[place]
        own = self.settings.arms.get(name)
        plain = name.replace("_", " ")
        if not place and plain.lower() == "control":
            return _("Control")
        return foreign(own.label if own and own.label else plain[:1].upper() + plain[1:])


def read(
    settings: Params,
    tables: Mapping[str, ir.Table | None],
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    observed_until: datetime | None = None,
) -> Campaign:
    """The customers of the campaign that the params register.

    Args:
        settings: The section.
        tables: Kept tables by contract name; `None` for those that were not brought.
        start: Of the period: its own offers count where it has any, otherwise all earlier ones.
        end: Offers from then on do not count.
        observed_until: First moment that outcomes do not reach.

    Raises:
        TopicSkippedError: No outcome is registered.
        ParamsError: The section names what the tables lack.
        DataError: There is no control, no offer or no customer.
    """
    if not settings.outcomes:
        raise TopicSkippedError(
            _("No outcome is registered: upsell_lift.outcomes in the params says what an offer is to earn.")
        )
    brought = {name: table for name, table in tables.items() if table is not None}
    preflight(settings, brought)
    table = brought[settings.source]
    unit, campaign, arm = COLUMNS[settings.source]
    moment = next((name for name in MOMENTS[settings.source] if name in table.columns), None)
    at = table[moment] if moment else None
    if at is not None and end is not None:
        table = table.filter((at < ibis.literal(end)) | at.isnull())
    name = settings.campaign or _latest(table, campaign, moment)
    table = table.filter(table[campaign] == name)
    left_out: dict[str, int] = {}
    if moment and start is not None:
        inside = table[moment] >= ibis.literal(start)
        if table.filter(inside).count().execute():
            # Who has no moment, as whoever was never exposed, was assigned all the same: to leave them out would undo the chance.
            table = table.filter(inside | table[moment].isnull())
    columns = columns_read(settings, table, moment)
    rows = table.select(vb_unit=table[unit].cast("string"), vb_arm=table[arm], **columns)
    frame = rows.execute().sort_values(["vb_unit", *(["vb_at"] if moment else [])], kind="stable", ignore_index=True)
    if frame.empty:
        raise DataError(f"{settings.source}: campaign {name!r} has no row before the period's end")
    if settings.leave_out:
        aside = frame["vb_arm"].isin(settings.leave_out)
        left_out["left_out"] = int(aside.sum())
        frame = frame[~aside]
    frame, several = _one_row_each(frame, left_out)
    frame = _finished(settings, frame, observed_until, left_out)
    _arms(settings, frame, name)
    if moment and (undated := int(frame["vb_at"].isna().sum())) and frame["vb_at"].notna().any():
        left_out["undated"] = undated
    assigned = frame["vb_arm"].value_counts()
    frame = _known(settings, frame, left_out)
    arms = _arms(settings, frame, name)
    frame = frame.reset_index(drop=True)
    return _campaign(settings, name, frame, arms, brought, left_out, assigned, several, moment)


def _campaign(
    settings: Params,
    name: str,
    frame: pd.DataFrame,
    arms: tuple[str, ...],
    tables: Mapping[str, ir.Table],
    left_out: Mapping[str, int],
    assigned: pd.Series,
    several: int,
    moment: str | None,
) -> Campaign:
    place = {one: number for number, one in enumerate(arms)}
    arm = frame["vb_arm"].map(place).to_numpy(dtype=np.int64)
    covariates = frame[[f"x_{one}" for one in settings.covariates]].set_axis(list(settings.covariates), axis=1)
    shown = settings.segments or tuple(
        one for one in covariates.columns if not pd.api.types.is_numeric_dtype(covariates[one])
    )
    segments = frame[[f"{'g' if settings.segments else 'x'}_{one}" for one in shown]].set_axis(list(shown), axis=1)
    early = {
        outcome.name: int((frame[f"t_{outcome.name}"] < frame["vb_at"]).sum())
        for outcome in settings.outcomes
        if outcome.at and moment
    }
    accepted = frame["vb_accepted"].to_numpy(dtype=float) if "vb_accepted" in frame else None
    if accepted is None and any(one.redemption_cost for one in settings.arms.values()):
        raise ParamsError(
            f"upsell_lift.accepted: column {settings.accepted!r}, by which redemption costs are counted, is not there"
        )
    return Campaign(
        settings=settings,
        name=name,
        unit=frame["vb_unit"].to_numpy(dtype=str),
        arm=arm,
        arms=arms,
        outcomes={one.name: frame[f"y_{one.name}"].to_numpy(dtype=float) for one in settings.outcomes},
        accepted=accepted,
        covariates=covariates,
        segments=segments,
        cluster=_clusters(frame) if settings.cluster else None,
        randomised=_randomised(settings, frame),
        offered=(frame["vb_at"].min(), frame["vb_at"].max()) if moment and frame["vb_at"].notna().any() else None,
        contact_cost=np.array([_contact_cost(settings, frame, one) for one in arms]),
        before=revenue_before(frame, tables.get("orders")) if moment else None,
        left_out=left_out,
        assigned=assigned.reindex(list(arms), fill_value=0).to_numpy(dtype=np.int64),
        early={key: count for key, count in early.items() if count},
        several_arms=several,
    )


def _latest(table: ir.Table, campaign: str, moment: str | None) -> str:
    """The campaign with the latest offer; without dates the first by name."""
    order = table[moment].max() if moment else ibis.literal(0)
    found = table.group_by(campaign).aggregate(at=order).order_by([ibis.desc("at"), campaign]).limit(1).execute()
    if found.empty:
        raise DataError("no offer was made before the period's end")
    return str(found[campaign].iloc[0])


def _one_row_each(frame: pd.DataFrame, left_out: dict[str, int]) -> tuple[pd.DataFrame, int]:
    """The first offer of each customer, and how many customers had more than one arm."""
    arms = frame.groupby("vb_unit")["vb_arm"].nunique()
    later = frame.duplicated("vb_unit")
    if later.any():
        left_out["later"] = int(later.sum())
    return frame[~later], int((arms > 1).sum())


def _finished(
    settings: Params, frame: pd.DataFrame, observed_until: datetime | None, left_out: dict[str, int]
) -> pd.DataFrame:
    """Customers whose outcomes had the time that they take."""
    days = max((outcome.window_days or 0 for outcome in settings.outcomes), default=0)
    if not days or observed_until is None:
        return frame
    over = (frame["vb_at"] + pd.Timedelta(days=days) <= pd.Timestamp(observed_until)) | frame["vb_at"].isna()
    if not over.all():
        left_out["not_over"] = int((~over).sum())
    if not over.any():
        raise TopicSkippedError(
            _("The outcomes take {days} days, and no offer is that long ago at the end of the period.").format(
                days=days
            )
        )
    return frame[over]


def _known(settings: Params, frame: pd.DataFrame, left_out: dict[str, int]) -> pd.DataFrame:
    """Customers whose arm is known, and a value of every outcome."""
    nowhere = frame["vb_arm"].isna()
    unknown = frame[[f"y_{outcome.name}" for outcome in settings.outcomes]].isna().any(axis=1) & ~nowhere
    left_out |= {key: int(rows.sum()) for key, rows in (("no_arm", nowhere), ("no_value", unknown)) if rows.any()}
    return frame[~nowhere & ~unknown]


def _arms(settings: Params, frame: pd.DataFrame, name: str) -> tuple[str, ...]:
    where = f"{settings.source}: campaign {name!r}"
    there = sorted(set(frame["vb_arm"].dropna()))
    column = COLUMNS[settings.source][2]
    if settings.control not in there:
        raise DataError(
            f"{where} has no row whose {column} is {settings.control!r} (there are {', '.join(there[:10]) or 'none'}): a lift "
            "needs customers who were offered nothing; name them with upsell_lift.control"
        )
    wanted = [one for one in settings.arms if one in there] or [one for one in there if one != settings.control]
    if more := set(there) - {settings.control, *wanted}:
        raise ParamsError(
            f"upsell_lift.arms: {where} has arms that are neither an offer nor the control: {', '.join(sorted(more))}. "
            "Another offer is no control; name each in arms or in leave_out"
        )
    if settings.shares and (unplanned := {settings.control, *wanted} - settings.shares.keys()):
        raise ParamsError(f"upsell_lift.shares: no planned share of {', '.join(sorted(unplanned))}")
    if not wanted:
        raise DataError(f"{where}: every row's {column} is {settings.control!r}, so nobody was offered anything")
    return (settings.control, *wanted)


def _clusters(frame: pd.DataFrame) -> NDArray:
    """Number of each customer's group, shape (n,); a customer of no known group is one."""
    group = frame["vb_cluster"].astype("object")
    known = group.notna() & (group.astype(str).str.strip() != "")
    return pd.factorize(pd.Series(list(zip(known, group.where(known, frame["vb_unit"]).astype(str), strict=True))))[0]


def _randomised(settings: Params, frame: pd.DataFrame) -> bool:
    if settings.randomised is not None:
        return settings.randomised
    if "vb_randomised" in frame:
        # One row that was chosen by hand is enough to need the models.
        return bool((frame["vb_randomised"] == 1).all())
    return settings.source == "experiments"


def _contact_cost(settings: Params, frame: pd.DataFrame, arm: str) -> float:
    if arm == settings.control:
        return 0.0
    own = settings.arms.get(arm)
    if own and own.contact_cost is not None:
        return own.contact_cost
    if "vb_cost" in frame:
        return float(frame.loc[frame["vb_arm"] == arm, "vb_cost"].fillna(0.0).mean())
    return 0.0

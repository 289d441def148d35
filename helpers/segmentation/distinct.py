"""What sets a behavioural cluster apart: features on one scale, and the one in which a cluster differs most from all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.reporting.words import _, foreign, money, number, percent

if TYPE_CHECKING:
    import pandas as pd

    from helpers.reporting.tables import Kind

CHANNEL = "channel: "


def standardised(found: pd.DataFrame) -> pd.DataFrame:
    """Logs of amounts, shares as they are; each column with mean 0 and standard deviation 1, constant ones left out."""
    frame = found.copy()
    for column in frame.columns.intersection(["orders_a_month", "aov"]):
        frame[column] = np.log(frame[column])
    spread = frame.std(ddof=0)
    varied = frame.loc[:, spread > 1e-12]  # noqa: PLR2004 - constant but for rounding
    return (varied - varied.mean()) / varied.std(ddof=0)


def named(feature: str) -> tuple[str, Kind]:
    """What a reader is told a feature is, and how its values are printed."""
    kinds: dict[str, tuple[str, Kind]] = {
        "orders_a_month": (_("Orders a month"), "decimal"),
        "aov": (_("Order value"), "money"),
        "discount_share": (_("Discount share"), "share"),
    }
    channel = _("Orders by {channel}").format(channel=foreign(feature.removeprefix(CHANNEL)))
    return kinds.get(feature, (channel, "share"))


def distinct(features: pd.DataFrame, labels: pd.Series) -> str:
    """The feature in which each cluster differs most from all who were clustered, in sentences.

    Differences are of standardised means, so that features of any unit compare; what is told are plain means.

    Args:
        features: By customer, before they were standardised.
        labels: Cluster (from 1) by customer.
    """
    printed = {"decimal": lambda value: number(value, digits=2), "money": money, "share": percent}
    means, everyone = features.groupby(labels).mean(), features.mean()
    told = [_("What sets each apart most, its mean against that of all who were clustered:")]
    for cluster, feature in standardised(features).groupby(labels).mean().abs().idxmax(axis=1).items():
        name, kind = named(feature)
        told.append(
            _("Cluster {cluster}: {feature} {value} against {all}.").format(
                cluster=number(cluster),
                feature=name,
                value=printed[kind](means.loc[cluster, feature]),
                all=printed[kind](everyone[feature]),
            )
        )
    return " ".join(told)

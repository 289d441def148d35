"""Behavioural clusters, and whether there are any: k-means finds k groups in anything, so each solution is put to proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, number, percent
from helpers.segmentation.distinct import CHANNEL, distinct, named, standardised
from helpers.segmentation.structureless import STRUCTURELESS

if TYPE_CHECKING:
    from datetime import datetime

    import ibis.expr.types as ir
    from numpy.typing import NDArray

STABLE = 0.75
LEAST_ORDERS = 3
LEAST_CUSTOMERS = 100
LARGEST = 1_500
RESAMPLES = 20
NULLS = 19
MONTH = 365.25 / 12


@dataclass(frozen=True, kw_only=True)
class Clusters(Result):
    """A clustering and the proof it was put to.

    Attributes:
        labels: Cluster (from 1, the largest first) by customer; all zero where no clustering held.
        features: Features by customer, before they were standardised.
        k: Number of clusters of the best solution that was tried.
        silhouette: Of that solution.
        null: Largest silhouette that structureless data of the same spread reached.
        jaccard: Bootstrap Jaccard stability of each cluster, in the order of their labels.
        share_customers: Share of customers with enough orders to be clustered.
        stable: Whether the clusters are to be trusted.
    """

    labels: pd.Series
    features: pd.DataFrame
    k: int
    silhouette: float
    null: float
    jaccard: tuple[float, ...]
    share_customers: float
    stable: bool

    def numbers(self) -> dict[str, Number]:
        """Number of stable clusters, and the proof's figures."""
        n = len(self.labels)
        worst = min(self.jaccard) if self.jaccard else None
        return {
            "clusters.stable": Number(
                value=self.k if self.stable else 0, unit="ratio", n=n, definition="clusters.stable"
            ),
            "clusters.silhouette": Number(
                value=self.silhouette if self.jaccard else None, unit="ratio", n=n, definition="clusters.silhouette"
            ),
            "clusters.jaccard": Number(value=worst, unit="ratio", n=n, definition="clusters.jaccard"),
        }

    def definitions(self) -> dict[str, Definition]:
        """What the proof asks."""
        return {
            "clusters.stable": Definition(
                name=_("Stable clusters"),
                text=_(
                    "k-means on standardised features of customers with three orders or more; shown only if every cluster’s "
                    "Jaccard is at least 0.75 and the silhouette beats that of structureless data of the same spread."
                ),
            ),
            "clusters.silhouette": Definition(
                name=_("Silhouette"), text=_("Mean silhouette (Rousseeuw 1987): 1 far apart, 0 not apart.")
            ),
            "clusters.jaccard": Definition(
                name=_("Least stable cluster"),
                text=_(
                    "Smallest mean bootstrap Jaccard of a cluster (Hennig 2007): at least 0.75 stable, below 0.6 not to be trusted."
                ),
            ),
        }

    def checks(self) -> list[Check]:
        """The verdict."""
        return [
            Check(
                id="clusters.validity",
                status="pass" if self.stable else "warn",
                value=min(self.jaccard) if self.jaccard else None,
                threshold=f">= {STABLE}",
                message=self.sentence().text,
            )
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Cluster by customer, where the clusters held."""
        return (
            {"clusters": self.labels.rename("cluster").rename_axis("customer_id").reset_index()} if self.stable else {}
        )

    def sentence(self) -> Sentence:
        """The verdict in words."""
        if not self.jaccard:
            why = _("Too few customers ordered three times or more ({n}) to look for behavioural clusters.")
            if len(self.labels) >= LEAST_CUSTOMERS:
                why = _(
                    "The {n} customers who ordered three times or more do not differ in what was measured, so there are no "
                    "behavioural clusters to look for."
                )
            return Sentence(text=why.format(n=number(len(self.labels))))
        figures = {
            "k": number(self.k),
            "silhouette": number(self.silhouette, digits=2),
            "null": number(self.null, digits=2),
            "jaccard": number(min(self.jaccard), digits=2),
            "share": percent(self.share_customers),
        }
        if self.stable:
            message = _(
                "Behaviour falls into {k} stable clusters (least Jaccard {jaccard}; silhouette {silhouette} against {null} "
                "without structure), among the {share} of customers with three orders or more."
            )
        else:
            message = _(
                "No stable segments: the best clustering by behaviour (k = {k}) has a least Jaccard of {jaccard} and a "
                "silhouette of {silhouette} against {null} without structure. It is not shown."
            )
        return Sentence(text=message.format(**figures))

    def table(self) -> Table:
        """Means of the features by cluster; the verdict alone where none held."""
        if not self.stable:
            frame = pd.DataFrame(columns=["cluster", "customers"])
            columns = {"cluster": Column(label=_("Cluster")), "customers": Column(label=_("Customers"), kind="number")}
            return table(frame, columns, title=_("Behavioural clusters"), foot=self.sentence().text)
        means = self.features.groupby(self.labels).mean().rename_axis("cluster").reset_index()
        means.insert(1, "customers", self.labels.value_counts().sort_index().to_numpy())
        means["jaccard"] = list(self.jaccard)
        means["cluster"] = [number(cluster) for cluster in means["cluster"]]
        columns = {"cluster": Column(label=_("Cluster")), "customers": Column(label=_("Customers"), kind="number")}
        for feature in self.features.columns:
            label, kind = named(feature)
            columns[feature] = Column(label=label, kind=kind)
        columns["jaccard"] = Column(label=_("Jaccard"), kind="decimal")
        foot = f"{self.sentence().text} {distinct(self.features, self.labels)}"
        return table(means, columns, title=_("Behavioural clusters"), foot=foot)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def features(orders: ir.Table, *, as_of: datetime, since: datetime | None) -> tuple[pd.DataFrame, float]:
    """Behaviour of customers with three orders or more in the window.

    Args:
        orders: One row an order or refund; `channel` and `discount` are used where they are there.
        as_of: First moment that no longer counts.
        since: First moment that counts.

    Returns:
        Features by customer_id, and the share of customers with an order who have enough of them.
    """
    window = orders.filter((orders.ordered_at < as_of) & orders.customer_id.notnull() & (orders.kind == "order"))
    if since is not None:
        window = window.filter(window.ordered_at >= since)
    sums: dict[str, ir.Value] = {
        "orders": window.count(),
        "revenue": window.revenue.sum(),
        "first_at": window.ordered_at.min(),
        "last_at": window.ordered_at.max(),
    }
    channels: list[str] = []
    if "channel" in window.columns:
        common = window.channel.value_counts(name="orders").order_by(["orders", "channel"]).execute().dropna()
        # One channel is what the others leave, so its share would say nothing new.
        channels = list(common["channel"].tail(4))[:-1] if len(common) > 1 else []
        # Of all orders: one of which the channel is not known came by none that is named.
        sums |= {f"{CHANNEL}{name}": window.count(where=window.channel == name) / window.count() for name in channels}
    if "discount" in window.columns:
        sums["discount"] = window.discount.fill_null(0.0).sum()
    frame = window.group_by("customer_id").agg(**sums).order_by("customer_id").execute().set_index("customer_id")
    enough = frame[(frame["orders"] >= LEAST_ORDERS) & (frame["revenue"] > 0)]
    # Orders follow the first one, so the rate is that of the orders after it over the time they took.
    active = (enough["last_at"] - enough["first_at"]) / pd.Timedelta(days=MONTH)
    found = pd.DataFrame(
        {"orders_a_month": (enough["orders"] - 1) / active.clip(lower=0.5), "aov": enough["revenue"] / enough["orders"]}
    )
    for name in channels:
        found[f"{CHANNEL}{name}"] = enough[f"{CHANNEL}{name}"]
    if "discount" in enough and (enough["discount"] > 0).any():
        given = enough["discount"].clip(lower=0)  # a surcharge is no discount
        found["discount_share"] = given / (enough["revenue"] + given)
    return found, len(enough) / len(frame) if len(frame) else 0.0


def clusters(found: pd.DataFrame, *, share_customers: float, most: int, seed: int) -> Clusters:
    """Cluster customers by behaviour, and say whether the clusters are to be trusted.

    Each number of clusters is put to bootstrap resampling (Dolnicar & Leisch 2010); of those that come back, the one
    with the largest silhouette is taken. It is trusted if every cluster's Jaccard over resamples is at least .75
    (Hennig 2007) and its silhouette is larger
    than that of k-means on structureless data: normal with the same covariance, columns with one mode each, as they
    are and along the principal axes, and uniform over the same box.

    Args:
        found: Features by customer, positive amounts and shares.
        share_customers: Share of customers the features cover.
        most: Largest number of clusters that is tried.
        seed: Of everything random.

    Raises:
        ValueError: A feature is missing or infinite.
    """
    from sklearn import config_context
    from threadpoolctl import threadpool_limits

    points = standardised(found).to_numpy(float)
    rng = np.random.default_rng(seed)
    nothing = pd.Series(0, index=found.index)
    if len(points) < LEAST_CUSTOMERS or points.shape[1] == 0:
        return Clusters(
            labels=nothing,
            features=found,
            k=0,
            silhouette=0.0,
            null=0.0,
            jaccard=(),
            share_customers=share_customers,
            stable=False,
        )
    sample = points if len(points) <= LARGEST else points[rng.choice(len(points), LARGEST, replace=False)]
    # Looked at once: hundreds of fits of few points would take a sixth of their time for looking again.
    if not np.isfinite(points).all():
        raise ValueError(f"features == {found[~np.isfinite(points).all(axis=1)].head(3)}, must be finite")
    # One thread: the arrays are small, and threads of studies that run side by side would wait for each other.
    with threadpool_limits(1), config_context(assume_finite=True, skip_parameter_validation=True):
        return _proved(found, points, sample, share_customers=share_customers, most=most, rng=rng)


def _proved(
    found: pd.DataFrame,
    points: NDArray,
    sample: NDArray,
    *,
    share_customers: float,
    most: int,
    rng: np.random.Generator,
) -> Clusters:
    """The best clustering of the points, put to proof on the sample."""
    from scipy.optimize import linear_sum_assignment

    bases: dict[int, NDArray] = {}
    tried: dict[int, NDArray] = {}
    for k in range(2, most + 1):
        bases[k] = _kmeans(k, rng).fit_predict(sample)
        tried[k] = _stability(sample, bases[k], k, rng)
    silhouettes = {k: _silhouette(sample, k, rng) for k in tried}
    # Among the solutions that resampling brings back, the one whose clusters stand furthest apart.
    held = [k for k, jaccard in tried.items() if min(jaccard) >= STABLE] or [max(tried, key=lambda k: min(tried[k]))]
    k = max(held, key=lambda k: silhouettes[k])
    silhouette, jaccard = silhouettes[k], tried[k]
    null = max(
        _silhouette(draw(rng), k, rng) for draw in (made(sample) for made in STRUCTURELESS) for _null in range(NULLS)
    )
    model = _kmeans(k, rng).fit(points)
    order = np.argsort(-np.bincount(model.labels_, minlength=k), kind="stable")
    rank = np.empty(k, int)
    rank[order] = np.arange(1, k + 1)
    # Resampled was a solution of the sample: each cluster has the Jaccard of the one that holds the same customers.
    same = linear_sum_assignment(_overlap(rank[model.predict(sample)] - 1, bases[k], k), maximize=True)[1]
    stable = bool(min(jaccard) >= STABLE and silhouette > null)
    labels = pd.Series(rank[model.labels_] if stable else 0, index=found.index)
    return Clusters(
        labels=labels,
        features=found,
        k=k,
        silhouette=silhouette,
        null=null,
        jaccard=tuple(float(value) for value in jaccard[same]),
        share_customers=share_customers,
        stable=stable,
    )


def _stability(points: NDArray, base: NDArray, k: int, rng: np.random.Generator) -> NDArray:
    """Mean Jaccard of each cluster of a solution with its best match over bootstrap samples."""
    total = np.zeros(k)
    for _resample in range(RESAMPLES):
        drawn = np.unique(rng.integers(0, len(points), len(points)))
        total += _overlap(base[drawn], _kmeans(k, rng).fit(points[drawn]).labels_, k).max(axis=1)
    return total / RESAMPLES


def _overlap(one: NDArray, other: NDArray, k: int) -> NDArray:
    """Jaccard of each cluster of one solution (rows) with each of another of the same points."""
    both = np.zeros((k, k))
    np.add.at(both, (one, other), 1)
    either = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    return both / np.maximum(either, 1)


def _silhouette(points: NDArray, k: int, rng: np.random.Generator) -> float:
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(points, _kmeans(k, rng).fit_predict(points)))


def _kmeans(k: int, rng: np.random.Generator) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=3, random_state=int(rng.integers(2**31)))

"""The table contract: which tables a client may bring, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["string", "timestamp", "date", "float64"]


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """One table of the contract.

    Attributes:
        columns: Type by column name.
        required: Columns the source must have.
        filled: Columns that must have a value in every row; a row without one is quarantined.
        key: Columns that name a row; empty where rows have no key.
        moment: Column that dates a row, if any.
        free: Whether other columns (attributes, covariates, outcomes) may come along.
    """

    columns: dict[str, ColumnType]
    required: tuple[str, ...]
    filled: tuple[str, ...]
    key: tuple[str, ...] = ()
    moment: str | None = None
    free: bool = False


TABLES: dict[str, TableSpec] = {
    "orders": TableSpec(
        columns={
            "order_id": "string",
            "customer_id": "string",
            "ordered_at": "timestamp",
            "revenue": "float64",
            "cost": "float64",
            "discount": "float64",
            "channel": "string",
            "currency": "string",
            "status": "string",
        },
        required=("order_id", "customer_id", "ordered_at", "revenue"),
        filled=("order_id", "ordered_at", "revenue"),
        key=("order_id",),
        moment="ordered_at",
    ),
    "order_lines": TableSpec(
        columns={
            "order_id": "string",
            "customer_id": "string",
            "ordered_at": "timestamp",
            "product_id": "string",
            "quantity": "float64",
            "unit_price": "float64",
            "unit_cost": "float64",
            "category": "string",
            "description": "string",
            "channel": "string",
            "currency": "string",
            "discount": "float64",
            "status": "string",
        },
        required=("order_id", "customer_id", "ordered_at", "product_id", "quantity", "unit_price"),
        filled=("order_id", "ordered_at", "quantity", "unit_price"),
        moment="ordered_at",
    ),
    "customers": TableSpec(
        columns={"customer_id": "string", "acquired_at": "timestamp", "acquisition_channel": "string"},
        required=("customer_id",),
        filled=("customer_id",),
        key=("customer_id",),
        free=True,
    ),
    "subscriptions": TableSpec(
        columns={
            "customer_id": "string",
            "plan": "string",
            "started_at": "timestamp",
            "price": "float64",
            "ended_at": "timestamp",
            "period": "string",
        },
        required=("customer_id", "plan", "started_at", "price"),
        filled=("customer_id", "plan", "started_at", "price"),
        moment="started_at",
    ),
    "touches": TableSpec(
        columns={
            "customer_id": "string",
            "campaign": "string",
            "channel": "string",
            "sent_at": "timestamp",
            "opened_at": "timestamp",
            "clicked_at": "timestamp",
            "cost": "float64",
        },
        required=("customer_id", "campaign", "channel", "sent_at"),
        filled=("customer_id", "campaign", "channel", "sent_at"),
        moment="sent_at",
    ),
    "spend": TableSpec(
        columns={"date": "date", "channel": "string", "amount": "float64"},
        required=("date", "channel", "amount"),
        filled=("date", "channel", "amount"),
        key=("date", "channel"),
        moment="date",
    ),
    "events": TableSpec(
        columns={
            "customer_id": "string",
            "occurred_at": "timestamp",
            "source": "string",
            "event": "string",
            "value": "float64",
            "session_id": "string",
        },
        required=("customer_id", "occurred_at", "source", "event"),
        filled=("occurred_at", "source", "event"),
        moment="occurred_at",
    ),
    "surveys": TableSpec(
        columns={
            "customer_id": "string",
            "answered_at": "timestamp",
            "question": "string",
            "score": "float64",
            "text": "string",
        },
        required=("customer_id", "answered_at", "question", "score"),
        filled=("answered_at", "question", "score"),
        moment="answered_at",
    ),
    "experiments": TableSpec(
        columns={
            "experiment": "string",
            "unit_id": "string",
            "variant": "string",
            "assigned_at": "timestamp",
            "exposed_at": "timestamp",
        },
        required=("experiment", "unit_id", "variant"),
        filled=("experiment", "unit_id", "variant"),
        free=True,
    ),
    "offers": TableSpec(
        columns={"customer_id": "string", "offer": "string", "offered_at": "timestamp", "arm": "string"},
        required=("customer_id", "offer", "offered_at"),
        filled=("customer_id", "offer", "offered_at"),
        moment="offered_at",
        free=True,
    ),
}

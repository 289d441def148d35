"""Proposing a column mapping for an unknown order log, from the names, types and values of its columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.data.contract import TABLES
from helpers.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = 50_000
GOOD = 0.95
# Words of column names, as exports of shops and tills use them, for each contract column; the best come first.
NAMES: dict[str, tuple[str, ...]] = {
    "order_id": (
        "orderid",
        "invoiceno",
        "invoiceid",
        "ordernumber",
        "orderno",
        "transactionid",
        "receiptid",
        "invoice",
        "order",
        "basketid",
        "transaction",
        "receipt",
    ),
    "customer_id": (
        "customerid",
        "clientid",
        "userid",
        "memberid",
        "customerno",
        "customernumber",
        "custid",
        "accountid",
        "customer",
        "cust",
        "client",
        "user",
        "buyer",
        "member",
    ),
    "ordered_at": (
        "orderedat",
        "orderdate",
        "invoicedate",
        "purchasedate",
        "createdat",
        "transactiondate",
        "datetime",
        "timestamp",
        "date",
        "time",
        "day",
    ),
    "revenue": (
        "revenue",
        "nettotal",
        "ordertotal",
        "totalprice",
        "dollarvalue",
        "totalamount",
        "grandtotal",
        "netsales",
        "amount",
        "total",
        "sales",
        "value",
        "spend",
    ),
    "product_id": ("productid", "stockcode", "sku", "itemid", "productcode", "articleid", "product", "item", "article"),
    "quantity": ("quantity", "qty", "units", "pieces", "count", "numberof"),
    "unit_price": ("unitprice", "priceperunit", "itemprice", "price"),
    "unit_cost": ("unitcost", "costprice", "cogs"),
    "cost": ("cost", "totalcost"),
    "discount": ("discount", "discountamount"),
    "category": ("category", "department", "productgroup", "productcategory"),
    "description": ("description", "productname", "itemname", "title"),
    "channel": ("channel", "saleschannel", "store", "source"),
    "currency": ("currency", "currencycode"),
    "status": ("status", "orderstatus", "state"),
}
LINES = ("product_id", "quantity", "unit_price")
MOMENTS = (
    "%Y%m%d",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d-%m-%Y",
)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a log seems to be.

    Attributes:
        table: `orders` or `order_lines`.
        source: Keys of the table's section in the params, but for `from`.
        currency: Code found in the log, or `None`.
        said: What was found out and from what, one sentence each.
        unsure: What nothing in the log tells, one sentence each.
    """

    table: str
    source: dict[str, Any]
    currency: str | None
    said: tuple[str, ...]
    unsure: tuple[str, ...]


@dataclass
class _Sample:
    """Columns of the first rows as text, with what is still free."""

    frame: pd.DataFrame
    mapping: dict[str, str] = field(default_factory=dict)

    def free(self) -> list[str]:
        return [column for column in self.frame.columns if column not in self.mapping.values()]

    def values(self, column: str) -> pd.Series:
        return self.frame[column].dropna().astype(str).str.strip().loc[lambda text: text != ""]


def propose(frame: pd.DataFrame, *, name: str) -> Proposal:
    """A mapping for a log.

    Args:
        frame: The first rows of the log, as read.
        name: The log's name, for messages.

    Raises:
        DataError: No column looks like a date, a customer or an amount; the message says which is not found.
    """
    sample = _Sample(frame.head(SAMPLE))
    said: list[str] = []
    source: dict[str, Any] = {}
    _take(sample, "ordered_at", lambda values: moment_format(values) is not None)
    for column in ("quantity", "unit_price", "revenue", "unit_cost", "cost", "discount"):
        _take(sample, column, lambda values: _numeric(values) is not None, needs_name=True)
    for column in ("order_id", "customer_id", "product_id"):
        _take(sample, column, _names_things, needs_name=True)
    for column in ("category", "description", "channel", "currency", "status"):
        _take(sample, column, lambda values: _numeric(values) is None, needs_name=True)
    lines = all(column in sample.mapping for column in LINES)
    table = "order_lines" if lines else "orders"
    _fill_gaps(sample, table, said)
    sample.mapping = {column: said_as for column, said_as in sample.mapping.items() if column in TABLES[table].columns}
    if missing := [c for c in TABLES[table].required if c not in sample.mapping and c != "order_id"]:
        raise DataError(
            f"{name}: no column looks like {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}"
        )
    source["columns"] = dict(sample.mapping)
    said += [f"{column} is {said_as!r}" for column, said_as in sample.mapping.items()]
    form = moment_format(sample.values(sample.mapping["ordered_at"]))
    if form:
        source["formats"] = {"ordered_at": form}
        said.append(f"dates are written {form}")
    amounts = [sample.mapping[c] for c in ("revenue", "unit_price", "quantity") if c in sample.mapping]
    if any(_numeric(sample.values(column)) == "," for column in amounts):
        source["decimal"] = ","
        said.append("numbers have a decimal comma")
    if "order_id" not in sample.mapping:
        source["generate"] = {"order_id": "row"}
        said.append("there is no order id: each row is taken as one order")
    if lines and (condition := _cancellations(sample)):
        source["cancelled"] = condition
        said.append(f"cancellations are rows where {condition}")
    currency = _currency(sample)
    unsure = ["timezone is set to UTC: set it to the client's", "economics.margin is the default: set the client's"]
    if currency is None:
        unsure.insert(0, "currency is set to GBP, for nothing in the log tells it: set the client's")
    return Proposal(table=table, source=source, currency=currency, said=tuple(said), unsure=tuple(unsure))


def moment_format(values: pd.Series) -> str | None:
    """How dates are written: '' for ISO 8601, a `strptime` format, or `None` where they are no dates.

    Where day and month could be either way round, a value above 12 decides, and else day first.
    """
    if values.empty:
        return None
    sample = values.head(2_000)
    iso = sample.str.match(r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?$")
    if iso.mean() >= GOOD:
        return ""
    for form in MOMENTS:
        if pd.to_datetime(sample, format=form, errors="coerce").notna().mean() >= GOOD:
            return form
    return None


def _take(sample: _Sample, column: str, fits: Callable[[pd.Series], bool], *, needs_name: bool = False) -> None:
    """Map a contract column to the best-named free column whose values fit."""
    ranked = sorted((_rank(said, NAMES[column]), place, said) for place, said in enumerate(sample.free()))
    for rank, _, said in ranked:
        if needs_name and rank == len(NAMES[column]):
            return
        if fits(sample.values(said)):
            sample.mapping[column] = said
            return


def _rank(said: str, names: tuple[str, ...]) -> int:
    """Place of the first known name that a column's name is, or has in it; the number of names where none fits."""
    plain = re.sub(r"[^a-z]", "", str(said).lower())
    exact = [place for place, known in enumerate(names) if plain == known]
    within = [place for place, known in enumerate(names) if known in plain]
    return min([*exact, *within], default=len(names))


def _fill_gaps(sample: _Sample, table: str, said: list[str]) -> None:
    """Find what the names did not tell by the values alone."""
    if "customer_id" not in sample.mapping:
        repeated = [
            c for c in sample.free() if _names_things(sample.values(c)) and 0 < _repeats(sample.values(c)) < GOOD
        ]
        if repeated:
            sample.mapping["customer_id"] = repeated[0]
            said.append(f"customer_id by its values: names that come again in {repeated[0]!r}")
    if table == "orders" and "revenue" not in sample.mapping:
        amounts = [
            c for c in sample.free() if _numeric(sample.values(c)) and sample.values(c).str.contains(r"[.,]\d").any()
        ]
        if amounts:
            sample.mapping["revenue"] = amounts[-1]
            said.append(f"revenue by its values: amounts with decimals in {amounts[-1]!r}")


def _repeats(values: pd.Series) -> float:
    return 1 - values.nunique() / len(values) if len(values) else 0.0


def _names_things(values: pd.Series) -> bool:
    """Whether values look like ids: short, and no amounts with decimals."""
    if values.empty:
        return False
    short = values.str.len().median() <= 40  # noqa: PLR2004 - a UUID has 36 characters
    return bool(short and values.str.match(r"^-?\d+[.,]\d*[1-9]\d*$").mean() < 1 - GOOD)


def _numeric(values: pd.Series) -> str | None:
    """Decimal mark of a column of numbers, or `None` where it holds none."""
    if values.empty:
        return None
    sample = values.head(2_000)
    if sample.str.match(r"^-?\d*\.?\d+([eE][+-]?\d+)?$").mean() >= GOOD:
        return "."
    if sample.str.match(r"^-?\d{1,3}(\.\d{3})*(,\d+)?$|^-?\d+,\d+$").mean() >= GOOD:
        return ","
    return None


def _cancellations(sample: _Sample) -> str | None:
    """A condition for cancellations: order ids with a letter in front that only rows of negative quantity have."""
    if "order_id" not in sample.mapping or "quantity" not in sample.mapping:
        return None
    ids = sample.frame[sample.mapping["order_id"]].astype(str)
    negative = pd.to_numeric(sample.frame[sample.mapping["quantity"]], errors="coerce") < 0
    letters = ids.str.extract(r"^([A-Za-z]+)\d", expand=False)
    for letter in letters.dropna().unique():
        marked = letters == letter
        if negative[marked].mean() >= GOOD and marked.mean() < 0.5:  # noqa: PLR2004 - a minority of all rows
            return f"{sample.mapping['order_id']} LIKE '{letter}%'"
    return None


def _currency(sample: _Sample) -> str | None:
    if "currency" not in sample.mapping:
        return None
    codes = sample.values(sample.mapping["currency"]).str.upper()
    code = str(codes.mode().iat[0]) if len(codes) else ""
    return code if re.fullmatch(r"[A-Z]{3}", code) else None

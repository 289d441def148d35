"""Profiles: which attributes are more common in a segment than in the base, without giving anyone away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from helpers.reporting.findings import Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, foreign, listing, number, percent
from helpers.stats.intervals import wilson

if TYPE_CHECKING:
    import ibis.expr.types as ir

MOST_VALUES = 20
PERSONAL_NAMES = re.compile(
    r"e[-_]?mail|phone|mobile|(^|_)(first|last|full|sur)?_?name$|address|street|birth|passport|iban", re.IGNORECASE
)
PERSONAL_VALUES = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$|^\+?[\d\s().-]{9,20}$")
SHARE_PERSONAL = 0.05
OWN = {"customer_id", "acquired_at"}


@dataclass(frozen=True, kw_only=True)
class Profiles(Result):
    """Attributes by segment.

    Attributes:
        cells: `segment`, `attribute`, `value`, `customers`, `share`, `base`, `index`, `low`, `high`; an index of 100 is
            the base's share. Cells of too few customers are not in it.
        suppressed: Cells left out because they hold too few customers.
        personal: Columns left out because they look personal.
        below: Smallest cell that is shown.
        level: Coverage of the intervals.
    """

    cells: pd.DataFrame
    suppressed: int
    personal: tuple[str, ...]
    below: int
    level: float

    def tables(self) -> dict[str, pd.DataFrame]:
        """All cells that may be shown."""
        return {"profiles": self.cells}

    def table(self) -> Table:
        """The cells that differ most surely from the base."""
        apart = self.cells[(self.cells["low"] > 100) | (self.cells["high"] < 100)]  # noqa: PLR2004 - the base
        apart = apart.reindex((apart["index"] - 100).abs().sort_values(ascending=False, kind="stable").index)
        apart = apart.assign(
            segment=[_(name) for name in apart["segment"]],
            attribute=[name.replace("_", " ") for name in apart["attribute"]],
        )
        columns = {
            "segment": Column(label=_("Segment")),
            "attribute": Column(label=_("Attribute")),
            "value": Column(label=_("Value")),
            "customers": Column(label=_("Customers"), kind="number"),
            "share": Column(label=_("Share in segment"), kind="share"),
            "base": Column(label=_("Share in base"), kind="share"),
            "index": Column(label=_("Index (base = 100)"), kind="number", low="low", high="high"),
        }
        foot = _(
            "Index with {level} interval (Wilson); rows whose interval holds 100 are only in the file. {suppressed} cells of "
            "fewer than {below} customers are suppressed; totals could still narrow one down. Many cells were looked at, so "
            "some differ by chance. Left out as personal: {personal}."
        ).format(
            level=percent(self.level, digits=0),
            suppressed=number(self.suppressed),
            below=number(self.below),
            personal=listing(map(foreign, self.personal)) or _("none"),
        )
        return table(
            apart,
            columns,
            title=_("What is more or less common in a segment"),
            foot=foot,
            file="tables/segmentation.profiles.parquet",
        )

    def sentence(self) -> Sentence:
        """What there was to compare."""
        count = self.cells["attribute"].nunique() if len(self.cells) else 0
        if count:
            return Sentence(text=_("{count} attributes were compared with the base.").format(count=number(count)))
        return Sentence(text=_("The client brought no attributes of customers, so there are no profiles."))

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def profiles(segments: pd.DataFrame, customers: ir.Table | None, *, below: int, level: float) -> Profiles:
    """Compare each segment's attributes with the base of all segments.

    Args:
        segments: With `customer_id` and `segment`.
        customers: The client's customers with attribute columns, or `None`.
        below: Cells of fewer customers are suppressed.
        level: Coverage of the intervals.
    """
    names = ["segment", "attribute", "value", "customers", "share", "base", "index", "low", "high"]
    if customers is None:
        return Profiles(cells=pd.DataFrame(columns=names), suppressed=0, personal=(), below=below, level=level)
    attributes = customers.execute()
    personal = tuple(column for column in attributes.columns if column not in OWN and is_personal(attributes[column]))
    # Apart from the attributes, of which the client may call one `segment` as well.
    joined = segments[["customer_id"]].merge(attributes, on="customer_id", how="left")
    member = joined["customer_id"].map(segments.set_index("customer_id")["segment"])
    rows, suppressed = [], 0
    for column in attributes.columns:
        if column in OWN or column in personal or not 1 < attributes[column].nunique() <= MOST_VALUES:
            continue
        values = joined[column].astype("string").fillna(_("unknown"))
        base = values.value_counts(normalize=True)
        for segment, part in values.groupby(member):
            for value, count in part.value_counts().sort_index().items():
                if count < below:
                    suppressed += 1
                    continue
                share = wilson(int(count), len(part), level=level)
                index, low, high = (100 * (end or 0) / base[value] for end in (share.value, share.low, share.high))
                rows.append((segment, column, value, int(count), share.value, base[value], index, low, high))
    return Profiles(
        cells=pd.DataFrame(rows, columns=names), suppressed=suppressed, personal=personal, below=below, level=level
    )


def is_personal(column: pd.Series) -> bool:
    """Whether a column looks like names, addresses, e-mails or phone numbers, by its name or its values."""
    if PERSONAL_NAMES.search(str(column.name)):
        return True
    values = column.dropna().astype("string").head(1_000)
    return bool(len(values) and values.str.match(PERSONAL_VALUES).mean() >= SHARE_PERSONAL)

"""The demo client in other countries: the same trade, in amounts and words of the place.

Customers, moments and quantities stay, so what is known to be true of the demo is true of these, but for the unit of money.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.demo.make import STAMP, put, stamp_of

VERSION = 2
MONEY = {
    "order_lines": ("unit_price", "unit_cost", "discount"),
    "touches": ("cost",),
    "spend": ("amount",),
    "subscriptions": ("price",),
    "experiments": ("pre_revenue", "revenue"),
    "offers": ("cost", "margin_90d", "revenue_90d"),
}
# Columns whose values are words that a reader sees; codes of the contract and of the params stay.
WORDED = ("acquisition_channel", "age_band", "category", "channel", "plan", "region", "variant")


@dataclass(frozen=True, kw_only=True)
class Country:
    """A country's money and words.

    Attributes:
        rate: Currency for a pound, so that baskets are of a believable size there (no rate of exchange).
        step: Prices are multiples of it.
        words: Values of the columns in `WORDED`.
        article: How a product is called, of its `category` and `number`.
        gift: The article that is given away.
    """

    rate: float
    step: float
    words: dict[str, str]
    article: str
    gift: str


COUNTRIES = {
    "vi": Country(
        rate=10_000,
        step=100,
        words={
            "home": "đồ gia dụng",
            "kitchen": "nhà bếp",
            "garden": "sân vườn",
            "outdoor": "dã ngoại",
            "textiles": "đồ vải",
            "furniture": "nội thất",
            "store": "cửa hàng",
            "app": "ứng dụng",
            "shop window": "cửa hàng",
            "search": "tìm kiếm",
            "social": "mạng xã hội",
            "referral": "giới thiệu",
            "North": "Đồng bằng sông Hồng",
            "South": "Đông Nam Bộ",
            "Midlands": "Duyên hải miền Trung",
            "Scotland": "Tây Nguyên",
            "Wales": "Đồng bằng sông Cửu Long",
            "55+": "từ 55",
            "refill": "gói định kỳ",
            "control": "bản hiện tại",
            "treatment": "bản mới",
        },
        article="Mẫu {number}, {category}",
        gift="Hộp đựng thẻ quà tặng",
    ),
    "fa": Country(
        rate=300_000,
        step=1_000,
        words={
            "home": "خانه",
            "kitchen": "آشپزخانه",
            "garden": "باغچه",
            "outdoor": "سفر و طبیعت",
            "textiles": "منسوجات",
            "furniture": "مبلمان",
            "store": "فروشگاه",
            "web": "وب‌سایت",
            "app": "اپلیکیشن",
            "email": "ایمیل",
            "shop window": "ویترین فروشگاه",
            "search": "جست‌وجو",
            "social": "شبکه‌های اجتماعی",
            "referral": "معرفی دوستان",
            "North": "تهران",
            "South": "فارس",
            "Midlands": "اصفهان",
            "Scotland": "آذربایجان",
            "Wales": "خراسان",
            "18-34": "۱۸ تا ۳۴ سال",
            "35-54": "۳۵ تا ۵۴ سال",
            "55+": "۵۵ سال و بیشتر",
            "refill": "بستهٔ ماهانه",
            "control": "نسخهٔ کنونی",
            "treatment": "نسخهٔ تازه",
        },
        article="کالای {number}، {category}",
        gift="جاکارتی هدیه",
    ),
}


def make_abroad(home: Path, folder: Path, *, language: str) -> Path:
    """Write the demo's tables as those of a client in another country; a folder made of the same demo is left as it is.

    Args:
        home: The demo's own folder, from `make_demo`.
        folder: Where the tables go.
        language: `vi` or `fa`.

    Raises:
        DataError: The folder holds files of someone else's.
    """
    stamp = {"home": stamp_of(home), "abroad": VERSION, "language": language}
    if stamp_of(folder) == stamp:
        return folder
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".demo-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        for path in sorted(home.glob("*.parquet")):
            frame = abroad(pd.read_parquet(path), path.stem, COUNTRIES[language])
            frame.to_parquet(made / path.name, index=False)
        (made / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
        put(made, folder, aside=Path(scratch) / "before", stamp=stamp)
    return folder


def abroad(frame: pd.DataFrame, table: str, country: Country) -> pd.DataFrame:
    """One table as a client in the country would bring it."""
    told = frame.copy()
    for column in MONEY.get(table, ()):
        told[column] = np.round(told[column] * country.rate / country.step) * country.step
    for column in WORDED:
        if column in told:
            told[column] = told[column].replace(country.words)
    if "description" in told:
        number = frame["description"].str.extract(r"(\d+)", expand=False)
        told["description"] = [
            country.gift if place is None or place != place else country.article.format(number=place, category=category)  # noqa: PLR0124 - NaN
            for place, category in zip(number, told["category"], strict=True)
        ]
    return told

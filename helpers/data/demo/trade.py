"""Trade of the demo: orders while customers are alive, their lines, returns, cancellations, guests and gifts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.demo.people import CHANNELS, DAYS, END, KINDS, MONTH, SEASON, START, day_part

if TYPE_CHECKING:
    from numpy.random import Generator

PRODUCTS = 40
RETURNS, CANCELLED, GIFTS, GUESTS = 0.05, 0.006, 0.02, 0.03


def make_lines(people: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Order lines of all customers and of guests, in time order, with the columns of the contract's `order_lines`."""
    orders = _orders(people, rng)
    orders = pd.concat([orders, _guest_orders(int(GUESTS * len(orders)), rng)], ignore_index=True)
    orders = orders.sort_values(["ordered_at", "customer_id"], kind="stable", ignore_index=True)
    orders["order_id"] = [f"{number:07d}" for number in range(100_001, 100_001 + len(orders))]
    orders["status"] = np.where(rng.random(len(orders)) < CANCELLED, "cancelled", "completed")
    lines = _lines(orders, rng)
    lines = pd.concat([lines, _gifts(orders, rng), _returns(lines, rng)], ignore_index=True)
    lines = lines.sort_values(["ordered_at", "order_id", "product_id"], kind="stable", ignore_index=True)
    names = ["order_id", "customer_id", "ordered_at", "product_id", "quantity", "unit_price", "unit_cost", "discount",
             "category", "description", "channel", "status"]
    return lines[names]


def _orders(people: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """The first order at acquisition, then a Poisson process until the customer is lost or the data end."""
    until = people["lost_at"].clip(upper=END)
    days = ((until - people["acquired_at"]) / pd.Timedelta(days=1)).to_numpy()
    top = SEASON.max()
    count = rng.poisson(people["pace"].to_numpy() * top * days / MONTH)
    place = np.repeat(np.arange(len(people)), count)
    at = people["acquired_at"].to_numpy()[place] + pd.to_timedelta(rng.random(len(place)) * days[place], "D").to_numpy()
    at = pd.Series(at)
    kept = rng.random(len(place)) < SEASON[at.dt.month - 1] / top
    later = pd.DataFrame({"place": place[kept], "ordered_at": at[kept].dt.floor("D") + _hours(int(kept.sum()), rng)})
    later = later[later["ordered_at"] > people["acquired_at"].to_numpy()[later["place"]]]
    first = pd.DataFrame({"place": np.arange(len(people)), "ordered_at": people["acquired_at"].to_numpy()})
    orders = pd.concat([first, later[later["ordered_at"] < END]], ignore_index=True)
    orders["customer_id"] = people["customer_id"].to_numpy()[orders["place"]]
    orders["kind"] = people["kind"].to_numpy()[orders["place"]]
    orders["basket"] = people["basket"].to_numpy()[orders["place"]]
    return orders.drop(columns="place")


def _guest_orders(n: int, rng: Generator) -> pd.DataFrame:
    at = START + pd.to_timedelta(rng.integers(0, DAYS, n), "D") + _hours(n, rng)
    return pd.DataFrame({"ordered_at": at, "customer_id": None, "kind": "one_off", "basket": KINDS["one_off"].basket})


def _lines(orders: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    count = 1 + rng.poisson(1.1, len(orders))
    place = np.repeat(np.arange(len(orders)), count)
    lines = orders.iloc[place].reset_index(drop=True)
    n = len(lines)
    kinds = lines["kind"].to_numpy()
    pick, channel = np.empty(n, object), np.empty(len(orders), object)
    for name, kind in KINDS.items():
        mine = kinds == name
        weight = 0.55 ** np.arange(len(kind.categories))
        pick[mine] = rng.choice(kind.categories, mine.sum(), p=weight / weight.sum())
        theirs = (orders["kind"] == name).to_numpy()
        channel[theirs] = rng.choice(CHANNELS, theirs.sum(), p=kind.channels)
    product = rng.integers(1, PRODUCTS + 1, n)
    lines["category"] = pick
    lines["product_id"] = [f"{name[:3].upper()}{number:02d}" for name, number in zip(pick, product, strict=True)]
    lines["description"] = [f"{name.capitalize()} article {number}" for name, number in zip(pick, product, strict=True)]
    lines["channel"] = channel[place]
    lines["quantity"] = 1 + rng.binomial(3, 0.15, n)
    # A basket's value is spread over its lines; noise keeps an order's value log-normal about the customer's mean.
    value = rng.lognormal(-0.06, 0.35, len(orders))[place] * lines["basket"].to_numpy() / count[place]
    full = np.maximum(value / lines["quantity"], 0.5)
    taken = np.array([KINDS[name].discount for name in kinds]) * rng.uniform(0.6, 1.4, n)
    lines["unit_price"] = np.round(full * (1 - taken), 2)
    lines["discount"] = np.round(full * taken * lines["quantity"], 2)
    lines["unit_cost"] = np.round(full * 0.58, 2)
    # A till adds up equal articles, so an order has a product once.
    return lines.drop_duplicates(["order_id", "product_id"], ignore_index=True)


def _gifts(orders: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    given = orders[rng.random(len(orders)) < GIFTS].copy()
    channel = rng.choice(CHANNELS, len(given))
    return given.assign(
        product_id="GIFT01", description="Gift card holder", category="home", quantity=1, unit_price=0.0, unit_cost=0.4,
        discount=0.0, channel=channel,
    )


def _returns(lines: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Some lines come back three to thirty days later under a number of their own."""
    chosen = (rng.random(len(lines)) < RETURNS) & (lines["status"] == "completed").to_numpy()
    back = lines[chosen].copy()
    back["ordered_at"] = back["ordered_at"] + pd.to_timedelta(rng.integers(3, 31, len(back)), "D")
    back["order_id"] = "R" + back["order_id"].str[:] + [f"-{number:05d}" for number in range(len(back))]
    back["quantity"] = -back["quantity"]
    back["discount"] = -back["discount"]
    back["status"] = "returned"
    return back[back["ordered_at"] < END]


def _hours(n: int, rng: Generator) -> pd.TimedeltaIndex:
    return pd.to_timedelta(np.round(day_part(n, rng) * 86_400), "s")

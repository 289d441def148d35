"""Trade of the demo: orders while customers are alive, their lines, returns, cancellations, guests and gifts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.demo.people import CHANNELS, DAYS, END, KINDS, MONTH, SEASON, START, day_part

if TYPE_CHECKING:
    from numpy.random import Generator

PRODUCTS = 40
NOISE = 0.35
RETURNS, CANCELLED, GIFTS, GUESTS = 0.035, 0.006, 0.02, 0.03


def make_lines(people: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Order lines of all customers and of guests, in time order, with the columns of the contract's `order_lines`."""
    orders = _orders(people, rng)
    orders = pd.concat([orders, _guest_orders(int(GUESTS * len(orders)), rng)], ignore_index=True)
    orders = orders.sort_values(["ordered_at", "customer_id"], kind="stable", ignore_index=True)
    orders["order_id"] = [f"{number:07d}" for number in range(100_001, 100_001 + len(orders))]
    orders["status"] = np.where(rng.random(len(orders)) < CANCELLED, "cancelled", "completed")
    lines = _lines(orders, rng)
    lines = pd.concat([lines, _gifts(lines, rng), _returns(lines, rng)], ignore_index=True)
    lines = lines.sort_values(["ordered_at", "order_id", "product_id"], kind="stable", ignore_index=True)
    names = [
        "order_id",
        "customer_id",
        "ordered_at",
        "product_id",
        "quantity",
        "unit_price",
        "unit_cost",
        "discount",
        "category",
        "description",
        "channel",
        "status",
    ]
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
    # Shop hours are drawn last and can fall outside of the life that the day is part of.
    begun, over = people["acquired_at"].to_numpy()[later["place"]], until.to_numpy()[later["place"]]
    later = later[(later["ordered_at"] > begun) & (later["ordered_at"] < over)]
    first = pd.DataFrame({"place": np.arange(len(people)), "ordered_at": people["acquired_at"].to_numpy()})
    orders = pd.concat([first, later], ignore_index=True)
    orders["customer_id"] = people["customer_id"].to_numpy()[orders["place"]]
    orders["kind"] = people["kind"].to_numpy()[orders["place"]]
    orders["basket"] = people["basket"].to_numpy()[orders["place"]]
    return orders.drop(columns="place")


def _guest_orders(n: int, rng: Generator) -> pd.DataFrame:
    at = START + pd.to_timedelta(rng.integers(0, DAYS, n), "D") + _hours(n, rng)
    return pd.DataFrame({"ordered_at": at, "customer_id": None, "kind": "one_off", "basket": KINDS["one_off"].basket})


def _lines(orders: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    place = np.repeat(np.arange(len(orders)), 1 + rng.poisson(1.1, len(orders)))
    n = len(place)
    kinds = orders["kind"].to_numpy()[place]
    pick, channel = np.empty(n, object), np.empty(len(orders), object)
    for name, kind in KINDS.items():
        mine = kinds == name
        weight = 0.55 ** np.arange(len(kind.categories))
        pick[mine] = rng.choice(kind.categories, mine.sum(), p=weight / weight.sum())
        theirs = (orders["kind"] == name).to_numpy()
        channel[theirs] = rng.choice(CHANNELS, theirs.sum(), p=kind.channels)
    chosen = pd.DataFrame({"place": place, "category": pick, "number": rng.integers(1, PRODUCTS + 1, n)})
    # A till adds up equal articles, so an order has a product once.
    chosen = chosen.drop_duplicates(ignore_index=True)
    place, n = chosen["place"].to_numpy(), len(chosen)
    lines = orders.assign(channel=channel).iloc[place].reset_index(drop=True)
    named = list(zip(chosen["category"], chosen["number"], strict=True))
    lines["category"] = chosen["category"]
    lines["product_id"] = [f"{name[:3].upper()}{number:02d}" for name, number in named]
    lines["description"] = [f"{name.capitalize()} article {number}{_range(number)}" for name, number in named]
    lines["quantity"] = 1 + rng.binomial(3, 0.15, n)
    # An order's value is log-normal about the customer's mean (hence the half variance) and spread over its lines.
    value = rng.lognormal(-(NOISE**2) / 2, NOISE, len(orders)) * orders["basket"].to_numpy()
    value = (value / np.bincount(place, minlength=len(orders)))[place]
    full = np.maximum(value / lines["quantity"], 0.5)
    shares = {name: kind.discount for name, kind in KINDS.items()}
    taken = lines["kind"].map(shares).to_numpy() * rng.uniform(0.6, 1.4, n)
    lines["unit_price"] = np.round(full * (1 - taken), 2)
    lines["discount"] = np.round(full * taken * lines["quantity"], 2)
    lines["unit_cost"] = np.round(full * 0.58, 2)
    return lines


def _range(number: int) -> str:
    """The name of the range that every tenth article belongs to: descriptions are not all ASCII."""
    return " «Élan»" if number % 10 == 0 else ""


def _gifts(lines: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """A line without a price in some orders, sold where the rest of the order is."""
    orders = lines.drop_duplicates("order_id")
    return orders[rng.random(len(orders)) < GIFTS].assign(
        product_id="GIFT01",
        description="Gift card holder",
        category="home",
        quantity=1,
        unit_price=0.0,
        unit_cost=0.4,
        discount=0.0,
    )


def _returns(lines: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Some lines come back three to thirty days later under a number of their own."""
    chosen = (rng.random(len(lines)) < RETURNS) & (lines["status"] == "completed").to_numpy()
    back = lines[chosen].copy()
    back["ordered_at"] = back["ordered_at"] + pd.to_timedelta(rng.integers(3, 31, len(back)), "D")
    back["order_id"] = "R" + back["order_id"] + [f"-{number:05d}" for number in range(len(back))]
    back["quantity"] = -back["quantity"]
    back["discount"] = -back["discount"]
    back["status"] = "returned"
    return back[back["ordered_at"] < END]


def _hours(n: int, rng: Generator) -> pd.TimedeltaIndex:
    return pd.to_timedelta(np.round(day_part(n, rng) * 86_400), "s")

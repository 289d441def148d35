"""Units for the oracles: made by arithmetic alone, so that every library and version sees the same digits."""

from __future__ import annotations

import numpy as np


def uniform(n: int, salt: int) -> np.ndarray:
    """Numbers in (0, 1): a multiplicative congruence (Park & Miller), shuffled by its own seed."""
    state, found = 1 + 7919 * salt, np.empty(n)
    for place in range(n):
        state = state * 48271 % 2147483647
        found[place] = state / 2147483647
    return found


def arm(name: str) -> dict[str, np.ndarray]:
    """Columns of one arm: `x` before, `y` after, `orders`, `sessions`, `pre_orders`, `pre_sessions`, `converted`."""
    n, salt, lift = {"control": (1200, 1, 0.0), "treatment": (900, 100, 0.08)}[name]
    u = [uniform(n, salt + place) for place in range(6)]
    x = -np.log(u[0]) * 10
    sessions = 1 + np.floor(4 * u[1])
    orders = np.floor(sessions * u[2] * (1 + lift) + 0.2)
    pre_sessions = 1 + np.floor((sessions + 3 * u[3]) / 2)
    return {
        "x": x,
        "y": (0.6 * x - np.log(u[3]) * 8) * (1 + lift),
        "orders": orders,
        "sessions": sessions,
        "pre_orders": np.floor((orders + 2 * u[4]) / 2),
        "pre_sessions": pre_sessions,
        "converted": (u[5] < 0.12 * (1 + lift)).astype(float),
    }

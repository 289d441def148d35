"""Contracts: how many renewals a subscription sees. sBG (Fader & Hardie 2007) and BdW (Fader, Hardie, Liu, Davin & Steenburgh 2018).

At each renewal a customer leaves with probability theta ~ Beta(alpha, beta). In BdW the chance also moves with tenure: after t
renewals the survivor function is B(alpha, beta + t^c) / B(alpha, beta), which is sBG's at c = 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Contract = Literal["sbg", "bdw"]
# A mean chance of leaving between 1 and 80 %, a spread between customers from nearly none to U-shaped, and a chance that may
# rise or fall with tenure.
PRIORS = {
    "sbg": ((-1.5, 1.5), (1.0, 1.0)),
    "bdw": ((-1.5, 1.5), (1.0, 1.0), (0.0, 0.5)),
}
FARTHEST = 2000
FARTHEST_TOTAL, FARTHEST_POWER = 15.0, 4.0
EXACT = 1e8


def compressed(age: Any, lost: Any, *, weight: Any = None, group: Any = None) -> dict[str, NDArray]:
    """What the likelihood needs.

    Args:
        age: The renewal at which the customer left, or renewals seen so far, shape (n,).
        lost: Whether the customer left, shape (n,).
        weight: Customers a row; ones unless given.
        group: Place of the row's group; zeros unless given.

    Raises:
        ValueError: An age below zero, or a loss at age zero.
    """
    age, lost = np.asarray(age, dtype=float), np.asarray(lost, dtype=bool)
    if (age < lost).any():
        raise ValueError("age must be >= 0, and >= 1 where lost")
    return {
        "age": age,
        "lost": lost.astype(float),
        "weight": np.ones(len(age)) if weight is None else np.asarray(weight, dtype=float),
        "group": np.zeros(len(age), dtype=np.int64) if group is None else np.asarray(group, dtype=np.int64),
    }


def log_likelihood(theta: Any, data: dict[str, Any], family: Contract) -> Any:
    """Log-likelihood of each row as a PyTensor expression; `theta` has shape (groups, 2 or 3)."""
    import pytensor.tensor as pt

    group, age, lost = data["group"], data["age"], data["lost"]
    # Far out, where differences of log-gamma functions are all rounding, the likelihood would make up modes of its own.
    total = pt.exp(pt.clip(theta[:, 1], -FARTHEST_TOTAL, FARTHEST_TOTAL))[group]
    share = pt.sigmoid(theta[:, 0])[group]
    alpha, beta = share * total, (1 - share) * total
    power = pt.exp(pt.clip(theta[:, 2], -FARTHEST_POWER, FARTHEST_POWER))[group] if family == "bdw" else 1.0

    def log_survival(t: Any) -> Any:
        moved = pt.switch(pt.gt(t, 0), pt.maximum(t, 1e-300) ** power, 0.0)
        near, far = pt.minimum(moved, EXACT), pt.maximum(moved, EXACT)
        exact = pt.gammaln(beta + near) - pt.gammaln(total + near)
        # Gamma(x) / Gamma(x + a) is (x + (a - 1) / 2)^-a for large x (Tricomi & Erdelyi 1951).
        asymptotic = -alpha * pt.log(beta + far + (alpha - 1) / 2)
        return pt.switch(pt.gt(moved, EXACT), asymptotic, exact) + pt.gammaln(total) - pt.gammaln(beta)

    before = log_survival(pt.maximum(age - lost, 0))
    if family == "sbg":
        leaving = pt.log(alpha) - pt.log(total + pt.maximum(age - 1, 0))
    else:
        leaving = pt.log(-pt.expm1(pt.minimum(log_survival(age) - before, -1e-12)))
    return before + pt.switch(pt.gt(lost, 0), leaving, 0.0)


def to_parameters(theta: NDArray, family: Contract) -> dict[str, NDArray]:
    """Alpha and beta, and c where the family has it."""
    total, share = np.exp(theta[..., 1]), 1 / (1 + np.exp(-theta[..., 0]))
    found = {"alpha": share * total, "beta": (1 - share) * total}
    return found | ({"c": np.exp(theta[..., 2])} if family == "bdw" else {})


def survival(parameters: dict[str, Any], t: Any) -> NDArray:
    """Share of customers that see t renewals; shapes broadcast."""
    from scipy.special import betaln

    alpha, beta = (np.asarray(parameters[name]) for name in ("alpha", "beta"))
    moved = np.asarray(t, dtype=float) ** parameters.get("c", 1.0)
    return np.exp(betaln(alpha, beta + moved) - betaln(alpha, beta))


def residual_lifetime(
    parameters: dict[str, Any], *, renewals: Any, discount: float, periods: int = FARTHEST
) -> NDArray:
    """Discounted expected renewals still to come of a customer about to renew (Fader & Hardie 2010).

    Args:
        parameters: alpha, beta and perhaps c, of one shape.
        renewals: Renewals the customer has been through, shape (n,).
        discount: Rate a period, positive unless `periods` is finite for the purpose.
        periods: How far the sum goes.

    Returns:
        Shape (n,) + that of the parameters: the coming renewal counts undiscounted, the next one at 1 / (1 + d).
    """
    seen = np.atleast_1d(np.asarray(renewals, dtype=float))
    ahead = np.arange(1, periods + 1)
    weights = (1 + discount) ** -(ahead - 1.0)
    shape = (1,) * np.ndim(parameters["alpha"])
    found = [
        np.tensordot(
            weights, survival(parameters, (n + ahead).reshape(-1, *shape)) / survival(parameters, n), axes=(0, 0)
        )
        for n in seen
    ]
    return np.stack(found)


def next_chances(parameters: dict[str, Any], *, age: Any, start: Any, spread: float) -> NDArray:
    """Chance of the next renewal of a contract that is still there at `start` of its period.

    Of those who leave within a period, the share `spread` does so on any day of it, as S(t) between its ends says, and the
    others at its end, which is the renewal date.

    Args:
        parameters: alpha, beta and perhaps c.
        age: Renewals seen.
        start: Share of the period that is over, 0 to 1.
        spread: Share of those who leave that leave on any day.

    Returns:
        All broadcast.
    """
    from scipy.special import betaln

    alpha, beta = (np.asarray(parameters[name], dtype=float) for name in ("alpha", "beta"))
    power = parameters.get("c", 1.0)
    now, then, there = (betaln(alpha, beta + (age + part) ** power) for part in (0.0, 1.0, start))
    found: NDArray = np.exp(then - spread * there - (1 - spread) * now)
    return found.clip(max=1.0)


def renewal_chances(parameters: dict[str, Any], *, upto: int) -> NDArray:
    """Chance to renew of a customer who is still there, at renewals 1, 2, ... `upto`: S(t) / S(t - 1).

    Args:
        parameters: alpha, beta and perhaps c, of one shape.
        upto: Last renewal, at least 1.

    Returns:
        Shape (upto,) + that of the parameters.
    """
    from scipy.special import betaln

    alpha, beta = (np.asarray(parameters[name], dtype=float) for name in ("alpha", "beta"))
    t = np.arange(upto + 1.0).reshape(-1, *(1,) * alpha.ndim)
    return np.exp(np.diff(betaln(alpha, beta + t ** parameters.get("c", 1.0)), axis=0)).clip(max=1.0)

"""Fitting the renewal model: plans partially pooled where that holds, and the curves it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.clv import contractual
from helpers.clv.contract_model import ContractModel, tenure_sign
from helpers.clv.contracts import period_word
from helpers.clv.fit import Posterior, Tier, fit
from helpers.reporting.findings import where_given
from helpers.reporting.words import _

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.clv.contracts import Contracts

MOST_POOLED = 12
# Curves go on for half as long as the log, and three renewals at least.
BEYOND = 0.5
LEAST_BEYOND = 3
TENURE_DRAWS = 2000


@where_given
def fit_contracts(base: Contracts, *, tier: Tier, draws: int, level: float, seed: int) -> ContractModel:
    """Fit sBG and BdW.

    Plans have parameters of their own, partially pooled, where there are 2 to 12; where there are more, the periods they
    are paid in have.

    Args:
        base: The contracts.
        tier: `auto`, `fast` or `full`; partially pooled plans are always `full`.
        draws: Posterior draws.
        level: Coverage of the intervals.
        seed: Of all randomness.
    """
    groups, group = _groups(base)
    rows = base.histories
    data = contractual.compressed(
        rows["age"], rows["lost"], weight=rows["weight"], group=group[rows["plan"].to_numpy()]
    )
    sbg, sbg_pooled = fit_renewals("sbg", data, tier=tier, draws=draws, seed=seed)
    bdw, bdw_pooled = fit_renewals("bdw", data, tier=tier, draws=draws, seed=seed + 1)
    used, pooled = (bdw, bdw_pooled) if tenure_sign(bdw) else (sbg, sbg_pooled)
    met = np.bincount(data["group"], weights=data["weight"] * (data["age"] > 0), minlength=len(groups)) > 0
    if pooled:
        met = np.full(len(groups), met.any())
    parameters = contractual.to_parameters(used.theta, used.family)  # type: ignore[arg-type]
    return ContractModel(
        base=base,
        sbg=sbg,
        bdw=bdw,
        groups=groups,
        group=group,
        met=met,
        curves=_curves(data, parameters, groups, met=met, level=level),
        level=level,
    )


def fit_renewals(
    family: contractual.Contract, data: dict[str, NDArray], *, tier: Tier, draws: int, seed: int
) -> tuple[Posterior, bool]:
    """Posterior of a family, shape (draws, groups, coordinates), and whether its groups learn from one another.

    Groups are partially pooled. Where that sampler does not hold, as with few groups of many contracts each, which have next
    to nothing to learn from one another, each group is fitted on its own.
    """
    groups = int(data["group"].max()) + 1
    # In BdW beta and c go together: effective draws are a fifth of the drawn ones or less.
    enough = max(draws, TENURE_DRAWS) if family == "bdw" and tier != "fast" else draws
    if groups == 1:
        return fit(family, data, tier=tier, draws=enough, seed=seed), False
    pooled = fit(family, data, draws=draws, seed=seed, pooled=True)
    if pooled.sound:
        return pooled, True
    return _apart(family, data, groups, tier=tier, draws=enough, seed=seed), False


def _apart(
    family: contractual.Contract, data: dict[str, NDArray], groups: int, *, tier: Tier, draws: int, seed: int
) -> Posterior:
    parts = []
    for place in range(groups):
        mine = {name: values[data["group"] == place] for name, values in data.items()}
        mine["group"] = np.zeros_like(mine["group"])
        parts.append(fit(family, mine, tier=tier, draws=draws, seed=seed + place))
    if not all(part.sound for part in parts):
        tier_told = next(part.tier for part in parts if not part.sound)
    else:
        tier_told = "full" if any(part.tier == "full" for part in parts) else "fast"
    told = [part for part in parts if part.tier == tier_told]
    # Tiers give different numbers of draws; groups are independent, so any rows may stand side by side.
    size = min(len(part.theta) for part in parts)
    rng = np.random.default_rng(seed)
    theta = [part.theta[np.linspace(0, len(part.theta) - 1, size).round().astype(int)] for part in parts]
    return Posterior(
        family=family,
        theta=np.concatenate([rng.permutation(values) for values in theta], axis=1),
        tier=tier_told,
        k=max((part.k for part in told if part.k is not None), default=None),
        rhat=max((part.rhat for part in told if part.rhat is not None), default=None),
        ess=min((part.ess for part in told if part.ess is not None), default=None),
        divergences=max((part.divergences for part in told if part.divergences is not None), default=None),
        units=len(data["weight"]),
        customers=round(float(data["weight"].sum())),
    )


def _groups(base: Contracts) -> tuple[tuple[str, ...], NDArray]:
    """Names of the groups with parameters of their own, and the place of each plan's."""
    plans = len(base.plans)
    if plans <= MOST_POOLED:
        return base.plans, np.arange(plans)
    lengths, place = np.unique(base.periods, return_inverse=True)
    if len(lengths) == 1:
        return (_("all plans"),), place
    names = tuple(_("plans paid by the {period}").format(period=period_word(length)) for length in lengths)
    return names, place


def _curves(
    data: dict[str, NDArray], parameters: dict[str, NDArray], groups: tuple[str, ...], *, met: NDArray, level: float
) -> pd.DataFrame:
    tail = (1 - level) / 2
    last = int(data["age"].max())
    upto = last + max(LEAST_BEYOND, int(np.ceil(BEYOND * last)))
    found = []
    for place in np.flatnonzero(met):
        mine = data["group"] == place
        seen, risk = kaplan_meier(data["age"][mine], data["lost"][mine] > 0, data["weight"][mine])
        own = {key: values[:, place] for key, values in parameters.items()}
        fitted = np.vstack([np.ones(len(own["alpha"])), contractual.renewal_chances(own, upto=upto).cumprod(axis=0)])
        low, high = np.quantile(fitted, [tail, 1 - tail], axis=1)
        unseen = np.full(upto + 1 - len(seen), np.nan)
        found.append(
            pd.DataFrame(
                {
                    "group": groups[place],
                    "renewals": np.arange(upto + 1),
                    "observed": np.append(seen, unseen),
                    "at_risk": np.append(risk, unseen),
                    "fitted": fitted.mean(axis=1),
                    "low": low,
                    "high": high,
                }
            )
        )
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def kaplan_meier(age: NDArray, lost: NDArray, weight: NDArray) -> tuple[NDArray, NDArray]:
    """Share that sees 0, 1, ... renewals and how many were at risk at each (Kaplan & Meier 1958).

    Args:
        age: Renewals seen, or the renewal at which a contract was lost, shape (n,).
        lost: Shape (n,).
        weight: Contracts a row, shape (n,).
    """
    last = int(age.max())
    gone = np.bincount(age[lost].astype(int), weights=weight[lost], minlength=last + 1)
    ended = np.bincount(age.astype(int), weights=weight, minlength=last + 1)
    # At renewal t stand those who were lost there or later, or are known to have seen t renewals or more.
    risk = ended[::-1].cumsum()[::-1]
    return np.cumprod(1 - gone / risk), risk

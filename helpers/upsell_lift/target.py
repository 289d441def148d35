"""The list: who is to be offered what next time, what is expected of it and why, and who is held out at random."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.reporting.words import MISSING, _, foreign, number
from helpers.upsell_lift.nuisance import Linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from helpers.upsell_lift.design import Design

COLUMNS = ["customer", "offer", "arm", "expected_profit", "reason", "holdout"]
REASONS = 2


@dataclass(frozen=True, kw_only=True)
class TargetList:
    """The list of one period.

    Attributes:
        rows: `customer`, `offer`, `arm` (its name in the table), `expected_profit`, `reason`, `holdout`; the most profit first.
        stamp: Hash of customers, arms, expected profits and holdout: a list that was changed afterwards has another.
    """

    rows: pd.DataFrame
    stamp: str

    @property
    def contacted(self) -> int:
        """Customers who are to get an offer."""
        return int((~self.rows["holdout"]).sum())

    @property
    def held_out(self) -> int:
        """Customers who are held out."""
        return int(self.rows["holdout"].sum())


def target_list(
    units: NDArray,
    choice: NDArray,
    profit: NDArray,
    *,
    labels: tuple[str, ...],
    arms: tuple[str, ...],
    reasons: NDArray,
    holdout: float,
    salt: str,
    tested: float | None = None,
) -> TargetList:
    """The list.

    Args:
        units: Customer ids, shape (n,).
        choice: Offer of each, shape (n,); 0 for none.
        profit: Expected incremental profit of the own offer, shape (n,).
        labels: Names of the arms for readers.
        arms: Names of the arms in the table.
        reasons: Why, in words, shape (n,).
        holdout: Share of the listed customers to be held out, at least one of them.
        salt: Of the draw, such as campaign and seed: the same list holds out the same customers in every run.
        tested: Profit a customer of the campaign that a choice like this one brought those it was not learned from. What is expected
            of the listed is brought to it, so that those contacted add up to the round's profit: predictions of the very customers who
            were learned from promise too much.
    """
    listed = np.flatnonzero(choice > 0)
    listed = listed[np.lexsort((units[listed], -profit[listed]))]
    draw = np.array([_draw(salt, units[place]) for place in listed])
    out = np.zeros(len(listed), bool)
    if len(listed):
        out[np.argsort(draw, kind="stable")[: max(1, round(holdout * len(listed)))]] = True
    expected = profit[listed]
    if tested is not None and (promised := float(expected[~out].sum())) > 0:
        # As many customers as the headline counts: all but the share that is held out.
        expected = expected * (tested * round(len(units) * float((~out).mean())) / promised)
    rows = pd.DataFrame(
        {
            "customer": units[listed],
            "offer": [labels[place] for place in choice[listed]],
            "arm": [arms[place] for place in choice[listed]],
            "expected_profit": expected.round(6),
            "reason": reasons[listed],
            "holdout": out,
        },
        columns=COLUMNS,
    )
    return TargetList(rows=rows, stamp=stamp(rows))


def stamp(rows: pd.DataFrame) -> str:
    """SHA-256 over customer, arm, expected profit and holdout of each row, in order."""
    digest = hashlib.sha256()
    for row in rows[["customer", "arm", "expected_profit", "holdout"]].itertuples(index=False):
        digest.update(f"{row.customer}\t{row.arm}\t{row.expected_profit:.6f}\t{int(row.holdout)}\n".encode())
    return digest.hexdigest()


def _draw(salt: str, unit: str) -> str:
    return hashlib.sha256(f"{salt}\t{unit}".encode()).hexdigest()


def reasons(design: Design, covariates: pd.DataFrame, effect: NDArray) -> NDArray:
    """What speaks most for an offer to each customer, in words, shape (n,).

    A linear picture of the predicted effects is taken apart by covariate; the covariates that lift a customer's own most above the
    average are named.

    Args:
        design: The covariates as numbers.
        covariates: The same as they are, for their values.
        effect: Predicted effect of the own offer, shape (n,).
    """
    average, both = _("as for customers on average"), _("{first}; {second}")
    names = list(dict.fromkeys(design.columns))
    if not names or not np.ptp(effect) > 0:
        return np.full(len(effect), average, dtype=object)
    model = Linear().fit(design.X, effect)
    parts = ((design.X - model.centre) / model.spread) * model.slope
    owner = np.array([names.index(column) for column in design.columns])
    by_covariate = np.stack([parts[:, owner == place].sum(axis=1) for place in range(len(names))], axis=1)
    order = np.argsort(-by_covariate, axis=1, kind="stable")[:, :REASONS]
    least = 0.05 * float(effect.std())
    words = {place: _words(covariates[name], name) for place, name in enumerate(names)}
    found = np.full(len(effect), average, dtype=object)
    for place in range(order.shape[1] - 1, -1, -1):
        best = order[:, place]
        counts = by_covariate[np.arange(len(effect)), best] > least
        for covariate, said in words.items():
            rows = np.flatnonzero((best == covariate) & counts)
            later = found[rows]
            found[rows] = [
                own if rest == average else both.format(first=own, second=rest)
                for own, rest in zip(said[rows], later, strict=True)
            ]
    return found


def _words(values: pd.Series, name: str) -> NDArray:
    """Each customer's value of one covariate in words: of numbers, whether it is low or high as well."""
    label = foreign(name.replace("_", " "))
    if not pd.api.types.is_numeric_dtype(values):
        plain = values.astype("object").where(values.notna(), MISSING).astype(str)
        said = {one: _("{attribute}: {value}").format(attribute=label, value=foreign(one)) for one in plain.unique()}
        return plain.map(said).to_numpy(dtype=object)
    numeric = values.to_numpy(dtype=float, na_value=np.nan)
    kept = numeric[np.isfinite(numeric)]
    if set(np.unique(kept)) <= {0.0, 1.0}:
        yes, no = _("{name}: yes").format(name=label), _("{name}: no").format(name=label)
        return np.where(numeric == 1, yes, no).astype(object)
    low, high = np.quantile(kept, [1 / 3, 2 / 3])
    texts = {
        "low": _("{name} low ({value})"), "high": _("{name} high ({value})"), "middle": _("{name} {value}"),
    }  # fmt: skip
    side = np.where(numeric <= low, "low", np.where(numeric > high, "high", "middle"))
    told, places = np.unique(np.round(np.nan_to_num(numeric), 2), return_inverse=True)
    shown = np.array([number(one, digits=0 if float(one).is_integer() else 2) for one in told], dtype=object)[places]
    return np.array(
        [texts[one].format(name=label, value=value) for one, value in zip(side, shown, strict=True)], dtype=object
    )

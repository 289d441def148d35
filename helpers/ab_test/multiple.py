"""Many metrics, many arms: adjusted p-values together with the intervals that belong to them.

Each procedure has one critical level an effect, so that an adjusted p below alpha and an adjusted interval without zero agree:

- Bonferroni: alpha / m for every effect; intervals are simultaneous.
- Holm (1979): what is rejected at step j has interval level alpha / (m - j + 1) and excludes zero; what is not, alpha / m.
- Benjamini-Hochberg (1995): the R selected effects get intervals at level R alpha / m, whose false coverage rate is alpha
  (Benjamini & Yekutieli 2005); the others are shown at alpha / m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from helpers.ab_test.estimate import Effect, compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from helpers.ab_test.arms import Pair

Method = Literal["none", "bonferroni", "holm", "bh"]
NAMES = {"none": "none", "bonferroni": "bonferroni", "holm": "holm", "bh": "fdr_bh"}


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    """One effect of a family.

    Attributes:
        effect: With the interval at its own level (`effect.alpha`); `effect.p` is the plain p.
        p: Adjusted p-value; `None` where the data do not tell.
        rejected: Whether no effect is rejected: p below alpha, zero outside the interval.
        method: The procedure.
        family: How many effects it spans.
    """

    effect: Effect
    p: float | None
    rejected: bool
    method: Method
    family: int


def adjusted_p(p: Sequence[float], *, method: Method) -> list[float]:
    """Adjusted p-values, in the order given (statsmodels' `multipletests`)."""
    if method == "none" or not len(p):
        return [float(value) for value in p]
    from statsmodels.stats.multitest import multipletests

    return [float(value) for value in multipletests(p, method=NAMES[method])[1]]


def levels(p: Sequence[float], *, alpha: float, method: Method) -> list[float]:
    """Two-sided level of each effect's interval, in the order given.

    Holm's intervals for rejected effects are Bonferroni-Holm's own step levels: simultaneous ones that always exclude zero where Holm
    rejects do not exist (Strassburger & Bretz 2008), so they hold together for what Holm rejects, not for all.

    Args:
        p: Plain p-values.
        alpha: Level of the family.
        method: The procedure.
    """
    values = np.asarray(p, dtype=float)
    m = len(values)
    if method == "none":
        return [alpha] * m
    found = np.full(m, alpha / max(m, 1))
    if method in ("holm", "bh"):
        order = np.argsort(values, kind="stable")
        steps = alpha / (m - np.arange(m)) if method == "holm" else alpha * np.arange(1, m + 1) / m
        passes = values[order] < steps
        count = int(np.argmin(passes)) if method == "holm" and not passes.all() else m
        if method == "bh":
            count = int(np.flatnonzero(passes).max()) + 1 if passes.any() else 0
        found[order[:count]] = steps[:count] if method == "holm" else steps[count - 1]
    return [float(value) for value in found]


def family(pairs: Mapping[str, Pair], *, alpha: float = 0.05, method: Method = "holm") -> dict[str, Adjusted]:
    """Effects of a family with adjusted p-values and intervals.

    Effects that cannot be tested (no variation, too few units) do not count towards the family.

    Args:
        pairs: What is compared, by name.
        alpha: Level of the family: chance of any false rejection, or for BH the false discovery rate.
        method: The procedure.
    """
    plain = {name: compare(pair, alpha=alpha) for name, pair in pairs.items()}
    tested = [name for name, effect in plain.items() if effect.p is not None]
    p = [effect.p for name in tested if (effect := plain[name]).p is not None]
    corrected = dict(zip(tested, adjusted_p(p, method=method), strict=True))
    level = dict(zip(tested, levels(p, alpha=alpha, method=method), strict=True))
    found = {}
    for name, pair in pairs.items():
        effect = compare(pair, alpha=level[name]) if name in level else plain[name]
        found[name] = Adjusted(
            effect=effect, p=corrected.get(name), rejected=effect.significant, method=method, family=len(tested)
        )
    return found

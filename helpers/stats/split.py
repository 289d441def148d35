"""Sample-ratio mismatch: whether arms have the units that their shares promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Sample-ratio tests are read at every look: .0005 keeps false alarms at half a percent over 28 looks, .74 % over 100 and 1.3 % over
# a year of days. A test that is valid at any number of looks (Lindon & Malek 2022) has a tenth of the false alarms and needs half as
# many units again to find a split of 51 to 49; since a broken split costs more than a test that is looked into, this one is used.
SRM_ALPHA = 0.0005
# Chi-square needs counts like these (Cochran 1954); below, two arms have an exact test.
LEAST_EXPECTED = 5


def ratio_p(observed: NDArray, shares: NDArray) -> float:
    """Probability of counts as uneven as these, or more, under their shares.

    Args:
        observed: Units by arm, shape (arms,).
        shares: Planned shares, shape (arms,), adding up to one.
    """
    from scipy.stats import binomtest, chisquare

    total = int(observed.sum())
    if total == 0:
        return 1.0
    if (total * shares).min() < LEAST_EXPECTED and len(shares) == 2:  # noqa: PLR2004 - two arms
        return float(binomtest(int(observed[0]), total, float(shares[0])).pvalue)
    return float(chisquare(observed, total * shares).pvalue)

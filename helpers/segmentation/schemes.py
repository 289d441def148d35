"""Schemes: which RFM code belongs to which segment, proved to be a partition before it is used.

A code is two digits: R (1-5), then FM (1-5), the mean of F and M rounded half up.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from helpers.reporting.words import marked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Where migration puts customers who are in no segment at one of its dates.
NEW, REACTIVATED, LAPSED = marked("New"), marked("Reactivated"), marked("Lapsed")
# What migration's tables call their rows and columns beside the segments, whatever the case of the letters.
RESERVED = frozenset({NEW.lower(), REACTIVATED.lower(), LAPSED.lower(), "before", "n"})
CODES = tuple(f"{r}{fm}" for r, fm in product("12345", repeat=2))

RFM: dict[str, tuple[str, ...]] = {
    marked("Champions"): ("55", "54", "45"),
    marked("Loyal"): ("53", "44", "35", "34"),
    marked("Potential Loyalist"): ("52", "43", "42", "33"),
    marked("Recent"): ("51",),
    marked("Promising"): ("41", "31"),
    marked("Needs Attention"): ("32", "23", "22"),
    marked("About to Sleep"): ("21",),
    marked("At Risk"): ("25", "24", "13"),
    marked("Can’t Lose"): ("15", "14"),
    marked("Hibernating"): ("12",),
    marked("Lost"): ("11",),
}


def prove_scheme(scheme: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Segment by code, proved: each of the 25 codes belongs to exactly one segment.

    Raises:
        ValueError: Codes that no segment has, that several have, or that do not exist; all of them are listed. Or a
            segment is called as migration calls rows or columns of its own.
    """
    if taken := [segment for segment in scheme if segment.lower() in RESERVED]:
        raise ValueError(
            f"scheme has a segment called {', '.join(taken)}: migration calls rows and columns of its own New, Reactivated, "
            "Lapsed, before and n; give it another name"
        )
    owners: dict[str, list[str]] = {code: [] for code in CODES}
    unknown = []
    for segment, codes in scheme.items():
        for code in codes:
            if code in owners:
                owners[code].append(segment)
            else:
                unknown.append(f"{code} ({segment})")
    missing = [code for code, segments in owners.items() if not segments]
    twice = [f"{code} ({', '.join(segments)})" for code, segments in owners.items() if len(segments) > 1]
    faults = {"no segment has": missing, "several segments have": twice, "there is no code": unknown}
    if told := [f"{fault} {', '.join(codes)}" for fault, codes in faults.items() if codes]:
        raise ValueError(f"scheme is no partition of the 25 codes: {'; '.join(told)}")
    return {code: segments[0] for code, segments in owners.items()}

"""Schemes: which RFM code belongs to which segment, proved to be a partition before it is used.

A code is two digits: R (1-5), then FM (1-5), the mean of F and M rounded half up.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CODES = tuple(f"{r}{fm}" for r, fm in product("12345", repeat=2))

RFM: dict[str, tuple[str, ...]] = {
    "Champions": ("55", "54", "45"),
    "Loyal": ("53", "44", "35", "34"),
    "Potential Loyalist": ("52", "43", "42", "33"),
    "Recent": ("51",),
    "Promising": ("41", "31"),
    "Needs Attention": ("32", "23", "22"),
    "About to Sleep": ("21",),
    "At Risk": ("25", "24", "13"),
    "Can't Lose": ("15", "14"),
    "Hibernating": ("12",),
    "Lost": ("11",),
}


def prove_scheme(scheme: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Segment by code, proved: each of the 25 codes belongs to exactly one segment.

    Raises:
        ValueError: Codes that no segment has, that several have, or that do not exist; all of them are listed.
    """
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

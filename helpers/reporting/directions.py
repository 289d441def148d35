"""Directions of text: what a client wrote cannot turn the text around it, and stands in its own direction.

Texts of the helpers hold Unicode's isolates (UAX #9), which browsers and matplotlib follow. Overrides, embeddings and
loose marks are never needed and are taken out wherever they come from.
"""

from __future__ import annotations

import re
import unicodedata

LTR_ISOLATE, RTL_ISOLATE, FIRST_STRONG_ISOLATE, END = "\u2066", "\u2067", "\u2068", "\u2069"
# Right-to-left letters, those of Arabic script among them.
RIGHT_TO_LEFT = frozenset({"R", "AL"})
# Control characters, loose marks, embeddings and overrides.
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e]")
ISOLATES = re.compile(r"[\u2066-\u2069]")


def contained(text: str) -> str:
    """Text without control characters and overrides, whose isolates each have both their ends."""
    safe = UNSAFE.sub("", text)
    if not ISOLATES.search(safe):
        return safe
    kept, opened = [], 0
    for character in safe:
        if character == END:
            if not opened:
                continue
            opened -= 1
        elif ISOLATES.match(character):
            opened += 1
        kept.append(character)
    return "".join(kept) + END * opened


def plain(text: str) -> str:
    """Text without control characters and without any mark of direction."""
    return ISOLATES.sub("", UNSAFE.sub("", text))


def turns(text: str, *, within: str) -> bool:
    """Whether a foreign text may run against the text around it, which runs `ltr` or `rtl`."""
    return within == "rtl" or any(unicodedata.bidirectional(character) in RIGHT_TO_LEFT for character in text)


def isolate(text: str, *, within: str) -> str:
    """A foreign text (a client's words, a code, an identifier) as a part of a sentence that runs `ltr` or `rtl`."""
    safe = plain(text)
    return f"{FIRST_STRONG_ISOLATE}{safe}{END}" if safe and turns(safe, within=within) else safe


def right_to_left(text: str) -> str:
    """A whole text that runs from right to left whatever it begins with, where nothing around it says so."""
    return f"{RTL_ISOLATE}{text}{END}" if text else text


def left_to_right(text: str) -> str:
    """A number with its sign, kept in order wherever it stands."""
    return f"{LTR_ISOLATE}{text}{END}"

"""Numbers: a client's column as floats, by expressions that every engine reads alike."""

from __future__ import annotations

from typing import Any

# Engines differ in what else they take for a number (1_000, 1.5f, Infinity), and not all can try a cast that may fail: the
# pattern lets through what all of them read, and no more digits than a double has room for.
NUMBER = r"^\s*[+-]?([0-9]{1,150}\.?[0-9]{0,150}|\.[0-9]{1,150})([eE][+-]?[0-9]{1,2})?\s*$"


def as_number(value: Any) -> Any:
    """A column as a float: text is parsed, and what is no number has no value; true and false are 1 and 0.

    Args:
        value: Column of an Ibis table.
    """
    if value.type().is_string():
        return value.re_search(NUMBER).ifelse(value, None).cast("float64")
    if value.type().is_boolean():
        # No engine refuses this way, and some refuse the direct one.
        return value.cast("int32").cast("float64")
    return value.cast("float64")

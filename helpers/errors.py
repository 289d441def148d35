"""Errors that a user can mend. Each message says what is wrong, where, and what to do."""

from __future__ import annotations


class ValuebookError(Exception):
    """Any error whose message is written for the person who runs the kit."""


class ParamsError(ValuebookError):
    """A params file, a period or a client name is wrong."""


class DataError(ValuebookError):
    """A source file or table does not give what the params promise."""


class TopicSkippedError(ValuebookError):
    """The client did not bring a table that the topic needs."""


class BrowserError(ValuebookError):
    """There is no browser that prints, or it did not."""

"""Summary: the study's decision page, made of what all other topics found."""

from typing import TYPE_CHECKING

from helpers.lazy import lazy_package

if TYPE_CHECKING:
    from helpers.summary.actions import Actions, actions
    from helpers.summary.change import Change, change
    from helpers.summary.levers import Levers, levers
    from helpers.summary.log import Log, log
    from helpers.summary.overlap import Overlap, overlap
    from helpers.summary.sources import Sources, sources
    from helpers.summary.unsaid import Unsaid, unsaid
    from helpers.summary.verdict import Verdict, verdict

__all__ = [
    "Actions",
    "Change",
    "Levers",
    "Log",
    "Overlap",
    "Sources",
    "Unsaid",
    "Verdict",
    "actions",
    "change",
    "levers",
    "log",
    "overlap",
    "sources",
    "unsaid",
    "verdict",
]

lazy_package(__name__)

"""A/B tests: moments from the engine, estimates with one verdict, gates, sequential looks, planning and decisions."""

from typing import TYPE_CHECKING

from helpers.lazy import lazy_package

if TYPE_CHECKING:
    from helpers.ab_test.analyse import Analysis, analyse
    from helpers.ab_test.belief import Beliefs, beliefs
    from helpers.ab_test.forest import forest
    from helpers.ab_test.looks import ledger_of
    from helpers.ab_test.past import Past, past
    from helpers.ab_test.planning import Plan, Plans, plan
    from helpers.ab_test.proven import proven
    from helpers.ab_test.replay import Replay, replay
    from helpers.ab_test.report import Tests, report
    from helpers.ab_test.segmented import Segmented, by_segment
    from helpers.ab_test.timepath import Paths, over_time
    from helpers.ab_test.worth import Worth, worth

__all__ = [
    "Analysis",
    "Beliefs",
    "Past",
    "Paths",
    "Plan",
    "Plans",
    "Replay",
    "Segmented",
    "Tests",
    "Worth",
    "analyse",
    "beliefs",
    "by_segment",
    "forest",
    "ledger_of",
    "over_time",
    "past",
    "plan",
    "proven",
    "replay",
    "report",
    "worth",
]

lazy_package(__name__)

"""A/B tests: moments from the engine, estimates with one verdict, gates, sequential looks, planning and decisions."""

from helpers.ab_test.analyse import Analysis, analyse
from helpers.ab_test.forest import forest
from helpers.ab_test.report import Tests, report

__all__ = ["Analysis", "Tests", "analyse", "forest", "report"]

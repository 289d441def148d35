"""Pulse: the KPIs of a period, what moved them, and how customers come, return and lapse."""

from typing import TYPE_CHECKING

from helpers.lazy import lazy_package

if TYPE_CHECKING:
    from helpers.pulse.activity import Activity, activity
    from helpers.pulse.bridge import Bridge, bridge
    from helpers.pulse.cohorts import Cohorts, cohorts
    from helpers.pulse.concentration import Concentration, concentration
    from helpers.pulse.flow import Flow, flow
    from helpers.pulse.kpis import Kpis, kpis

__all__ = [
    "Activity",
    "Bridge",
    "Cohorts",
    "Concentration",
    "Flow",
    "Kpis",
    "activity",
    "bridge",
    "cohorts",
    "concentration",
    "flow",
    "kpis",
]

lazy_package(__name__)

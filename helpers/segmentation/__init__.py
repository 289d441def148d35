"""Segmentation: who the customers are, by recency and value, by behaviour and by attributes."""

from typing import TYPE_CHECKING

from helpers.lazy import lazy_package

if TYPE_CHECKING:
    from helpers.segmentation.clusters import Clusters, clusters, features
    from helpers.segmentation.migration import Migration
    from helpers.segmentation.moves import migration
    from helpers.segmentation.playbook import Playbook, playbook
    from helpers.segmentation.profiles import Profiles, profiles
    from helpers.segmentation.rfm import Thresholds, customer_table, scored, thresholds
    from helpers.segmentation.schemes import RFM, prove_scheme
    from helpers.segmentation.segments import Segmentation, rfm
    from helpers.segmentation.value import ValueSegments, simple_value, value_segments

__all__ = [
    "RFM",
    "Clusters",
    "Migration",
    "Playbook",
    "Profiles",
    "Segmentation",
    "Thresholds",
    "ValueSegments",
    "clusters",
    "customer_table",
    "features",
    "migration",
    "playbook",
    "profiles",
    "prove_scheme",
    "rfm",
    "scored",
    "simple_value",
    "thresholds",
    "value_segments",
]

lazy_package(__name__)

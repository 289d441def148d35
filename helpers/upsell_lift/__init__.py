"""Upsell lift: what an offer brings, whom to make it to, what that earns and whether it is proven."""

from typing import TYPE_CHECKING

from helpers.lazy import lazy_package

if TYPE_CHECKING:
    from helpers.upsell_lift.analyse import Analysis, analyse
    from helpers.upsell_lift.assumed import Assumed, assumed
    from helpers.upsell_lift.average import Average, average
    from helpers.upsell_lift.earnings import Earnings, earnings
    from helpers.upsell_lift.guard import Guardrails, guardrails
    from helpers.upsell_lift.heterogeneity import Heterogeneity, heterogeneity
    from helpers.upsell_lift.listing import LastList, Listing, last_list, listing
    from helpers.upsell_lift.score import Score, score_last
    from helpers.upsell_lift.timing import Timing, timing
    from helpers.upsell_lift.verdict import Verdict, verdict

__all__ = [
    "Analysis",
    "Assumed",
    "Average",
    "Earnings",
    "Guardrails",
    "Heterogeneity",
    "LastList",
    "Listing",
    "Score",
    "Timing",
    "Verdict",
    "analyse",
    "assumed",
    "average",
    "earnings",
    "guardrails",
    "heterogeneity",
    "last_list",
    "listing",
    "score_last",
    "timing",
    "verdict",
]

lazy_package(__name__)

"""Names and formulas of the KPIs, as a report prints them."""

from __future__ import annotations

from helpers.reporting.findings import Definition
from helpers.reporting.words import _, number


def definitions(repeat_days: int) -> dict[str, Definition]:
    """Names and formulas of the KPIs."""
    texts = {
        "customers": (_("Customers"), _("Identified customers with any order or refund up to the period’s end.")),
        "customers.active": (_("Active customers"), _("Identified customers with at least one order in the period.")),
        "orders": (
            _("Orders"),
            _("Orders of identified customers; refunds and cancellations are no orders, free orders are."),
        ),
        "revenue": (_("Net revenue"), _("Revenue of identified customers less refunds, each dated when it happened.")),
        "revenue.total": (_("Net revenue with guests"), _("Net revenue of identified customers and guests.")),
        "guests.revenue": (_("Net revenue of guests"), _("Net revenue of orders and refunds without a customer id.")),
        "guests.orders": (_("Orders of guests"), _("Orders without a customer id.")),
        "guests.share": (_("Share of guests"), _("Net revenue of guests / net revenue with guests.")),
        "refunds.revenue": (
            _("Refunds and cancellations"),
            _("Net revenue of refunds and cancellations, guests included."),
        ),
        "arpu.active": (_("Revenue per active customer"), _("ARPU: net revenue / active customers.")),
        "arpu.registered": (_("Revenue per registered customer"), _("ARPU: net revenue / customers.")),
        "aov": (_("Average order value"), _("AOV: net revenue / orders.")),
        "aov.median": (_("Median order value"), _("Median revenue of an order before refunds; n counts orders.")),
        "frequency": (_("Orders per active customer"), _("Frequency: orders / active customers.")),
        "repeat_rate.lifetime": (
            _("Repeat rate, lifetime"),
            _("Buyers with two orders or more by the period’s end / buyers."),
        ),
        f"repeat_rate.{repeat_days}d": (
            _("Repeat rate within {days} days").format(days=number(repeat_days)),
            _(
                "Buyers whose second order came within {days} days of the first / buyers watched that long; "
                "Kaplan-Meier where fewer than half were, and nothing where nobody was."
            ).format(days=number(repeat_days)),
        ),
        "orders.zero_share": (_("Share of free orders"), _("Orders of zero revenue / orders.")),
        "change_last": (
            _("Change on the period before"),
            _("Value / value in the period before - 1, customers paired."),
        ),
        "change_year": (
            _("Change on a year ago"),
            _("Value / value in the same period a year earlier - 1, customers paired."),
        ),
    }
    return {key: Definition(name=name, text=text) for key, (name, text) in texts.items()}

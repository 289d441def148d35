"""What the samplers say of themselves: the check and the table that purchases, spend and renewals share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.clv.fit import LARGEST_K, LARGEST_RHAT, SMALLEST_ESS
from helpers.reporting.findings import Check
from helpers.reporting.tables import Column
from helpers.reporting.words import _, number

if TYPE_CHECKING:
    from helpers.clv.fit import Posterior


def sampler_check(name: str, posterior: Posterior) -> Check:
    """Whether the posterior can be trusted, by its own tier's measures."""
    value: Any = posterior.k if posterior.tier == "fast" else posterior.rhat
    return Check(
        id=name,
        status="pass" if posterior.sound else "fail",
        value=value,
        threshold=f"k <= {LARGEST_K}"
        if posterior.tier == "fast"
        else f"R-hat <= {LARGEST_RHAT}, ESS >= {SMALLEST_ESS:.0f}",
        message=_("The sampler’s own checks hold.")
        if posterior.sound
        else _("The sampler did not reach a trustworthy answer; more data or another model is needed."),
    )


def sampler_row(part: str, posterior: Posterior) -> dict[str, Any]:
    """A posterior's row, for `sampler_columns`."""
    return {
        "part": part,
        "tier": _("full (NUTS)") if posterior.tier == "full" else _("fast (Laplace, importance sampling)"),
        "k": posterior.k,
        "rhat": posterior.rhat,
        "ess": posterior.ess,
        "divergences": posterior.divergences,
        "n": posterior.customers,
        "units": posterior.units,
    }


def sampler_columns(*, n: str) -> dict[str, Column]:
    """Columns of `sampler_row`; `n` names what was counted."""
    return {
        "part": Column(label=_("Model")),
        "tier": Column(label=_("Fitted by")),
        "k": Column(label=_("Pareto k"), kind="decimal"),
        "rhat": Column(label=_("R-hat"), kind="decimal"),
        "ess": Column(label=_("Effective draws"), kind="number"),
        "divergences": Column(label=_("Divergences"), kind="number"),
        "n": Column(label=n, kind="number"),
        "units": Column(label=_("Distinct rows"), kind="number"),
    }


def sampler_foot() -> str:
    """What makes a posterior sound."""
    return _("Sound means: k up to {k}, or R-hat up to {rhat} with {ess} effective draws.").format(
        k=number(LARGEST_K, digits=1), rhat=number(LARGEST_RHAT, digits=2), ess=number(SMALLEST_ESS)
    )

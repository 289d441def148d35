"""Plan beside execution: what was registered of a test, what was done, and how likely it still ends with an answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from helpers.ab_test.basis import of_test
from helpers.ab_test.integrity import expected
from helpers.ab_test.wording import shown_metric, shown_test
from helpers.reporting.words import _, day, foreign, listing, number, percent

if TYPE_CHECKING:
    from helpers.ab_test.analyse import Analysis


def _least(one: Analysis) -> list[tuple[str, str, str]]:
    """The least effect that the main metric's test finds, at its planned end and with the units that it has."""
    found = of_test(one) if one.sound and one.judged else None
    if found is None or not found.metrics:
        return []
    metric, spread = found.main
    text = _("Least change in {metric} that it finds, {power} of the time")
    what = text.format(metric=shown_metric(metric).lower(), power=percent(found.design_of(metric).power, digits=0))
    planned, now = (
        percent(found.least(metric, spread, n)) if n else _("not planned") for n in (one.test.planned_n, one.observed)
    )
    return [(what, planned, now)]


def outlook(one: Analysis) -> float | None:
    """Chance that a sequential test which goes on ends with its main metric shown, at the trend so far (conditional power)."""
    from helpers.ab_test.estimate import critical_value
    from helpers.ab_test.power import conditional_power
    from helpers.ab_test.timepath import main_metric

    own, test = main_metric(one), one.test
    if own is None or one.answer != "extend" or test.sequential == "none" or not test.planned_n or own.cell.pair.reason:
        return None
    fraction = one.observed / test.planned_n
    if not 0 < fraction < 1:
        return None
    z = abs(own.cell.z)
    edge = critical_value(test.alpha, math.inf)
    return conditional_power(z, fraction, drift=z / math.sqrt(fraction), critical=edge)


def plan_rows(one: Analysis) -> list[dict[str, str]]:
    """Rows of one test: `test`, `what`, `planned`, `done`."""
    test, counted = one.test, one.profile
    shares = expected(one.units)
    units = max(counted.units, 1)
    rows = [
        (_("Units"), number(test.planned_n) if test.planned_n else _("not planned"), number(counted.units)),
        (
            _("Split"),
            listing((f"{foreign(name)} {percent(share)}" for name, share in shares.items()), style="unit"),
            listing((f"{foreign(name)} {percent(counted.rows.get(name, 0) / units)}" for name in shares), style="unit"),
        ),
        (
            _("Days"),
            number(test.planned_days) if test.planned_days else _("not planned"),
            number(counted.days) if counted.days else _("not dated"),
        ),
    ]
    if counted.first is not None:
        rows.append(
            (_("Assigned"), "–", _("{first} to {last}").format(first=day(counted.first), last=day(counted.last)))
        )
    planned = {
        "none": _("one, at the end"),
        "always_valid": _("at any time"),
    }.get(
        test.sequential, _("{n}, by spending").format(n=number(len(test.planned_looks)) if test.planned_looks else "–")
    )
    early = len(one.looks.early)
    done = _("{n}, {early} of them outside the plan") if early else _("{n}, none outside the plan")
    done = done.format(n=number(len(one.looks.records)), early=number(early))
    rows.append((_("Looks"), planned, done))
    rows += _least(one)
    if (chance := outlook(one)) is not None:
        rows.append(
            (_("Chance of a clear answer at the planned end, if the trend holds"), "–", percent(chance, digits=0))
        )
    return [{"test": shown_test(test), "what": what, "planned": plan, "done": did} for what, plan, did in rows]

"""Sources: what other topics found for the study, whether it belongs together, and what of it may be used.

A number is used only where the decision that rests on it stands: a topic whose gate failed publishes none, and one of whose tests
is broken publishes those of its other tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from babel.numbers import list_currencies

from helpers.errors import TopicSkippedError
from helpers.reporting.findings import Check, Result
from helpers.reporting.words import _, listing, number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from helpers.reporting.findings import CheckStatus, Decision, Findings, Number


@dataclass(frozen=True, kw_only=True)
class Sources(Result):
    """What other topics found.

    Attributes:
        found: Findings by topic, whatever their state.
        folder: Folder of the study.
        client: The study's client.
        period: Its period's label.
        currency: The client's currency code.
        horizon_months: Months that profits are counted over.
        discount_rate: A year.
    """

    found: Mapping[str, Findings]
    folder: Path
    client: str
    period: str
    currency: str
    horizon_months: int
    discount_rate: float

    @property
    def annuity(self) -> float:
        """Today's worth of one a month over the horizon, paid at each month's end."""
        return sum((1 + self.discount_rate) ** (-month / 12) for month in range(1, self.horizon_months + 1))

    @property
    def agree(self) -> bool:
        """Whether all sources are of one study."""
        return not any(check.status == "fail" for check in self.checks())

    def usable(self, topic: str) -> Findings | None:
        """Findings that a topic lets be used as a whole."""
        found = self.found.get(topic)
        return found if found and found.status in {"ok", "warn"} else None

    def decided(self, topic: str) -> dict[str, Decision]:
        """A topic's decisions that stand, by id."""
        found = self.found.get(topic)
        return {decision.id: decision for decision in found.decisions} if found else {}

    def number(self, topic: str, key: str) -> Number | None:
        """A number of a topic, if it has a value."""
        found = self.found.get(topic)
        known = found.numbers.get(key) if found else None
        return known if known is not None and known.value is not None else None

    def published(self, topic: str, name: str) -> pd.DataFrame | None:
        """A table that a topic published, `None` where there is none; whether it may be used is for its decision to say."""
        path = self.file(topic, name)
        return pd.read_parquet(self.folder / path) if path and (self.folder / path).is_file() else None

    def file(self, topic: str, name: str) -> str | None:
        """Where a table lies, within the study's folder."""
        found = self.found.get(topic)
        return found.tables.get(name) if found else None

    def warned(self, topic: str, named: str) -> list[str]:
        """What a topic warns of in checks whose ids begin so."""
        found = self.found.get(topic)
        checks = found.checks if found else ()
        return [check.message for check in checks if check.status == "warn" and check.id.startswith(named)]

    def why_not(self, topic: str) -> str:
        """Why a topic says nothing that may be used."""
        found = self.found.get(topic)
        if found is None:
            return _("{topic}: not run for this study.").format(topic=topic_word(topic))
        texts = {
            "skipped": _("{topic}: not run. {reason}"),
            "failed": _("{topic}: failed, as said below."),
            "blocked": _("{topic}: held back, as said below."),
        }
        text = texts.get(found.status, _("{topic}: nothing to say about it."))
        return text.format(topic=topic_word(topic), reason=found.reason)

    def checks(self) -> list[Check]:
        """Whether the sources are of one client, period, currency, horizon and state of the data, and may all be used."""
        return [
            _check(
                "summary.sources.study",
                [
                    topic
                    for topic, found in self.found.items()
                    if (found.client, found.period) != (self.client, self.period)
                ],
                good=_("All findings are of this client and period."),
                bad=_("Findings of another client or period lie in this study’s folder: {names}. Run them again."),
            ),
            _check(
                "summary.sources.currency",
                [topic for topic, found in self.found.items() if _currencies(found) - {self.currency}],
                good=_("All amounts are in the client’s currency."),
                bad=_("Amounts in another currency than the client’s are found by: {names}. Run them again."),
            ),
            self._horizon(),
            _check(
                "summary.sources.data",
                _differ(self.found),
                good=_("All topics have read the same data."),
                bad=_("The data changed between the runs of the topics: {names} differ. Run all topics again."),
            ),
            *self._states(),
        ]

    def _horizon(self) -> Check:
        """Whether the lifetime values look as far ahead as the params say today."""
        lever = self.decided("clv").get("lever")
        other = lever.value.get("horizon_months", self.horizon_months) if lever else self.horizon_months
        text = _("Profits count {months} months.").format(months=number(self.horizon_months))
        if other != self.horizon_months:
            text = _("Lifetime values count {other} months, and the params say {months}. Run them again.").format(
                other=number(other), months=number(self.horizon_months)
            )
        status: CheckStatus = "pass" if other == self.horizon_months else "fail"
        return Check(id="summary.sources.horizon", status=status, value=self.horizon_months, message=text)

    def _states(self) -> list[Check]:
        texts = {
            "failed": _("A topic failed, so what it would say is missing: {names}."),
            "blocked": _("A topic holds back what it found, or a part of it: {names}."),
            "warn": _("A topic says that it should be read with care: {names}."),
        }
        found = []
        for status, text in texts.items():
            names = [topic_word(topic) for topic, one in self.found.items() if one.status == status]
            if names:
                message = text.format(names=listing(names))
                found.append(Check(id=f"summary.sources.{status}", status="warn", message=message))
        return found


def sources(
    found: Mapping[str, Findings],
    *,
    folder: Path,
    client: str,
    period: str,
    currency: str,
    horizon_months: int,
    discount_rate: float,
) -> Sources:
    """What other topics found for a study.

    Args:
        found: Findings by topic.
        folder: Folder of the study, which tables lie in.
        client: The study's client.
        period: Its period's label.
        currency: The client's currency code.
        horizon_months: Months that profits are counted over.
        discount_rate: A year.

    Raises:
        TopicSkippedError: No topic has run to its end.
    """
    if not any(one.status in {"ok", "warn", "blocked"} for one in found.values()):
        raise TopicSkippedError(_("No other topic has found anything for this study, so there is nothing to sum up."))
    return Sources(
        found=dict(sorted(found.items())),
        folder=folder,
        client=client,
        period=period,
        currency=currency,
        horizon_months=horizon_months,
        discount_rate=discount_rate,
    )


def topic_word(topic: str) -> str:
    """A topic as a reader knows it: the heading of its report."""
    words = {
        "pulse": _("Customer pulse"),
        "segmentation": _("Customer segments"),
        "clv": _("Customer lifetime value"),
        "ab_test": _("A/B tests"),
        "upsell_lift": _("Upsell lift"),
    }
    return words.get(topic, topic)


def _check(name: str, guilty: list[str], *, good: str, bad: str) -> Check:
    if not guilty:
        return Check(id=name, status="pass", message=good)
    names = listing(topic_word(one) for one in guilty)
    return Check(id=name, status="fail", value=len(guilty), message=bad.format(names=names))


def _currencies(found: Findings) -> set[str]:
    """Currency codes among the units of a topic's numbers."""
    return {one.unit for one in found.numbers.values()} & list_currencies()


def _differ(found: Mapping[str, Findings]) -> list[str]:
    """Tables of the client that topics have read in different states."""
    states: dict[str, set[str]] = {}
    for one in found.values():
        for name, read in one.provenance.get("data", {}).items():
            if read.get("sha256"):
                states.setdefault(name, set()).add(read["sha256"])
    return sorted(name for name, seen in states.items() if len(seen) > 1)

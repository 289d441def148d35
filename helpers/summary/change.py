"""What changed since the last period, and in which part of ARPU it lies: the pulse's bridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from helpers.reporting.findings import Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, interval, language, money, number, percent

if TYPE_CHECKING:
    from helpers.summary.sources import Sources

EFFECTS = ("mix", "frequency", "aov", "refunds")
HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class Change(Result):
    """The bridge from the last period's ARPU to this one's.

    Attributes:
        before: ARPU of the last period; `None` where there is no bridge.
        now: ARPU of this period.
        parts: Effects by name, as the pulse published them.
        arpu: ARPU of this period with its interval, and its changes on the last period and on a year ago, as the pulse
            published them.
        why: Why there is no bridge; empty where there is one.
    """

    before: Number | None
    now: Number | None
    parts: dict[str, Number]
    arpu: dict[str, Number]
    why: str = ""

    @property
    def change(self) -> float:
        """ARPU of this period less that of the last; zero where there is no bridge, or where what changed prints as nothing."""
        if self.before is None or self.now is None:
            return 0.0
        change = (self.now.value or 0.0) - (self.before.value or 0.0)
        return 0.0 if money(abs(change)) == money(0.0) else change

    @property
    def largest(self) -> tuple[str, Number] | None:
        """The largest part that points the change's own way."""
        known = {name: part for name, part in self.parts.items() if (part.value or 0.0) * self.change > 0}
        return max(known.items(), key=lambda item: abs(item[1].value or 0.0)) if known else None

    def numbers(self) -> dict[str, Number]:
        """ARPU, both ends of its bridge and the parts, as the pulse has them."""
        found = dict(self.arpu)
        if self.before is not None and self.now is not None:
            found |= {"arpu.before": self.before, "arpu.now": self.now}
        found |= {f"arpu.{name}": part for name, part in self.parts.items()}
        return {
            key: Number(
                value=one.value, low=one.low, high=one.high, level=one.level, unit=one.unit, n=one.n,
                definition=f"summary.{key}",
            )
            for key, one in found.items()
        }  # fmt: skip

    def definitions(self) -> dict[str, Definition]:
        """The parts in plain words; the pulse has the formulas."""
        source = _("From pulse, {number}.")
        texts = {
            "arpu.before": (_("ARPU before"), _("Revenue per active customer in the period before."), "bridge.before"),
            "arpu.now": (_("ARPU now"), _("Revenue per active customer in this period."), "bridge.now"),
            "arpu.active": (_("ARPU"), _("Revenue per active customer in this period."), "arpu.active"),
            "arpu.active.change_last": (
                _("Change in ARPU"),
                _("Revenue per active customer, on the period before."),
                "arpu.active.change_last",
            ),
            "arpu.active.change_year": (
                _("Change in ARPU on a year ago"),
                _("Revenue per active customer, on the same period a year ago."),
                "arpu.active.change_year",
            ),
        }
        known = self.numbers()
        texts |= {
            f"arpu.{name}": (words, _("Part of the change in revenue per active customer."), f"bridge.{name}")
            for name, words in part_words().items()
        }
        return {
            f"summary.{key}": Definition(name=name, text=f"{text} {source.format(number=number_)}")
            for key, (name, text, number_) in texts.items()
            if key in known
        }

    def sentence(self) -> Sentence:
        """From where to where, and which part of it is the largest."""
        return Sentence(text=self.text())

    def text(self) -> str:
        """The sentence as plain text."""
        if self.before is None or self.now is None or (self.change and self.largest is None):
            return self.why
        if self.largest is None:
            told = _("Revenue per active customer did not change on the period before: {now}.")
            return " ".join([told.format(now=money(self.now.value)), *self._year()])
        name, part = self.largest
        told = self._where(part).format(
            before=money(self.before.value), now=money(self.now.value), part=part_words()[name].lower(), value=money(part.value),
            ends=interval(part.low, part.high, language().currency),
        )  # fmt: skip
        return " ".join([told, *self._year()])

    def _where(self, part: Number) -> str:
        """The words for a change of which a part is the largest: most of it, if it is more than half."""
        if (part.value or 0.0) / self.change > HALF:
            if part.low is None:
                return _(
                    "Revenue per active customer went from {before} in the period before to {now}. Most of the change lies in this "
                    "part: {part}, {value}. The bridge says where a change lies, not what brought it about."
                )
            return _(
                "Revenue per active customer went from {before} in the period before to {now}. Most of the change lies in this part: "
                "{part}, {value} ({ends}). The bridge says where a change lies, not what brought it about."
            )
        if part.low is None:
            return _(
                "Revenue per active customer went from {before} in the period before to {now}. The largest part of the change, "
                "though not most of it: {part}, {value}. The bridge says where a change lies, not what brought it about."
            )
        return _(
            "Revenue per active customer went from {before} in the period before to {now}. The largest part of the change, "
            "though not most of it: {part}, {value} ({ends}). The bridge says where a change lies, not what brought it about."
        )

    def _year(self) -> list[str]:
        """The change on a year ago, which the season is not in; nothing where the data do not reach so far."""
        one = self.arpu.get("arpu.active.change_year")
        if one is None or one.value is None or one.low is None or one.high is None:
            return []
        text = (
            _(
                "The season is in that change; on the same period a year ago it is {change} ({low} to {high}), not significant."
            )
            if one.low <= 0 <= one.high
            else _("The season is in that change; on the same period a year ago it is {change} ({low} to {high}).")
        )
        ends = {"change": one.value, "low": one.low, "high": one.high}
        return [text.format(**{name: percent(end, signed=True) for name, end in ends.items()})]

    def table(self) -> Table | Sentence:
        """The bridge, row by row."""
        if self.before is None or self.now is None:
            return Sentence(text="")
        rows = [{"part": _("Before"), "value": self.before.value}]
        rows += [
            {"part": part_words()[name], "value": one.value, "low": one.low, "high": one.high}
            for name, one in self.parts.items()
        ]
        rows.append({"part": _("Now"), "value": self.now.value})
        frame = pd.DataFrame(rows, columns=["part", "value", "low", "high"])
        columns = {
            "part": Column(label=_("Part")),
            "value": Column(label=_("Per active customer"), kind="money", low="low", high="high"),
        }
        level = next((one.level for one in self.parts.values() if one.level is not None), None)
        foot = _(
            "n = {n} customers active in either period, {level} intervals. From the pulse, which has the formulas."
        )
        return table(
            frame, columns, title=_("From the period before to this one"), strong=(0, len(frame) - 1),
            foot=foot.format(n=number(self.now.n), level=percent(level, digits=0)),
        )  # fmt: skip


def change(sources: Sources) -> Change:
    """What changed since the last period.

    Args:
        sources: What other topics found.
    """
    found = sources.usable("pulse")
    ends = [sources.number("pulse", f"bridge.{end}") for end in ("before", "now")] if found else [None, None]
    shown = ("arpu.active", "arpu.active.change_last", "arpu.active.change_year") if found else ()
    arpu = {key: one for key in shown if (one := sources.number("pulse", key)) is not None}
    if ends[0] is None or ends[1] is None:
        why = _("There is no full period before to compare with.") if found else sources.why_not("pulse")
        return Change(before=None, now=None, parts={}, arpu=arpu, why=why)
    parts = {name: part for name in EFFECTS if (part := sources.number("pulse", f"bridge.{name}")) is not None}
    return Change(before=ends[0], now=ends[1], parts=parts, arpu=arpu)


def part_words() -> dict[str, str]:
    """Parts of the bridge as a reader sees them."""
    return {
        "mix": _("Mix of new and old customers"),
        "frequency": _("Frequency"),
        "aov": _("Order value"),
        "refunds": _("Late refunds"),
    }

"""The decision log: what earlier summaries advised, what was done about it, and what its number says today.

That a number moved after something was done is no proof that the one comes from the other. Only where chance decided who was left out
(a holdout, a test) does the log say what something brought.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.reporting.findings import Check, Definition, Number, Result
from helpers.reporting.tables import Column, Sentence, Table, table
from helpers.reporting.words import _, clauses, day, interval, number, quantity
from helpers.summary.lever import GRADES, grade_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from helpers.reporting.findings import Decision, Findings
    from helpers.summary.sources import Sources
    from helpers.summary.topic import Done

COLUMNS = (
    "period", "decision", "text", "evidence", "done_on", "note", "number", "unit", "then", "then_low", "then_high", "now",
    "now_low", "now_high", "judged",
)  # fmt: skip
SHOWN = 15


@dataclass(frozen=True, kw_only=True)
class Log(Result):
    """Decisions of earlier periods.

    Attributes:
        rows: One row a decision, the newest period first and what was done before what was not: `period`, `decision` (id), `text`,
            `evidence` (as it was then), `done_on` (missing where nothing is recorded), `note`, `number` (its key in the summary),
            `unit`, `then` and `now` with both ends, and `judged`: what an experiment says of it, empty where none does.
        unmatched: Entries of `summary.done` that name no decision of their period.
    """

    rows: pd.DataFrame
    unmatched: tuple[str, ...] = ()

    def numbers(self) -> dict[str, Number]:
        """How many were advised and how many are recorded as done."""
        n = len(self.rows)
        if not n:
            return {}
        done = int(self.rows["done_on"].notna().sum())
        return {
            "log.decisions": Number(value=n, unit="ratio", n=n, definition="summary.log.decisions"),
            "log.done": Number(value=done, unit="ratio", n=n, definition="summary.log.done"),
        }

    def definitions(self) -> dict[str, Definition]:
        """What is counted."""
        return {
            "summary.log.decisions": Definition(
                name=_("Earlier decisions"), text=_("Decisions of this client’s summaries of earlier periods.")
            ),
            "summary.log.done": Definition(
                name=_("Recorded as done"), text=_("Those of them that summary.done of the params names.")
            ),
        }

    def checks(self) -> list[Check]:
        """Whether everything that is recorded as done was advised."""
        if not self.unmatched:
            return []
        text = _("summary.done of the params names decisions that no summary of their period holds: {names}.")
        message = text.format(names=clauses(self.unmatched))
        return [Check(id="summary.log.matched", status="warn", value=len(self.unmatched), message=message)]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The whole log."""
        return {} if self.rows.empty else {"log": self.rows}

    def sentence(self) -> Sentence:
        """How much was advised and done."""
        if self.rows.empty:
            text = _("There is no summary of an earlier period yet, so there is nothing to follow up.")
            return Sentence(text=text)
        found = self.numbers()
        text = _(
            "Earlier summaries advised {n} things, of which {done} are recorded as done (summary.done of the "
            "params). A number that moved since then has not been shown to have moved by what was done, unless an "
            "experiment says so."
        )
        return Sentence(text=text.format(n=number(found["log.decisions"].value), done=number(found["log.done"].value)))

    def table(self) -> Table | Sentence:
        """Advised, done, then and now."""
        if self.rows.empty:
            return Sentence(text="")
        rows = self.rows.to_dict("records")
        shown = pd.DataFrame(
            {
                "period": [row["period"] for row in rows],
                "text": [row["text"] for row in rows],
                "id": [row["decision"] for row in rows],
                "grade": [grade_words().get(row["evidence"], "–") for row in rows],
                "done": [_done_text(row) for row in rows],
                "then": [_value_text(row, "then") for row in rows],
                "now": [_value_text(row, "now") for row in rows],
                "judged": [row["judged"] or _("No experiment says.") for row in rows],
            }
        )
        columns = {
            "period": Column(label=_("Period")),
            "text": Column(label=_("Advised"), kind="prose"),
            "grade": Column(label=_("Evidence then")),
            "done": Column(label=_("Done")),
            "then": Column(label=_("Its number then")),
            "now": Column(label=_("Now")),
            "judged": Column(label=_("What an experiment says"), kind="prose"),
            "id": Column(label=_("Decision")),
        }
        foot = _("Then and now are the number that the decision named, with its interval; the difference is no effect.")
        return table(
            shown, columns, title=_("What was advised, done, and came of it"), foot=foot, rows=SHOWN,
            file="tables/summary.log.parquet",
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def log(earlier: Sequence[Findings], done: Sequence[Done], now: Mapping[str, Number], sources: Sources) -> Log:
    """What came of earlier decisions.

    Args:
        earlier: The summaries of earlier periods, the oldest first.
        done: What the params record as done.
        now: Numbers of this summary, by key.
        sources: What other topics found, for what experiments say.
    """
    recorded = {(one.decision, one.period): one for one in done}
    rows = [
        _row(found, decision, recorded.get((decision.id, found.period)), now, sources)
        for found in reversed(earlier)
        for decision in sorted(found.decisions, key=lambda one: GRADES.index(one.evidence))
    ]
    known = {(row["decision"], row["period"]) for row in rows}
    # Of one period, what was done comes first; the order of periods stays.
    places = {found.period: place for place, found in enumerate(reversed(earlier))}
    rows.sort(key=lambda row: (places[row["period"]], row["done_on"] is None))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    measured = [name for name in COLUMNS if name.startswith(("then", "now"))]
    frame[measured] = frame[measured].astype(float)
    frame["done_on"] = pd.to_datetime(frame["done_on"])
    return Log(
        rows=frame,
        unmatched=tuple(f"{name} ({period})" for name, period in recorded if (name, period) not in known),
    )


def _row(
    found: Findings, decision: Decision, done: Done | None, now: Mapping[str, Number], sources: Sources
) -> dict[str, Any]:
    key = str(decision.value.get("number") or "")
    then, today = found.numbers.get(key), now.get(key)
    known = then or today
    row: dict[str, Any] = {
        "period": found.period, "decision": decision.id, "text": decision.text, "evidence": decision.evidence,
        "done_on": done.done_on if done else None, "note": done.note if done else "", "number": key,
        "unit": known.unit if known else None, "judged": _judged(decision, found.period, sources),
    }  # fmt: skip
    for part, one in (("then", then), ("now", today)):
        row |= {
            part: one.value if one else None,
            f"{part}_low": one.low if one else None,
            f"{part}_high": one.high if one else None,
        }
    return row


def _judged(decision: Decision, period: str, sources: Sources) -> str:
    """What an experiment says of a decision: the holdout of the last list of offers, or the test's verdict today."""
    _kind, _dot, name = decision.id.partition(".")
    if name == "upsell":
        checks = sources.found["upsell_lift"].checks if "upsell_lift" in sources.found else ()
        check = next((one for one in checks if one.id == "last_list"), None)
        brought, expected = (sources.number("upsell_lift", f"last_list.{part}") for part in ("profit", "expected"))
        # The holdout judges the list of the period just before, which its message names.
        if check is None or brought is None or expected is None or period not in check.message:
            return ""
        text = _("Against its holdout, the list brought {value} a customer ({ends}); {expected} was expected.")
        return text.format(
            value=quantity(brought.value, brought.unit),
            ends=interval(brought.low, brought.high, brought.unit),
            expected=quantity(expected.value, expected.unit),
        )
    head, _dot, test = name.partition(".")
    if head in {"rollout", "avoided"} and test:
        verdict = sources.decided("ab_test").get(f"{test}.decision")
        if verdict is not None and verdict.evidence == "experiment":
            return verdict.text
    return ""


def _done_text(row: dict[str, Any]) -> str:
    if pd.isna(row["done_on"]):
        return _("not recorded")
    when = day(row["done_on"])
    return _("{day}: {note}").format(day=when, note=row["note"]) if row["note"] else when


def _value_text(row: dict[str, Any], part: str) -> str:
    if pd.isna(row[part]) or not row["unit"]:
        return "–"
    value = quantity(row[part], row["unit"])
    if pd.isna(row[f"{part}_low"]) or pd.isna(row[f"{part}_high"]):
        return value
    ends = interval(row[f"{part}_low"], row[f"{part}_high"], row["unit"])
    return _("{value} ({ends})").format(value=value, ends=ends)

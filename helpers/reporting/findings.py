"""Findings: what a topic found, as numbers, checks, decisions and tables (schema 1).

A topic's helpers return frozen results. Each result is a `Result`: it tells its numbers, checks, decisions and
tables, and everything a report prints is made from those same objects.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, cast

from markupsafe import Markup

from helpers.reporting.inline import inline
from helpers.reporting.tables import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

SCHEMA = 1
MOST_TOLD = 12
Status = Literal["ok", "warn", "blocked", "skipped", "failed"]
CheckStatus = Literal["pass", "warn", "fail"]
Evidence = Literal["experiment", "causal", "model", "association", "assumption"]


@dataclass(frozen=True, kw_only=True)
class Number:
    """One estimate or count.

    Attributes:
        value: The point value; `None` where it is not defined (a ratio over zero customers).
        low: Lower end of the interval; `None` for a count or a sum, which is a fact and has none.
        high: Upper end of the interval.
        level: Coverage of the interval, such as .95.
        unit: A currency code, `"share"` (0 to 1), `"orders"`, `"customers"`, `"days"`, `"ratio"` or `"chance"`.
        n: How many units (most often customers) the value rests on: its denominator.
        definition: Id of its definition, which the same result tells in `definitions()`.
    """

    value: float | None
    unit: str
    n: int
    definition: str
    low: float | None = None
    high: float | None = None
    level: float | None = None

    def __str__(self) -> str:
        shown = "–" if self.value is None else f"{self.value:,.4g}"
        if self.low is not None and self.high is not None:
            shown += f" ({self.low:,.4g} to {self.high:,.4g})"
        return f"{shown} {self.unit}, n = {self.n:,}"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One assumption that was looked at. `fail` blocks the topic's verdict."""

    id: str
    status: CheckStatus
    message: str
    value: float | str | None = None
    threshold: str | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One thing to do, with the grade of evidence behind it."""

    id: str
    text: str
    evidence: Evidence
    value: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a number is called and how it is computed, in words a client understands."""

    name: str
    text: str


class Result:
    """What every topic result offers to `Study.publish`. Override what applies.

    In a notebook it shows its sentence and its figure or table, as the report does; as text, its numbers.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__repr__" not in vars(cls):
            # A dataclass would write one of its own, with whole arrays in it.
            cls.__repr__ = Result.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        told = self.numbers()
        lines = [f"{type(self).__name__}: {self.headline()}".rstrip(": ")]
        lines += [f"  {key} = {number}" for key, number in list(told.items())[:MOST_TOLD]]
        if len(told) > MOST_TOLD:
            lines.append(f"  … {len(told) - MOST_TOLD} more")
        return clean("\n".join(lines))

    def _repr_html_(self) -> str:
        parts = [getattr(self, name) for name in ("sentence", "figure", "table") if hasattr(self, name)]
        # A figure holds its own table of numbers.
        shown = [part() for part in parts if not (part.__name__ == "table" and hasattr(self, "figure"))]
        html = "".join(part._repr_html_() for part in shown)
        return html or inline(str(Markup("<pre>{}</pre>").format(repr(self))))

    def scope(self) -> str:
        """What its checks and decisions are about, where one topic answers several questions.

        A failed check withholds the decisions of its own scope; one without a scope withholds all.
        """
        return ""

    def headline(self) -> str:
        """The verdict sentence, made from this result's numbers."""
        return ""

    def cards(self) -> tuple[str, ...]:
        """Ids of the four or so numbers that open the report. `<id>.change_year` and `.change_last` are shown with `<id>`."""
        return ()

    def definitions(self) -> dict[str, Definition]:
        """Definitions by the id that numbers name."""
        return {}

    def numbers(self) -> dict[str, Number]:
        """Numbers by id."""
        return {}

    def checks(self) -> list[Check]:
        """Checks, in the order a reader should see them."""
        return []

    def decisions(self) -> list[Decision]:
        """Decisions, the most valuable first."""
        return []

    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables to be written beside the report, by short name."""
        return {}


class Absent(Result):
    """Stands for a result whose table the client did not bring: it shows nothing and publishes nothing."""

    def __repr__(self) -> str:
        return "Absent"

    def __getattr__(self, name: str) -> Any:
        """Tables, figures and sentences of what is absent are absent too."""
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_args, **_options: self

    def _repr_html_(self) -> str:
        return ""


def where_given[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Let a step of an analysis pass over a table that was not brought: `None` or `Absent` first gives `Absent`."""

    @wraps(function)
    def step(*args: P.args, **options: P.kwargs) -> R:
        if args and (args[0] is None or isinstance(args[0], Absent)):
            return cast("R", Absent())
        return function(*args, **options)

    return step


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that one topic found for one client and period."""

    client: str
    period: str
    topic: str
    status: Status
    reason: str | None = None
    headline: str = ""
    cards: tuple[str, ...] = ()
    numbers: dict[str, Number] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    decisions: tuple[Decision, ...] = ()
    definitions: dict[str, Definition] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def held_back(self) -> bool:
        """Whether nothing of what the topic found may be used: a check failed, and no decision stands without it."""
        return self.status == "blocked" and not self.decisions

    def to_json(self) -> dict[str, Any]:
        """Plain values for `<topic>.json`; NaN and infinities become null."""
        return {"schema": SCHEMA, **_plain(asdict(self))}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Findings:
        """Findings from the content of a `<topic>.json`.

        Raises:
            ValueError: The file has another schema.
        """
        if content.get("schema") != SCHEMA:
            message = f"schema == {content.get('schema')!r}, must be {SCHEMA}"
            raise ValueError(message)
        return cls(
            **{
                **{key: value for key, value in content.items() if key != "schema"},
                "cards": tuple(content["cards"]),
                "numbers": {key: Number(**value) for key, value in content["numbers"].items()},
                "definitions": {key: Definition(**value) for key, value in content["definitions"].items()},
                "checks": tuple(Check(**value) for value in content["checks"]),
                "decisions": tuple(Decision(**value) for value in content["decisions"]),
            }
        )


def gather(
    *results: Result, client: str, period: str, topic: str, tables: dict[str, str], provenance: dict[str, Any]
) -> Findings:
    """One topic's findings from its results; the first result that has a headline or cards gives them.

    Raises:
        ValueError: Two results claim one number, or a card or number names what no result has.
    """
    numbers: dict[str, Number] = {}
    definitions: dict[str, Definition] = {}
    for result in results:
        if twice := numbers.keys() & result.numbers().keys():
            message = f"two results publish {', '.join(sorted(twice))}"
            raise ValueError(message)
        numbers |= result.numbers()
        definitions |= result.definitions()
    cards = next((result.cards() for result in results if result.cards()), ())
    if missing := [card for card in cards if card not in numbers]:
        message = f"cards name numbers that were not published: {', '.join(missing)}"
        raise ValueError(message)
    if undefined := sorted({number.definition for number in numbers.values()} - definitions.keys()):
        message = f"numbers name definitions that were not published: {', '.join(undefined)}"
        raise ValueError(message)
    checks = tuple(check for result in results for check in result.checks())
    failed = [check.message for check in checks if check.status == "fail"]
    closed = {result.scope() for result in results if any(check.status == "fail" for check in result.checks())}
    status: Status = "blocked" if failed else "warn" if any(check.status == "warn" for check in checks) else "ok"
    return Findings(
        client=client,
        period=period,
        topic=topic,
        status=status,
        reason=" ".join(failed) or None,
        headline=next((result.headline() for result in results if result.headline()), ""),
        cards=cards,
        numbers=numbers,
        checks=checks,
        # What a gate holds back is no ground for doing anything.
        decisions=tuple(
            decision for result in results if not closed & {"", result.scope()} for decision in result.decisions()
        ),
        definitions=definitions,
        tables=tables,
        provenance=provenance,
    )


def _plain(value: Any) -> Any:
    """Value with NumPy scalars as Python's, tuples as lists and non-finite floats as None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

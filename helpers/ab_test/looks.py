"""Looks across runs: the ledger's file, and what each look of a test may conclude."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from helpers.ab_test.ledger import Ledger, Record, enter
from helpers.ab_test.registration import SPENDING
from helpers.ab_test.sequential import Look, always_valid_critical, always_valid_p
from helpers.errors import DataError
from helpers.params import params_folder
from helpers.reporting.export import append_lines, read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from helpers.ab_test.cell import Cell
    from helpers.ab_test.registration import Test

# A test that has this share of its planned units has come to its planned end.
NEARLY = 0.99


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Looks of one test so far, this one last.

    Attributes:
        records: Units at each look, and whether it was planned.
        maximum: Planned units; `None` where none were planned.
        end: The earlier look at which the planned end had come; `None` where it had not.
    """

    records: tuple[Record, ...]
    maximum: int | None
    end: Record | None = None

    @property
    def early(self) -> tuple[Record, ...]:
        """Looks that were in no plan."""
        return tuple(record for record in self.records if not record.planned)


def ledger_of(client: str) -> Path:
    """A client's look ledger. It lies beside the params: reports may be deleted, what was looked at may not be forgotten."""
    return params_folder() / "looks" / f"{client}.ab_test.jsonl"


def read_looks(path: Path | None, test: Test) -> tuple[Record, ...]:
    """Looks of earlier runs, by growing information; none where there is no file.

    Raises:
        DataError: A line of the file is no look.
    """
    return tuple(sorted(_entries(path).get(test.id, {}).values(), key=lambda record: record.information))


def write_looks(path: Path | None, looks: Mapping[str, Looks]) -> None:
    """Write down this run's looks, each in a line of its own at the file's end.

    Nothing in the file is ever rewritten: runs beside each other lose no look of one another, and a look at an earlier state of
    the data forgets none that came after it. A look that is there already is not written again.

    Args:
        path: The ledger; `None` keeps none.
        looks: Looks by test, this run's last.
    """
    if path is None:
        return
    known = _entries(path)
    now = {name: own.records[-1] for name, own in looks.items()}
    lines = [
        json.dumps({"test": name, **asdict(record)})
        for name, record in now.items()
        if known.get(name, {}).get(record.information) != record
    ]
    if lines:
        append_lines(path, lines)


def _entries(path: Path | None) -> dict[str, dict[float, Record]]:
    """Looks by test and information; of two with the same data the later line holds."""
    found: dict[str, dict[float, Record]] = {}
    if path is None:
        return found
    for place, line in enumerate(read_lines(path), start=1):
        try:
            content = json.loads(line)
            test = content.pop("test")
            record = Record(**content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}, line {place}: not a look ({line[:60]!r}); restore the file, or take the line out and know that one look "
                "is forgotten"
            ) from error
        found.setdefault(test, {})[record.information] = record
    return found


def enter_look(past: tuple[Record, ...], test: Test, *, n: int, at: str, complete: bool) -> Looks:
    """The looks with this one among them; data that were looked at before are no new look.

    Args:
        past: Looks of earlier runs.
        test: As registered.
        n: Units that have an outcome now.
        at: Last day of the data.
        complete: Whether the planned end has been reached.
    """
    before = tuple(record for record in past if record.information < n)
    end = _end(before, test)
    if end is not None:
        before = tuple(replace(one, planned=one.planned and one.information <= end.information) for one in before)
    if end is None and test.sequential in SPENDING and test.planned_n:
        found = enter(_ledger(test, before, test.alpha), at=at, information=n, statistic=0.0, final=complete)
        records = found.ledger.records
        return Looks(records=(*records[:-1], replace(records[-1], complete=complete)), maximum=test.planned_n)
    free = test.sequential == "always_valid" or not (test.planned_n or test.planned_days)
    record = Record(
        at=at,
        information=float(n),
        spent=0.0,
        critical=0.0,
        crossed=False,
        planned=free or (complete and end is None),
        complete=complete,
    )
    return Looks(records=(*before, record), maximum=test.planned_n, end=end)


def _end(before: tuple[Record, ...], test: Test) -> Record | None:
    """The look at which a test had come to its planned end, which later ones are no part of; `None` before it.

    A test that may be read at any time, and one without a plan, have none. Lines of older ledgers do not say `complete`: a fixed
    test planned no look but that at its end, and spending ends with the planned units.
    """
    if test.sequential in SPENDING and test.planned_n:
        least = NEARLY * test.planned_n
        return next((one for one in before if one.complete or one.information >= least), None)
    if test.sequential == "none" and (test.planned_n or test.planned_days):
        return next((one for one in before if one.complete or one.planned), None)
    return None


def kept(looks: Looks, test: Test) -> dict[str, tuple[str, Record]]:
    """Answers that stand from an earlier look of a test that spends alpha, by variant, with that look.

    A boundary that was crossed is crossed, and what was undecided at the planned end has nothing left to be decided with: data
    that come later are supplementary.
    """
    found: dict[str, tuple[str, Record]] = {}
    if test.sequential in SPENDING:
        for record in looks.records[:-1]:
            for variant, answer in record.answers.items():
                found.setdefault(variant, (answer, record))
    return found


def looker(looks: Looks, test: Test, *, n: int) -> Callable[[Cell, float], Look | None] | None:
    """What gives a cell its critical value and p at this look; `None` for a test that is read once.

    Args:
        looks: This look last.
        test: As registered.
        n: Units that have an outcome now.
    """
    if test.sequential == "none":
        return None

    # Past its end a test has nothing to spend: intervals of what came later stand at the level of the look at its end.
    at, final = looks.end or looks.records[-1], looks.end is not None or looks.records[-1].complete
    past = tuple(one for one in looks.records[:-1] if one.information < at.information)

    def anytime(cell: Cell, alpha: float) -> Look | None:
        if cell.pair.reason:
            return None
        tuning = float(test.planned_n or n)
        critical = always_valid_critical(n, alpha=alpha, tuning=tuning)
        z = cell.z
        p = always_valid_p(z, n, alpha=alpha, tuning=tuning)
        return Look(critical=critical, p=p, crossed=abs(z) > critical, spent=alpha)

    def grouped(cell: Cell, alpha: float) -> Look | None:
        if cell.pair.reason:
            return None
        ledger = _ledger(test, past, alpha)
        return enter(ledger, at="", information=at.information, statistic=cell.z, final=final).look

    return anytime if test.sequential == "always_valid" else grouped


def _ledger(test: Test, past: tuple[Record, ...], alpha: float) -> Ledger:
    """The test's ledger at a level: what earlier looks spent is in proportion to it."""
    from helpers.ab_test.sequential import spent

    spending: Any = test.sequential
    maximum = float(test.planned_n or 1)
    own = tuple(
        replace(record, spent=spent(record.information / maximum, alpha=alpha, spending=spending)) for record in past
    )
    planned = test.planned_looks or ()
    return Ledger(maximum=maximum, planned=planned, alpha=alpha, spending=spending, records=own)

"""Tables and sentences: the only way a report shows rows and words. Everything a client wrote is escaped here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

from helpers.reporting.directions import ISOLATES, contained, turns
from helpers.reporting.inline import inline, plain_table
from helpers.reporting.words import MISSING, _, day, language, money, number, percent, period_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import pandas as pd

Kind = Literal[
    "text", "prose", "number", "decimal", "money", "share", "signed_share", "date", "month", "printed", "file", "key"
]
LONGEST_TEXT, LONGEST_PROSE = 120, 1_000


@dataclass(frozen=True, kw_only=True)
class Column:
    """How one column is headed and printed.

    Attributes:
        label: Its heading, with the unit.
        kind: How its values are printed; `prose` for whole sentences of the report; `printed` for numbers that are text
            already, each in its own unit; a `file` is the path of a published table, and is linked; a `key` may
            break after its dots.
        low: Name of the frame's column with the lower end of the interval, printed beside the value.
        high: Name of the column with the upper end.
    """

    label: str
    kind: Kind = "text"
    low: str | None = None
    high: str | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it will be printed."""

    title: str
    html: str

    def _repr_html_(self) -> str:
        return inline(self.html)

    def __repr__(self) -> str:
        return f"{clean(self.title)}\n{plain_table(self.html)}"


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A paragraph of plain text."""

    text: str

    def _repr_html_(self) -> str:
        return inline(self.html)

    @property
    def html(self) -> str:
        """The paragraph as a report shows it."""
        return str(Markup("<p>{}</p>").format(clean(self.text)))

    def __repr__(self) -> str:
        return clean(self.text)


def clean(text: object) -> str:
    """Text without control characters and without marks that would turn the direction of what stands around it."""
    return contained(str(text))


def shorten(text: object, longest: int = LONGEST_TEXT) -> str:
    """Clean text of at most `longest` characters."""
    plain = clean(text)
    return plain if len(plain) <= longest else contained(plain[: longest - 1]) + "…"


def bdi(text: object, longest: int = LONGEST_TEXT) -> Markup:
    """A client's text in its own direction, as short as `shorten` makes it."""
    plain = shorten(text, longest)
    runs = language().direction
    if not turns(plain, within=runs):
        return Markup("{}").format(plain)
    if ISOLATES.search(plain):
        # A text of ours, in which a client's words are set apart: it runs as the page does, whatever letter stands first.
        return Markup('<bdi dir="{}">{}</bdi>').format(runs, plain)
    return Markup("<bdi>{}</bdi>").format(plain)


def table(
    frame: pd.DataFrame,
    columns: dict[str, Column],
    *,
    title: str,
    foot: str = "",
    rows: int = 10,
    strong: Collection[int] = (),
    file: str | None = None,
) -> Table:
    """A table for a report.

    Args:
        frame: One row a row; columns that `columns` does not name are not shown.
        columns: Columns in the order they are printed; the first one heads its row.
        title: Caption.
        foot: What stands under the table: n, source, level of the intervals.
        rows: Most rows that are printed.
        strong: Places of the rows that matter, set bold.
        file: Where all rows are, said when some are not printed.

    Raises:
        ValueError: `title` is empty, or `columns` names a column that the frame lacks.
    """
    named = {name for key, column in columns.items() for name in (key, column.low, column.high) if name}
    if missing := named - set(frame.columns):
        raise ValueError(f"columns name {', '.join(sorted(missing))}, which the frame lacks")
    if not title.strip():
        raise ValueError("title == '', must say what the table shows")
    heads = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(_numeric_class(column), clean(column.label))
        for column in columns.values()
    )
    body = Markup("").join(
        _row(row, columns, strong=place in strong) for place, row in enumerate(frame.head(rows).to_dict("records"))
    )
    if frame.empty:
        body = Markup('<tr><td colspan="{}">{}</td></tr>').format(len(columns), _("Nothing to show."))
    notes = [foot] if foot else []
    if len(frame) > rows:
        told = _("{shown} of {all} rows; all are in {file}.") if file else _("{shown} of {all} rows.")
        notes.append(told.format(shown=number(rows), all=number(len(frame)), file=file))
    under = Markup('<p class="foot">{}</p>').format(clean(" ".join(notes))) if notes else ""
    html = Markup(
        '<div class="table" role="group" aria-label="{title}" tabindex="0"><table><caption>{title}</caption>'
        "<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>{under}"
    ).format(title=clean(title), heads=heads, body=body, under=under)
    return Table(title=title, html=str(html))


def _row(row: dict[Any, Any], columns: dict[str, Column], *, strong: bool) -> Markup:
    cells = []
    for place, (key, column) in enumerate(columns.items()):
        shown = Markup("{}").format(_shown(row[key], column.kind))
        if column.kind == "file" and shown != MISSING:
            shown = Markup('<a href="{0}">{0}</a>').format(shown)
        if column.low and column.high:
            ends = [_shown(row[end], column.kind) for end in (column.low, column.high)]
            if MISSING not in ends:
                shown += Markup(' <small class="interval">{}</small>').format(
                    _("{low} to {high}").format(low=ends[0], high=ends[1])
                )
        tag = Markup('<th scope="row"{}>{}</th>') if place == 0 else Markup("<td{}>{}</td>")
        cells.append(tag.format(_numeric_class(column), shown))
    return Markup("<tr{}>{}</tr>").format(Markup(' class="strong"') if strong else "", Markup("").join(cells))


def _numeric_class(column: Column) -> Markup:
    if column.kind in {"text", "prose", "date", "month", "file", "key"}:
        return Markup("")
    return Markup(' class="num printed"') if column.kind == "printed" else Markup(' class="num"')


def _shown(value: Any, kind: Kind) -> str:
    """A value as it is printed; a dash where there is none."""
    import pandas as pd

    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value):  # noqa: PLR0124
        return MISSING
    formats: dict[str, Callable[[Any], str]] = {
        "text": bdi,
        "prose": lambda x: bdi(x, LONGEST_PROSE),
        "printed": bdi,
        "number": number,
        "decimal": lambda x: number(x, digits=2),
        "money": money,
        "share": percent,
        "signed_share": lambda x: percent(x, signed=True),
        "date": day,
        "month": lambda x: period_name(f"{x:%Y-%m}"),
        "file": clean,
        "key": lambda x: Markup(".<wbr>").join(clean(x).split(".")),
    }
    return formats[kind](value)

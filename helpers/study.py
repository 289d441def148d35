"""Study: one client, one period. What every notebook opens first and publishes to last."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from helpers import __version__
from helpers.data.load import Tables, load_tables
from helpers.errors import ParamsError, TopicSkippedError
from helpers.needs import skip_reason
from helpers.params import ROOT, expand, load_params, params_folder, topics
from helpers.periods import Period, check_period_name, resolve_period
from helpers.reporting import tokens
from helpers.reporting.export import write_json, write_parquet
from helpers.reporting.findings import Findings, Result, gather
from helpers.reporting.health import DataHealth
from helpers.reporting.sheets import Sheet, note_of, write_sheets
from helpers.reporting.tables import Sentence
from helpers.reporting.words import _, day, foreign, period_name, use_language
from helpers.shelf import earlier_findings, read_findings, study_findings, study_folder
from helpers.yaml_files import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    import ibis.expr.types as ir
    import pandas as pd

    from helpers.reporting.findings import Findings

LIBRARIES = (
    "duckdb",
    "ibis-framework",
    "matplotlib",
    "numpy",
    "nutpie",
    "pandas",
    "pymc",
    "scikit-learn",
    "scipy",
    "statsmodels",
)


@dataclass(frozen=True, kw_only=True)
class Study:
    """One client and period, opened for one topic.

    Attributes:
        client: The client's id.
        topic: Name of the topic, which is its notebook's.
        params: The client's params.
        period: The period under study.
        last: The period before it, where the data cover it.
        year_ago: The same period a year earlier, where the data cover it.
        tables: The tables the topic declared.
        folder: Where its report goes.
        opened: Seconds of a monotonic clock when it was opened.
    """

    client: str
    topic: str
    params: Any
    period: Period
    last: Period | None
    year_ago: Period | None
    tables: Tables
    folder: Path
    opened: float

    @property
    def orders(self) -> ir.Table:
        """Checked orders, one row each, with their `kind`."""
        return self.tables.kept["orders"]

    @property
    def settings(self) -> Any:
        """The topic's section of the params."""
        return getattr(self.params, self.topic)

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        return int(self.params.seed)

    @property
    def period_name(self) -> str:
        """The period as a sentence names it."""
        return period_name(self.period.label)

    @property
    def first(self) -> datetime:
        """Midnight of the log's first day."""
        return datetime.combine(self.tables.first, datetime.min.time())

    @property
    def observed_until(self) -> datetime:
        """First moment that the data do not reach."""
        return resolve_period("all", first=self.tables.first, last=self.tables.last, grain="year").end

    @property
    def end(self) -> datetime:
        """First moment after both the period and the data."""
        return min(self.period.end, self.observed_until)

    def months_before(self, months: int) -> datetime:
        """The moment so many calendar months before the study's end."""
        import pandas as pd

        return (pd.Timestamp(self.end) - pd.DateOffset(months=months)).to_pydatetime()

    def playbook(self) -> dict[str, Any]:
        """The playbook that the topic's params name."""
        path = expand(self.settings.playbook, key=f"{self.topic}.playbook")
        if not path.is_file():
            raise ParamsError(f"{self.topic}.playbook: no file {self.settings.playbook}")
        return read_yaml(path)

    def table(self, name: str) -> ir.Table | None:
        """A declared table, or `None` where the client brought none."""
        return self.tables.kept.get(name)

    def found(self, topic: str, table: str) -> pd.DataFrame | None:
        """A table that another topic published for this study; `None` where it did not run, or must not be used."""
        import pandas as pd

        path = self.folder / f"{topic}.json"
        if not path.is_file():
            return None
        findings = read_findings(path)
        if findings.status not in {"ok", "warn"} or table not in findings.tables:
            return None
        return pd.read_parquet(self.folder / findings.tables[table])

    def barred(self, topic: str) -> bool:
        """Whether another topic ran for this study and what it found must not be used."""
        path = self.folder / f"{topic}.json"
        return path.is_file() and read_findings(path).held_back

    def others(self) -> dict[str, Findings]:
        """What all other topics found for this study, whatever their state, by topic."""
        paths = {name: self.folder / f"{name}.json" for name in topics() if name != self.topic}
        return {name: read_findings(path) for name, path in paths.items() if path.is_file()}

    def earlier(self) -> tuple[Findings, ...]:
        """What this topic found for the client in all earlier periods, the oldest first."""
        paths = earlier_findings(self.folder.parent, self.topic, before=self.period.label)
        return tuple(read_findings(path) for path in paths)

    def findings(self) -> list[Findings]:
        """What the study's topics have published so far."""
        return study_findings(self.folder)

    @cached_property
    def health(self) -> DataHealth:
        """Health of the data that were read."""
        return DataHealth(
            tables_read=tuple(self.tables.health.values()),
            period=self.period,
            complete=self.period.covered_by(self.tables.first, self.tables.last),
            through=day(self.tables.last),
        )

    def publish(self, *results: Result) -> Sentence:
        """Write the topic's findings and tables beside its report.

        Args:
            results: What the notebook found, the result with the verdict first. The data's health is added.

        Returns:
            A sentence that says what was written.

        Raises:
            ValueError: Two results claim one number or table.
        """
        named: dict[str, pd.DataFrame] = {}
        for result in results:
            for name, frame in result.tables().items():
                if name in named:
                    raise ValueError(f"two results publish the table {name!r}")
                named[name] = frame
        written: dict[str, str] = {}
        for name, frame in named.items():
            written[name] = f"tables/{self.topic}.{name}.parquet"
            write_parquet(self.folder / written[name], frame)
        workbook = {"workbook": f"tables/{self.topic}.xlsx"} if named else {}
        written |= workbook | self._write_quarantine()
        findings = gather(
            *results,
            self.health,
            client=self.client,
            period=self.period.label,
            topic=self.topic,
            tables=written,
            provenance=self.provenance(),
        )
        if named:
            note = note_of(findings)
            sheets = [Sheet(name=name, frame=frame, file=written[name], note=note) for name, frame in named.items()]
            write_sheets(self.folder / written["workbook"], sheets)
        write_json(self.folder / f"{self.topic}.json", findings.to_json())
        return Sentence(text=_("Findings and tables are in the files beside this report."))

    def _write_quarantine(self) -> dict[str, str]:
        import pandas as pd

        aside = [health.quarantine for health in self.tables.health.values() if len(health.quarantine)]
        if not aside:
            return {}
        # Topics read different tables and may run side by side: each has a file of its own, and the runner joins them.
        written = f"tables/{self.topic}.quarantine.parquet"
        write_parquet(self.folder / written, pd.concat(aside, ignore_index=True))
        return {"quarantine": written}

    def provenance(self) -> dict[str, Any]:
        """What the findings were made of, for the manifest and the report's foot."""
        return {
            "client_name": self.params.name,
            "data": {
                name: {"source": health.source, "sha256": self.tables.sha256.get(name), "rows": health.rows_in}
                for name, health in self.tables.health.items()
            },
            "data_through": self.tables.last.isoformat() if self.tables.dated else None,
            "params_sha256": hashlib.sha256(self.params.model_dump_json().encode()).hexdigest(),
            "generated_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "code_version": code_version(),
            "seed": self.seed,
            "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
            "seconds": round(time.monotonic() - self.opened, 2),
        }

    def _repr_html_(self) -> str:
        return self._said()._repr_html_()

    def __repr__(self) -> str:
        return repr(self._said())

    def _said(self) -> Sentence:
        """Whom and when it is about."""
        if not self.tables.dated:
            text = _("{client}: the data hold no dates, so all of them are read.").format(
                client=foreign(self.params.name)
            )
            return Sentence(text=text)
        start, end = day(self.period.start), day(self.period.end - timedelta(days=1))
        # A name that is made of the dates need not have them told again.
        text = _("{client}, {period}") if end in self.period_name else _("{client}, {period}: {start} to {end}")
        told = text.format(client=foreign(self.params.name), period=self.period_name, start=start, end=end)
        return Sentence(text=told)


def open_study(client: str, period: str = "latest", *, notebook: str) -> Study:
    """Open one client and period for a topic: read its params, load and check its tables, set the language.

    Args:
        client: Name of a params file.
        period: `latest`, `all`, `2024`, `2024-Q4`, `2024-11`, `2024-W45` or `2024-11-01..2024-11-30`.
        notebook: The topic.

    Raises:
        ParamsError: Unknown client, period or topic, or a mistake in the params.
        DataError: A table is missing, unreadable or too dirty.
        TopicSkippedError: The client did not bring a table the topic needs.
    """
    opened = time.monotonic()
    topic = topics()[notebook]
    check_period_name(period)
    params = load_params(client, folder=params_folder())
    if reason := skip_reason(params, notebook):
        raise TopicSkippedError(reason)
    names = (name for need in topic.NEEDS for name in ((need,) if isinstance(need, str) else need))
    tables = load_tables(params, names=(*names, *topic.OPTIONAL), expand=expand)
    chosen = resolve_period(period, first=tables.first, last=tables.last, grain=params.periods.grain)
    use_language(params.locale, params.currency)
    tokens.use_accent(params.brand.colour)
    return Study(
        client=client,
        topic=notebook,
        params=params,
        period=chosen,
        last=_covered(chosen.previous(), tables),
        year_ago=_covered(chosen.year_ago(), tables),
        tables=tables,
        folder=study_folder(client, chosen.label),
        opened=opened,
    )


def preflight(params: Any, tables: Tables) -> None:
    """Let each topic hold its section against the client's tables.

    Raises:
        ParamsError: A section names what the tables lack.
    """
    for name, topic in topics().items():
        if hasattr(topic, "preflight"):
            topic.preflight(getattr(params, name), tables.kept)


def code_version() -> str:
    """The kit's version, with the commit it runs from where it is a checkout."""
    try:
        shown = subprocess.run(  # noqa: S603 - a fixed command
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],  # noqa: S607 - git by name, wherever it is
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__}+{shown.stdout.strip()}"


def _covered(period: Period | None, tables: Tables) -> Period | None:
    return period if period and period.covered_by(tables.first, tables.last) else None

"""Twins: a client's kept tables on another engine, row for row, in another order."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir
import pytest

from helpers.data.load import load_tables
from helpers.params import expand, load_params
from helpers.periods import resolve_period
from helpers.study import Study
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

READ = ("orders", "customers", "subscriptions", "events", "experiments", "offers")


def demo_study(folder: Path, *, period: str) -> Study:
    """The demo client of a folder, as its params have it."""
    params = load_params("demo", folder=ROOT / "params")
    tables = {
        name: source.model_copy(update={"source": str(folder / f"{name}.parquet")})
        for name, source in params.data.tables.items()
    }
    data = params.data.model_copy(update={"demo": None, "tables": tables})
    return _study(params.model_copy(update={"data": data}), folder, period=period)


def retail_study(folder: Path, *, period: str) -> Study:
    """Online Retail, as its example has it; `VALUEBOOK_DATA` names the folder."""
    return _study(load_params("online_retail", folder=ROOT / "params/examples"), folder, period=period)


def _study(params: Any, folder: Path, *, period: str) -> Study:
    tables = load_tables(params, names=READ, expand=expand)
    chosen = resolve_period(period, first=tables.first, last=tables.last, grain="quarter")
    return Study(
        client=params.client,
        topic="pulse",
        params=params,
        period=chosen,
        last=chosen.previous(),
        year_ago=chosen.year_ago(),
        tables=tables,
        folder=folder,
        opened=0.0,
    )


def on(study: Study, kept: dict[str, Any]) -> Study:
    """The study with another engine's tables."""
    return replace(study, tables=replace(study.tables, kept=kept))


@contextmanager
def overheard(con: Any) -> Iterator[list[ir.Expr]]:
    """The expressions that a backend is asked for meanwhile."""
    asked: list[ir.Expr] = []

    def listening(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            asked.extend(one for one in arguments if isinstance(one, ir.Expr))
            return method(*arguments, **options)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in ("execute", "to_pyarrow", "create_table"):
            patch.setattr(con, name, listening(getattr(con, name)))
        yield asked


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a study's tables, shuffled: no engine but the embedded one keeps the order in which rows came."""

    client: str
    arrow: dict[str, pa.Table]
    schemas: dict[str, ibis.Schema]

    @classmethod
    def of(cls, study: Study) -> Rows:
        """All rows of all tables that topics read."""
        kept = {name: table for name, table in study.tables.kept.items() if name != "order_lines"}
        shuffled = {name: table.order_by(ibis.random()).to_pyarrow() for name, table in kept.items()}
        return cls(client=study.client, arrow=shuffled, schemas={name: table.schema() for name, table in kept.items()})

    def to_postgres(self, con: Any) -> dict[str, Any]:
        """Temporary tables of a connection."""
        made = {}
        for name, rows in self.arrow.items():
            own = f"{self.client}_{name}"
            made[name] = con.create_table(own, schema=self.schemas[name], temp=True)
            with con.con.cursor() as cursor, cursor.copy(f'COPY "{own}" FROM STDIN') as copy:
                for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                    copy.write_row(row)
            con.raw_sql(f'ANALYZE "{own}"').close()
        return made

    def to_spark(self, con: Any, folder: Path) -> dict[str, Any]:
        """Views of Parquet files."""
        import pyarrow.parquet as pq

        made = {}
        for name, rows in self.arrow.items():
            path = folder / f"{name}.parquet"
            pq.write_table(rows, path)
            made[name] = con.read_parquet(path, table_name=f"{self.client}_{name}")
        return made

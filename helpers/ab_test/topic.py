"""The topic's tables and params, and their check against the client's tables."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from helpers.ab_test.registration import Ahead, Covariate, Section, Test
from helpers.errors import ParamsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A tuple: any of these will do. Without experiments, the first test is planned from the log.
NEEDS: tuple[str | tuple[str, ...], ...] = (("experiments", "orders"),)
OPTIONAL: tuple[str, ...] = ("events",)
# Topics whose findings it reads where there are any: they run before it.
READS: tuple[str, ...] = ("clv",)
# Looks go into a ledger of the client: its periods run one after another.
IN_ORDER = True


class Params(Section):
    """Section `ab_test` of the params.

    Attributes:
        tests: Registered tests; each experiment of the table is explored where there are none.
        plan: The next test, planned from the client's own log.
        replays: Random splits of the A/A replay.
        level: Coverage of the shrunk and Bayesian intervals.
    """

    tests: tuple[Test, ...] = ()
    plan: Ahead = Ahead()
    replays: int = Field(default=400, ge=100, le=10_000)
    level: float = Field(default=0.90, gt=0.5, lt=1)

    @field_validator("tests")
    @classmethod
    def _one_name_each(cls, tests: tuple[Test, ...]) -> tuple[Test, ...]:
        names = [test.id for test in tests]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two tests are called {', '.join(twice)}")
        return tests


def preflight(settings: Params, tables: Mapping[str, Any]) -> None:
    """Hold the registered tests against the tables.

    Args:
        settings: The section.
        tables: Kept Ibis tables by contract name.

    Raises:
        ParamsError: A test names an experiment, control, variant or column that is not there, or the plan a table.
    """
    plan = settings.plan
    wanted = [plan.traffic, *(one.source for one in plan.metrics), *(one.source for one in plan.covariates)]
    for name in wanted:
        if name != "base" and name not in tables:
            raise ParamsError(f"ab_test.plan: from {name}, a table that the client did not bring")
    table = tables.get("experiments")
    if not settings.tests:
        return
    if table is None:
        raise ParamsError("ab_test.tests: the client did not bring the table experiments that they are in")
    there = table.select("experiment", "variant").distinct().to_pyarrow().to_pylist()
    for place, test in enumerate(settings.tests):
        key = f"ab_test.tests.{place} ({test.id})"
        _named(test.name_in_table, {row["experiment"] for row in there}, f"{key}: experiment")
        arms = {row["variant"] for row in there if row["experiment"] == test.name_in_table}
        _named(test.control, arms, f"{key}.control")
        members = [name for names in test.pool.values() for name in names]
        for variant in (*test.variants, *test.shares):
            _named(variant, arms, f"{key}.variants")
        for variant in members:
            _named(variant, arms, f"{key}.pool: variant")
        for variant in {*test.variants, *arms} if test.shares else ():
            _named(variant, test.shares, f"{key}.shares: share of variant")
        _columns(test, table.columns, tables, key)


def _columns(test: Test, columns: Iterable[str], tables: Mapping[str, Any], key: str) -> None:
    named = [("unit", test.unit), *(("covariates", name) for name in test.covariates if isinstance(name, str))]
    named += [("segments", name) for name in test.segments] + ([("cluster", test.cluster)] if test.cluster else [])
    for what, name in named:
        _named(name, columns, f"{key}.{what}: column")
    for covariate in test.covariates:
        if isinstance(covariate, Covariate):
            _from_log(covariate.source, columns, tables, f"{key}.covariates.{covariate.name}")
    for metric in test.metrics:
        where = f"{key}.metrics.{metric.name}"
        if metric.source != "experiments":
            _from_log(metric.source, columns, tables, where)
            continue
        for name in (*metric.columns, *([metric.at] if metric.at else [])):
            _named(name, columns, f"{where}: column")


def _from_log(source: str, columns: Iterable[str], tables: Mapping[str, Any], where: str) -> None:
    if source not in tables:
        raise ParamsError(f"{where}: from: {source}, a table that the client did not bring")
    if not {"assigned_at", "exposed_at"} & set(columns):
        raise ParamsError(f"{where}: what comes from {source} needs assigned_at or exposed_at in experiments")


def _named(name: str, known: Iterable[str], what: str) -> None:
    names = sorted(map(str, known))
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names[:20])}"
    raise ParamsError(f"{what} {name!r} is not in the table; {hint}")

"""The command line: `valuebook run | pdf | states | check | list | new | verify | demo`.

Exit codes: 0 all well, 1 a topic failed, 2 bad params or data, 3 a topic ran and its answer is blocked, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import errno
import signal
import time
from pathlib import Path  # noqa: TC003 - Typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from helpers.errors import ParamsError, ValuebookError
from helpers.params import ROOT, clients, load_params
from helpers.running import pdf as printing
from helpers.running.options import (
    BAD_INPUT,
    BLOCKED,
    FAILED,
    STOPPED,
    Clients,
    ExecutorKind,
    Executors,
    Force,
    Jobs,
    KernelKind,
    Kernels,
    ParamsDir,
    ParamsPath,
    Pdf,
    Periods,
    ReportsDir,
    ReportsPath,
    RetryFailed,
    Scheduler,
    Topics,
    complain,
    local_folder,
    out,
    use_params,
    use_reports,
)
from helpers.running.states import states

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.data.ahead import ReadAhead
    from helpers.data.load import Tables
    from helpers.running.batch import Executor
    from helpers.running.execute import Outcome, Setting
    from helpers.running.kernels import Kind
    from helpers.running.plan import Plan

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="An order log in, decisions about customer value out.",
)

# A disk, or a user's share of it.
FULL = (errno.ENOSPC, errno.EDQUOT)

# One a language; their data are one simulated trade.
DEMOS = ("demo", "demo_vi", "demo_fa")


def main() -> None:
    """Entry point: a user's mistake becomes a message and exit code 2, a full disk one and exit code 1, never a traceback."""
    try:
        app()
    except ValuebookError as error:
        complain(str(error))
        raise SystemExit(BAD_INPUT) from None
    except OSError as error:
        if error.errno not in FULL:
            raise
        complain(f"{error}. What had ended is kept; make room and run the same command again.")
        raise SystemExit(FAILED) from None


@app.command()
def run(
    names: Clients = None,
    period: Periods = None,
    topic: Topics = None,
    jobs: Jobs = 1,
    kernel: KernelKind = None,
    executor: ExecutorKind = Executors.local,
    scheduler: Scheduler = None,
    force: Force = False,
    retry_failed: RetryFailed = False,
    pdf: Pdf = False,
    params: ParamsPath = None,
    reports: ReportsPath = None,
) -> None:
    """Run topics for clients and periods, and write their reports; what is done and unchanged does not run again."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        # Ledgers lie beside the params: both are sent back.
        folder = use_params(local_folder(params, stack))
        target = use_reports(local_folder(reports, stack))
        if pdf:
            printing.check_named()
        code, plan = _run(
            names, period, topic, jobs, kernel, executor, scheduler, force, retry_failed, folder, target, began
        )
        if pdf and plan and code != STOPPED:
            studies = dict.fromkeys((job.client, job.period) for job in plan.jobs)
            code = printing.print_missing(studies, topics={job.topic for job in plan.jobs}, reports=target) or code
    if code:
        raise SystemExit(code)


def _run(
    names: list[str] | None, period: list[str] | None, topic: list[str] | None, jobs: int, kernel: Kernels | None,
    executor: Executors, scheduler: str | None, force: bool, retry_failed: bool, folder: Path, target: Path, began: float,
) -> tuple[int, Plan | None]:  # fmt: skip
    """Run a plan; the exit code, and the plan where it was run."""
    from helpers.running.plan import make_plan

    shelf: list[ReadAhead] = []
    beside: dict[str, Any] = {}
    if executor is Executors.local:
        beside = {"reading": _warm_up(topic or [], kernel), "learned": _put_on(shelf)}
    plan = make_plan(names=names or [], periods=period or ["latest"], chosen=topic or [], params=folder, **beside)
    for client, message in plan.errors.items():
        complain(f"{client}: {message}")
    if plan.errors and not plan.jobs:
        return BAD_INPUT, None
    from helpers.running.execute import Setting

    ahead = shelf[0] if shelf else None
    setting = Setting(params=folder, reports=target, jobs=jobs, force=force, retry_failed=retry_failed, ahead=ahead)
    try:
        outcomes = _run_plan(plan, setting, asked=kernel, executor=executor, scheduler=scheduler)
    except KeyboardInterrupt:
        complain("Stopped. What had ended is kept; run the same command again to go on.")
        return STOPPED, plan
    from helpers.running.progress import summarise

    summarise(out, outcomes, index=target / "index.html", seconds=time.monotonic() - began)
    statuses = {outcome.status for outcome in outcomes}
    code = FAILED if "failed" in statuses else BAD_INPUT if plan.errors else BLOCKED if "blocked" in statuses else 0
    return code, plan


app.command("pdf")(printing.pdf)
app.command()(states)


@app.command()
def check(names: Clients = None, params: ParamsDir = None) -> None:
    """Check params and data; starts no kernel."""
    folder = use_params(params)
    from helpers.data.load import load_tables
    from helpers.params import expand
    from helpers.study import preflight

    bad = False
    for client in names or clients(folder):
        try:
            content = load_params(client, folder=folder)
            tables = load_tables(content, names=None, expand=expand)
            preflight(content, tables)
        except ValuebookError as error:
            complain(f"{client}: {error}")
            bad = True
            continue
        out.print(f"[bold]{client}[/bold]: data from {tables.first} to {tables.last}")
        for health in tables.health.values():
            out.print(
                f"  {health.table}: {health.rows_in} rows in, {health.rows_kept} kept, "
                f"{health.rows_quarantined} in quarantine",
                markup=False,
            )
            for fault in health.faults:
                out.print(f"    {fault.rule}: {fault.rows} rows; row {', row '.join(fault.offenders)}", markup=False)
    if bad:
        raise SystemExit(BAD_INPUT)


@app.command("list")
def list_all(params: ParamsDir = None, reports: ReportsDir = None) -> None:
    """Clients, periods, topics and their state."""
    folder, target = use_params(params), use_reports(reports)
    from helpers.running.plan import available_topics
    from helpers.running.progress import STATUS_STYLE
    from helpers.shelf import read_findings

    table = Table("client", "period", *available_topics(), box=None, header_style="bold")
    for client in clients(folder):
        periods = sorted(path.parent.name for path in target.glob(f"{client}/*/manifest.json"))
        for label in periods or ["–"]:
            states = []
            for topic in available_topics():
                path = target / client / label / f"{topic}.json"
                status = read_findings(path).status if path.exists() else "–"
                states.append(f"[{STATUS_STYLE.get(status, 'dim')}]{status}[/]")
            table.add_row(client, label, *states)
    out.print(table)


@app.command()
def new(
    client: Annotated[str, typer.Argument(help="Name of the new client: letters, digits, - and _.")],
    orders: Annotated[Path, typer.Option("--orders", help="The order log: one row an order, or one a line.")],
    params: ParamsDir = None,
) -> None:
    """Look at an order log, propose a column mapping and write the client's params."""
    folder = use_params(params)
    from helpers.running.new import write_params

    proposal = write_params(client, orders=orders, folder=folder)
    out.print(f"Wrote {proposal.path}", markup=False, soft_wrap=True)
    for line in proposal.said:
        out.print(f"  {line}", markup=False, soft_wrap=True)


@app.command()
def verify(
    report: Annotated[Path, typer.Argument(help="Folder of one study: reports/CLIENT/PERIOD.")],
    jobs: Jobs = 1,
    kernel: KernelKind = None,
    params: ParamsDir = None,
) -> None:
    """Run again what a report's manifest says, elsewhere, and compare findings and tables."""
    from helpers.running.execute import Setting
    from helpers.running.kernels import kind_of
    from helpers.running.lease import lease
    from helpers.running.progress import Lines
    from helpers.running.verify import verify as compare

    lease().linger = 0
    kind, _why = kind_of(_kind(kernel))
    setting = Setting(params=use_params(params), reports=report, jobs=jobs, kernel=kind)
    differences = compare(report.resolve(), setting=setting, watcher=Lines(out))
    for difference in differences:
        complain(f"{difference.topic}: {difference.what} came out otherwise")
    if differences:
        raise SystemExit(FAILED)
    out.print(f"{report}: all findings and tables came out the same", soft_wrap=True)


@app.command()
def demo(jobs: Jobs = 1, reports: ReportsDir = None) -> None:
    """Make the demo clients' data, if they aren't there, and run everything on them: one client a language."""
    try:
        run(names=list(DEMOS), jobs=jobs, params=str(ROOT / "params"), reports=str(reports) if reports else None)
    except SystemExit as ended:
        if ended.code != BLOCKED:
            raise
        # A gate that holds an answer back is part of what the demo shows.


def _run_plan(
    plan: Plan, setting: Setting, *, asked: Kernels | None, executor: Executors, scheduler: str | None
) -> list[Outcome]:
    from dataclasses import replace

    from helpers.running.batch import Judge, kernels_for, run_batch
    from helpers.running.progress import Lines, LiveTable, expected_seconds

    judge = Judge(plan, setting)
    runs_on: Executor | None = None
    if executor is Executors.local:
        from helpers.running.lease import lease

        lease().linger = 0  # a batch that ends needs no kernels any more
        kind, why = kernels_for(judge, asked=_kind(asked))
        if why:
            complain(f"Kernels are plain: {why}")
        setting = replace(setting, kernel=kind)
    else:
        from helpers.running.cluster import DaskExecutor

        if not scheduler:
            raise ParamsError("--executor dask needs --scheduler, the address of the cluster: tcp://host:8786")
        runs_on = DaskExecutor(scheduler, setting=setting, asked=_kind(asked))
    watcher: Any = Lines(out)
    if out.is_terminal:
        watcher = LiveTable(out, plan.jobs, expected=expected_seconds(plan.jobs, reports=setting.reports))
    with watcher:
        return run_batch(judge, setting=setting, watcher=watcher, executor=runs_on)


def _warm_up(topics: list[str], asked: Kernels | None) -> Callable[[], None]:
    """What to do when a client's data will be read for the plan: warm up beside that, if it will pay."""
    from helpers.running.kernels import WORTH_IT, warming
    from helpers.running.lease import lease

    lease().linger = 0
    return warming(_kind(asked), each=len(topics) or WORTH_IT)


def _put_on(shelf: list[ReadAhead]) -> Callable[[Any, Tables], None]:
    """What to do when a client's data were read for the plan: put them on a shelf, made with the first, for its notebooks."""

    def put(params: Any, tables: Tables) -> None:
        from helpers.data.ahead import ReadAhead

        if not shelf:
            shelf.append(ReadAhead())
        shelf[0].put(params, tables)

    return put


def _kind(asked: Kernels | None) -> Kind | None:
    return None if asked is None else asked.value

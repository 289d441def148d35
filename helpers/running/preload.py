"""What a zygote loads before it forks: the helpers, every library that they use, and the compiled models."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import re
import time
from pathlib import Path
from typing import Any

import helpers

INLINE = "module://matplotlib_inline.backend_inline"
# What a kernel needs before it runs its first cell, and what libraries load only when they are used.
KERNEL = (
    "IPython.core.interactiveshell",
    "contourpy",
    "ibis.backends.duckdb",
    "ibis.formats.pandas",
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "pyarrow.parquet",
    "sqlglot.dialects.duckdb",
)
# What a line of a module imports: `from NAME import` or `import NAME`.
IMPORTED = re.compile(r"^ *(?:from ([\w.]+) import|import ([\w.]+))", re.MULTILINE)
# Parts of the helpers that only the runner uses, and the libraries that only they need.
NOT_FOR_KERNELS = ("helpers.running", "helpers.reporting.html", "helpers.reporting.pages")


def preload() -> float:
    """Load everything; what this says and warns of goes nowhere, for each kernel says it again where it matters.

    Returns:
        Seconds that it took.
    """
    started = time.monotonic()
    folder = Path(helpers.__file__).parent
    for name in sorted(_libraries(folder)):
        # A library that cannot be loaded here will say so in the kernel that wants it.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for module in pkgutil.walk_packages([str(folder)], "helpers."):
        if not module.name.startswith(NOT_FOR_KERNELS):
            importlib.import_module(module.name)
    _params()
    _languages()
    _queries()
    _figure()
    _models()
    return round(time.monotonic() - started, 2)


def _libraries(folder: Path) -> set[str]:
    """Modules that the helpers import anywhere, also inside functions, but for the runner's own."""
    found = {name for name in KERNEL if importlib.util.find_spec(name.partition(".")[0])}
    for path in folder.rglob("*.py"):
        module = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        if not module.startswith(NOT_FOR_KERNELS):
            # To parse hundreds of modules takes as long as to import a library; a word too many is no library and is passed over.
            found |= {one or other for one, other in IMPORTED.findall(path.read_text(encoding="utf-8"))}
    return {name for name in found if not name.startswith("helpers")}


def _params() -> None:
    """Check some params: what backends are installed, and the time zones, are looked up once for all kernels."""
    from helpers.params import check_params

    said = {"client": "a", "name": "A", "currency": "GBP", "timezone": "UTC"}
    check_params(said | {"data": {"backend": "duckdb", "tables": {"orders": {"from": "a"}}}})


def _languages() -> None:
    """Read each catalogue and what Babel knows of its language: a kernel has no time for either."""
    from datetime import date

    from babel import Locale

    from helpers.reporting import calendars, catalogues, numerals

    for name in catalogues.languages():
        locale = Locale.parse(name)
        catalogues.catalogue(locale)
        numerals.decimal(1.5, digits=1, locale=locale)
        calendars.day(date(2024, 1, 1), locale)


def _queries() -> None:
    """Write one query: Ibis and SQLGlot prepare much when they first do."""
    from datetime import datetime

    import ibis

    from helpers.data.checks import judge
    from helpers.data.customers import customer_states, order_days, with_exposure
    from helpers.data.orders import orders_from_orders
    from helpers.data.sources import CANCELLED, ROW
    from helpers.data.typed import typed
    from helpers.params import TableSource

    columns = {"order_id": "string", "customer_id": "string", "ordered_at": "string", "revenue": "string"}
    raw = ibis.table(columns | {ROW: "int64", CANCELLED: "boolean"}, name="orders")
    said = typed(raw, "orders", TableSource.model_validate({"from": "orders"}), timezone="UTC")
    now = datetime(2024, 1, 1)  # noqa: DTZ001 - the contract's moments are the client's local ones
    orders = orders_from_orders(judge(said, "orders", currency="GBP", now=now).drop(ROW))
    states = customer_states(order_days(orders, as_of=now))
    ibis.to_sql(with_exposure(states, as_of=now), dialect="duckdb")


def _figure() -> None:
    """One throw-away figure: fonts are found and measured once for all kernels."""
    import pandas as pd

    from helpers.reporting import figures
    from helpers.reporting.tables import Column, table

    frame = pd.DataFrame({"x": [1.0, 2.0]})

    def line(axes: Any, theme: Any) -> None:
        axes.plot([1, 2], [1, 2], color=theme.ink)

    figures.figure(
        line,
        title="x",
        subtitle="x",
        foot="x",
        alt="x",
        data=table(frame, {"x": Column(label="x", kind="decimal")}, title="x"),
    )


def _models() -> None:
    """Compile the densities that `helpers.clv` fits most, and load its loops; Numba compiles for what each is called with."""
    import numpy as np

    from helpers.clv import purchase, spend
    from helpers.clv.density import compiled
    from helpers.clv.expect import MONTH, discount_factors, expected_if_alive
    from helpers.clv.simulate import simulate

    rows = purchase.compressed(purchase.Rows.of([0, 1, 2], [0, 5, 20], [30, 30, 30]))
    bought: dict[str, Any] = {"x": [1, 2], "mean": [9.0, 12.0]}
    for family, data in {
        "mbg_nbd": rows,
        "gamma_gamma": spend.compressed(**bought),
        "gamma_gamma_frequency": spend.compressed(**bought, rate=[-0.1, 0.1]),
    }.items():
        density = compiled(family, data).density
        density(density.start)
    two: dict[str, Any] = {"x": np.ones(2), "T": np.full(2, 30.0)}
    parameters = {"r": 0.5, "alpha": 50.0, "a": 0.5, "b": 2.0}
    expected_if_alive("mbg_nbd", parameters, **two, ahead=MONTH * np.arange(1, 13))
    simulate(
        process="mbg_nbd",
        **two,
        t_x=np.full(2, 9.0),
        spend_x=np.ones(2),
        spend_total=np.full(2, 20.0),
        rate=np.zeros(2),
        purchase={name: np.full((1, 1), value) for name, value in parameters.items()},
        spend={"p": np.full(1, 6.0), "q": np.full(1, 4.0), "v": np.full(1, 15.0)},
        discount=discount_factors(12, 0.1),
        month=MONTH,
        margin=0.3,
        cac=0.0,
        group=np.zeros(2, dtype=np.int64),
        groups=1,
        level=0.9,
        seed=1,
    )


def use_backend(name: str) -> None:
    """Make matplotlib draw as if it had been imported under this `MPLBACKEND`."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.rcParams["backend"] = name
    plt._backend_mod = None  # noqa: SLF001 - it is looked up again when first needed

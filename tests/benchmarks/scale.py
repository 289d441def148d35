"""From the order log to the customer table (x, t_x, T, sums), in one run, as ratios: `make bench`.

Measured on one Parquet file of 1 and 10 million orders, or of what is said after the peers' Python (100000000), each in
a process of its own without its imports:

- a bare DuckDB group-by on customer: count, min, max, sum
- the kit's customer table, which also makes one order of a customer's day
- the kit's customer table after reading, typing, checking and looking for duplicates, as a study does
- pandas, the same table
- pymc-marketing's `rfm_summary`, in the peers' environment

On a log that the peers are not asked for, the kit's processes may hold 6 GB and no more, as a notebook's kernel under
`run.memory_gb`: the engine finds its share of that by itself.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from tests.benchmarks.results import Point, Row, record

SIZES = (1_000_000, 10_000_000)
# Peers that hold the whole log in memory are not asked for more.
MOST_IN_MEMORY = 10_000_000
# The customer table at ten million orders is to be so many times as fast as these.
TARGETS = {"rfm_summary": 10.0, "bare group-by": 1 / 3}
TARGETS_AT = 10_000_000
# Bytes in which the kit must get through larger logs.
ROOM = 6 * 10**9
OURS = ("customer table", "checked and customer table")

FRAME = """
import json, resource, sys, time
path, room = sys.argv[1], int(sys.argv[2])
if room:
    resource.setrlimit(resource.RLIMIT_DATA, (room, room))
{imports}
started, used = time.perf_counter(), time.process_time()
{work}
print("\\n" + json.dumps({{"seconds": time.perf_counter() - started, "cpu": time.process_time() - used,
                  "customers": int(customers), "revenue": float(revenue),
                  "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""

BARE = (
    "import duckdb",
    """
con = duckdb.connect()
con.execute("CREATE TEMP TABLE found AS SELECT customer_id, count(*) AS n, min(ordered_at) AS first, max(ordered_at) AS last, "
            "sum(revenue) AS revenue FROM read_parquet(?) GROUP BY customer_id", [path])
customers, revenue = con.execute("SELECT count(*), sum(revenue) FROM found").fetchone()
""",
)

# Every side's libraries are loaded before its clock starts, those that Ibis loads by itself as well.
KIT = """
from datetime import datetime
from pathlib import Path
import ibis
import ibis.backends.duckdb
import ibis.formats.pandas
from helpers.data.customers import customer_states, order_days, with_exposure
from helpers.data.engine import connect
from helpers.data.held import held
from helpers.data.load import load_tables
from helpers.params import ClientParams
AS_OF = datetime(2025, 1, 1)
params = ClientParams.model_validate({"client": "a", "name": "A", "currency": "GBP", "data": {"tables": {"orders": {"from": path}}}})
expand = lambda path, key: Path(path)
def table(orders):
    with held(with_exposure(customer_states(order_days(orders, as_of=AS_OF)), as_of=AS_OF)) as found:
        return found.agg(n=found.count(), revenue=found.total.sum()).execute().iloc[0]
"""
TABLE = (
    KIT,
    'customers, revenue = table(connect(params.data, expand=expand).read_parquet(path).mutate(kind=ibis.literal("order")))',
)
STUDY = (
    KIT,
    'customers, revenue = table(load_tables(params, names=("orders",), expand=expand).kept["orders"])',
)

PANDAS = (
    "import pandas as pd",
    """
orders = pd.read_parquet(path, columns=["customer_id", "ordered_at", "revenue"])
days = orders.assign(on=orders["ordered_at"].dt.normalize()).groupby(["customer_id", "on"], as_index=False)["revenue"].sum()
found = days.groupby("customer_id").agg(x=("on", "size"), first=("on", "min"), last=("on", "max"),
                                        first_value=("revenue", "first"), total=("revenue", "sum"))
found["t_x"] = (found["last"] - found["first"]).dt.days
customers, revenue = len(found), found["total"].sum()
""",
)

PEER = (
    "import pandas as pd\nfrom pymc_marketing.clv import rfm_summary",
    """
orders = pd.read_parquet(path, columns=["customer_id", "ordered_at", "revenue"])
found = rfm_summary(orders, customer_id_col="customer_id", datetime_col="ordered_at", monetary_value_col="revenue",
                    time_unit="D", include_first_transaction=False)
customers, revenue = len(found), 0.0
""",
)


def make_log(path: Path, orders: int) -> None:
    """Orders over two years, ten a customer and unevenly shared; straight to the file, however many they are."""
    customers = orders // 10
    with duckdb.connect() as con:
        con.execute(
            "COPY (SELECT 'o' || lpad(i::VARCHAR, 10, '0') AS order_id, "  # noqa: S608 - numbers of this file
            f"'c' || lpad((hash(i, 1) % {customers} * (hash(i, 2) % 1000) // 1000)::VARCHAR, 9, '0') AS customer_id, "
            f"TIMESTAMP '2023-01-01' + INTERVAL 1 SECOND * (i * 60000000 // {orders}) AS ordered_at, "
            f"(500 + hash(i, 3) % 9500) / 100 AS revenue FROM range({orders}) t(i)) TO '{path}' (FORMAT parquet)"
        )


def measure(python: str, side: tuple[str, str], path: Path, *, room: int = 0) -> dict[str, float]:
    """Seconds, CPU seconds and most memory of one side, in a process of its own that may hold `room` bytes (0: any)."""
    code = FRAME.format(imports=side[0], work=side[1])
    done = subprocess.run([python, "-c", code, str(path), str(room)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
        raise SystemExit(1)
    return json.loads(done.stdout.strip().splitlines()[-1])


def tell(name: str, found: dict[str, float], bare: dict[str, float]) -> None:
    """One side against the bare group-by of the same run."""
    sys.stdout.write(
        f"  {name:30} {found['seconds']:7.1f} s, {found['cpu']:7.1f} s of processors, {found['mb']:8,.0f} MB; "
        f"{found['seconds'] / bare['seconds']:5.1f} x the bare group-by ({found['cpu'] / bare['cpu']:.1f} x its processors)\n"
    )
    sys.stdout.flush()


def one_size(orders: int, peer: str | None, folder: Path) -> dict[str, dict[str, float]]:
    """All sides on one log; every side must find the same customers."""
    path = folder / "orders.parquet"
    make_log(path, orders)
    sys.stdout.write(f"{orders:,} orders, {path.stat().st_size / 1e6:,.0f} MB of Parquet\n")
    sides = {"bare group-by": BARE, "customer table": TABLE, "checked and customer table": STUDY}
    if orders <= MOST_IN_MEMORY:
        sides["pandas"] = PANDAS
    found: dict[str, dict[str, float]] = {}
    for name, side in sides.items():
        tight = name in OURS and orders > MOST_IN_MEMORY
        found[name] = measure(sys.executable, side, path, room=ROOM if tight else 0)
        tell(name, found[name], found["bare group-by"])
    if peer and orders <= MOST_IN_MEMORY:
        found["rfm_summary"] = measure(peer, PEER, path)
        tell("rfm_summary", found["rfm_summary"], found["bare group-by"])
        for name in OURS:
            theirs, ours = found["rfm_summary"], found[name]
            sys.stdout.write(
                f"  {name}: {theirs['seconds'] / ours['seconds']:.1f} x as fast as rfm_summary "
                f"({theirs['cpu'] / ours['cpu']:.1f} x by processors), {theirs['mb'] / ours['mb']:.1f} x less memory\n"
            )
    path.unlink()
    if len({side["customers"] for side in found.values()}) > 1:
        raise SystemExit(f"the sides found different customers: {found}")
    return found


def rows(results: dict[int, dict[str, dict[str, float]]]) -> list[Row]:
    """Both of the kit's sides against every other, at each size, and large logs against the room they have, for the book."""
    compared = [
        Row(
            name=name,
            peer=peer,
            ratio=theirs[key] / found[name][key],
            unit=unit,
            n=orders,
            of="orders",
            target=TARGETS.get(peer) if (name, unit, orders) == (OURS[0], "time", TARGETS_AT) else None,
        )
        for orders, found in results.items()
        for name in OURS
        for peer, theirs in found.items()
        if peer not in OURS
        for unit, key in (("time", "seconds"), ("processors", "cpu"), ("memory", "mb"))
    ]
    roomy = [
        Row(
            name=name,
            peer="6 GB",
            ratio=ROOM / (found[name]["mb"] * 2**20),
            unit="memory",
            n=orders,
            of="orders",
            note="The process could hold no more.",
            target=1.0,
        )
        for orders, found in results.items()
        if orders > MOST_IN_MEMORY
        for name in OURS
    ]
    return compared + roomy


def points(results: dict[int, dict[str, dict[str, float]]]) -> list[Point]:
    """Every side at every size, for the book."""
    return [
        Point(side=name, n=orders, cpu=side["cpu"], mb=side["mb"])
        for orders, found in results.items()
        for name, side in found.items()
    ]


def main(peer: str | None, sizes: tuple[int, ...]) -> None:
    """Print a line a size and side, and how time and memory grow with size."""
    with tempfile.TemporaryDirectory(prefix="valuebook-scale-") as folder:
        results = {orders: one_size(orders, peer, Path(folder)) for orders in sizes}
    record("scale", rows(results), points=points(results), peer=peer)
    if len(sizes) > 1:
        low, high = min(sizes), max(sizes)
        for name in results[high]:
            slopes = {
                unit: math.log(results[high][name][unit] / results[low][name][unit]) / math.log(high / low)
                for unit in ("seconds", "mb")
            }
            sys.stdout.write(
                f"{name}: time grows with size to the {slopes['seconds']:.2f}, memory to the {slopes['mb']:.2f}\n"
            )


if __name__ == "__main__":
    arguments = sys.argv[1:]
    named = arguments.pop(0) if arguments and not arguments[0].isdigit() else None
    main(named, tuple(map(int, arguments)) or SIZES)

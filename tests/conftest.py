"""Fixtures that several floors share: a small ledger, the demo's data, params in a folder of their own."""

from __future__ import annotations

import os
import shutil
import textwrap
from pathlib import Path

import ibis
import pandas as pd
import pytest

from helpers.data.demo import make_demo
from helpers.reporting import tokens
from helpers.reporting.words import use_language

ROOT = Path(__file__).parents[1]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(autouse=True)
def english():
    """Every test begins in English, pounds and the kit's own green."""
    use_language("en_GB", "GBP")
    tokens.use_accent("#0b6e4f")


@pytest.fixture(scope="session")
def public_data():
    """Folder of the public order logs; tests that need it are skipped, visibly, where it is not named."""
    folder = os.environ.get("VALUEBOOK_DATA")
    if not folder:
        pytest.skip("VALUEBOOK_DATA is not set: the public order logs are not at hand")
    return Path(folder)


@pytest.fixture(scope="module")
def browser():
    """One headless Chromium for the tests of a module; they are skipped, visibly, where there is none.

    Not for longer: its driver keeps an event loop running, and what other modules test starts loops of its own.
    """
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory):
    """The demo client's data at full size."""
    return make_demo(tmp_path_factory.mktemp("demo") / "demo")


@pytest.fixture
def ledger():
    """Make an Ibis table of orders from (customer, moment, revenue) or (customer, moment, revenue, kind)."""

    def make(rows):
        frame = pd.DataFrame(
            [(*row, "order") if len(row) == 3 else row for row in rows],
            columns=["customer_id", "ordered_at", "revenue", "kind"],
        )
        frame["ordered_at"] = pd.to_datetime(frame["ordered_at"]).astype("datetime64[us]")
        frame["order_id"] = [f"o{place}" for place in range(len(frame))]
        frame["revenue"] = frame["revenue"].astype(float)
        frame["customer_id"] = frame["customer_id"].astype("string")
        schema = {
            "customer_id": "string",
            "ordered_at": "timestamp",
            "revenue": "float64",
            "kind": "string",
            "order_id": "string",
        }
        con = ibis.duckdb.connect()
        return con.create_table("orders", ibis.memtable(frame, schema=ibis.schema(schema)))

    return make


@pytest.fixture
def params_folder(tmp_path):
    """Write params files and data files into a folder of their own: `write(client, yaml, **files)`."""
    folder = tmp_path / "params"
    folder.mkdir()

    def write(client, text, **files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (folder / f"{client}.yaml").write_text(textwrap.dedent(text).replace("DATA", str(tmp_path)))
        return folder

    return write

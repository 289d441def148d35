"""The demo at a small size, run once, and its pages made anew in each language that the kit speaks."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import nbformat
import pytest

from helpers.data.demo import make_demo
from helpers.params import load_params
from helpers.reporting.export import write_text
from helpers.reporting.findings import Findings
from helpers.reporting.html import Provenance, render
from helpers.reporting.pages import failure_page, portal_page, study_page
from helpers.reporting.words import use_language
from helpers.running.execute import brand
from helpers.shelf import read_findings

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("valuebook")
LOCALES = {"en": ("en_GB", "GBP"), "vi": ("vi_VN", "VND"), "fa": ("fa_IR", "IRR")}
QUICK = "pulse: {replicates: 200}\nsegmentation: {replicates: 200, clusters: 4}\nclv: {tier: fast, draws: 200, origins: 1}\n"
PROVENANCE = Provenance(
    data_hash="abc123",
    data_through=date(2025, 12, 31),
    code_version="0.1.0",
    seed=7,
    versions={"python": "3.12"},
    duration_seconds=1.5,
    generated_at=datetime(2026, 1, 2, tzinfo=UTC),
)


@pytest.fixture(scope="session")
def demo_reports(tmp_path_factory):
    """Reports of a small demo client; workers of one test run share them."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if own.name.startswith("popen-") else own
    folder = shared / "demo-reports"
    with (shared / "demo-reports.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").is_file():
            _run(folder)
            (folder / "whole").touch()
    return folder


def _run(folder):
    data = make_demo(folder / "data", customers=600)
    params = folder / "params"
    params.mkdir()
    text = (ROOT / "params" / "demo.yaml").read_text().replace("data/demo/", f"{data}/")
    kept = [line for line in text.splitlines() if not line.startswith("  demo: {")]
    (params / "demo.yaml").write_text("\n".join(kept) + "\n" + QUICK)
    shutil.copy(ROOT / "params" / "playbook.yaml", params)
    command = [COMMAND, "run", "demo", "--params", params, "--reports", folder / "reports"]
    told = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT, check=False)
    if told.returncode not in {0, 3}:
        pytest.fail(f"the demo did not run: {told.stdout}{told.stderr}")


@pytest.fixture(scope="session")
def pages(demo_reports, tmp_path_factory):
    """Folder of the demo's pages by language: each topic, the cover, the portal, and a page of a failure."""
    study = next((demo_reports / "reports" / "demo").glob("*/manifest.json")).parent
    return {name: _pages(study, tmp_path_factory.mktemp(name), *locale) for name, locale in LOCALES.items()}


def _pages(study, folder, locale, currency):
    look = brand(load_params("demo", folder=ROOT / "params"))
    found = [read_findings(path) for path in sorted(study.glob("*.json")) if path.stem != "manifest"]
    told = folder / "demo" / study.name
    use_language(locale, currency)
    for one in found:
        path = study / f"{one.topic}.ipynb"
        if one.status in {"failed", "skipped"} or not path.is_file():
            continue
        page = render(nbformat.read(path, as_version=4), findings=one, provenance=PROVENANCE, brand=look)
        write_text(told / path.with_suffix(".html").name, page)
    absent = Findings(client="demo", period=study.name, topic="basket", status="skipped", reason="It needs a table.")
    failed = failure_page(client="demo", period=study.name, topic="clv", reason="It broke.", trace="ValueError: x")
    write_text(told / "failed.html", failed)
    write_text(told / "index.html", study_page(brand=look, period=study.name, findings=[*found, absent]))
    write_text(folder / "index.html", portal_page([[*found, absent]]))
    use_language("en_GB", "GBP")
    return folder


@pytest.fixture(scope="session")
def portal(tmp_path_factory):
    """A portal over four studies of two clients."""
    path = tmp_path_factory.mktemp("portal") / "index.html"
    studies = [
        [Findings(client=client, period=period, topic="pulse", status="ok", headline=f"What {client} did.")]
        for client in ("acme", "demo")
        for period in ("2024-Q3", "2024-Q4")
    ]
    write_text(path, portal_page(studies))
    return path

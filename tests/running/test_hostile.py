"""Secrets reach nothing that is written; names, params files and links that would lead astray are refused before any kernel."""

import html
import json
from pathlib import Path

import pytest

from helpers.running import kernels

CANARY = 'pa"ss&w0rd-canary-7f3a'


@pytest.fixture
def no_kernels(monkeypatch):
    """Any kernel that would start is an error."""
    monkeypatch.setattr(kernels.Guard, "started", lambda *_told: pytest.fail("a kernel was started"))


def test_a_secret_named_in_params_is_in_no_byte_of_what_a_run_leaves(small):
    import duckdb

    row = "'1' AS order_id, 'a' AS customer_id, DATE '2024-05-05' AS ordered_at, 9.0 AS revenue"
    with duckdb.connect(str(small.base / "shop.db")) as con:
        con.execute(f"CREATE TABLE orders AS SELECT {row}")
    cells = (
        "import os\nprint(os.environ['SHOP_URL'])",
        "import sys\nprint(os.environ['SHOP_URL'], file=sys.stderr)\n{'url': os.environ['SHOP_URL']}",
        "if study.settings.repeat_days == 30:\n    raise ValueError('cannot reach ' + os.environ['SHOP_URL'])",
        "if study.settings.repeat_days == 31:\n    os.write(2, os.environ['SHOP_URL'].encode())\n    os._exit(3)",
    )
    small.notebook("pulse", *cells)
    for name, days in (("fine", 90), ("raises", 30), ("dies", 31)):
        small.client(name, more=f"pulse: {{repeat_days: {days}}}\n")
        path = small.params / f"{name}.yaml"
        text = path.read_text().replace("data:\n", "data:\n  connection: {url_env: SHOP_URL}\n")
        path.write_text(text.replace(f"{{from: {small.base / name}.csv}}", "{from: orders}"))
    # A warehouse is reached by its URL alone, which the notebook prints, raises and lets its kernel die with.
    canary = f"duckdb://{small.base}/shop.db"
    done = small.run("--topic", "pulse", SHOP_URL=canary)
    assert done.returncode == 1, done.stdout + done.stderr
    assert {small.findings(name)["status"] for name in ("raises", "dies")} == {"failed"}
    assert small.findings("fine")["status"] in {"ok", "warn"}
    assert "cannot reach •••" in small.findings("raises")["reason"]
    assert "•••" in (small.reports / "fine" / "all" / "pulse.ipynb").read_text()
    forms = {canary, json.dumps(canary)[1:-1], html.escape(canary)}
    places = [path for folder in (small.reports, small.base / "cache") for path in folder.rglob("*") if path.is_file()]
    assert len(places) > 10
    for path in places:
        content = path.read_bytes()
        assert not any(form.encode() in content for form in forms), path
    assert not any(form in done.stdout + done.stderr for form in forms)


def test_every_form_of_a_secret_is_hidden(monkeypatch):
    from pydantic import BaseModel

    from helpers.running.secrets import Secrets

    class Params(BaseModel):
        url_env: str = "SHOP_URL"

    monkeypatch.setenv("SHOP_URL", f"postgres://me:{CANARY}@host/db")
    secrets = Secrets.of(Params())
    for written in (CANARY, json.dumps(CANARY), html.escape(CANARY), f"at postgres://me:{CANARY}@host/db"):
        assert "canary" not in secrets.out_of(written)


@pytest.mark.parametrize("name", ["../etc", "a/../../b", "/etc/passwd", "..", "acme/..", ".hidden", "a\x00b", "A CME"])
def test_a_clients_name_cannot_lead_elsewhere(small, no_kernels, name):
    small.notebook("pulse", "1")
    small.client("acme")
    done = small.run(name, "--topic", "pulse")
    assert done.returncode == 2
    assert "must match" in done.stderr
    assert not small.reports.exists()


@pytest.mark.parametrize("period", ["../2024", "2024/../..", "all/..", "2024-11-01..2024-11-30/../..", "..", ""])
def test_a_periods_name_cannot_lead_elsewhere(small, no_kernels, period):
    small.notebook("pulse", "1")
    small.client("acme")
    done = small.run("acme", "--topic", "pulse", "--period", period)
    assert done.returncode == 2
    assert "has no known form" in done.stderr
    assert not small.reports.exists()


def test_a_params_file_of_50_mb_is_refused_unread(small, no_kernels):
    small.notebook("pulse", "1")
    small.client("acme", more="# " + "x" * 50_000_000)
    done = small.run("--topic", "pulse")
    assert done.returncode == 2
    assert f"{small.params / 'acme.yaml'}: larger than 1000000 bytes" in done.stderr


def test_aliases_that_explode_are_refused(small, no_kernels):
    small.notebook("pulse", "1")
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + place)}: &{chr(98 + place)} [{', '.join([f'*{chr(97 + place)}'] * 9)}]\n" for place in range(9)
    )
    small.client("acme", more=bomb)
    done = small.run("--topic", "pulse")
    assert done.returncode == 2
    assert "acme.yaml" in done.stderr
    assert "aliases are not allowed" in done.stderr


@pytest.mark.parametrize("place", ["acme", "acme/all", "acme/all/tables", "acme/all/.runs"])
def test_a_link_out_of_the_folder_of_reports_is_refused(small, no_kernels, place):
    small.notebook("pulse", "1")
    small.client("acme")
    elsewhere = small.base / "elsewhere"
    elsewhere.mkdir()
    (small.reports / place).parent.mkdir(parents=True)
    (small.reports / place).symlink_to(elsewhere)
    done = small.run("--topic", "pulse")
    assert done.returncode == 2
    assert f"{small.reports / place}: is a link to {elsewhere}, outside the folder of reports" in done.stderr
    assert not list(elsewhere.iterdir())


def test_one_mistake_among_many_clients_is_told_by_file_and_key_with_a_suggestion(small, no_kernels):
    small.notebook("pulse", "1")
    for place in range(30):
        small.client(f"client{place}")
    small.client("client7", more="economcs: {margin: 1}\n")
    small.client("client8", more="economics: {margin: high}\n")
    path = small.params / "client9.yaml"
    path.write_text(path.read_text().replace("currency: GBP\n", ""))
    done = small.run("client7", "client8", "client9", "--topic", "pulse")
    assert done.returncode == 2
    assert "client7.yaml: economcs: unknown key; did you mean 'economics'" in done.stderr
    assert "client8.yaml: economics.margin:" in done.stderr
    assert "client9.yaml: currency: is missing" in done.stderr
    assert not Path(small.reports).exists()

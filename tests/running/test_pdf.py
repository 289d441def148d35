"""PDFs beside reports: whole, A4 and readable, printed without a network; a browser that is missing or fails is told."""

import http.server
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from helpers.errors import BrowserError
from helpers.reporting.findings import Findings
from helpers.reporting.html import Brand
from helpers.reporting.pages import study_page
from helpers.running import pdf
from helpers.running.pdf import print_page, printable

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>=1+1\u202eevil😀" + "z" * 10_000


@pytest.fixture(scope="module")
def browser():
    try:
        return pdf.find_browser()
    except BrowserError as error:
        pytest.skip(str(error))


def program(path, body):
    """A program that stands for a browser."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def cover(**changes):
    found = Findings(client="acme", period="2024", topic="pulse", status="ok", headline="Customers brought £81 each.")
    about = {"brand": Brand(name="Acme", colour="#0b6e4f"), "period": "2024", "findings": [found]}
    return study_page(**(about | changes))


def pages_of(content):
    return len(re.findall(rb"/Type\s*/Page\b", content))


def text_of(path):
    if shutil.which("pdftotext") is None:
        return None
    done = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


@pytest.mark.browser
def test_a_page_is_printed_on_a4_with_text_that_can_be_read(browser, tmp_path):
    html = tmp_path / "index.html"
    html.write_text(cover(), encoding="utf-8")
    print_page(html, tmp_path / "index.pdf", browser=browser)
    content = (tmp_path / "index.pdf").read_bytes()
    assert pages_of(content) == 1
    box = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", content)
    assert [float(side) for side in box.groups()] == pytest.approx([595.3, 841.9], abs=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "index.pdf"]
    text = text_of(tmp_path / "index.pdf")
    assert text is None or "Customers brought £81 each." in text


@pytest.mark.browser
def test_a_hostile_client_is_printed_as_text(browser, tmp_path):
    html = tmp_path / "index.html"
    found = Findings(client="evil", period="2024", topic="pulse", status="ok", headline=HOSTILE)
    html.write_text(cover(brand=Brand(name=HOSTILE, colour="#0b6e4f"), findings=[found]), encoding="utf-8")
    print_page(html, tmp_path / "index.pdf", browser=browser)
    content = (tmp_path / "index.pdf").read_bytes()
    assert pages_of(content) >= 1
    assert b"/JavaScript" not in content
    text = text_of(tmp_path / "index.pdf")
    assert text is None or "<script>alert(1)</script>" in text


@pytest.mark.browser
def test_printing_asks_the_network_for_nothing(browser, tmp_path):
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *told):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        html = tmp_path / "index.html"
        # Not a page of the kit's, whose policy would stop it: what is tested is the browser's own.
        html.write_text(
            f"<h1>Hello</h1><img src=http://127.0.0.1:{server.server_port}/a><img src=http://localhost:{server.server_port}/b>"
        )
        print_page(html, tmp_path / "index.pdf", browser=browser)
        server.shutdown()
    assert asked == []
    assert (tmp_path / "index.pdf").is_file()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("echo 'no display' >&2; exit 1", "printed no PDF. It said: no display"),
        ('for last; do case "$last" in --print-to-pdf=*) echo half > "${last#*=}";; esac; done', "printed no PDF"),
        ("exec sleep 60", "did not end within 1 s and was stopped"),
        ("sleep 60 & sleep 60", "did not end within 1 s and was stopped"),
    ],
)
def test_a_browser_that_fails_is_told_and_leaves_the_old_pdf(tmp_path, body, told):
    (tmp_path / "x.pdf").write_bytes(b"old")
    (tmp_path / "x.html").write_text(cover())
    stands_in = program(tmp_path / "browser", body)
    with pytest.raises(BrowserError, match=told):
        print_page(tmp_path / "x.html", tmp_path / "x.pdf", browser=stands_in, timeout=1)
    assert (tmp_path / "x.pdf").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["browser", "x.html", "x.pdf"]


def test_a_browser_learns_no_password_and_has_a_home_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_DB", "canary-7f3a")
    (tmp_path / "x.html").write_text(cover())
    stands_in = program(tmp_path / "browser", f"env > {tmp_path}/env; pwd >> {tmp_path}/env; echo $@ >> {tmp_path}/env")
    with pytest.raises(BrowserError, match="printed no PDF"):
        print_page(tmp_path / "x.html", tmp_path / "x.pdf", browser=stands_in)
    told = (tmp_path / "env").read_text()
    assert "canary" not in told
    home = re.search(r"^HOME=(.+)$", told, flags=re.MULTILINE)[1]
    assert f"--user-data-dir={home}/" in told
    assert not Path(home).exists()


def test_the_browser_is_the_named_one_or_the_first_on_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("VALUEBOOK_CHROMIUM", raising=False)
    with pytest.raises(BrowserError, match="PDFs need Chromium or Chrome, and there is none on PATH"):
        pdf.find_browser()
    for name in ("google-chrome", "chromium"):
        program(tmp_path / name, "")
        assert pdf.find_browser().name == name
    monkeypatch.setenv("VALUEBOOK_CHROMIUM", str(program(tmp_path / "own", "")))
    assert pdf.find_browser().name == "own"
    monkeypatch.setenv("VALUEBOOK_CHROMIUM", "/nowhere/chrome")
    with pytest.raises(BrowserError, match="VALUEBOOK_CHROMIUM == '/nowhere/chrome'"):
        pdf.find_browser()


PRINTS = 'for last; do case "$last" in --print-to-pdf=*) printf "%%PDF-1.4\\n%%%%EOF\\n" > "${last#*=}";; esac; done'


def test_a_run_prints_what_ran_and_says_what_lacks_a_pdf(small):
    small.client("acme")
    small.notebook("pulse", "study.period.label")
    small.notebook("clv", "1 / 0")
    folder = small.reports / "acme" / "all"
    none = small.run("--topic", "pulse", "--topic", "clv", "--pdf", PATH="/nowhere")
    assert none.returncode == 1
    assert "there is none on PATH" in none.stderr
    assert "Without a PDF: acme all, acme all pulse." in none.stderr
    stands_in = str(program(small.base / "browser", PRINTS))
    done = small.run("--topic", "pulse", "--pdf", VALUEBOOK_CHROMIUM=stands_in)
    assert done.returncode == 0, done.stderr
    assert "printed  acme all\nprinted  acme all pulse\n" in done.stdout
    assert sorted(path.name for path in folder.glob("*.pdf")) == ["index.pdf", "pulse.pdf"]
    again = small.run("--topic", "pulse", "--pdf", VALUEBOOK_CHROMIUM=stands_in)
    assert "printed" not in again.stdout
    forced = small.run("--topic", "pulse", "--force")
    assert forced.returncode == 0, forced.stderr
    assert not (folder / "pulse.pdf").exists(), "a PDF of an earlier report stands beside a new one"
    broken = small.run("--topic", "pulse", "--pdf", VALUEBOOK_CHROMIUM=str(program(small.base / "bad", "exit 1")))
    assert broken.returncode == 1
    assert "acme all pulse: " in broken.stderr
    nowhere = small.run("--topic", "pulse", "--force", "--pdf", VALUEBOOK_CHROMIUM="/nowhere/chrome")
    assert nowhere.returncode == 2
    assert nowhere.stdout == "", "something ran before the wrong setting was told"


def test_ctrl_c_stops_the_browser_and_keeps_what_was_printed(small):
    small.client("acme")
    small.notebook("pulse", "study.period.label")
    stops = f'case "$*" in *pulse.html*) kill -TERM $PPID; exec sleep 60;; esac\n{PRINTS}'
    done = small.run("--topic", "pulse", "--pdf", VALUEBOOK_CHROMIUM=str(program(small.base / "browser", stops)))
    assert done.returncode == 130, done.stderr
    assert "Stopped. What was printed is kept." in done.stderr
    assert [path.name for path in small.reports.rglob("*.pdf")] == ["index.pdf"]


def test_the_command_prints_what_is_named_and_says_what_there_is(small, monkeypatch, capsys):
    from helpers.running.cli import main

    small.client("acme")
    small.client("beta")
    small.notebook("pulse", "study.period.label")
    assert small.run("--topic", "pulse").returncode == 0

    def command(*arguments, browser=PRINTS):
        monkeypatch.setattr("sys.argv", ["valuebook", "pdf", *arguments, "--reports", str(small.reports)])
        monkeypatch.setenv("VALUEBOOK_CHROMIUM", str(program(small.base / "browser", browser)))
        monkeypatch.setenv("VALUEBOOK_REPORTS", "")
        try:
            main()
        except SystemExit as ended:
            return ended.code or 0, capsys.readouterr()
        return 0, capsys.readouterr()

    code, _said = command("acme", "--topic", "pulse")
    assert code == 0
    assert [path.name for path in small.reports.rglob("*.pdf")] == ["pulse.pdf"]
    code, said = command()
    assert code == 0
    assert said.out.splitlines() == [
        f"printed  {what}" for what in ("acme all", "acme all pulse", "beta all", "beta all pulse")
    ]
    code, said = command("acme", "--period", "2031")
    assert code == 2
    assert "has no report of acme, 2031 to print; studies there: acme all, beta all" in said.err
    code, said = command("acme", "tpyo", "--topic", "pulse")
    assert code == 2
    assert "has no report of tpyo to print" in said.err
    code, said = command("acme", browser="exit 3")
    assert code == 1
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.argv", ["valuebook", "pdf", "acme", "--reports", str(small.reports)])
    monkeypatch.delenv("VALUEBOOK_CHROMIUM")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "PDFs need Chromium or Chrome" in capsys.readouterr().err


def test_what_failed_or_was_skipped_is_not_printed(small):
    small.client("acme")
    small.notebook("pulse", "1 / 0")
    small.run("--topic", "pulse")
    pages = printable(small.reports, clients=(), periods=(), topics=())
    assert [page.what for page in pages] == ["acme all"]

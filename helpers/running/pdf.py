"""PDFs of reports and covers, each beside its HTML, printed by a headless Chromium that reaches no network."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from helpers.errors import BrowserError, ParamsError
from helpers.reporting.export import write_bytes
from helpers.running.options import (
    FAILED,
    STOPPED,
    ReportsPath,
    complain,
    local_folder,
    out,
    use_reports,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

NAMES = ("chromium", "chromium-browser", "google-chrome")
NAMED = "VALUEBOOK_CHROMIUM"
TIMEOUT = 120.0
COVER = "index"
PRINTED = {"ok", "warn", "blocked"}
# What a browser may learn of this process: where things are and which language it speaks, and no client's passwords.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "FONTCONFIG_FILE", "FONTCONFIG_PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    # Reports ask for nothing; should a page in the folder ask, no name resolves and no address answers.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=http://127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
)
LONGEST_WORD = 300


@dataclass(frozen=True, kw_only=True)
class Page:
    """One HTML page that can be printed: a report, or a study's cover."""

    html: Path

    @property
    def study(self) -> tuple[str, str]:
        """Its client and period."""
        client, period, _file = self.html.parts[-3:]
        return client, period

    @property
    def topic(self) -> str:
        """Its topic; `index` for a cover."""
        return self.html.stem

    @property
    def what(self) -> str:
        """How messages name it."""
        return " ".join(self.study if self.topic == COVER else (*self.study, self.topic))

    @property
    def pdf(self) -> Path:
        """Where its PDF goes."""
        return self.html.with_suffix(".pdf")


Named = Annotated[list[str] | None, typer.Argument(help="Clients; all that have reports when none is named.")]
Labels = Annotated[list[str] | None, typer.Option("--period", help="Periods as their folders are named; all.")]
Chosen = Annotated[list[str] | None, typer.Option("--topic", help="Topics; all and the covers when none is named.")]


def pdf(names: Named = None, period: Labels = None, topic: Chosen = None, reports: ReportsPath = None) -> None:
    """Print reports and covers that are there as PDFs beside them; all, unless some are named."""
    with contextlib.ExitStack() as stack:
        folder = use_reports(local_folder(reports, stack))
        browser = find_browser()
        pages = printable(folder, clients=names or (), periods=period or (), topics=topic or ())
        code = print_pages(pages, browser=browser)
    if code:
        raise SystemExit(code)


def printable(
    reports: Path, *, clients: Collection[str], periods: Collection[str], topics: Collection[str]
) -> list[Page]:
    """Reports and covers of a folder that can be printed; where topics are named, these alone.

    Args:
        reports: Folder of reports.
        clients: Clients; all when empty.
        periods: Periods as their folders are named; all when empty.
        topics: Topics; all and the covers when empty.

    Raises:
        ParamsError: What is named is not there; the message names the studies that are.
    """
    there = sorted({path.parent.relative_to(reports).parts for path in reports.glob("*/*/index.html")})
    pages = [
        page
        for client, period in there
        if (not clients or client in clients) and (not periods or period in periods)
        for page in _pages(reports, client, period, topics=topics, cover=not topics)
    ]
    found = {name for page in pages for name in (*page.study, page.topic)}
    lost = [name for name in (*clients, *periods, *topics) if name not in found]
    if lost or not pages:
        studies = ", ".join(f"{client} {period}" for client, period in there) or "none"
        named = f" of {', '.join(lost)}" if lost else ""
        raise ParamsError(f"{reports}: has no report{named} to print; studies there: {studies}")
    return pages


def print_missing(studies: Iterable[tuple[str, str]], *, topics: Collection[str], reports: Path) -> int:
    """Print what a run left and what has no PDF yet; a report that ran again has none. Say which lack one.

    Returns:
        An exit code, as `print_pages` has it. That there is no Chromium is said and is no failure of the run.
    """
    pages = [
        page
        for client, period in studies
        for page in _pages(reports, client, period, topics=topics, cover=True)
        if not page.pdf.exists()
    ]
    if not pages:
        return 0
    try:
        browser = find_browser()
    except BrowserError as error:
        complain(f"{error} Without a PDF: {', '.join(page.what for page in pages)}.")
        return 0
    return print_pages(pages, browser=browser)


def print_pages(pages: Iterable[Page], *, browser: Path) -> int:
    """Print pages one after the other and say how each went.

    Returns:
        0, 1 where one could not be printed, or 130 where Ctrl-C stopped it; what was printed is kept.
    """
    code = 0
    for page in pages:
        try:
            print_page(page.html, page.pdf, browser=browser)
        except BrowserError as error:
            complain(f"{page.what}: {error}")
            code = FAILED
        except KeyboardInterrupt:
            complain("Stopped. What was printed is kept.")
            return STOPPED
        else:
            out.print(f"printed  {page.what}", markup=False, soft_wrap=True)
    return code


def print_page(html: Path, target: Path, *, browser: Path, timeout: float = TIMEOUT) -> None:
    """Print one page. The PDF appears whole or not at all, and nothing else is left.

    Args:
        html: The page.
        target: The PDF.
        browser: A Chromium.
        timeout: Seconds after which it is stopped.

    Raises:
        BrowserError: It cannot be started, took too long, or printed nothing.
    """
    # A browser that was killed may still be writing into its profile while that is taken away.
    with tempfile.TemporaryDirectory(prefix="valuebook-pdf-", ignore_cleanup_errors=True) as base:
        made = Path(base, "page.pdf")
        command = [str(browser), *FLAGS, f"--user-data-dir={base}/profile", f"--print-to-pdf={made}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium refuses to sandbox for root
        said = _run([*command, html.resolve().as_uri()], home=Path(base), timeout=timeout)
        content = made.read_bytes() if made.is_file() else b""
    if not content.startswith(b"%PDF-") or b"%%EOF" not in content[-1024:]:
        raise BrowserError(f"{browser} printed no PDF. {said}".strip())
    write_bytes(target, content)


def find_browser() -> Path:
    """A Chromium: the one that `VALUEBOOK_CHROMIUM` names, else the first on PATH.

    Raises:
        BrowserError: There is none.
    """
    check_named()
    names = (named,) if (named := os.environ.get(NAMED)) else NAMES
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    raise BrowserError(
        f"PDFs need Chromium or Chrome, and there is none on PATH ({', '.join(NAMES)}). Install one, or set {NAMED}."
    )


def check_named() -> None:
    """Hold against the machine what `VALUEBOOK_CHROMIUM` names, where it is set.

    Raises:
        BrowserError: It is no program.
    """
    named = os.environ.get(NAMED)
    if named and not shutil.which(named):
        raise BrowserError(f"{NAMED} == {named!r}, must be a program that can be started")


def _pages(reports: Path, client: str, period: str, *, topics: Collection[str], cover: bool) -> list[Page]:
    from helpers.shelf import read_findings

    folder = reports / client / period
    pages: list[Page] = []
    for path in sorted(folder.glob("*.html")):
        topic = path.stem
        if topic == COVER:
            if cover:
                pages.insert(0, Page(html=path))
            continue
        found = path.with_suffix(".json")
        if topics and topic not in topics:
            continue
        # The page of a topic that failed is a notice, no report.
        if found.is_file() and read_findings(found).status in PRINTED:
            pages.append(Page(html=path))
    return pages


def _run(command: list[str], *, home: Path, timeout: float) -> str:
    """Run a browser to its end; the last line that it said. All its processes are gone afterwards."""
    env = {name: value for name in PASSED_ON if (value := os.environ.get(name))}
    # Fonts that the user installed are found; all that a browser writes goes into its own folder.
    fonts = os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share"))
    env |= {"HOME": str(home), "TMPDIR": str(home), "XDG_DATA_HOME": fonts}
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=env,
            cwd=home,
            start_new_session=True,
        )
    except OSError as error:
        raise BrowserError(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        _none, told = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise BrowserError(f"{command[0]} did not end within {timeout:.0f} s and was stopped") from error
    finally:
        _end(process)
    lines = [line for line in told.decode(errors="replace").splitlines() if line.strip()]
    return f"It said: {lines[-1][:LONGEST_WORD]}" if lines else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with all that it started, and wait for it."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    if process.stderr:
        process.stderr.close()

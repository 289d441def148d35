"""A client whose every text is an attack: names, products, attributes, experiments and survey answers."""

import json
import subprocess
import zipfile

import numpy as np
import pandas as pd
import pytest

from tests.reporting.conftest import COMMAND, ROOT

ATTACKS = (
    "<script>document.title='hacked'</script>",
    "<img src=x onerror=\"document.title='hacked'\">",
    "\"><svg onload=alert(1)>' onmouseover='alert(1)",
    "\u202egnp.exe\u202c \u2067txet\u2069",
    '=HYPERLINK("http://evil.example","x")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "👩‍👩‍👧‍👦 🏴‍☠️ Zoë {x} {0} %s ${HOME} {{ 7*7 }}",
    "W" * 10_000,
    "javascript:alert(1) [link](javascript:alert(1)) **x** <!-- -->",
    "\x07\x00 \ufeff ]]> </table></main></style>",
)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """Folder of the hostile client's reports."""
    base = tmp_path_factory.mktemp("hostile")
    _write(base)
    (base / "evil.yaml").write_text(
        "client: evil\n"
        f"name: {json.dumps(ATTACKS[0] + ATTACKS[3] + ATTACKS[6] + 'W' * 90, ensure_ascii=False)}\n"
        "currency: USD\ntimezone: UTC\n"
        "data:\n  tables:\n"
        + "".join(
            f"    {name}: {{from: {base}/{name}.parquet}}\n"
            for name in ("order_lines", "customers", "surveys", "experiments")
        )
        + "economics: {margin: 0.4}\npulse: {replicates: 200}\nsegmentation: {replicates: 200, clusters: 4, suppress_below: 3}\n"
        "ab_test: {replays: 100}\n",
        encoding="utf-8",
    )
    command = [COMMAND, "run", "evil", "--params", base, "--reports", base / "reports"]
    command += [part for topic in ("pulse", "segmentation", "ab_test") for part in ("--topic", topic)]
    told = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT, check=False)
    assert told.returncode in {0, 3}, told.stderr[:2000]
    return base / "reports"


def _write(base):
    rng = np.random.default_rng(3)
    n, people = 900, 120
    who = rng.integers(0, people, n)
    texts = np.array(ATTACKS, dtype=object)
    lines = pd.DataFrame(
        {
            "order_id": [f"{ATTACKS[4]}{place}" for place in range(n)],
            "customer_id": [f"{ATTACKS[one % 3]}{one}" for one in who],
            "ordered_at": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 360, n), unit="D"),
            "product_id": texts[rng.integers(0, len(texts), n)],
            "quantity": 1.0,
            "unit_price": rng.gamma(2, 20, n).round(2) + 1,
            "category": texts[rng.integers(0, len(texts), n)],
            "description": texts[rng.integers(0, len(texts), n)],
        }
    )
    customers = pd.DataFrame(
        {
            "customer_id": [f"{ATTACKS[one % 3]}{one}" for one in range(people)],
            "<b>town</b>": texts[np.arange(people) * 7 % len(texts)],
            "=motto": texts[np.arange(people) // 12 % len(texts)],
        }
    )
    surveys = pd.DataFrame(
        {
            "customer_id": customers["customer_id"],
            "answered_at": pd.Timestamp("2024-06-01"),
            "question": "nps",
            "score": rng.integers(0, 11, people),
            "text": texts[rng.integers(0, len(texts), people)],
        }
    )
    units = 2000
    experiments = pd.DataFrame(
        {
            "experiment": np.where(np.arange(units) < units // 2, ATTACKS[1], ATTACKS[6]),
            "unit_id": [f"u{place}" for place in range(units)],
            "variant": np.where(np.arange(units) % 2, ATTACKS[0], "control"),
            "assigned_at": pd.Timestamp("2024-05-01") + pd.to_timedelta(np.arange(units) // 2 % 28, unit="D"),
            "converted": rng.integers(0, 2, units),
        }
    )
    for name, frame in {
        "order_lines": lines,
        "customers": customers,
        "surveys": surveys,
        "experiments": experiments,
    }.items():
        frame.to_parquet(base / f"{name}.parquet", index=False)


def reports_of(folder):
    return sorted(folder.rglob("*.html"))


def test_the_reports_are_whole(hostile):
    names = {path.relative_to(hostile / "evil").parts[-1] for path in reports_of(hostile / "evil")}
    assert names == {"index.html", "pulse.html", "segmentation.html", "ab_test.html"}
    for path in reports_of(hostile):
        html = path.read_text(encoding="utf-8")
        assert html.rstrip().endswith("</html>")
        assert "This report could not be made" not in html
        assert len(html) < 400_000


def test_no_mark_of_direction_or_control_reaches_a_page(hostile):
    for path in reports_of(hostile):
        html = path.read_text(encoding="utf-8")
        assert not set("\x00\x07\u202e\u202c") & set(html), path.name


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 360])
def test_no_script_of_the_client_runs_and_no_page_breaks(hostile, browser, width):
    for path in reports_of(hostile):
        # Even without the page's policy, which would stop a script by itself.
        context = browser.new_context(viewport={"width": width, "height": 800}, bypass_csp=True)
        page = context.new_page()
        dialogs, requests = [], []
        page.on("dialog", lambda dialog, dialogs=dialogs: (dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request, requests=requests: requests.append(request.url))
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert "hacked" not in page.title() or "<script>" in page.title()
        assert dialogs == []
        assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
        handlers = "[...document.querySelectorAll('*')].filter(one => [...one.attributes].some(each => each.name.startsWith('on')))"
        assert page.evaluate(f"{handlers}.length") == 0
        assert page.locator("main").count() == 1
        assert page.locator('a[href^="javascript"]').count() == 0
        context.close()


def test_no_cell_of_a_workbook_is_a_formula(hostile):
    books = list(hostile.rglob("*.xlsx"))
    assert books
    for path in books:
        with zipfile.ZipFile(path) as book:
            for name in book.namelist():
                if name.startswith("xl/worksheets/"):
                    assert b"<f>" not in book.read(name), (path.name, name)

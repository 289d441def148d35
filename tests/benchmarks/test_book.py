"""The benchmark book, from made-up results: what it says, never how long anything took."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.benchmarks import report_size, running, scale
from tests.benchmarks.book import PARTS, render, verdict
from tests.benchmarks.book_figures import slope
from tests.benchmarks.results import Point, Result, Row, newest, record

MARKUP = '<script>alert("x")</script>'
TABLE = Row(name="customer table", peer="rfm_summary", ratio=12.0, unit="time", n=10_000_000, of="orders", target=10.0)
BARE = replace(TABLE, peer="bare group-by", ratio=0.25, target=1 / 3)
SMALL = replace(TABLE, ratio=3.0, n=1_000_000, target=None)
MEMORY = replace(TABLE, ratio=2.5, unit="memory", target=None, note=MARKUP)
POINTS = tuple(
    Point(side=side, n=n, cpu=much * n**power, mb=100 + n / 1e5)
    for side, much, power in (("bare group-by", 1e-6, 1.0), ("customer table", 3e-6, 0.5))
    for n in (1_000_000, 10_000_000, 100_000_000)
)
MACHINE = {"processor": f"A processor {MARKUP}", "cores": "2", "memory": "24 GiB", "system": "Some Linux"}


def result(benchmark="scale", rows=(TABLE, BARE, SMALL, MEMORY), points=POINTS):
    return Result(
        benchmark=benchmark,
        measured=datetime(2026, 3, 4, 5, 6, tzinfo=UTC),
        machine=MACHINE,
        versions={"python": "3.12.9", "duckdb": "9.9.1"},
        peers={"pymc-marketing": "9.9.2"},
        rows=tuple(rows),
        points=points,
    )


@pytest.fixture(scope="module")
def page():
    return render({"scale": result()})


def test_the_title_is_the_finding(page):
    heading = re.search(r'<p class="verdict">(.*?)</p>', page)[1].replace("\N{NO-BREAK SPACE}", " ")
    assert heading.startswith("1 of 2 targets is missed: customer table of 10,000,000 orders takes 4.0 x the time of")
    assert "at most 3.0 x was promised" in heading
    assert "<title>Benchmarks: 1 of 2 targets is missed" in page


def test_where_all_targets_are_met_the_one_met_best_is_told():
    told = verdict([TABLE, replace(BARE, ratio=0.5)]).replace("\N{NO-BREAK SPACE}", " ")
    assert told.startswith("All 2 targets measured here are met")
    assert "takes 2.0 x the time of bare group-by" in told


def test_machine_versions_and_date_are_told(page):
    for text in (
        "24 GiB",
        "Some Linux",
        "python 3.12.9, duckdb 9.9.1",
        "pymc-marketing 9.9.2",
        "4 Mar 2026, 05:06 UTC",
    ):
        assert text in page


def test_it_has_a_figure_of_times_one_of_memory_and_two_of_growth(page):
    titles = re.findall(r'<strong class="finding">(.*?)</strong>', page)
    assert [title.split(" grows")[0].split(" in ")[0] for title in titles] == [
        "The kit takes less time",
        "The kit takes less memory",
        "Processor time",
        "Memory",
    ]
    assert "Processor time grows with the log to the power of 0.50 (customer table)" in titles[2]


def test_growth_is_the_slope_on_logarithmic_axes():
    assert slope(POINTS[:3], "cpu") == pytest.approx(1.0)
    assert slope(POINTS[3:], "cpu") == pytest.approx(0.5)


def test_text_of_results_is_escaped(page):
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") >= 2


def test_what_was_not_measured_is_said(page):
    assert page.count("This has not been measured on this machine.") == len(PARTS) - 1
    assert "Not measured on this machine: Customer lifetime value, A/B tests, Uplift, A batch of reports and" in page
    assert "<code>python -m tests.benchmarks.clv</code>" in page


def test_a_book_of_nothing_says_so():
    assert "Nothing has been measured on this machine yet" in render({})


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_asks_for_nothing_and_fits_a_phone(browser, page, tmp_path, scheme):
    path = tmp_path / "benchmarks.html"
    path.write_text(page)
    context = browser.new_context(viewport={"width": 360, "height": 800}, color_scheme=scheme)
    tab = context.new_page()
    asked, complaints = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    tab.goto(path.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert complaints == []
    context.close()


def test_the_newest_run_of_a_benchmark_is_read_whole(tmp_path):
    file = tmp_path / "benchmarks.jsonl"
    record("scale", [TABLE, SMALL], points=POINTS, file=file)
    record("clv", [MEMORY], file=file)
    record("scale", [BARE], file=file)
    found = newest(file)
    assert found["scale"].rows == (BARE,)
    assert found["scale"].points == ()
    assert found["clv"].rows == (MEMORY,)
    assert found["clv"].machine["cores"]
    assert found["clv"].versions["duckdb"]
    assert found["clv"].measured.tzinfo is not None
    assert all(json.loads(line) for line in file.read_text().splitlines())


def test_a_machine_without_results_has_none(tmp_path):
    assert newest(tmp_path / "benchmarks.jsonl") == {}


def test_scale_compares_both_tables_with_every_peer_and_its_target_is_that_of_ten_million():
    side = {"seconds": 1.0, "cpu": 1.0, "mb": 100.0}
    sides = dict.fromkeys(("bare group-by", "customer table", "checked and customer table", "rfm_summary"), side)
    peer = {**side, "seconds": 12.0, "mb": 300.0}
    rows = scale.rows({n: sides | {"rfm_summary": peer} for n in (1_000_000, 10_000_000)})
    assert {(row.name, row.peer) for row in rows} == {
        (name, peer)
        for name in ("customer table", "checked and customer table")
        for peer in ("bare group-by", "rfm_summary")
    }
    assert {(row.peer, row.n, row.ratio, row.met) for row in rows if row.target} == {
        ("rfm_summary", 10_000_000, 12.0, True),
        ("bare group-by", 10_000_000, 1.0, True),
    }
    assert {row.ratio for row in rows if row.unit == "memory"} == {1.0, 3.0}


def test_scale_holds_logs_that_no_peer_could_hold_against_the_room_that_they_have():
    side = {"seconds": 1.0, "cpu": 1.0, "mb": 3e9 / 2**20}
    rows = scale.rows({100_000_000: dict.fromkeys(("bare group-by", *scale.OURS), side)})
    assert {(row.name, row.peer, row.unit, row.ratio, row.met) for row in rows if row.target} == {
        (name, "6 GB", "memory", 2.0, True) for name in scale.OURS
    }


def test_a_batch_and_the_reports_have_rows_of_their_own():
    batch = running.rows({"serial papermill and nbconvert": 90.0, "plain kernels": 30.0}, 10.0, 60)
    assert [(row.ratio, row.met) for row in batch] == [(9.0, True), (3.0, None)]
    sizes = report_size.rows([(100_000, [400_000, 300_000, 200_000]), (200_000, [500_000, 300_000, 100_000])])
    assert [row.ratio for row in sizes] == [3.0, 2.0, 1.0, 2.0]

"""What a whole run leaves for other programs: workbooks, the table over all studies, PDFs; and notebooks that look as reports do."""

import json
import re
import shutil
import subprocess
import zipfile

import nbformat
import pandas as pd
import pytest

from helpers.errors import BrowserError
from helpers.running.pdf import find_browser, print_page

READABLE = re.compile(r"<\w|b'|array\(|object at|0x[0-9a-f]{6}")


def studies(reports):
    return [path.parent for path in sorted(reports.glob("*/*/manifest.json"))]


def topics(folder):
    found = (json.loads(path.read_text()) for path in folder.glob("*.json") if path.name != "manifest.json")
    return {content["topic"]: content for content in found}


def test_every_study_with_numbers_has_a_workbook_of_them_without_formulas(ran):
    for folder in studies(ran[0]):
        client, period = folder.parts[-2:]
        path = folder / "tables" / f"{client}-{period}.xlsx"
        numbers = [key for content in topics(folder).values() for key in content["numbers"]]
        assert path.is_file() == bool(numbers), folder
        manifest = json.loads((folder / "manifest.json").read_text())
        assert (manifest["workbook"] or {}).get("file") == (f"tables/{path.name}" if numbers else None)
        if not numbers:
            continue
        book = pd.read_excel(path, sheet_name=None, engine="calamine")
        assert sorted(book["Numbers"]["Number"]) == sorted(numbers)
        tables = [
            f"{name} {table}"
            for name, content in topics(folder).items()
            for table, file in content["tables"].items()
            if file.endswith(".parquet") and table != "quarantine"
        ]
        assert len(book) == 2 + len(tables) + (folder / "tables" / "quarantine.parquet").is_file()
        with zipfile.ZipFile(path) as parts:
            for name in parts.namelist():
                content = parts.read(name).decode(errors="replace")
                assert "<f>" not in content
                assert not re.search(
                    r'Target="(?!(?:/?xl|docProps|worksheets|theme|styles|sharedStrings)\b)', content
                ), name
                # A cell is neutralised by an apostrophe.
                assert not re.search(r"<t[^>]*>[=+@]", content), name


def test_the_table_over_all_studies_has_every_number_once(ran):
    found = pd.read_parquet(ran[0] / "findings.parquet")
    told = {
        (content["client"], content["period"], content["topic"], key)
        for folder in studies(ran[0])
        for content in topics(folder).values()
        for key in content["numbers"]
    }
    assert len(found) == len(told)
    assert set(found[["client", "period", "topic", "key"]].itertuples(index=False, name=None)) == told
    assert found["generated_at"].notna().all()
    assert found["definition_name"].str.len().min() > 0


def test_every_output_of_an_executed_notebook_is_rich_alone_and_readable(ran):
    shown = 0
    for path in sorted(ran[0].rglob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                if output.output_type != "execute_result":
                    continue
                shown += 1
                html, text = output.data.get("text/html"), output.data["text/plain"]
                assert html is not None, (path, cell.source)
                assert not html or html.startswith('<div class="valuebook" dir="ltr"'), (path, cell.source)
                assert "<script" not in html
                assert "<img src=x" not in html
                sources = re.findall(r'(?:src|href)="([^"]{0,12})', html)
                assert all(source.startswith(("data:image/", "tables/")) for source in sources)
                assert not READABLE.search(text.replace("<script>alert(1)</script>", "").replace("<img src=x", "")), (
                    text[:300]
                )
    assert shown > 40


@pytest.mark.browser
def test_a_hostile_clients_report_is_printed_whole(ran, tmp_path):
    try:
        browser = find_browser()
    except BrowserError as error:
        pytest.skip(str(error))
    (html,) = ran[0].glob("evil/*/segmentation.html")
    print_page(html, tmp_path / "evil.pdf", browser=browser)
    content = (tmp_path / "evil.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 1
    assert b"/JavaScript" not in content
    if shutil.which("pdftotext"):
        text = subprocess.run(
            ["pdftotext", tmp_path / "evil.pdf", "-"], capture_output=True, text=True, check=True
        ).stdout
        assert "<script>alert(1)</script>" in text

"""What only a browser can tell of the demo's pages: requests, policy, width, print."""

import re
import shutil
import subprocess

import pytest

from tests.reporting.conftest import LOCALES
from tests.reporting.test_accessibility import NAMES, path_of

# Boxes on paper that must be whole on one page.
WHOLE = "figure, tr, .cards li, .band"


@pytest.mark.browser
@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_asks_for_nothing_and_is_read_without_scripts(browser, pages, name, language):
    path = path_of(pages[language], name)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(path.as_uri())
    text = page.locator("main").inner_text()
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert complaints == []
    assert len(text) > 40
    assert page.locator("h1").count() == 1
    assert page.locator("figure").count() == page.locator("figure details table").count()
    assert page.locator("details[open]").count() == 0
    assert page.locator("html").get_attribute("dir") == ("rtl" if language == "fa" else "ltr")
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("name", NAMES)
def test_a_phone_never_scrolls_a_page_sideways(browser, pages, name, language):
    context = browser.new_context(viewport={"width": 360, "height": 800}, bypass_csp=True)
    page = context.new_page()
    page.goto(path_of(pages[language], name).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    widths = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    shut_in = page.evaluate(
        "[...document.querySelectorAll('.table, .plot, pre')]"
        ".filter(one => one.scrollWidth > one.clientWidth && one.tabIndex !== 0).length"
    )
    context.close()
    assert max(widths) <= 360
    assert shut_in == 0


@pytest.mark.parametrize("language", LOCALES)
def test_every_page_of_the_demo_is_small(pages, language):
    sizes = {path.name: path.stat().st_size for path in pages[language].rglob("*.html")}
    assert len(sizes) >= 7
    assert {name: size for name, size in sizes.items() if size > 400_000} == {}


@pytest.mark.browser
def test_the_policy_lets_no_script_run_and_no_image_load(browser, pages, tmp_path):
    html = path_of(pages["en"], "pulse").read_text(encoding="utf-8")
    spoilt = tmp_path / "spoilt.html"
    spoilt.write_text(
        html.replace("</main>", '<script>document.title = "run"</script><img src="https://example.com/x.png"></main>')
    )
    context = browser.new_context()
    page = context.new_page()
    answered, complaints = [], []
    page.on("requestfinished", lambda request: answered.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(spoilt.as_uri())
    assert page.title() != "run"
    assert not any("example.com" in url for url in answered)
    assert sum("Content Security Policy" in text for text in complaints) >= 2
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", ["pulse", "clv", "cover"])
def test_print_is_a4_on_white_and_whole_also_where_the_system_is_dark(browser, pages, tmp_path, name):
    context = browser.new_context(color_scheme="dark", bypass_csp=True, viewport={"width": 673, "height": 980})
    page = context.new_page()
    page.goto(path_of(pages["en"], name).as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    styles = page.evaluate(
        "selector => [...document.querySelectorAll(selector)].map(one => getComputedStyle(one).breakInside)", WHOLE
    )
    assert styles
    assert set(styles) == {"avoid"}
    heights = page.evaluate("[...document.querySelectorAll('figure')].map(one => one.offsetHeight)")
    # A figure higher than the page's 259 mm could only be split.
    assert all(height < 259 / 25.4 * 96 for height in heights)
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("figure img.on-dark:visible").count() == 0
    page.pdf(path=tmp_path / "p.pdf", prefer_css_page_size=True)
    context.close()
    if shutil.which("pdfinfo") is None:
        pytest.skip("pdfinfo is not at hand: the paper's size and its page numbers are not looked at")
    told = subprocess.run(["pdfinfo", tmp_path / "p.pdf"], capture_output=True, text=True, check=True).stdout
    assert "A4" in told
    text = subprocess.run(["pdftotext", tmp_path / "p.pdf", "-"], capture_output=True, text=True, check=True).stdout
    last = re.search(r"Pages:\s+(\d+)", told)[1]
    assert re.search(rf"\b{last} ?/ ?{last}\b", text)
    picture = subprocess.run(["pdftoppm", "-r", "20", tmp_path / "p.pdf"], capture_output=True, check=True).stdout
    assert sum(picture) / len(picture) > 200


@pytest.mark.browser
@pytest.mark.parametrize("language", LOCALES)
def test_what_must_not_be_used_says_so_on_every_screen_and_sheet(browser, pages, tmp_path, language):
    context = browser.new_context(bypass_csp=True, viewport={"width": 1000, "height": 700})
    page = context.new_page()
    page.goto(path_of(pages[language], "clv").as_uri())
    stamp = page.locator(".stamp")
    assert stamp.count() == 1, "the small demo's lifetime values are held back no more: take another page"
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    page.wait_for_function("scrollY > 1000")
    assert 0 <= stamp.bounding_box()["y"] < 2
    # A link of the contents does not bring its heading under the stamp.
    page.evaluate("document.querySelector('main h2').scrollIntoView()")
    box = stamp.bounding_box()
    assert page.locator("main h2").first.bounding_box()["y"] >= box["y"] + box["height"]
    text = stamp.inner_text()
    page.emulate_media(media="print")
    assert not stamp.is_visible()
    page.pdf(path=tmp_path / "p.pdf", prefer_css_page_size=True)
    context.close()
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not at hand: what stands on each sheet is not looked at")
    told = subprocess.run(["pdftotext", tmp_path / "p.pdf", "-"], capture_output=True, text=True, check=True).stdout
    sheets = told.split("\f")[:-1]
    assert len(sheets) > 3
    assert "\\" not in "".join(sheets)
    if language != "fa":  # pdftotext turns Persian words round
        assert [sheet for sheet in sheets if text not in sheet] == []


@pytest.mark.browser
def test_the_portal_is_searched_from_a_file(browser, portal):
    context = browser.new_context()
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(portal.as_uri())
    rows = page.locator(".studies tbody tr:visible")
    assert rows.count() == 4
    page.get_by_role("searchbox").fill("ACME Q4")
    page.locator(".search output").get_by_text("1 / 4").wait_for()
    assert [row.split("\n")[0].split("\t")[0].strip() for row in rows.all_inner_texts()] == ["acme"]
    assert page.locator(".search output").inner_text() == "1 / 4"
    page.get_by_role("searchbox").fill("")
    assert rows.count() == 4
    assert complaints == []
    context.close()


@pytest.mark.browser
def test_the_portal_without_scripts_shows_all_and_offers_no_search(browser, portal):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(portal.as_uri())
    assert page.locator(".studies tbody tr:visible").count() == 4
    assert not page.locator(".search").is_visible()
    context.close()

import shutil
import subprocess

import pytest

PAGES = (
    "index.html", "shop/*/index.html", "shop/*/pulse.html", "shop/*/segmentation.html", "evil/*/segmentation.html",
    "tested/*/ab_test.html", "shop/*/ab_test.html",
)  # fmt: skip


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 360])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_a_file_without_network_script_or_overflow(ran, browser, name, width, scheme):
    (path,) = ran[0].glob(name)
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=False
    )
    page = context.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(path.as_uri())
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert complaints == []
    assert page.locator("h1").count() == 1
    assert page.locator("img:not([alt])").count() == 0
    context.close()
    measured = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    page = measured.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = scheme == "dark"
    assert page.locator("figure img.on-dark:visible").count() == dark * page.locator("figure").count()
    assert page.locator("figure img.on-light:visible").count() == (not dark) * page.locator("figure").count()
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) < 200) == (scheme == "dark")
    measured.close()


@pytest.mark.browser
def test_print_never_is_dark_and_fits_a4(ran, browser, tmp_path):
    (path,) = ran[0].glob("shop/*/pulse.html")
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(path.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("figure img.on-light").first.is_visible()
    assert page.locator("figure img.on-dark:visible").count() == 0
    page.pdf(path=tmp_path / "p.pdf", prefer_css_page_size=True)
    assert (tmp_path / "p.pdf").read_bytes()[:4] == b"%PDF"
    context.close()
    if shutil.which("pdfinfo"):
        told = subprocess.run(["pdfinfo", tmp_path / "p.pdf"], capture_output=True, text=True, check=True).stdout
        assert "A4" in told

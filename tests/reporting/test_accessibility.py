"""axe-core on every page of the demo, in light and dark, at desk and phone, in each language."""

from pathlib import Path

import pytest

from tests.reporting.conftest import LOCALES

NAMES = ("pulse", "segmentation", "clv", "ab_test", "upsell_lift", "summary", "failed", "cover", "portal")
# What axe cannot judge by itself is named here with the reason; a new kind of doubt fails the test.
DOUBTS = {"color-contrast": "text that is scrolled out of a table's region; the tokens' own test has its contrast"}


def path_of(folder, name):
    """File of a page; skips where the demo has no such page."""
    if name == "portal":
        return folder / "index.html"
    found = [*folder.glob(f"demo/*/{'index' if name == 'cover' else name}.html")]
    if not found:
        pytest.skip(f"the demo has no page {name}")
    return found[0]


@pytest.fixture(scope="session")
def axe():
    package = pytest.importorskip("axe_playwright_python")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing(browser, pages, axe, name, language, width):
    path = path_of(pages[language], name)
    # The pages' own policy lets no script in, not even this one.
    context = browser.new_context(viewport={"width": width, "height": 800}, bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.evaluate(axe)
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        # The scheme changes colours and nothing else: the second run looks at those alone.
        rules = {} if scheme == "light" else {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
        told = page.evaluate("(rules) => axe.run({resultTypes: ['violations', 'incomplete'], ...rules})", rules)
        found |= {(scheme, one["id"]): [node["html"][:200] for node in one["nodes"]] for one in told["violations"]}
        found |= {(scheme, one["id"]): one["help"] for one in told["incomplete"] if one["id"] not in DOUBTS}
    context.close()
    assert found == {}

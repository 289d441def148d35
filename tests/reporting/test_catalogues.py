from __future__ import annotations

import gettext
import shutil

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from helpers.reporting import catalogues as readers
from helpers.reporting import words
from helpers.reporting.catalogues import NAME
from tests.reporting import catalogues

SOURCE = {
    "# Title\n\nSome `code` and [a link](x.html).\n\n- one\n- two": "# عنوان\n\nکمی `code` و [پیوند](x.html).\n\n- یک\n- دو",
    "{low} to {high}": "{low} تا {high}",
    ("{count} check passed", "{count} checks passed"): ("{count} بررسی", "{count} بررسی"),
}


@pytest.fixture
def folder(tmp_path):
    """Write a template of `SOURCE` and a Persian catalogue with changes; gives the folder."""

    def write(changes=None, *, fuzzy=()):
        template, persian = Catalog(), Catalog("fa")
        for key in SOURCE:
            template.add(key)
        for key, said in {**SOURCE, **(changes or {})}.items():
            if said is not None:
                persian.add(key, said, flags=["fuzzy"] if key in fuzzy else [])
        (tmp_path / "fa/LC_MESSAGES").mkdir(parents=True, exist_ok=True)
        with (tmp_path / "valuebook.pot").open("wb") as file:
            write_po(file, template, omit_header=True)
        with (tmp_path / "fa" / NAME).open("wb") as file:
            write_po(file, persian)
        return tmp_path

    return write


def faults(folder):
    return catalogues.language_faults("fa", folder=folder, template=folder / "valuebook.pot")


def test_a_whole_catalogue_has_no_fault(folder):
    assert faults(folder()) == []


def test_a_language_without_a_catalogue_is_a_fault(tmp_path):
    shutil.copy(catalogues.TEMPLATE, tmp_path / "valuebook.pot")
    assert faults(tmp_path) == [f"fa: there is no catalogue {NAME}"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"{low} to {high}": ""}, "untranslated: {low} to {high}"),
        ({"{low} to {high}": None}, "untranslated: {low} to {high}"),
        ({"{low} to {high}": "{low} تا {hihg}"}, "placeholders differ: {low} to {high}"),
        ({"{low} to {high}": "{low} تا {high"}, "placeholders differ: {low} to {high}"),
        ({"{low} to {high}": " {low} تا {high}"}, "space at an end differs: {low} to {high}"),
        ({"Gone": "رفته"}, "unused: Gone"),
        (
            {("{count} check passed", "{count} checks passed"): ("", "")},
            "untranslated: {count} check passed",
        ),
    ],
)
def test_each_fault_is_named_with_its_message(folder, changes, fault):
    assert faults(folder(changes)) == [f"fa: {fault}"]


@pytest.mark.parametrize(("old", "new"), [("# ", ""), ("- دو", "دو"), ("`code`", "code"), ("x.html", "y.html")])
def test_markdown_that_lost_its_shape_is_a_fault(folder, old, new):
    title = next(iter(SOURCE))
    assert faults(folder({title: SOURCE[title].replace(old, new)}))[0].startswith("fa: markdown differs: # Title")


def test_a_fuzzy_message_is_a_fault_and_is_not_used(folder):
    made = folder(fuzzy=["{low} to {high}"])
    assert faults(made) == ["fa: fuzzy: {low} to {high}"]
    words.use_language("fa_IR", "IRR", catalogues=made)
    assert words._("{low} to {high}") == "{low} to {high}"
    assert words.plural("{count} check passed", "{count} checks passed", 3) == "۳ بررسی"


def test_a_plural_without_translation_is_said_in_english_as_a_plural(folder):
    key = ("{count} check passed", "{count} checks passed")
    words.use_language("fa_IR", "IRR", catalogues=folder({key: ("", "")}))
    assert words.plural(*key, 3) == "۳ checks passed"


def test_a_catalogue_is_read_once_a_process(folder):
    path = folder() / "fa" / NAME
    assert readers.read(path) is readers.read(path)
    assert readers.languages(path.parents[2]) == ["fa"]


def test_a_locale_without_a_catalogue_speaks_english(tmp_path):
    words.use_language("pl_PL", "PLN", catalogues=tmp_path)
    assert type(words.language().catalogue) is gettext.NullTranslations
    assert words._("Rows kept") == "Rows kept"


def test_the_template_holds_every_message_of_the_code():
    assert catalogues.template_faults() == []


def test_an_old_template_is_told_with_what_is_new(tmp_path):
    old = tmp_path / "old.pot"
    old.write_text(catalogues.TEMPLATE.read_text().replace('msgid "Champions"', 'msgid "Heroes"'))
    assert catalogues.template_faults(old)[:2] == ["template: gone: Heroes", "template: new: Champions"]


def test_segments_and_the_playbook_are_messages():
    text = catalogues.TEMPLATE.read_text()
    for message in ("Champions", "Lapsed", "VIP", "Offer early access and ask for referrals; spare the discounts."):
        assert f'msgid "{message}"' in text

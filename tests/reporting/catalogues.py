"""The catalogues against the code: `python -m tests.reporting.catalogues`, and with `--write` the template anew.

Each language says every message once, says nothing else, keeps what is filled in and keeps the shape of the markdown.
"""

from __future__ import annotations

import contextlib
import re
import string
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import PoFileError, read_po

from helpers.reporting.catalogues import CATALOGUES, NAME

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog, Message

ROOT = Path(__file__).parents[2]
TEMPLATE = CATALOGUES / "valuebook.pot"
LANGUAGES = ("fa", "vi")
EXTRACT = (
    "pybabel -q extract --no-location --omit-header --sort-output -F babel.cfg -k _ -k marked -k plural:1,2".split()  # noqa: SIM905
)
SOURCES = ("helpers", "notebooks", "params")
SHOWN = 70
# What a translation of markdown keeps: the levels of its headings, its items and rows in order, its code and where links lead.
HEADING = re.compile(r"^(#+) ", re.MULTILINE)
ITEM = re.compile(r"^ *(?:[-*]|\d+\.) ", re.MULTILINE)
ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
EMPHASIS = re.compile(r"\*\*[^*\n]+\*\*")


def main() -> int:
    """Print what is wrong; 1 where anything is."""
    if "--write" in sys.argv[1:]:
        extract(TEMPLATE)
    found = [*template_faults(), *(fault for language in LANGUAGES for fault in language_faults(language))]
    count = Counter(fault.split(":")[0] for fault in found)
    told = ", ".join(f"{name} {n}" for name, n in sorted(count.items())) if count else "complete"
    sys.stdout.write("\n".join([*found, f"Catalogues: {told}"]) + "\n")
    return 1 if found else 0


def extract(target: Path) -> None:
    """All messages of the code, the notebooks and the playbook, as a template."""
    with contextlib.chdir(ROOT):
        CommandLineInterface().run([*EXTRACT, "-o", str(target), *SOURCES])


def template_faults(template: Path = TEMPLATE) -> list[str]:
    """Whether the template holds what the code says now."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "fresh.pot"
        extract(fresh)
        if fresh.read_text(encoding="utf-8") == template.read_text(encoding="utf-8"):
            return []
        now, then = _read(fresh), _read(template)
    told = [f"template: new: {shown(key)}" for key in now.keys() - then.keys()]
    told += [f"template: gone: {shown(key)}" for key in then.keys() - now.keys()]
    return [*sorted(told), "template: out of date: run `make messages`"]


def language_faults(language: str, *, folder: Path = CATALOGUES, template: Path = TEMPLATE) -> list[str]:
    """What a language's catalogue lacks, has too much, or says in another shape."""
    path = folder / language / NAME
    if not path.is_file():
        return [f"{language}: there is no catalogue {NAME}"]
    try:
        with path.open("rb") as source:
            catalogue = read_po(source, locale=language, abort_invalid=True)
    except PoFileError as error:
        return [f"{language}: broken: {error}"]
    wanted, there = _read(template), _messages(catalogue)
    faults = [f"{language}: unused: {shown(key)}" for key in there if key not in wanted]
    faults += [f"{language}: unused (obsolete): {shown(key)}" for key in catalogue.obsolete]
    for key, message in wanted.items():
        said = there.get(key)
        faults += [f"{language}: {fault}: {shown(key)}" for fault in _faults(message, said, catalogue)]
    return faults


def _faults(message: Message, said: Message | None, catalogue: Catalog) -> list[str]:
    if said is None:
        return ["untranslated"]
    forms = said.string if isinstance(said.string, (tuple, list)) else (said.string,)
    if not all(forms) or len(forms) != (catalogue.num_plurals if message.pluralizable else 1):
        return ["untranslated"]
    if said.fuzzy:
        return ["fuzzy"]
    sources = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
    faults = []
    for place, form in enumerate(forms):
        faults += _differences(sources[min(place, len(sources) - 1)] if len(forms) > 1 else sources[-1], form)
    return list(dict.fromkeys(faults))


def _differences(source: str, form: str) -> list[str]:
    """How one form of a translation differs in shape from its source."""
    faults = []
    if placeholders(source) is not None and placeholders(source) != placeholders(form):
        faults.append("placeholders differ")
    if source[:1].isspace() != form[:1].isspace() or source[-1:].isspace() != form[-1:].isspace():
        faults.append("space at an end differs")
    if structure(source) != structure(form):
        faults.append("markdown differs")
    return faults


def placeholders(text: str) -> set[str] | None:
    """Names that are filled in; `None` where the text is no format."""
    try:
        return {name for _text, name, _form, _how in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return None


def structure(text: str) -> tuple[object, ...]:
    """What a translation of markdown must keep."""
    return (
        HEADING.findall(text),
        len(ITEM.findall(text)),
        [row.count("|") for row in ROW.findall(text)],
        Counter(CODE.findall(text)),
        Counter(LINK.findall(text)),
        len(EMPHASIS.findall(text)),
        text.count("```"),
    )


def shown(key: object) -> str:
    """A message as one short line."""
    text = " ".join(str(key[0] if isinstance(key, tuple) else key).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _read(template: Path) -> dict[object, Message]:
    with template.open("rb") as source:
        return _messages(read_po(source))


def _messages(catalogue: Catalog) -> dict[object, Message]:
    return {message.id: message for message in catalogue if message.id}


if __name__ == "__main__":
    sys.exit(main())

"""Catalogues of translated messages, read from their sources: `locale/<language>/LC_MESSAGES/valuebook.po`."""

from __future__ import annotations

import gettext
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale

CATALOGUES = Path(__file__).parent / "locale"
NAME = "LC_MESSAGES/valuebook.po"


def languages(folder: Path = CATALOGUES) -> list[str]:
    """Languages that have a catalogue; English is the source and needs none."""
    return sorted(path.parent.parent.name for path in folder.glob(f"*/{NAME}"))


def catalogue(locale: Locale, folder: Path = CATALOGUES) -> gettext.NullTranslations:
    """The catalogue of a locale, else of its language, else none: a message that has no translation is said in English."""
    for name in (str(locale), locale.language):
        path = folder / name / NAME
        if path.is_file():
            return read(path)
    return gettext.NullTranslations()


@cache
def read(path: Path) -> gettext.NullTranslations:
    """A catalogue from its source, without fuzzy messages; once a process, since it takes about a tenth of a second.

    Raises:
        babel.messages.pofile.PoFileError: The source is broken.
    """
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with path.open("rb") as source:
        content = read_po(source, locale=path.parent.parent.name, abort_invalid=True)
    for message in list(content):
        # Babel would say the singular where a plural has no translation.
        if message.id and message.pluralizable and not all(message.string or ()):
            content.delete(message.id)
    compiled = io.BytesIO()
    write_mo(compiled, content, use_fuzzy=False)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)

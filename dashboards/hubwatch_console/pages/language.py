"""The languages of the pages: catalogues as translators write them (gettext's .po), read when the console starts.

English is what the pages are written in. A message that a catalogue lacks is shown in English; a test holds that none
is lacking.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from types import MappingProxyType

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

DEFAULT = "en"
LANGUAGES: Mapping[str, str] = MappingProxyType({"en": "English", "nl": "Nederlands", "es": "Español"})
"""By code, what each calls itself."""


@cache
def catalogue(language: str) -> NullTranslations:
    """Return the messages of a language."""
    if language == DEFAULT:
        return NullTranslations()
    text = resources.files("hubwatch_console").joinpath(f"pages/locale/{language}.po").read_text(encoding="utf-8")
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.StringIO(text), locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


def chosen(wanted: str | None, accepted: str | None) -> str:
    """Return the language somebody chose, else the first of those their browser accepts that we have."""
    if wanted in LANGUAGES:
        return str(wanted)
    for part in (accepted or "")[:500].split(","):
        code = part.partition(";")[0].strip().lower().partition("-")[0]
        if code in LANGUAGES:
            return code
    return DEFAULT


def marked(message: str) -> str:
    """Mark a message of Python code for the catalogues; return it as it is."""
    return message

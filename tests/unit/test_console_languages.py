"""The pages' languages: every message is in every catalogue, and no page has text, script or style of its own."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

import hubwatch_console
from hubwatch_console.pages.language import LANGUAGES, catalogue, chosen

PACKAGE = Path(hubwatch_console.__file__).parent / "pages"
OTHERS = sorted(set(LANGUAGES) - {"en"})
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
OPTIONS = {"trimmed": "true"}


def messages() -> set[str]:
    found = set()
    for file in sorted(PACKAGE.rglob("*.html")):
        for _, message, _, _ in extract("jinja2.ext:babel_extract", BytesIO(file.read_bytes()), KEYWORDS, (), OPTIONS):
            found.add(message if isinstance(message, str) else message[0])
    for file in sorted(PACKAGE.rglob("*.py")):
        for _, message, _, _ in extract("python", BytesIO(file.read_bytes()), {"_": None, "text": None}):
            found.add(message if isinstance(message, str) else message[0])
    return found


def texts(said: object) -> list[str]:
    """Return a message, or its forms for one and many."""
    return [said] if isinstance(said, str) else [str(each) for each in said] if isinstance(said, list | tuple) else [""]


MESSAGES = messages()


def test_there_are_messages_to_look_at() -> None:
    assert {"Queue", "Critical", "the device does not answer", "Profile of the passage"} <= MESSAGES


@pytest.mark.parametrize("language", OTHERS)
def test_no_message_is_missing_and_none_is_left_over(language: str) -> None:
    entries = read_po(BytesIO((PACKAGE / "locale" / f"{language}.po").read_bytes()))
    said = {each.id if isinstance(each.id, str) else each.id[0]: each for each in entries if each.id}
    assert MESSAGES - said.keys() == set()
    assert said.keys() - MESSAGES == set()
    assert [name for name, each in said.items() if "" in texts(each.string)] == []
    assert [name for name, each in said.items() if each.fuzzy] == []


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_filled_in_is_kept(language: str) -> None:
    entries = read_po(BytesIO((PACKAGE / "locale" / f"{language}.po").read_bytes()))
    for each in entries:
        given, told = texts(each.id), texts(each.string)
        places = {tuple(sorted(re.findall(r"%\(\w+\)s", text))) for text in [*given, *told] if text}
        assert len(places) <= 1, each.id


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.html")), ids=lambda file: file.name)
def test_no_page_has_words_that_are_not_translated(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    text = re.sub(r"{#.*?#}|{{.*?}}|{%.*?%}", " ", text, flags=re.DOTALL)
    text = re.sub(r"<kbd>.*?</kbd>|<option[^>]*>\d+ (min|h)</option>|<[^>]*>", " ", text, flags=re.DOTALL)
    words = set(re.findall(r"[A-Za-z]{3,}", text)) - {"hubwatch"}
    assert words == set()


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.html")), ids=lambda file: file.name)
def test_no_page_has_script_or_style_in_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert re.findall(r"\son\w+=|\sstyle=|<style|javascript:", text) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    assert re.findall(r"https?://", text) == []
    assert "| safe" not in text


@pytest.mark.parametrize(
    ("wanted", "accepted", "language"),
    [
        (None, None, "en"), ("nl", "es", "nl"), ("xx", "es-MX,en;q=0.8", "es"), (None, "fr, nl;q=0.5", "nl"),
        (None, "," * 5000, "en"),
    ],
)  # fmt: skip
def test_language_is_the_chosen_one_or_the_first_that_is_accepted(
    wanted: str | None, accepted: str | None, language: str
) -> None:
    assert chosen(wanted, accepted) == language


def test_catalogues_translate() -> None:
    assert catalogue("nl").gettext("Queue") == "Wachtrij"
    assert catalogue("es").ngettext("%(num)s detection", "%(num)s detections", 2) == "%(num)s detecciones"

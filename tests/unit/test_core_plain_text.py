"""Text from the field, before it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_core.plain_text import escaped, is_text, one_line

ANY = st.text(st.characters(exclude_categories=()))


@given(ANY)
def test_whatever_is_said_becomes_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert one_line(line) == line == line.strip()


@given(ANY)
def test_whatever_is_said_is_escaped_into_printable_lines(text: str) -> None:
    assert escaped(text).replace("\n", "").isprintable()
    assert escaped(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [("badge:7F3A", "badge:7F3A"), (" a\tb\r\n c ", "a b c"), ("\x1b[2Jgone", "[2Jgone"), ("Kök–Ü µ", "Kök–Ü µ")],
)
def test_printable_text_stays_as_it_is_in_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [("é\t\n", "é\\t\n"), ("\x1b[2J", "\\x1b[2J"), ("\u202e\udcff", "\\u202e\\udcff"), ("\\x1b", "\\x1b")],
)
def test_what_cannot_be_printed_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_bytes_that_came_in_as_surrogates_are_no_text() -> None:
    assert is_text("Kök–Ü µ\0")
    assert not is_text("a\udcff")

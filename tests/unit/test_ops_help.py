"""Help is drawn with rich, which takes a bare [word] for markup and leaves it out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.text import Text
from typer.core import TyperGroup
from typer.main import get_command

from hubwatch_ops.cli import build


def _texts(command: object, path: str) -> Iterator[tuple[str, str]]:
    yield path, str(getattr(command, "help", None) or "")
    for parameter in getattr(command, "params", []):
        yield f"{path} {parameter.name}", str(getattr(parameter, "help", None) or "")
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from _texts(each, f"{path} {name}")


TEXTS = list(_texts(get_command(build(["--help"])), "hubwatch"))


def test_the_whole_command_line_is_looked_at() -> None:
    assert {"hubwatch db status config", "hubwatch alarms ack config", "hubwatch up"} <= {path for path, _ in TEXTS}


@pytest.mark.parametrize(("path", "text"), TEXTS, ids=[path for path, _ in TEXTS])
def test_no_word_of_a_help_text_is_swallowed_as_markup(path: str, text: str) -> None:
    assert Text.from_markup(text).plain == text, path

"""Nothing from elsewhere steers a terminal or forges a line: commands, tables, logs and problem details."""

from __future__ import annotations

import ast
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from hubwatch_core import logs, tables
from hubwatch_core.config import LogSection
from hubwatch_core.errors import ConfigError, Permanent, Problem
from hubwatch_core.http.problem_details import problem
from hubwatch_core.plain_text import escaped_json, escaped_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json

ROOT = Path(__file__).parents[2]
PRODUCT = ("core", "agents", "collector", "detectors", "alarms", "dashboards", "ops")

HOSTILE = "\x1b]0;mine\x07\x9b2J\u202egnp.exe\u2028\u2066\x00\x85\x7f\ue000\U000e0001"
"""A title, a cleared screen, letters turned round, lines, and what has no shape."""
UNPRINTABLE = {each for each in HOSTILE if not each.isprintable()}

ANY = st.text(st.characters(exclude_categories=()))

OUTSIDE = {
    "core/hubwatch_core/terminal.py": "it is the way",
    "core/hubwatch_core/tables.py": "it is the way for tables",
    "dashboards/hubwatch_console/api_page.py": "a developer's tool that names a file of the repository",
    "ops/hubwatch_ops/samples.py": "a developer's tool that prints names of files of the repository",
    "ops/hubwatch_ops/embedded/broker_process.py": "prints a number to its parent",
}
"""Files that may write to a terminal by themselves, and why."""


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def _ways_around(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"typer.echo", "typer.secho", "print", "Console", "rich.print", "click.echo"}:
                yield called
            if called.endswith(("stdout.write", "stderr.write", "stdout.buffer.write")):
                yield called


def test_commands_print_through_one_place() -> None:
    around = {
        str(file.relative_to(ROOT)): list(_ways_around(file))
        for folder in PRODUCT
        for file in sorted((ROOT / folder).rglob("*.py"))
    }
    found = {name: calls for name, calls in around.items() if calls}
    assert set(found) - set(OUTSIDE) == set(), found
    assert {name for name in OUTSIDE if not (ROOT / name).exists()} == set()


def test_what_is_said_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"topic {HOSTILE}\nnext")
    say(HOSTILE, err=True)
    out, err = capsys.readouterr()
    assert not UNPRINTABLE & set(out + err)
    assert out.count("\n") == 2
    assert r"\x9b2J\u202e" in out


@given(ANY, ANY)
def test_json_stays_what_it_was_and_becomes_printable(key: str, text: str) -> None:
    said = escaped_json(json.dumps({key: [text]}, ensure_ascii=False))
    assert said.isprintable()
    assert json.loads(said) == json.loads(json.dumps({key: [text]}))


@given(ANY)
def test_line_stays_one(text: str) -> None:
    assert escaped_line(text).isprintable()


def test_json_that_is_said_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    say_json(json.dumps({"note": HOSTILE}, ensure_ascii=False, indent=2))
    out = capsys.readouterr().out
    assert not UNPRINTABLE & set(out)
    assert json.loads(out)["note"] == HOSTILE


@pytest.mark.parametrize("colours", [False, True])
def test_cell_of_a_table_is_text_and_nothing_else(colours: bool) -> None:
    out = io.StringIO()
    console = tables.PlainConsole(file=out, width=400, force_terminal=colours, markup=False, emoji=False)
    table = Table("what", "by")
    table.add_row(HOSTILE, "[link=https://evil.example]kim[/link] :smile:")
    console.print(table)
    console.print(HOSTILE)
    shown = out.getvalue()
    assert not (UNPRINTABLE - {"\x1b"}) & set(shown)
    assert "\x1b]" not in shown
    assert "[link=https://evil.example]kim[/link] :smile:" in shown
    assert ("\x1b[" in shown) == colours, "styles of ours stay"


def test_refusal_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: Exception) -> None:
        raise error

    for error in (Permanent(HOSTILE), ConfigError([Problem("hub.toml", HOSTILE, HOSTILE)])):
        with pytest.raises(SystemExit):
            border(fail)(error)
    said = capsys.readouterr().err
    assert not UNPRINTABLE & set(said)


@pytest.mark.parametrize("form", ["json", "console"])
def test_log_line_is_printable_whoever_logs(form: str) -> None:
    out = io.StringIO()
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        logs.configure(LogSection.model_validate({"format": form}), out)
        logs.get_logger("x").warning(f"refused {HOSTILE}", reason=f"{HOSTILE}\nforged line", many=[HOSTILE])
        logging.getLogger("library").warning("sent %s", HOSTILE)
    finally:
        root.handlers = handlers
    lines = out.getvalue().split("\n")
    assert len(lines) == 3, "two lines and the end"
    shown = "".join(lines)
    colours = shown.replace("\x1b[", "")
    assert not (UNPRINTABLE & set(colours)), repr(shown)
    if form == "json":
        assert json.loads(lines[0])["reason"] == f"{HOSTILE}\nforged line"


def test_detail_of_a_problem_is_printable() -> None:
    body = bytes(problem(400, HOSTILE).body or b"").decode()  # type: ignore[arg-type]
    assert body.isprintable()

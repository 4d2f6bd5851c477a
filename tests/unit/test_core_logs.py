"""Logs: one line an event, JSON that parses, levels, faults with their traceback and without secrets."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from hubwatch_core import logs
from hubwatch_core.config import LogSection


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_line_holds_event_part_level_time_and_values() -> None:
    out = io.StringIO()
    logs.configure(LogSection(format="json"), out)
    logs.get_logger("mqtt").info("link back", broker="a:1", tries=3)
    (line,) = _lines(out)
    moment = datetime.fromisoformat(str(line.pop("timestamp")))
    assert timedelta(0) <= datetime.now(UTC) - moment < timedelta(seconds=5)
    assert line == {"event": "link back", "level": "info", "part": "mqtt", "broker": "a:1", "tries": 3}


def test_logger_made_before_configuration_obeys_it() -> None:
    log, out = logs.get_logger("early"), io.StringIO()
    logs.configure(LogSection(format="json", level="error"), out)
    log.info("not shown")
    log.error("shown")
    assert [line["event"] for line in _lines(out)] == ["shown"]


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_what_is_below_the_level_is_not_logged(level: str, shown: list[str]) -> None:
    out = io.StringIO()
    logs.configure(LogSection.model_validate({"format": "json", "level": level}), out)
    log = logs.get_logger("x")
    for each in ("debug", "info", "warning", "error"):
        getattr(log, each)("said")
    assert [line["level"] for line in _lines(out)] == shown


def test_values_of_any_kind_stay_one_line_of_json() -> None:
    out = io.StringIO()
    logs.configure(LogSection(format="json"), out)
    logs.get_logger("x").warning("two\nlines", text="µ\n\x1b[31m\0", data=b"\xff", thing=object(), number=1e300)
    assert len(out.getvalue().splitlines()) == 1
    (line,) = _lines(out)
    assert (line["event"], line["text"]) == ("two\nlines", "µ\n\x1b[31m\0")


def test_text_from_the_field_cannot_steer_the_terminal() -> None:
    out = io.StringIO()
    logs.configure(LogSection(format="console"), out)
    logs.get_logger("x").warning("refused", topic="hubwatch/\x1b]0;mine\x07", reason="\x9b2J \u202e", why="two\nlines")
    (line,) = out.getvalue().splitlines()
    assert r"hubwatch/\x1b]0;mine\x07" in line
    assert r"\x9b2J \u202e" in line.replace("\\\\", "\\")
    assert not set(line) & set("\x07\x9b\u202e")
    assert "]0;mine" not in line.replace(r"\x1b]0;mine", "")


def _fail(password: str) -> None:
    raise ValueError(f"cannot use a password of {len(password)} characters")


def _log_a_fault() -> None:
    try:
        _fail("HUNTER2".lower())
    except ValueError as error:
        logs.get_logger("x").error("failed", exc_info=error)


def test_fault_in_json_carries_its_traceback_in_one_line() -> None:
    out = io.StringIO()
    logs.configure(LogSection(format="json"), out)
    _log_a_fault()
    (line,) = _lines(out)
    assert "cannot use a password of 7 characters" in str(line["exception"])
    assert "in _fail" in str(line["exception"])


@pytest.mark.parametrize("form", ["console", "json"])
def test_fault_shows_no_local_values_and_warns_of_nothing(form: str) -> None:
    out = io.StringIO()
    logs.configure(LogSection.model_validate({"format": form}), out)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _log_a_fault()
    assert "in _fail" in out.getvalue()
    assert "hunter2" not in out.getvalue()


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", _Terminal, False),
        ("console", io.StringIO, False),
        ("json", _Terminal, True),
    ],
)
def test_format_follows_the_stream_unless_named(form: str, stream: type[io.StringIO], is_json: bool) -> None:
    out = stream()
    logs.configure(LogSection.model_validate({"format": form}), out)
    logs.get_logger("x").info("hello", a=1)
    assert out.getvalue().startswith("{") == is_json
    assert "hello" in out.getvalue()


def test_libraries_are_heard_from_warning_on_and_everything_goes_to_standard_error() -> None:
    code = (
        "import logging; from hubwatch_core import logs; from hubwatch_core.config import LogSection\n"
        "logs.configure(LogSection(level='debug', format='json'))\n"
        "logging.getLogger('lib').info('quiet'); logging.getLogger('lib').warning('loud')\n"
        "logs.get_logger('x').debug('ours')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == ""
    library, ours = done.stderr.splitlines()
    assert library == "WARNING lib: loud"
    assert json.loads(ours)["event"] == "ours"


def test_level_error_silences_warnings_of_libraries_too() -> None:
    root = logging.getLogger()
    handlers, level, root.handlers = root.handlers, root.level, []
    try:
        logs.configure(LogSection(level="error"), io.StringIO())
        assert root.level == logging.ERROR
    finally:
        root.handlers, root.level = handlers, level

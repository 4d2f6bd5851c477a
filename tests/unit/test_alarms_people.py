"""What people type."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubwatch_alarms.acts import named_second
from hubwatch_alarms.cli import app
from hubwatch_alarms.people import parse_duration_s, parse_id, parse_name, parse_note, parse_reason
from hubwatch_core.credentials.kept_login import KeptLogin, keep
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import Actor


@pytest.mark.parametrize(("text", "number"), [("41", 41), ("#41", 41), ("007", 7)])
def test_alarm_is_named_by_its_number(text: str, number: int) -> None:
    assert parse_id(text) == number


@pytest.mark.parametrize("text", ["", "#", "x", "4x", "-4", "4.0", "٤", "9" * 19, "4; drop table"])
def test_what_is_no_number_names_no_alarm(text: str) -> None:
    with pytest.raises(BadCall, match="is no alarm"):
        parse_id(text)


@pytest.mark.parametrize("text", ["", "  ", "kim\nlee", "\x1b[2J", "x" * 101, "system", "SYSTEM "])
def test_nobody_and_the_system_cannot_act(text: str) -> None:
    with pytest.raises(BadCall, match="must name a person"):
        parse_name(text)


def test_name_is_kept_without_the_blanks_around_it() -> None:
    assert parse_name("  Kim de Vries ") == "Kim de Vries"


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400)])
def test_duration_has_a_unit(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "1.5h", "-1h", "1w", "1 h", "9999999h"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadCall, match="write it like 30m"):
        parse_duration_s(text)


def test_note_may_be_missing_but_a_reason_not() -> None:
    assert parse_note(None) is None
    assert parse_note("") is None
    assert parse_reason(" works ") == "works"
    with pytest.raises(BadCall, match="must say why"):
        parse_reason("  ")


def test_note_that_cannot_be_kept_is_refused() -> None:
    for text in ("x" * 1001, "a\0b", "a\udcff"):
        with pytest.raises(BadCall, match="at most 1000"):
            parse_note(text)


@pytest.mark.parametrize("named", [None, "kim", "Kim", "KIM"])
def test_second_person_is_another_one_whatever_the_case_of_letters(named: str | None) -> None:
    with pytest.raises(Permanent, match="a second person must agree"):
        named_second(Actor("Kim", ()), named, "it is an alarm of radiation")
    assert named_second(Actor("Kim", ()), "Lee", "x") == "Lee"


def test_whoever_is_logged_in_cannot_name_who_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    keep(KeptLogin("http://127.0.0.1:1", "kim", "secret"), "file")
    for arguments in (
        ["shelve", "1", "--note", "x", "--for", "1h"],
        ["suppress", "works", "--hub", "h", "--note", "x", "--for", "1h"],
    ):
        result = CliRunner().invoke(app, [*arguments, "--agreed-by", "lee"])
        assert (result.exit_code, "hubwatch approvals approve" in result.stderr) == (2, True), result.stderr

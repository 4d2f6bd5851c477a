"""`hubwatch alarms suppress`, `suppressions`, `lift` and `priorities`, where there is no directory of users."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hubwatch_alarms.cli import app
from support.alarms_database import Hands, hands_on
from support.alarms_examples import detection
from support.alarms_moved import moved_once

WORKS = ("suppress", "works", "--hub", "rotterdam", "--sensor", "fence-1", "--for", "2h", "--note", "new posts")


@pytest.fixture
def hands(migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    monkeypatch.setenv("COLUMNS", "200")
    with hands_on(migrated_plain_dsn) as made:
        made.rows("INSERT INTO hubs (hub) VALUES ('rotterdam') ON CONFLICT DO NOTHING RETURNING hub")
        for sensor in ("fence-1", "fence-2"):
            made.place("rotterdam", sensor, "north")
        yield made


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def good(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def bad(*words: str, code: int = 1) -> str:
    result = run(*words)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    return result.stderr


def test_nothing_suppressed_is_said(hands: Hands) -> None:
    assert hands.alarms() == []
    assert good("suppressions") == "nothing is suppressed\n"


def test_works_are_said_shown_and_lifted(hands: Hands, migrated_plain_dsn: str) -> None:
    assert good(*WORKS, "--by", "kim").endswith("new posts\n")
    hands.detect(detection())
    moved_once(migrated_plain_dsn)
    shown = good("suppressions")
    assert "alarm, suppressed" in shown
    assert "rotterdam / north / fence-1" in shown
    found = json.loads(good("suppressions", "--json"))
    assert [(each["what"], each["kind"], each["by"], each["reason"][-9:]) for each in found] == [
        ("alarm", "suppressed", "system", "new posts"),
        ("expected", "works", "kim", "new posts"),
    ]
    assert "suppressed" in good("list")
    assert good("lift", str(found[1]["id"]), "--by", "lee").endswith("is lifted\n")
    assert "over already" in bad("lift", str(found[1]["id"]), "--by", "lee")
    moved_once(migrated_plain_dsn)
    assert good("suppressions") == "nothing is suppressed\n"


def test_what_blinds_needs_a_second_name(hands: Hands) -> None:
    assert "priority 1" in bad(*WORKS, "--critical", "--by", "kim")
    assert "a second person" in bad(*WORKS, "--critical", "--by", "kim", "--agreed-by", "kim")
    good(*WORKS, "--critical", "--by", "kim", "--agreed-by", "lee")
    (row,) = hands.rows("SELECT by, agreed_by, verified FROM alarm_suppression")
    assert row == {"by": "kim", "agreed_by": "lee", "verified": False}
    assert "critical too" in good("suppressions")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("suppress", "sleep", *WORKS[2:]), "no kind of suppression"),
        ((*WORKS, "--from", "tomorrow"), "is no time"),
        ((*WORKS, "--from", "2026-12-01T06:00"), "time zone"),
        ((*WORKS[:-1], " "), "must say why"),
        ((*WORKS[:-3], "soon", "--note", "x"), "is no duration"),
    ],
)
def test_words_that_make_no_sense_are_refused_before_anything_is_asked(
    hands: Hands, words: tuple[str, ...], says: str
) -> None:
    assert says in bad(*words, "--by", "kim", code=2)
    assert hands.rows("SELECT id FROM alarm_suppression") == []


def test_reason_with_control_characters_does_not_steer_the_terminal(hands: Hands) -> None:
    good(*WORKS[:-1], "posts\x1b[2J", "--by", "kim")
    assert "\x1b" not in good("suppressions")
    assert hands.rows("SELECT reason FROM alarm_suppression") == [{"reason": "posts\x1b[2J"}]


def test_priorities_are_shown_with_what_makes_them_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    table = tmp_path / "priority.toml"
    table.write_text('[types."access.held"]\nrespond = "at_once"\n', encoding="utf-8")
    config = tmp_path / "alarms.toml"
    config.write_text(f'priorities_file = "{table}"\n', encoding="utf-8")
    found = {each["type"]: each for each in json.loads(good("priorities", "-c", str(config), "--json"))}
    assert (found["access.held"]["priority"], found["access.held"]["own"]) == (2, True)
    assert (found["access.forced"]["priority"], found["access.forced"]["own"]) == (1, False)
    (line,) = [line for line in good("priorities", "-c", str(config)).splitlines() if "access.held" in line]
    assert line.split()[:4] == ["access.held", "*", "high", "moderate"]
    assert "access.held " in good("priorities")

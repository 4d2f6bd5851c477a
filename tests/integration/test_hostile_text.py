"""Text that came from the field or from another person, shown by each command that shows it: it steers no terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_ops.cli import build
from support.alarms_database import Hands, hands_on
from support.alarms_examples import detection
from support.alarms_moved import moved_once

HOSTILE = "kim \x1b]0;mine\x07 \x9b2J \u202egnp.exe \u2028\u2066 \x85 [link=https://evil.example]x[/link]"
UNPRINTABLE = {each for each in HOSTILE if not each.isprintable()}

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("alarms", "list", "--all"),
    ("alarms", "list", "--all", "--json"),
    ("alarms", "show", "ALARM"),
    ("alarms", "show", "ALARM", "--json"),
    ("alarms", "ack", "ALARM", "--by", HOSTILE, "--note", HOSTILE),
    ("alarms", "ack", HOSTILE, "--by", "kim"),
    ("alarms", "list", "--hub", HOSTILE),
    ("dead-letters", "list"),
    ("dead-letters", "list", "--reason", HOSTILE),
    ("dead-letters", "show", "LETTER"),
    ("dead-letters", "replay"),
    ("ledger", "report"),
    ("ledger", "report", "--json"),
    ("ledger", "report", "--hub", HOSTILE),
    ("level", "show"),
    ("level", "show", "rotterdam"),
    ("level", "show", "rotterdam", "--json"),
    ("db", "hold", "list"),
    ("db", "retention", "show"),
    ("detectors", "explain", "DETECTION"),
    ("detectors", "check-config", HOSTILE),
    ("detectors", "replay", HOSTILE),
    ("agent", "check-config", HOSTILE),
    ("collector", "check-config", HOSTILE),
    ("site", "show", "--hub", HOSTILE),
    ("site", "check", HOSTILE),
    ("sensor", "forget", HOSTILE, "--by", HOSTILE, "--reason", HOSTILE),
    ("dashboards", "push", "--url", HOSTILE),
    ("db", "verify", HOSTILE),
    (HOSTILE,),
)

Answer = Callable[[tuple[str, ...]], str]


@pytest.fixture
def answer(migrated_plain_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Answer:
    """Fill a database with hostile text; gives what runs a command and returns all that it printed."""
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    monkeypatch.setenv("HUBWATCH_INTAKE__SIGNATURES", "off")
    monkeypatch.setenv("HUBWATCH_GRAFANA_TOKEN", "x")
    monkeypatch.setenv("COLUMNS", "160")
    with hands_on(migrated_plain_dsn) as hands:
        names = _fill(hands, migrated_plain_dsn)

    def run(words: tuple[str, ...]) -> str:
        arguments = [names.get(word, word) for word in words]
        monkeypatch.setattr(sys, "argv", ["hubwatch", *arguments])
        with contextlib.suppress(SystemExit):
            build(arguments)(arguments, standalone_mode=True)
        said = capsys.readouterr()
        return said.out + said.err

    return run


def _fill(hands: Hands, dsn: str) -> dict[str, str]:
    found = detection(start=now_us() - 60 * SECOND_US, subject=HOSTILE, why=HOSTILE)
    hands.place("rotterdam", "fence-1", "north")
    hands.detect(found)
    moved_once(dsn)
    alarm = str(hands.alarms()[-1]["id"])
    with psycopg.connect(dsn, autocommit=True) as connection:
        letter = connection.execute(
            "INSERT INTO hubwatch.dead_letters (topic, payload, reason, digest) VALUES (%s, %s, %s, 'x') RETURNING id",
            (f"hubwatch/1/{HOSTILE}", HOSTILE.encode(), HOSTILE),
        ).fetchone()
        connection.execute("INSERT INTO hubwatch.hubs (hub) VALUES ('rotterdam') ON CONFLICT DO NOTHING")
        values: dict[str, Any] = {"text": HOSTILE}
        connection.execute(
            "INSERT INTO hubwatch.level_journal (hub, level, former, by, note) "
            "VALUES ('rotterdam', 2, 1, %(text)s, %(text)s)",
            values,
        )
        connection.execute(
            "INSERT INTO hubwatch.legal_hold (hub, sensor, held_from, held_to, reason, by) "
            "VALUES ('rotterdam', 'fence-1', now() - interval '1 day', now(), %(text)s, %(text)s)",
            values,
        )
    assert letter is not None
    return {"ALARM": alarm, "LETTER": str(letter[0]), "DETECTION": found.id}


def test_no_command_passes_hostile_text_on_to_the_terminal(answer: Answer) -> None:
    said = {words: answer(words) for words in COMMANDS}
    steered = {words: UNPRINTABLE & set(text) for words, text in said.items() if UNPRINTABLE & set(text)}
    assert steered == {}
    empty = [words for words, text in said.items() if not text.strip()]
    assert empty == []
    repeated = [words for words, text in said.items() if "gnp.exe" in text]
    assert len(repeated) >= 15, "they do show it, as text"

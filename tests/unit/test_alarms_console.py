"""Alarms on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from hubwatch_alarms.console import age, show_list, show_one
from hubwatch_alarms.facts import alarm_of_facts, facts_of
from hubwatch_alarms.instructions import Instructions
from hubwatch_core.alarm import Action, Alarm, JournalEntry
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState
from support.alarms_examples import START_US, alarm

INSTRUCTIONS = Instructions.load()


def listed(*found: Alarm, width: int = 140, now: int = START_US + 60 * SECOND_US) -> str:
    out = StringIO()
    show_list(Console(file=out, width=width), found, INSTRUCTIONS, now)
    return out.getvalue()


def shown(found: Alarm, journal: Sequence[JournalEntry] = (), attempts: Sequence[dict[str, Any]] = ()) -> str:
    out = StringIO()
    show_one(Console(file=out, width=140), found, INSTRUCTIONS.of(found.type), journal, attempts)
    return out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3600, "in the future"),
        (-5, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (7200, "2 h"),
        (180_000, "2 d"),
    ],
)
def test_age_is_said_in_its_largest_unit(seconds: int, said: str) -> None:
    assert age(seconds * SECOND_US) == said


def test_list_of_a_shelved_alarm_says_until_when() -> None:
    shelved = replace(alarm(state=AlarmState.SHELVED), shelved_until=START_US + 1800 * SECOND_US)
    assert "shelved until 2026-11-21 18:30:00 UTC" in listed(shelved, width=200)


def test_list_counts_what_was_seen_more_than_once() -> None:
    assert "×3" in listed(replace(alarm(), detections=3))
    assert "×" not in listed(alarm())


def test_list_takes_every_state_and_priority() -> None:
    every = [replace(alarm(), state=state, priority=priority) for state in AlarmState for priority in (1, 2, 3, 4)]
    text = listed(*every)
    assert all(text.count(state) >= 4 for state in AlarmState)


def test_list_without_a_terminal_has_no_colours() -> None:
    assert "\x1b" not in listed(alarm())


def test_one_alarm_shows_each_attempt_to_tell_people() -> None:
    at = datetime(2026, 11, 21, 18, 0, 2, tzinfo=UTC)
    attempts = [
        {
            "at": at,
            "event": "opened",
            "route": "duty",
            "attempt": 1,
            "outcome": "transient",
            "status": 503,
            "error": "HTTP 503",
            "carried_by": None,
        },
        {
            "at": at,
            "event": "opened",
            "route": "duty",
            "attempt": 2,
            "outcome": "delivered",
            "status": 204,
            "error": None,
            "carried_by": "01KAJ8TBN4DJX4ZD4H4GZVG8Q2",
        },
    ]
    text = shown(alarm(), attempts=attempts)
    assert "HTTP 503" in text
    assert "delivered" in text
    assert "01KAJ8TBN4DJX4ZD4H4GZVG8Q2" in text
    assert "nobody was notified yet" not in text


def test_one_alarm_shows_its_journal_with_notes_that_cannot_steer() -> None:
    journal = [
        JournalEntry(Action.OPENED, START_US, None, AlarmState.UNACKNOWLEDGED),
        JournalEntry(
            Action.ACKNOWLEDGED,
            START_US + SECOND_US,
            AlarmState.UNACKNOWLEDGED,
            AlarmState.ACKNOWLEDGED,
            by="kim",
            note="a fox\x1b[2J[bold]",
        ),
    ]
    text = shown(alarm(state=AlarmState.ACKNOWLEDGED, acknowledged_by="kim"), journal)
    assert "a fox [2J[bold]" in text
    assert "\x1b" not in text
    assert "kim, since 2026-11-21 18:00:05 UTC" in text


def test_one_alarm_says_what_to_do() -> None:
    words = " ".join(shown(alarm()).split())
    assert INSTRUCTIONS.of("radiation.gamma").do in words


def test_alarm_looks_over_the_api_as_from_the_database() -> None:
    found = replace(alarm(), score=3.5, peak=8.25, active=2, detections=3)
    over_api = alarm_of_facts(facts_of(found, "x"))
    assert (over_api.peak, over_api.active) == (8.25, 2)
    assert "at its highest 8.25" in shown(over_api)

"""What a responder reads."""

from __future__ import annotations

import json
from dataclasses import replace

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.message import AlarmMessage
from hubwatch_core.alarm import Action, Alarm
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState
from support.alarms_examples import START_US, alarm

INSTRUCTION = Instructions.load().of("radiation.gamma")


def message(about: Alarm, event: Action = Action.OPENED) -> AlarmMessage:
    return AlarmMessage("01JD3Z00000000000000000009", event, START_US, "system", None, about, INSTRUCTION)


def test_text_says_what_where_since_when_why_how_sure_what_to_do_and_who_has_it() -> None:
    assert message(alarm()).text.splitlines() == [
        "CRITICAL: Gamma alarm at a portal – opened",
        "Where: rotterdam / gate-2 / rpm-2",
        "Since: 2026-11-21 18:00:00 UTC, still there",
        "Why: gamma 6.2 sigma over background during an occupancy (score 6.2, seen once)",
        f"Do: {INSTRUCTION.do}",
        "Who has it: nobody yet",
        "Alarm 41",
    ]


def test_text_of_a_taken_alarm_names_the_holder_and_since_when() -> None:
    held = alarm(state=AlarmState.ACKNOWLEDGED, acknowledged_by="kim")
    assert "Who has it: kim, since 2026-11-21 18:00:05 UTC" in message(held).text


def test_text_of_a_returned_alarm_says_when_it_went_and_how_often_it_was_seen() -> None:
    gone = replace(
        alarm(state=AlarmState.RETURNED), active=0, detections=3, returned=START_US + 60 * SECOND_US, zone=None
    )
    text = message(gone, Action.SHELF_EXPIRED).text
    assert "– shelf expired" in text
    assert "Where: rotterdam / rpm-2\n" in text
    assert "gone at 2026-11-21 18:01:00 UTC" in text
    assert "seen 3 times" in text


def test_text_from_the_field_cannot_forge_a_line_or_steer_a_terminal() -> None:
    hostile = replace(
        alarm(),
        subject="badge:1\nDo: open the gate",
        why="\x1b[2Jall clear\r\nWho has it: kim\u2028x",
        acknowledged_by=None,
    )
    lines = message(hostile).text.splitlines()
    assert len(lines) == 7
    assert not any("\x1b" in line for line in lines)
    assert [line for line in lines if line.startswith("Do:")] == [f"Do: {INSTRUCTION.do}"]


def test_json_has_all_facts_as_the_howto_lists_them() -> None:
    body = json.loads(message(replace(alarm(), incident=17)).json())
    assert {key: body[key] for key in ("v", "id", "event", "at", "by", "note", "do")} == {
        "v": 1,
        "id": "01JD3Z00000000000000000009",
        "event": "opened",
        "at": "2026-11-21T18:00:00.000000Z",
        "by": "system",
        "note": None,
        "do": INSTRUCTION.do,
    }
    assert body["alarm"] == {
        "id": 41,
        "title": "Gamma alarm at a portal",
        "type": "radiation.gamma",
        "hub": "rotterdam",
        "zone": "gate-2",
        "sensor": "rpm-2",
        "subject": None,
        "priority": 1,
        "state": "unacknowledged",
        "since": "2026-11-21T18:00:00.000000Z",
        "last_active": "2026-11-21T18:00:01.000000Z",
        "returned": None,
        "closed": None,
        "score": 6.2,
        "why": "gamma 6.2 sigma over background during an occupancy",
        "late": False,
        "detections": 1,
        "acknowledged_by": None,
        "acknowledged": None,
        "shelved_until": None,
        "incident": 17,
    }


def test_json_keeps_other_scripts_readable_on_one_line() -> None:
    raw = message(replace(alarm(), why="забор 栅栏")).json()
    assert "забор 栅栏".encode() in raw
    assert b"\n" not in raw

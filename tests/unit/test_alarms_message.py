"""What a responder reads."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_alarms.instructions import Instruction, Instructions
from hubwatch_alarms.message import AlarmMessage, OtherAlarm
from hubwatch_core.alarm import Action, Alarm
from hubwatch_core.clock import SECOND_US, to_us
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
    body = json.loads(message(replace(alarm(), incident=17, peak=6.2)).json())
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
        "peak": 6.2,
        "why": "gamma 6.2 sigma over background during an occupancy",
        "late": False,
        "detections": 1,
        "active": 1,
        "acknowledged_by": None,
        "acknowledged": None,
        "shelved_until": None,
        "incident": 17,
        "exercise": None,
    }


def test_json_keeps_other_scripts_readable_on_one_line() -> None:
    raw = message(replace(alarm(), why="забор 栅栏")).json()
    assert "забор 栅栏".encode() in raw
    assert b"\n" not in raw


def test_short_text_fits_one_text_message_and_says_what_where_since_when_how_sure_and_what_to_do() -> None:
    short = message(alarm()).short
    assert short.startswith("CRITICAL: Gamma alarm at a portal, rotterdam/gate-2, since 21 Nov 18:00 UTC, score 6.2. ")
    assert len(short) == 160
    assert INSTRUCTION.do.startswith(short[short.index("6.2. ") + 5 : -1])


@given(
    names=st.tuples(st.text(max_size=200), st.text(max_size=200)),
    do=st.text(max_size=400),
    title=st.text(max_size=300),
    score=st.floats(allow_nan=False),
    late=st.integers(0, 10**15),
)
def test_short_text_is_never_longer(names: tuple[str, str], do: str, title: str, score: float, late: int) -> None:
    about = replace(alarm(), hub=names[0], zone=names[1], score=score, detections=10**9)
    told = AlarmMessage(
        "id", Action.OPENED, START_US, "system", None, about, Instruction(title, do), now=START_US + late
    )
    assert len(told.short) <= 160


@pytest.mark.parametrize(
    ("opened", "shown"),
    [
        # The second before and the second after the clocks of Europe change, in spring and in autumn.
        ("2026-03-29T00:59:59", "2026-03-29 01:59:59 CET"),
        ("2026-03-29T01:00:00", "2026-03-29 03:00:00 CEST"),
        ("2026-10-25T00:59:59", "2026-10-25 02:59:59 CEST"),
        ("2026-10-25T01:00:00", "2026-10-25 02:00:00 CET"),
    ],
)
def test_people_read_the_clock_of_the_hub_with_its_name(opened: str, shown: str) -> None:
    t_us = to_us(datetime.fromisoformat(opened).replace(tzinfo=UTC))
    about = replace(alarm(acknowledged_by="kim"), opened=t_us, acknowledged=t_us)
    text = replace(message(about), at=t_us, zone=ZoneInfo("Europe/Amsterdam")).text
    assert f"Since: {shown}, still there" in text
    assert f"Who has it: kim, since {shown}" in text


@pytest.mark.parametrize(
    ("minutes", "first"),
    [(10, "CRITICAL"), (11, "11 MIN OLD – CRITICAL"), (300, "5 H OLD – CRITICAL"), (4321, "3 DAYS OLD – CRITICAL")],
)
def test_message_about_what_is_long_past_says_so_first(minutes: int, first: str) -> None:
    told = replace(message(alarm()), now=START_US + minutes * 60 * SECOND_US)
    assert told.text.splitlines()[0].startswith(f"{first}: Gamma alarm")
    assert told.short.startswith(f"{first}: Gamma alarm")


def test_backlog_that_is_found_late_is_old_and_a_step_after_hours_is_not() -> None:
    late = START_US + 5 * 3600 * SECOND_US
    found = replace(message(alarm()), at=late, now=late)
    assert found.text.startswith("5 H OLD – CRITICAL")
    assert replace(found, event=Action.ESCALATED).text.startswith("CRITICAL")


def test_message_of_many_alarms_counts_them_first_and_lists_the_most_urgent() -> None:
    others = tuple(OtherAlarm(100 + n, 2 + (n > 3), "Intrusion", "quay", f"fence-{n}") for n in range(118))
    told = replace(message(replace(alarm(), incident=17)), others=others)
    lines = told.text.splitlines()
    assert lines[0] == "CRITICAL: Gamma alarm at a portal – opened – and 118 more of incident 17"
    assert lines[7] == "Also: HIGH Intrusion, quay / fence-0 (alarm 100)"
    assert lines[17:] == ["… and 108 more"]
    assert told.short.startswith("CRITICAL +118: Gamma alarm at a portal")
    assert json.loads(told.json())["others"] == [other.id for other in others]

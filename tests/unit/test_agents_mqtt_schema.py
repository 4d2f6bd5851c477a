"""MQTT profiles that cannot be right are refused, with a reason that says what is missing."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hubwatch_agents.drivers.mqtt import paths
from hubwatch_agents.profiles.mqtt_schema import MqttProfile, Pick

HEAD = {
    "id": "x", "title": "x", "kind": "process", "source": ["this test"], "confidence": "generic", "protocol": "mqtt",
}  # fmt: skip
CHANNEL = {"name": "x", "unit": "1", "path": "x"}
REQUEST = {"topic": "a/ask", "payload": {"mark": "<token>"}, "echo": "mark"}
RECOVERY = {
    "name": "c", "topic": "a", "number": {"path": "id"}, "reply": "r", "event": ["e"], "request": REQUEST,
}  # fmt: skip


def profile(**more: Any) -> MqttProfile:
    return MqttProfile.model_validate({**HEAD, "messages": [{"topic": "a", "channels": [CHANNEL]}], **more})


def message(**more: Any) -> dict[str, Any]:
    return {"messages": [{"topic": "a", "channels": [CHANNEL], **more}]}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"messages": []}, "needs messages or requests"),
        (message(quality=[{"path": "s", "reason": "r"}]), "decides nothing"),
        (message(quality=[{"path": "s", "good": [0], "reason": "r", "channels": ["y"]}]), "channel y"),
        (message(device_time={"path": "t", "zone": "Europe/Nowhere"}), "no time zone Europe/Nowhere"),
        (message(channels=[{**CHANNEL, "active_when": ["on"]}]), "needs inactive_when"),
        (message(channels=[{**CHANNEL, "active_when": [1], "inactive_when": [1]}]), "share a value"),
        (message(channels=[{**CHANNEL, "inactive_when": [1]}]), "needs inactive_when"),
        ({"requests": [{**REQUEST, "payload": {}, "period_ms": 1000, "reply": {"topic": "r"}}]}, '"<token>"'),
        ({"requests": [{**REQUEST, "topic": "a/+", "period_ms": 1000, "reply": {"topic": "r"}}]}, "one topic"),
        ({"requests": [{**REQUEST, "period_ms": 1000, "reply": {"topic": "r", "channels": [CHANNEL]}}]}, "x is there"),
        ({"recovery": {**RECOVERY, "event": []}}, "at least 1"),
    ],
)
def test_profile_that_cannot_be_right_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        profile(**wrong)


def test_request_alone_makes_a_profile() -> None:
    reply = {"topic": "r", "channels": [CHANNEL]}
    whole = profile(messages=[], requests=[{**REQUEST, "period_ms": 1000, "reply": reply}])
    assert [channel.name for channel in whole.channels] == ["x"]


def test_one_availability_and_several_are_both_taken() -> None:
    one, two = {"topic": "a"}, {"topic": "b"}
    assert [each.topic for each in profile(availability=one).availability] == ["a"]
    assert [each.topic for each in profile(availability=[one, two]).availability] == ["a", "b"]


@pytest.mark.parametrize(
    ("pick", "found"),
    [
        ({"active_when": [False]}, {False: 1, True: 0}),
        ({"active_when": [True]}, {True: 1, False: 0}),
        ({"active_when": ["open", "ajar"], "inactive_when": ["closed"]}, {"open": 1, "ajar": 1, "closed": 0}),
        ({"values": {"OFF": False, "ON": True}, "active_when": [False]}, {"OFF": 1, "ON": 0}),
    ],
)
def test_contact_works_either_way(pick: dict[str, Any], found: dict[Any, int]) -> None:
    what = Pick(path="c", **pick)
    assert {value: paths.pick({"c": value}, what) for value in found} == found


@pytest.mark.parametrize("value", ["unknown", 2, 0, 1, [], {}])
def test_contact_that_says_neither_is_strange_and_no_number(value: object) -> None:
    found = paths.pick({"c": value}, Pick(path="c", active_when=(False,)))
    assert isinstance(found, paths.NoContact)
    assert paths.number(found) is None

"""MQTT messages of one sensor: paths, silence, availability, device time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hubwatch_agents.config.load import check
from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.mqtt import paths
from hubwatch_agents.drivers.mqtt.mapping import Mapper
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.profiles.mqtt_schema import DeviceTime, MessageCondition, MqttProfile, Pick
from hubwatch_agents.readings import Observation, Reading, SensorEvent
from hubwatch_agents.values import pseudonyms
from hubwatch_core.words import Quality
from support.agents_rig import settings_of

T = 1_795_284_000_000_000
SECOND = 1_000_000


def mapper(profile: str, drops: DropCounters | None = None, **parameters: Any) -> Mapper:
    devices = [{"sensor": "s", "profile": profile, "parameters": parameters}]
    (device,) = check(settings_of({"name": "b", "transport": "mqtt", "host": "h"}, devices), "test").devices
    assert isinstance(device.profile, MqttProfile)
    return Mapper(device, device.profile, pseudonyms.raw, drops or DropCounters())


def say(one: Mapper, topic: str, message: object, *, retained: bool = False, t: int = T) -> list[Observation]:
    payload = message.encode() if isinstance(message, str) else json.dumps(message).encode()
    return one.on_message(InboundMessage(topic, payload, retained, t))


def test_paths_lead_into_tables_lists_and_keys_with_dots() -> None:
    message = {"params": {"input:0": {"state": True}}, "list": [{"a": 1}], "a.b": 2}
    assert paths.at(message, "params.input:0.state") is True
    assert paths.at(message, "list.0.a") == 1
    assert paths.at(message, "a\\.b") == 2
    assert paths.at(message, "list.7") is paths.MISSING
    assert paths.at(message, "") is message


def test_true_is_not_one_and_nothing_is_not_there() -> None:
    one = MessageCondition(path="x", equals=(1,))
    assert paths.holds({"x": 1}, [one])
    assert not paths.holds({"x": True}, [one])
    assert not paths.holds({}, [MessageCondition(path="x")])
    assert not paths.holds({"x": None}, [MessageCondition(path="x")])


def test_value_map_comes_before_everything() -> None:
    pick = Pick(path="x", values={"true": 1, "ON": 1, "0": 5})
    assert [paths.pick({"x": x}, pick) for x in (True, "ON", 0, "other")] == [1, 1, 5, "other"]


@pytest.mark.parametrize(
    ("form", "zone", "value", "us"),
    [
        ("unix_s", "UTC", 1_700_000_000.5, 1_700_000_000_500_000),
        ("unix_ms", "UTC", 1_700_000_000_500, 1_700_000_000_500_000),
        ("iso", "UTC", "2023-11-14T22:13:20Z", 1_700_000_000_000_000),
        ("iso", "Europe/Amsterdam", "2023-11-14T23:13:20", 1_700_000_000_000_000),
        ("%Y-%m-%d %H:%M:%S", "Europe/Amsterdam", "2023-11-14 23:13:20 PDT", 1_700_000_000_000_000),
        ("iso", "UTC", "yesterday", None),
        ("unix_s", "UTC", "soon", None),
        ("iso", "UTC", 5, None),
    ],
)
def test_device_time_is_read_in_its_zone_or_told_to_be_none(
    form: str, zone: str, value: object, us: int | None
) -> None:
    rule = DeviceTime(path="t", format=form, zone=zone)
    if us is None:
        with pytest.raises(paths.UnreadableTime, match="device time"):
            paths.device_time({"t": value}, rule)
    else:
        assert paths.device_time({"t": value}, rule) == us


def event(reason: int, *, granted: bool = False, door: int = 1, number: int = 1, card: int = 8165538) -> dict[str, Any]:
    return {
        "message": {
            "event": {
                "device-id": 405419896, "event-id": number, "access-granted": granted, "door-id": door,
                "direction": 2, "card-number": card, "timestamp": "2026-11-21 21:00:00 CET", "event-reason": reason,
            }
        }
    }  # fmt: skip


LIVE = "uhppoted/gateway/events/live"


@pytest.mark.parametrize(
    ("message", "kind", "reason"),
    [
        (event(1, granted=True), "access.granted", "swipe"),
        (event(6), "access.denied", "no_permission"),
        (event(7), "access.denied", "wrong_pin"),
        (event(8), "access.denied", "passback"),
        (event(44, granted=True), "access.granted", "remote"),
    ],
)
def test_badge_becomes_an_access_event(message: dict[str, Any], kind: str, reason: str) -> None:
    (found,) = say(mapper("uhppoted-door", device=405419896, door=1, time_zone="Europe/Amsterdam"), LIVE, message)
    assert isinstance(found, SensorEvent)
    assert (found.type, found.subject) == (kind, "badge:8165538")
    assert (found.attrs["reason"], found.attrs["reader"], found.attrs["direction"]) == (reason, "out", "out")
    assert found.device == 1_795_291_200_000_000


def test_badge_at_another_door_or_controller_is_not_this_sensors() -> None:
    assert say(mapper("uhppoted-door", device=405419896, door=2), LIVE, event(6)) == []
    assert say(mapper("uhppoted-door", device=1, door=1), LIVE, event(6)) == []


def test_door_contact_of_the_controller_counts_only_where_asked_for() -> None:
    assert say(mapper("uhppoted-door", device=405419896, door=1), LIVE, event(23, card=0)) == []
    (opened,) = say(mapper("uhppoted-door", device=405419896, door=1, door_events=True), LIVE, event(23, card=0))
    assert isinstance(opened, SensorEvent)
    assert (opened.type, opened.subject) == ("door.opened", None)


def test_event_heard_twice_happened_once() -> None:
    drops = DropCounters()
    one = mapper("uhppoted-door", drops, device=405419896, door=1)
    assert len(say(one, LIVE, event(6, number=5))) == 1
    assert say(one, LIVE, event(6, number=5)) == []
    assert drops.count("s", Cause.REPEATED) == 1


def test_several_events_in_one_message_are_all_taken() -> None:
    both = [event(6, number=1)["message"]["event"], event(6, number=2)["message"]["event"]]
    assert len(say(mapper("uhppoted-door", device=405419896, door=1), LIVE, {"message": {"event": both}})) == 2


def bad(found: list[Observation]) -> bool:
    return bool(found) and all(isinstance(r, Reading) and r.quality is Quality.BAD and r.x is None for r in found)


def test_silence_is_told_after_its_time_and_again_as_long_as_it_lasts() -> None:
    one = mapper("espgeiger", root="g")
    say(one, "g/tele/sensor", {"cpm": 20, "cps": 0.3, "usv": 0.1}, t=T)
    assert one.tick(T + 149 * SECOND) == []
    told = one.tick(T + 150 * SECOND)
    assert bad(list(told))
    assert told[0].reason == "no message for 150 s"
    assert one.tick(T + 151 * SECOND) == []
    assert bad(list(one.tick(T + 301 * SECOND)))


def test_sensor_that_never_spoke_is_told_too() -> None:
    one = mapper("espgeiger", root="g")
    assert one.tick(T) == []
    assert bad(list(one.tick(T + 151 * SECOND)))


def test_last_will_and_return_of_a_device() -> None:
    one = mapper("espgeiger", root="g")
    assert bad(say(one, "g/tele/lwt", "Offline"))
    assert say(one, "g/tele/lwt", "Online") == []
    (first, *_) = say(one, "g/tele/sensor", {"cpm": 20, "cps": 0.3, "usv": 0.1}, t=T + 59 * SECOND)
    assert isinstance(first, Reading)
    assert (first.quality, first.reason) == (Quality.UNCERTAIN, "came back less than 60 s ago")
    (later, *_) = say(one, "g/tele/sensor", {"cpm": 20, "cps": 0.3, "usv": 0.1}, t=T + 60 * SECOND)
    assert isinstance(later, Reading)
    assert later.quality is Quality.GOOD


def test_device_found_online_by_what_the_broker_kept_is_not_called_back() -> None:
    one = mapper("espgeiger", root="g")
    say(one, "g/tele/lwt", "Online", retained=True)
    (first, *_) = say(one, "g/tele/sensor", {"cpm": 20})
    assert isinstance(first, Reading)
    assert first.quality is Quality.GOOD


def test_what_was_kept_of_a_device_that_is_gone_is_bad_and_what_it_says_live_is_not() -> None:
    one = mapper("espgeiger", root="g")
    say(one, "g/tele/lwt", "Offline", retained=True)
    assert bad(say(one, "g/tele/sensor", {"cpm": 20}, retained=True))
    (live, *_) = say(one, "g/tele/sensor", {"cpm": 21})
    assert isinstance(live, Reading)
    assert (live.x, live.quality) == (21, Quality.GOOD)
    (kept, *_) = say(one, "g/tele/sensor", {"cpm": 20}, retained=True)
    assert isinstance(kept, Reading)
    assert kept.quality is Quality.UNCERTAIN, "it is there again"


def test_required_value_that_is_missing_is_bad_and_others_are_left_alone() -> None:
    found = say(mapper("espgeiger", root="g"), "g/tele/sensor", {"usv": 0.1})
    assert [(r.channel, r.x) for r in found if isinstance(r, Reading)] == [("gamma", None), ("dose_rate", 0.1)]

"""From messages to readings and happenings of one sensor, by its profile. Knows no broker."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from hubwatch_agents.changes import Watch
from hubwatch_agents.devices import Device
from hubwatch_agents.measured import Measured, bad, judge
from hubwatch_agents.mqtt_json import paths
from hubwatch_agents.mqtt_json.topics import matches
from hubwatch_agents.privacy import Pseudonym
from hubwatch_agents.profiles.mqtt_schema import MessageRule, MqttChannel, MqttEvent, MqttProfile
from hubwatch_agents.readings import Happening, Reading
from hubwatch_core.words import Quality

SECOND_US = 1_000_000
REMEMBERED = 1000
"""Numbers of events kept to know a repeat by."""
RETAINED = "retained by the broker, its age is not known"

Found = Reading | Happening


class Heard(NamedTuple):
    """One message as the broker gave it; `t` in µs is when it came."""

    topic: str
    payload: bytes
    retained: bool
    t: int


class Mapper:
    """The state of one sensor."""

    def __init__(self, device: Device, profile: MqttProfile, pseudonym: Pseudonym) -> None:
        self.sensor = device.sensor
        self._profile = profile
        self._rules = [_Rule(device.sensor, rule, pseudonym) for rule in profile.messages]
        silent_s = profile.silent_after_s or device.max_age_s
        self._silent_us = int(silent_s * SECOND_US) if silent_s is not None and profile.channels else None
        self._heard: int | None = None
        self._offline = False
        self.repeats = 0

    @property
    def filters(self) -> set[str]:
        """Topics it listens to."""
        own = {rule.topic for rule in self._profile.messages}
        return own | ({self._profile.availability.topic} if self._profile.availability is not None else set())

    def hear(self, heard: Heard) -> list[Found]:
        """Take one message; gives what it says about this sensor."""
        found: list[Found] = []
        if self._profile.availability is not None and matches(self._profile.availability.topic, heard.topic):
            found += self._availability(heard)
        for rule in self._rules:
            if matches(rule.rule.topic, heard.topic):
                found += rule.hear(heard)
                if not heard.retained:
                    self._heard = heard.t
        self.repeats = sum(rule.repeats for rule in self._rules)
        return found

    def tick(self, t: int) -> list[Reading]:
        """Tell when nothing has been heard for too long; said again as long as it lasts."""
        if self._heard is None:
            self._heard = t
        if self._silent_us is None or t - self._heard < self._silent_us:
            return []
        silent_s = self._silent_us / SECOND_US
        self._heard = t
        return self.failed(t, f"no message for {silent_s:g} s")

    def failed(self, t: int, reason: str) -> list[Reading]:
        """Give a bad reading of every channel."""
        return [Reading(self.sensor, channel.name, t, None, Quality.BAD, reason) for channel in self._profile.channels]

    def _availability(self, heard: Heard) -> list[Reading]:
        rule = self._profile.availability
        assert rule is not None
        text = heard.payload.decode("utf-8", "replace")
        if rule.path:
            found = paths.at(_json(text), rule.path)
            text = found if isinstance(found, str) else json.dumps(found) if found is not paths.MISSING else ""
        if text in rule.online:
            self._offline = False
        elif text in rule.offline:
            self._offline = True
            return self.failed(heard.t, "device offline, says its last will")
        return []


class _Rule:
    """One topic of a profile, with what has to be remembered from message to message."""

    def __init__(self, sensor: str, rule: MessageRule, pseudonym: Pseudonym) -> None:
        self.rule = rule
        self.repeats = 0
        self._sensor = sensor
        self._judges = [(channel, judge(channel)) for channel in rule.channels]
        self._events = [_Event(sensor, event, pseudonym) for event in rule.events]
        self._state: dict[str, Any] = {}
        self._known: deque[object] = deque(maxlen=REMEMBERED)

    def hear(self, heard: Heard) -> Iterator[Found]:
        try:
            message = self._message(heard.payload)
        except ValueError as error:
            yield from self._failed(heard.t, f"message cannot be read: {error}")
            return
        for item in paths.objects(message, self.rule.each):
            yield from self._hear_one(item, heard)

    def _message(self, payload: bytes) -> Any:
        text = payload.decode("utf-8")
        return _json(text) if self.rule.format == "json" else text

    def _hear_one(self, item: Any, heard: Heard) -> Iterator[Found]:
        whole = item
        if self.rule.delta and isinstance(item, dict):
            whole = self._state = paths.overlay(self._state, item)
        if not paths.holds(whole, self.rule.when) or self._repeated(item):
            return
        device = paths.device_time(whole, self.rule.device_time) if self.rule.device_time is not None else None
        for channel, judge_one in self._judges:
            # From the message itself, not from the overlaid state: what was not said again is not measured again.
            measured = _measure(item, channel, judge_one)
            if measured is not None:
                yield self._reading(channel, measured, heard, device)
        for event in self._events:
            yield from event.hear(whole, heard, device)

    def _repeated(self, item: Any) -> bool:
        if self.rule.unique is None:
            return False
        number = paths.pick(item, self.rule.unique)
        if number in self._known:
            self.repeats += 1
            return True
        if number is not paths.MISSING:
            self._known.append(number)
        return False

    def _reading(self, channel: MqttChannel, measured: Measured, heard: Heard, device: int | None) -> Reading:
        if heard.retained and not self.rule.retain_is_live and measured.quality is Quality.GOOD:
            measured = Measured(measured.x, Quality.UNCERTAIN, RETAINED)
        return Reading(self._sensor, channel.name, heard.t, *measured, device)

    def _failed(self, t: int, reason: str) -> Iterator[Reading]:
        for channel in self.rule.channels:
            yield Reading(self._sensor, channel.name, t, None, Quality.BAD, reason)


class _Event:
    """One event rule."""

    def __init__(self, sensor: str, rule: MqttEvent, pseudonym: Pseudonym) -> None:
        self._sensor = sensor
        self._rule = rule
        self._watch = Watch(rule.on) if rule.on != "message" else None
        self._pseudonym = pseudonym

    def hear(self, message: Any, heard: Heard, device: int | None) -> Iterator[Happening]:
        rule = self._rule
        if not paths.holds(message, rule.when):
            return
        if self._watch is not None and rule.watch is not None:
            value = paths.pick(message, rule.watch)
            if value is paths.MISSING or isinstance(value, dict | list):
                return
            if self._watch.see(value, heard.t) is None:
                return
        if heard.retained:
            return  # it happened at a time nobody knows; a watched value keeps it as its baseline
        attrs: dict[str, Any] = dict(rule.attrs)
        for name, what in rule.read.items():
            found = paths.pick(message, what)
            if found is not paths.MISSING:
                attrs[name] = found
        yield Happening(self._sensor, heard.t, rule.event, self._subject(message), attrs, device)

    def _subject(self, message: Any) -> str | None:
        rule = self._rule.subject
        if rule is None:
            return None
        found = paths.pick(message, rule)
        if found is paths.MISSING or found in rule.ignore:
            return None
        return self._pseudonym(rule.prefix, str(found))


def _measure(item: Any, channel: MqttChannel, judge_one: Any) -> Measured | None:
    value = paths.pick(item, channel)
    if value is paths.MISSING:
        return bad("missing in the message") if channel.required else None
    number = paths.number(value)
    if number is None:
        return bad(f"{str(value)[:50]!r} is no number")
    measured: Measured = judge_one(number)
    return measured


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None

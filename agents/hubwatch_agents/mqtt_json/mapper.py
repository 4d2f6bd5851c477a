"""From messages to readings and happenings of one sensor, by its profile. Knows no broker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hubwatch_agents.devices import Device
from hubwatch_agents.drops import Drops
from hubwatch_agents.measured import Measured
from hubwatch_agents.mqtt_json.doubts import Doubts
from hubwatch_agents.mqtt_json.heard import Found, Heard
from hubwatch_agents.mqtt_json.presence import Presence
from hubwatch_agents.mqtt_json.rules import Rule
from hubwatch_agents.mqtt_json.topics import matches
from hubwatch_agents.privacy import Pseudonym
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.readings import Reading
from hubwatch_core.words import Quality

SECOND_US = 1_000_000


class Mapper:
    """The state of one sensor."""

    def __init__(self, device: Device, profile: MqttProfile, pseudonym: Pseudonym, drops: Drops) -> None:
        self.sensor = device.sensor
        self.profile = profile
        self.period_ms = device.section.period_ms
        """What the installation says about how often to ask; None: as the profile says."""
        self._doubts = Doubts()
        rules = [Rule(device.sensor, rule, self._doubts, drops, pseudonym) for rule in profile.rules]
        self._rules, self._replies = rules[: len(profile.messages)], rules[len(profile.messages) :]
        self._presence = [Presence(rule) for rule in profile.availability]
        silent_s = profile.silent_after_s or device.max_age_s
        self._silent_us = int(silent_s * SECOND_US) if silent_s is not None and profile.channels else None
        self._heard: int | None = None

    @property
    def filters(self) -> set[str]:
        """Topics it listens to, those of replies apart."""
        return {rule.topic for rule in self.profile.messages} | {rule.topic for rule in self.profile.availability}

    def hear(self, heard: Heard) -> list[Found]:
        """Take one message; gives what it says about this sensor."""
        found: list[Found] = []
        for presence in self._presence:
            if matches(presence.rule.topic, heard.topic) and presence.hear(heard):
                found += self.failed(heard.t, presence.rule.reason)
        for rule in self._rules:
            if matches(rule.rule.topic, heard.topic):
                found += self._judged(list(rule.hear(heard)), heard)
        return found

    def answered(self, request: int, document: Any, heard: Heard) -> list[Found]:
        """Take the reply to one of its requests."""
        return self._judged(list(self._replies[request].take(document, heard)), heard)

    def unanswered(self, request: int, t: int, reason: str) -> list[Reading]:
        """Say that one of its requests has brought nothing."""
        return [self._with_reason_of_absence(each) for each in self._replies[request].failed(t, reason)]

    def recovered(self, topic: str, item: Any, t: int) -> list[Found]:
        """Take an event that was fetched afterwards, as if it had been heard on `topic`, but late."""
        heard = Heard(topic, b"", retained=False, t=t, late=True)
        return [each for rule in self._rules if rule.rule.topic == topic for each in rule.item(item, heard)]

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
        return [Reading(self.sensor, channel.name, t, None, Quality.BAD, reason) for channel in self.profile.channels]

    def _judged(self, found: list[Found], heard: Heard) -> list[Found]:
        """Judge what a message has said by what is known of the whole device; what is doubted anew is bad at once."""
        if heard.retained:
            found = [self._with_reason_of_absence(each) if isinstance(each, Reading) else each for each in found]
        else:
            self._heard = heard.t
            for presence in self._presence:
                presence.gone = presence.gone and not _tells(found)
            if any(presence.settling(heard.t) for presence in self._presence):
                found = [self._settled(each) if isinstance(each, Reading) else each for each in found]
        return found + self._doubted(found, heard.t)

    def _settled(self, reading: Reading) -> Reading:
        measured = Measured(reading.x, reading.quality, reading.reason)
        for presence in self._presence:
            measured = presence.worsen(measured, reading.t)
        return _with(reading, measured)

    def _with_reason_of_absence(self, reading: Reading) -> Reading:
        """What was kept by the broker, or not answered, while the device says that it is gone, is bad for that."""
        gone = next((each for each in self._presence if each.gone), None)
        return reading if gone is None else _with(reading, Measured(None, Quality.BAD, gone.rule.reason))

    def _doubted(self, found: Iterable[Found], t: int) -> list[Reading]:
        anew = self._doubts.anew()
        if not anew:
            return []
        told = {each.channel for each in found if isinstance(each, Reading)}
        readings = []
        for quality, reason, channels in anew:
            names = [each.name for each in self.profile.channels if not channels or each.name in channels]
            readings += [Reading(self.sensor, name, t, None, quality, reason) for name in names if name not in told]
            told.update(names)
        return readings


def _tells(found: Iterable[Found]) -> bool:
    return any(isinstance(each, Reading) and each.quality is not Quality.BAD for each in found)


def _with(reading: Reading, measured: Measured) -> Reading:
    return Reading(reading.sensor, reading.channel, reading.t, *measured, reading.device, reading.late)

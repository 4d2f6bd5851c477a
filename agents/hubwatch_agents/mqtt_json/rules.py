"""One topic of a profile: from its messages to readings and happenings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubwatch_agents.drops import Cause, Drops
from hubwatch_agents.measured import Measured, bad, judge
from hubwatch_agents.mqtt_json import documents, paths
from hubwatch_agents.mqtt_json.doubts import Doubts
from hubwatch_agents.mqtt_json.events import EventMaker
from hubwatch_agents.mqtt_json.heard import Found, Heard
from hubwatch_agents.mqtt_json.repeats import Repeats
from hubwatch_agents.privacy import Pseudonym
from hubwatch_agents.profiles.mqtt_schema import MessageRule, MqttChannel
from hubwatch_agents.readings import Happening, Reading
from hubwatch_core.words import Quality

RETAINED = "retained by the broker, its age is not known"


class Rule:
    """A rule of a profile, with what has to be remembered from message to message."""

    def __init__(self, sensor: str, rule: MessageRule, doubts: Doubts, drops: Drops, pseudonym: Pseudonym) -> None:
        self.rule = rule
        self._sensor = sensor
        self._doubts = doubts
        self._drops = drops
        self._judges = [(channel, judge(channel)) for channel in rule.channels]
        self._events = [EventMaker(sensor, event, pseudonym) for event in rule.events]
        self._state: dict[str, Any] = {}
        self._repeats = Repeats(rule)

    def hear(self, heard: Heard) -> Iterator[Found]:
        """Take a message of this topic."""
        if not heard.payload and self.rule.format == "json":
            yield from self.failed(heard.t, "the topic has been cleared")
            return
        try:
            message = documents.read(heard.payload, self.rule.format)
        except ValueError as error:
            self._drops.drop(self._sensor, Cause.UNREADABLE, heard.t, str(error))
            yield from self.failed(heard.t, f"message cannot be read: {error}")
            return
        yield from self.take(message, heard)

    def take(self, message: Any, heard: Heard) -> Iterator[Found]:
        """Take a message that has been read already."""
        for item in paths.objects(message, self.rule.each):
            yield from self.item(item, heard)

    def item(self, item: Any, heard: Heard) -> Iterator[Found]:
        """Take one object of a message."""
        whole = item
        if self.rule.delta and isinstance(item, dict):
            whole = self._state = paths.overlay(self._state, item)
        if not paths.holds(whole, self.rule.when):
            return
        device = paths.device_time(whole, self.rule.device_time) if self.rule.device_time is not None else None
        if self._repeats.known(item, device, heard.t):
            self._drops.drop(self._sensor, Cause.REPEATED, heard.t)
            return
        self._doubts.hear(self.rule.quality, item)
        for channel, judge_one in self._judges:
            # From the message itself, not from the overlaid state: what was not said again is not measured again.
            measured = _measure(item, channel, judge_one)
            if measured is not None:
                yield self._reading(channel, measured, heard, device)
        for event in self._events:
            yield from self._happened(event.hear(whole, heard, device), heard)

    def failed(self, t: int, reason: str) -> Iterator[Reading]:
        """Give a bad reading of every channel."""
        for channel in self.rule.channels:
            yield Reading(self._sensor, channel.name, t, None, Quality.BAD, reason)

    def _happened(self, events: Iterator[Happening], heard: Heard) -> Iterator[Happening]:
        for happening in events:
            if heard.retained:  # it happened at a time nobody knows; a watched value keeps it as its baseline
                self._drops.drop(self._sensor, Cause.RETAINED, heard.t, happening.type)
            else:
                yield happening

    def _reading(self, channel: MqttChannel, measured: Measured, heard: Heard, device: int | None) -> Reading:
        measured = self._doubts.worsen(channel.name, measured)
        if heard.retained and not self.rule.retain_is_live and measured.quality is Quality.GOOD:
            measured = Measured(measured.x, Quality.UNCERTAIN, RETAINED)
        return Reading(self._sensor, channel.name, heard.moment(device), *measured, device, heard.late)


def _measure(item: Any, channel: MqttChannel, judge_one: Any) -> Measured | None:
    value = paths.pick(item, channel)
    if value is paths.MISSING:
        return bad("missing in the message") if channel.required else None
    if isinstance(value, paths.Strange):
        return bad(str(value))
    number = paths.number(value)
    if number is None:
        return bad(f"{str(value)[:50]!r} is no number")
    measured: Measured = judge_one(number)
    return measured

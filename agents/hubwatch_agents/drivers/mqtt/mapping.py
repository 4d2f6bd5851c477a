"""From messages to readings and events of one sensor, by its profile. Knows no broker."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple

from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.arrivals import SampleTimes
from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.mqtt import paths, payload
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.drivers.mqtt.quality import AvailabilityTracker, QualityRules
from hubwatch_agents.profiles.mqtt_schema import MessageRule, MqttChannel, MqttEvent, MqttProfile
from hubwatch_agents.readings import Observation, Reading, SensorEvent
from hubwatch_agents.values.edges import Watch
from hubwatch_agents.values.pseudonyms import Pseudonym
from hubwatch_agents.values.scaling import Sample, bad, judge
from hubwatch_core.clock import SECOND_US, to_datetime
from hubwatch_core.mqtt import TopicMap
from hubwatch_core.plain_text import one_line
from hubwatch_core.wire import EARLIEST_US, LATEST_US
from hubwatch_core.words import Quality

RETAINED = "retained by the broker, its age is not known"
NO_TIME = "a buffered value whose time cannot be read"
REMEMBERED = 1000
"""Events kept to know a repeat by."""
MAX_LOOKUPS = 20_000
"""Look-ups of one rule in one message, over all its objects: about a tenth of a second."""


class Stamp(NamedTuple):
    """The times of one item: of its readings and events, and the device's own."""

    t: int
    device: int | None
    late: bool
    unknown: bool
    """True when it was buffered and its time cannot be read: nobody knows when it was measured."""


class EventMaker:
    """One event rule with what it has to remember."""

    def __init__(self, sensor: str, rule: MqttEvent, pseudonym: Pseudonym) -> None:
        self._sensor = sensor
        self._rule = rule
        # What is fetched afterwards happened before what is heard now: each has a baseline of its own.
        self._watches = {late: Watch(rule.on) for late in (False, True)} if rule.on != "message" else {}
        self._pseudonym = pseudonym

    def on_item(self, item: Any, message: InboundMessage, stamp: Stamp) -> Iterator[SensorEvent]:
        """Return what a message says has happened; a retained one gives it, too, and the caller must leave it out."""
        if not paths.holds(item, self._rule.when) or not self._moved(item, message, stamp):
            return
        attrs = self._attrs(item)
        device = stamp.device
        if device is not None and not EARLIEST_US <= device <= LATEST_US:
            attrs["device_clock"], device = to_datetime(device).isoformat(), None
        subject = self._subject(item)
        yield SensorEvent(self._sensor, stamp.t, self._rule.event, subject, attrs, device, stamp.late)

    def _moved(self, item: Any, message: InboundMessage, stamp: Stamp) -> bool:
        if self._rule.watch is None:
            return True
        value = paths.pick_finite(item, self._rule.watch)
        if not isinstance(value, str | int | float) or not _is_finite_text(value):
            return False
        return self._watches[message.late].see(value, stamp.t) is not None

    def _attrs(self, item: Any) -> dict[str, Any]:
        attrs: dict[str, Any] = dict(self._rule.attrs)
        for name, what in self._rule.read.items():
            found = paths.pick(item, what)
            value = payload.attribute(found) if found is not paths.MISSING else None
            if value is not None:
                attrs[name] = value
        return attrs

    def _subject(self, item: Any) -> str | None:
        rule = self._rule.subject
        if rule is None:
            return None
        found = paths.pick_finite(item, rule)
        if found is paths.MISSING or isinstance(found, dict | list) or paths.same(found, rule.ignore):
            return None
        room = payload.MAX_TEXT - len(rule.prefix)
        return self._pseudonym(rule.prefix, payload.storable(str(found))[:room])


class Repeats:
    """Knows a message of one topic that was delivered before: QoS 1 means at least once, and DUP is lost on its way.

    The flag DUP is between one client and the broker (MQTT 5.0, 3.3.1.1): a device that sends again, as it has seen
    no acknowledgement, is heard twice without it. Only the content tells.
    """

    def __init__(self, rule: MessageRule) -> None:
        self._rule = rule
        self._within_us = round(rule.unique_within_s * SECOND_US) if rule.unique_within_s is not None else None
        self._known: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()

    def known(self, item: Any, device: int | None, t: int) -> bool:
        """Return whether an item came before, and remember it; `device` is the device's own time of it.

        The same number with another time, or else another content, is no repeat: its counter has begun anew.
        """
        if self._rule.unique is None:
            return False
        number = paths.pick(item, self._rule.unique)
        if number is paths.MISSING:
            return False
        key, content = _digest(number), _digest(item if device is None else device)
        before = self._known.pop(key, None)
        self._known[key] = (content, t)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return before is not None and before[0] == content and self._fresh(t - before[1])

    def _fresh(self, age_us: int) -> bool:
        return self._within_us is None or age_us <= self._within_us


class TopicRule:
    """A rule of a profile, with what has to be remembered from message to message."""

    def __init__(
        self, sensor: str, rule: MessageRule, quality: QualityRules, drops: DropCounters, pseudonym: Pseudonym
    ) -> None:
        self.rule = rule
        self._sensor = sensor
        self._quality = quality
        self._drops = drops
        self._channels = [(channel, judge(channel)) for channel in rule.channels]
        self._events = [EventMaker(sensor, event, pseudonym) for event in rule.events]
        self._state: dict[str, Any] = {}
        self._repeats = Repeats(rule)
        self._times = SampleTimes()
        self._max_items = max(1, MAX_LOOKUPS // _lookups(rule))

    def on_message(self, message: InboundMessage) -> Iterator[Observation]:
        """Take a message of this topic."""
        if not message.payload and self.rule.format == "json":
            yield from self.failed(message.t, "the topic has been cleared")
            return
        try:
            document = message.document(self.rule.format)
        except ValueError as error:
            yield from self._unreadable(message, str(error))
            return
        yield from self.on_document(document, message)

    def on_document(self, document: Any, message: InboundMessage) -> Iterator[Observation]:
        """Take a message that has been parsed already."""
        items = paths.objects(document, self.rule.each)
        if len(items) > self._max_items:
            yield from self._unreadable(message, f"{len(items)} objects are more than {self._max_items}")
            return
        for item in items:
            yield from self.on_item(item, message)

    def on_item(self, item: Any, message: InboundMessage) -> Iterator[Observation]:
        """Take one object of a message."""
        whole = self._overlaid(item, message) if self.rule.delta and isinstance(item, dict) else item
        if not paths.holds(whole, self.rule.when):
            return
        device, readable = self._device_time(whole, message)
        if self._repeats.known(item, device, message.t):
            self._drops.drop(self._sensor, Cause.REPEATED, message.t)
            return
        stamp = self._stamp(message, device, readable)
        self._quality.on_message(self.rule.quality, item)
        for channel, judge_one in self._channels:
            # From the message itself, not from the overlaid state: what was not said again is not measured again.
            measured = _measure(item, channel, judge_one)
            if measured is not None:
                yield self._reading(channel, measured, message, stamp)
        for maker in self._events:
            yield from self._happened(maker.on_item(whole, message, stamp), message)

    def failed(self, t: int, reason: str) -> Iterator[Reading]:
        """Return a bad reading of every channel."""
        for channel in self.rule.channels:
            yield Reading(self._sensor, channel.name, t, None, Quality.BAD, reason)

    def _unreadable(self, message: InboundMessage, reason: str) -> Iterator[Reading]:
        self._drops.drop(self._sensor, Cause.UNREADABLE, message.t, reason)
        yield from self.failed(message.t, f"message cannot be read: {reason}")

    def _overlaid(self, item: dict[str, Any], message: InboundMessage) -> dict[str, Any]:
        """Return the state of the device with a delta laid over it; a state no message could hold begins anew."""
        whole = paths.overlay(self._state, item)
        if payload.weight(whole) > payload.MAX_BYTES:
            reason = f"the state its deltas add up to is more than {payload.MAX_BYTES} bytes; it begins anew"
            self._drops.drop(self._sensor, Cause.TOO_MUCH, message.t, reason)
            whole = item
        self._state = whole
        return whole

    def _device_time(self, item: Any, message: InboundMessage) -> tuple[int | None, bool]:
        """Return the device's own time, and whether it could be read where there is one."""
        if self.rule.device_time is None:
            return None, True
        try:
            return paths.device_time(item, self.rule.device_time), True
        except paths.UnreadableTime as error:
            self._drops.drop(self._sensor, Cause.UNREADABLE_TIME, message.t, str(error))
            return None, False

    def _stamp(self, message: InboundMessage, device: int | None, readable: bool) -> Stamp:
        time = self._times.next(message.t, device, buffered=self.rule.buffered, stored=message.late)
        unknown = self.rule.buffered and (not readable or device is None)
        return Stamp(time.t, device, time.late or message.late, unknown)

    def _happened(self, events: Iterator[SensorEvent], message: InboundMessage) -> Iterator[SensorEvent]:
        for event in events:
            if message.retained:  # it happened at a time nobody knows; a watched value keeps it as its baseline
                self._drops.drop(self._sensor, Cause.RETAINED, message.t, event.type)
            else:
                yield event

    def _reading(self, channel: MqttChannel, measured: Sample, message: InboundMessage, stamp: Stamp) -> Reading:
        measured = self._quality.degrade(channel.name, measured)
        if measured.quality is Quality.GOOD:
            if message.retained and not self.rule.retain_is_live:
                measured = Sample(measured.x, Quality.UNCERTAIN, RETAINED)
            elif stamp.unknown:
                measured = Sample(measured.x, Quality.UNCERTAIN, NO_TIME)
        return Reading(self._sensor, channel.name, stamp.t, *measured, stamp.device, stamp.late)


class Mapper:
    """The state of one sensor."""

    def __init__(self, device: Device, profile: MqttProfile, pseudonym: Pseudonym, drops: DropCounters) -> None:
        self.sensor = device.sensor
        self.profile = profile
        self.period_ms = device.section.period_ms
        """What the installation says about how often to ask; None: as the profile says."""
        self._drops = drops
        self._quality = QualityRules()
        rules = [TopicRule(device.sensor, rule, self._quality, drops, pseudonym) for rule in profile.rules]
        self._rules, self._replies = rules[: len(profile.messages)], rules[len(profile.messages) :]
        self._presence = [AvailabilityTracker(rule) for rule in profile.availability]
        self._listening: TopicMap[AvailabilityTracker | TopicRule] = TopicMap()
        for tracker in self._presence:
            self._listening.add(tracker.rule.topic, tracker)
        for rule in self._rules:
            self._listening.add(rule.rule.topic, rule)
        silent_s = profile.silent_after_s or device.max_age_s
        self._silent_us = int(silent_s * SECOND_US) if silent_s is not None and profile.channels else None
        self._heard: int | None = None

    @property
    def filters(self) -> set[str]:
        """Topics it listens to, those of replies apart."""
        return {rule.topic for rule in self.profile.messages} | {rule.topic for rule in self.profile.availability}

    def on_message(self, message: InboundMessage) -> list[Observation]:
        """Take one message; gives what it says about this sensor."""
        found: list[Observation] = []
        listening = list(self._listening.matching(message.topic))
        for tracker in (each for each in listening if isinstance(each, AvailabilityTracker)):
            found += self._on_availability(tracker, message)
        for rule in (each for each in listening if isinstance(each, TopicRule)):
            found += self._guarded(rule, message, partial(rule.on_message, message))
        return found

    def on_reply(self, request: int, document: Any, message: InboundMessage) -> list[Observation]:
        """Take the reply to one of its requests."""
        rule = self._replies[request]
        return self._guarded(rule, message, partial(rule.on_document, document, message))

    def on_no_reply(self, request: int, t: int, reason: str) -> list[Reading]:
        """Say that one of its requests has brought nothing."""
        return [self._with_reason_of_absence(each) for each in self._replies[request].failed(t, reason)]

    def on_recovered(self, topic: str, item: Any, t: int) -> list[Observation]:
        """Take an event that was fetched afterwards, as if it had been heard on `topic`, but late."""
        message = InboundMessage(topic, b"", retained=False, t=t, late=True)
        return [each for rule in self._rules if rule.rule.topic == topic for each in rule.on_item(item, message)]

    def tick(self, t: int, away: str | None = None) -> list[Reading]:
        """Tell when nothing has been heard for too long, or why: `away`; said again as long as it lasts."""
        if self._heard is None:
            self._heard = t
        if self._silent_us is None or t - self._heard < self._silent_us:
            return []
        silent_s = self._silent_us / SECOND_US
        self._heard = t
        return self.failed(t, one_line(away) if away is not None else f"no message for {silent_s:g} s")

    def failed(self, t: int, reason: str, quality: Quality = Quality.BAD) -> list[Reading]:
        """Return a bad reading of every channel."""
        return [Reading(self.sensor, channel.name, t, None, quality, reason) for channel in self.profile.channels]

    def _on_availability(self, tracker: AvailabilityTracker, message: InboundMessage) -> list[Reading]:
        before = tracker.unclear
        quality = tracker.on_message(message)
        if quality is Quality.BAD:
            return self.failed(message.t, tracker.rule.reason)
        if tracker.unclear is None:
            return []
        self._drops.drop(self.sensor, Cause.UNKNOWN_WORD, message.t, f"{tracker.unclear} ({tracker.rule.topic})")
        if tracker.unclear == before:
            return []
        return self.failed(message.t, tracker.unclear, Quality.UNCERTAIN)

    def _guarded(
        self, rule: TopicRule, message: InboundMessage, work: Callable[[], Iterator[Observation]]
    ) -> list[Observation]:
        """Return what a rule makes of a message; an unexpected error makes the rule's channels bad, and no others."""
        found: list[Observation] = []
        try:
            for each in work():
                found.append(each)
        except Exception as error:  # noqa: BLE001 - the wall around a rule: one message costs no other
            found += rule.failed(
                message.t, self._drops.fail(self.sensor, f"rule of {rule.rule.topic}", error, message.t)
            )
        return self._judged(found, message)

    def _judged(self, found: list[Observation], message: InboundMessage) -> list[Observation]:
        """Judge what a message has said by what is known of the whole device; what is doubted newly is bad at once."""
        if message.retained:
            found = [self._with_reason_of_absence(each) if isinstance(each, Reading) else each for each in found]
        else:
            self._heard = message.t
            for tracker in self._presence:
                tracker.gone = tracker.gone and not _speaks(found)
        if any(tracker.unclear is not None or tracker.settling(message.t) for tracker in self._presence):
            found = [self._by_presence(each, message.t) if isinstance(each, Reading) else each for each in found]
        return found + self._newly_doubted(found, message.t)

    def _by_presence(self, reading: Reading, t: int) -> Reading:
        measured = Sample(reading.x, reading.quality, reading.reason)
        for tracker in self._presence:
            measured = tracker.degrade(measured, t)
        return _with(reading, measured)

    def _with_reason_of_absence(self, reading: Reading) -> Reading:
        """What was kept by the broker, or not answered, while the device says that it is gone, is bad for that."""
        gone = next((each for each in self._presence if each.gone), None)
        return reading if gone is None else _with(reading, Sample(None, Quality.BAD, gone.rule.reason))

    def _newly_doubted(self, found: Iterable[Observation], t: int) -> list[Reading]:
        new = self._quality.take_new()
        if not new:
            return []
        said = {each.channel for each in found if isinstance(each, Reading)}
        readings = []
        for quality, reason, channels in new:
            names = [each.name for each in self.profile.channels if not channels or each.name in channels]
            readings += [Reading(self.sensor, name, t, None, quality, reason) for name in names if name not in said]
            said.update(names)
        return readings


def _measure(item: Any, channel: MqttChannel, judge_one: Callable[[float], Sample]) -> Sample | None:
    value = paths.pick(item, channel)
    if value is paths.MISSING:
        return bad("missing in the message") if channel.required else None
    if isinstance(value, paths.NoContact):
        return bad(str(value))
    number = paths.number(value)
    return bad(f"{payload.shown(value)!r} is no number") if number is None else judge_one(number)


def _lookups(rule: MessageRule) -> int:
    """Return what a rule does with each object of a message, counted in look-ups: parsing a time costs four."""
    events = sum(4 + len(event.when) + len(event.read) for event in rule.events)
    times = (4 if rule.device_time is not None else 0) + (2 if rule.unique is not None else 0)
    return 2 + times + len(rule.when) + len(rule.quality) + len(rule.channels) + events


def _is_finite_text(value: str | float) -> bool:
    """Return whether a value means something: "NaN" as text means as little as the number."""
    number = paths.number(value)
    return number is None or math.isfinite(number)


def _digest(value: Any) -> bytes:
    """Return a short mark of a value; values themselves would be memory that a device can fill."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _speaks(found: Iterable[Observation]) -> bool:
    return any(isinstance(each, Reading) and each.quality is not Quality.BAD for each in found)


def _with(reading: Reading, measured: Sample) -> Reading:
    return Reading(reading.sensor, reading.channel, reading.t, *measured, reading.device, reading.late)

"""May the values be believed? What a device says about them, and whether it is there at all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from hubwatch_agents.drivers.mqtt import paths, payload
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.profiles.mqtt_schema import Availability, MqttQuality
from hubwatch_agents.values.scaling import Sample
from hubwatch_core.clock import SECOND_US
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Quality


class Doubt(NamedTuple):
    """What one rule has found."""

    quality: Quality
    reason: str
    channels: frozenset[str]
    """The channels it speaks of; none: all."""


class QualityRules:
    """The state of all quality rules of one device; what one message has said holds until another says otherwise."""

    def __init__(self) -> None:
        self._found: dict[int, Doubt] = {}
        """By the identity of the rule."""
        self._new: list[Doubt] = []

    def on_message(self, rules: Iterable[MqttQuality], item: Any) -> None:
        """Take a message."""
        for rule in rules:
            value = paths.pick(item, rule)
            if value is paths.MISSING and not rule.required:
                continue
            before = self._found.pop(id(rule), None)
            doubt = _doubt(rule, value)
            if doubt is not None:
                self._found[id(rule)] = doubt
                if doubt.quality is Quality.BAD and doubt != before:
                    self._new.append(doubt)

    def take_new(self) -> list[Doubt]:
        """Return the doubts that make channels bad and were not there at the last call."""
        new, self._new = self._new, []
        return new

    def degrade(self, channel: str, measured: Sample) -> Sample:
        """Return what was measured with the worst of its own quality and of what is doubted; the value stays."""
        for quality, reason, channels in self._found.values():
            # A value that is not there is so because of what the device says, not because it is missing.
            worse = quality > measured.quality or (measured.x is None and quality is Quality.BAD)
            if worse and (not channels or channel in channels):
                measured = Sample(measured.x, quality, reason)
        return measured


def _doubt(rule: MqttQuality, value: Any) -> Doubt | None:
    if value is paths.MISSING:
        return Doubt(Quality.BAD, rule.reason.replace("{value}", "missing"), frozenset(rule.channels))
    quality = _quality(rule, value)
    if quality is Quality.GOOD:
        return None
    shown = payload.shown(value)
    reason = rule.reasons.get(shown) or rule.reason.replace("{value}", one_line(shown))
    return Doubt(quality, reason, frozenset(rule.channels))


def _quality(rule: MqttQuality, value: Any) -> Quality:
    if isinstance(value, float) and not math.isfinite(value):
        return Quality.BAD  # a status that is no number says nothing good
    if paths.same(value, rule.good) or _between(rule, value):
        return Quality.GOOD
    if paths.same(value, rule.uncertain):
        return Quality.UNCERTAIN
    if paths.same(value, rule.bad):
        return Quality.BAD
    return Quality.BAD if rule.good or rule.good_between else Quality.GOOD


def _between(rule: MqttQuality, value: Any) -> bool:
    number = paths.number(value)
    return (
        rule.good_between is not None and number is not None and rule.good_between[0] <= number <= rule.good_between[1]
    )


class AvailabilityTracker:
    """One availability topic: what the device, its last will or whoever speaks for it says about its being there."""

    def __init__(self, rule: Availability) -> None:
        self.rule = rule
        self.gone = False
        self.unclear: str | None = None
        """Why it is not known whether the device is there: a word that means neither. None when it is known."""
        self._settled: int | None = None
        self._online = frozenset(_word(each) for each in rule.online)
        self._offline = frozenset(_word(each) for each in rule.offline)

    def on_message(self, message: InboundMessage) -> Quality | None:
        """Take a message of the topic. Return what it makes of the device's values: BAD, UNCERTAIN or None."""
        found = _found(message, self.rule.path)
        if found is None:
            return None
        word = _word(found)
        self.unclear = None
        if word in self._online:
            if not message.retained:
                self._settled = message.t + round(self.rule.settle_s * SECOND_US)
            self.gone = False
            return None
        if word in self._offline:
            self.gone = True
            return Quality.BAD
        self.unclear = f"availability says {payload.shown(found)!r}, which the profile does not know"
        return Quality.UNCERTAIN

    def settling(self, t: int) -> bool:
        """Return whether the device has only just come back."""
        return self._settled is not None and t < self._settled

    def degrade(self, measured: Sample, t: int) -> Sample:
        """Return what was measured, uncertain while the device has only just come back, or nobody knows."""
        if measured.quality is not Quality.GOOD:
            return measured
        if self.unclear is not None:
            return Sample(measured.x, Quality.UNCERTAIN, self.unclear)
        if self.settling(t):
            return Sample(measured.x, Quality.UNCERTAIN, f"came back less than {self.rule.settle_s:g} s ago")
        return measured


def _found(message: InboundMessage, path: str) -> str | None:
    """Return the word as it was sent, None when the message says nothing about it.

    One that stands alone is taken for it where a path is due, as bridges have settings for either form.
    """
    if not path:
        return _plain(message)
    try:
        document = message.document()
    except ValueError:
        return _plain(message)
    found = paths.at(document, path) if isinstance(document, dict | list) else document
    return None if found is paths.MISSING else payload.written(found)


def _plain(message: InboundMessage) -> str:
    return message.payload[: payload.MAX_TEXT].decode("utf-8", "replace")


def _word(text: str) -> str:
    """Return a word as it is compared: up to a NUL, without blanks and quotes, in small letters; 1.0 as 1."""
    bare = text.partition("\0")[0].strip("\ufeff\"'` \t\r\n\f\v").casefold()
    number = paths.number(bare)
    return f"{number:g}" if number is not None else bare

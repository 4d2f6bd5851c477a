"""What a device says about its own values: a status, mode or error that makes channels uncertain or bad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hubwatch_agents.measured import Measured
from hubwatch_agents.mqtt_json import paths, plain
from hubwatch_agents.profiles.mqtt_schema import MqttQuality
from hubwatch_core.words import Quality


class Doubt(NamedTuple):
    """What one rule has found."""

    quality: Quality
    reason: str
    channels: frozenset[str]
    """The channels it speaks of; none: all."""


class Doubts:
    """The state of all quality rules of one device; what one message has said holds until another says otherwise."""

    def __init__(self) -> None:
        self._found: dict[int, Doubt] = {}
        """By the identity of the rule."""
        self._anew: list[Doubt] = []

    def hear(self, rules: Iterable[MqttQuality], item: Any) -> None:
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
                    self._anew.append(doubt)

    def anew(self) -> list[Doubt]:
        """Give the doubts that make channels bad and were not there at the last call."""
        anew, self._anew = self._anew, []
        return anew

    def worsen(self, channel: str, measured: Measured) -> Measured:
        """Give what was measured with the worst of its own quality and of what is doubted; the value stays."""
        for quality, reason, channels in self._found.values():
            # A value that is not there is so because of what the device says, not because it is missing.
            worse = quality > measured.quality or (measured.x is None and quality is Quality.BAD)
            if worse and (not channels or channel in channels):
                measured = Measured(measured.x, quality, reason)
        return measured


def _doubt(rule: MqttQuality, value: Any) -> Doubt | None:
    if value is paths.MISSING:
        return Doubt(Quality.BAD, rule.reason.replace("{value}", "missing"), frozenset(rule.channels))
    quality = _quality(rule, value)
    if quality is Quality.GOOD:
        return None
    shown = plain.text(str(value))[:50]
    reason = rule.reasons.get(shown) or rule.reason.replace("{value}", shown)
    return Doubt(quality, reason, frozenset(rule.channels))


def _quality(rule: MqttQuality, value: Any) -> Quality:
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

"""From the image of one cycle to readings and happenings of one sensor, by its profile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from hubwatch_agents.changes import Change, Watch
from hubwatch_agents.devices import Device
from hubwatch_agents.measured import Measured, bad, judge
from hubwatch_agents.modbus.raw import Image, Raw, Unread, reader
from hubwatch_agents.privacy import Pseudonym
from hubwatch_agents.profiles.modbus_schema import (
    Command,
    EventRule,
    ModbusChannel,
    ModbusProfile,
    QualityRule,
    Source,
)
from hubwatch_agents.readings import Happening, Reading
from hubwatch_core.words import Quality

SECOND_US = 1_000_000


class Decoder:
    """Decodes some channels of one sensor: those that are read with the same period."""

    def __init__(
        self,
        device: Device,
        profile: ModbusProfile,
        channels: tuple[ModbusChannel, ...],
        pseudonym: Pseudonym,
        *,
        with_events: bool,
        period_us: int,
    ) -> None:
        self.sensor = device.sensor
        self._channels = [_Channel(channel) for channel in channels]
        names = {channel.name for channel in channels}
        self._rules = [_Rule(rule) for rule in profile.quality if not rule.channels or names & set(rule.channels)]
        self._events = [_Event(rule, pseudonym) for rule in profile.events] if with_events else []
        self._heartbeat = _Heartbeat(profile) if profile.heartbeat is not None else None
        self._may_doubt = bool(self._rules) or self._heartbeat is not None
        self._device_time = reader(profile.device_time) if profile.device_time is not None else None
        self._unseen_us = 2 * period_us + SECOND_US
        self._may = frozenset(device.section.allow_commands)
        self._due: list[Command] = []
        self._commands = {command.name: command for command in profile.commands}
        self.sources = list(_sources(profile, channels, self._rules, with_events=with_events))

    def decode(self, image: Image, t: int) -> tuple[list[Reading], list[Happening]]:
        """Give what the image read at `t` (µs) says; nothing in it is older than the cycle."""
        device = None if self._device_time is None else self._own_time(self._device_time, image)
        measured = [channel.read(image) for channel in self._channels]
        if self._may_doubt and (doubts := self._doubts(image, t)):
            measured = [
                _worse(each, doubts, channel.name) for each, channel in zip(measured, self._channels, strict=True)
            ]
        readings = [
            Reading(self.sensor, channel.name, t, *each, device)
            for each, channel in zip(measured, self._channels, strict=True)
        ]
        return readings, [happening for event in self._events for happening in self._happenings(event, image, t)]

    def commands_due(self) -> list[Command]:
        """Take the acknowledgements that the events of the last cycle ask for and the installation allows."""
        due, self._due = self._due, []
        return due

    def acknowledged(self, command: Command) -> None:
        """Note that a command was taken: the flag it clears may be up again at the next look, for the next event."""
        for event in self._events:
            if event.rule.acknowledge == command.name:
                event.watch.rest()

    def failed(self, t: int, reason: str) -> list[Reading]:
        """Give a bad reading of every channel: at `t` there was no answer."""
        return [Reading(self.sensor, channel.name, t, None, Quality.BAD, reason) for channel in self._channels]

    def _doubts(self, image: Image, t: int) -> list[tuple[frozenset[str], Quality, str]]:
        doubts = [doubt for rule in self._rules if (doubt := rule.doubt(image)) is not None]
        if self._heartbeat is not None and (reason := self._heartbeat.stopped(image, t)) is not None:
            doubts.append((frozenset(), Quality.BAD, reason))
        return doubts

    def _own_time(self, read: Callable[[Image], Raw], image: Image) -> int | None:
        try:
            return int(float(read(image)) * SECOND_US) or None
        except Unread:
            return None

    def _happenings(self, event: _Event, image: Image, t: int) -> Iterator[Happening]:
        try:
            value = event.read(image)
        except Unread:
            return
        change = event.watch.see(value, t)
        self._acknowledge(event.rule, told=change is not None, up=bool(value))
        if change is None:
            return
        attrs = event.attrs(image, change)
        if change.unseen_us > self._unseen_us:
            attrs["unseen_s"] = round(change.unseen_us / SECOND_US, 3)
        yield Happening(self.sensor, t, event.rule.event, event.subject(image), attrs)

    def _acknowledge(self, rule: EventRule, *, told: bool, up: bool) -> None:
        """Have an event acknowledged; a flag that is still up, or was up at the first look, would block the device."""
        if rule.acknowledge is not None and rule.acknowledge in self._may and (told or (up and rule.on == "rise")):
            self._due.append(self._commands[rule.acknowledge])


class _Channel:
    """One channel, compiled."""

    def __init__(self, channel: ModbusChannel) -> None:
        self.name = channel.name
        self._read = reader(channel)
        self._judge = judge(channel)
        self._decimals = reader(channel.decimals_from) if channel.decimals_from is not None else None
        self._sign = reader(channel.sign_from) if channel.sign_from is not None else None
        moved = self._decimals is not None or self._sign is not None
        self.read = self._read_moved if moved or channel.type in ("ascii", "hex") else _plainly(self._read, self._judge)

    def _read_moved(self, image: Image) -> Measured:
        try:
            raw = self._read(image)
            if isinstance(raw, str):
                return bad("a text is no value")
            if self._decimals is not None:
                raw = raw / 10 ** float(self._decimals(image))
            if self._sign is not None and self._sign(image):
                raw = -raw
        except Unread as unread:
            return bad(unread.reason)
        return self._judge(raw)


def _plainly(read: Callable[[Image], Raw], judged: Callable[[float], Measured]) -> Callable[[Image], Measured]:
    """Give the reader of a channel that nothing but its own registers decides, as most are: the way of every value."""

    def plainly(image: Image) -> Measured:
        try:
            return judged(read(image))  # type: ignore[arg-type]  # no text
        except Unread as unread:
            return bad(unread.reason)

    return plainly


class _Rule:
    """One quality rule, compiled."""

    def __init__(self, rule: QualityRule) -> None:
        self.rule = rule
        self._read = reader(rule)
        self._channels = frozenset(rule.channels)

    def doubt(self, image: Image) -> tuple[frozenset[str], Quality, str] | None:
        """Give the channels in doubt (none named: all), how much, and why; None when all is well."""
        try:
            value = self._read(image)
        except Unread as unread:
            return self._channels, Quality.BAD, f"mode unknown: {unread.reason}"
        if value in self.rule.good:
            return None
        reason = self.rule.reasons.get(str(value)) or self.rule.reason.format(value=value)
        return self._channels, Quality.UNCERTAIN if value in self.rule.uncertain else Quality.BAD, reason


class _Event:
    """One event rule, compiled."""

    def __init__(self, rule: EventRule, pseudonym: Pseudonym) -> None:
        self.rule = rule
        self.read = reader(rule)
        self.watch = Watch(rule.on)
        self._attrs: dict[str, Callable[[Image], Raw]] = {name: reader(source) for name, source in rule.read.items()}
        self._subject = reader(rule.subject) if rule.subject is not None else None
        self._pseudonym = pseudonym

    def attrs(self, image: Image, change: Change) -> dict[str, Any]:
        attrs: dict[str, Any] = dict(self.rule.attrs)
        if self.rule.on in ("change", "increase"):
            attrs["before"], attrs["now"] = change.before, change.now
        for name, read in self._attrs.items():
            try:
                value = read(image)
            except Unread:
                continue
            if not isinstance(value, float) or math.isfinite(value):
                attrs[name] = value
        return attrs

    def subject(self, image: Image) -> str | None:
        if self._subject is None or self.rule.subject is None:
            return None
        try:
            identity = str(self._subject(image)).lstrip("0")
        except Unread:
            return None
        return self._pseudonym(self.rule.subject.prefix, identity) if identity else None


class _Heartbeat:
    """Watches the register that moves while the device measures."""

    def __init__(self, profile: ModbusProfile) -> None:
        assert profile.heartbeat is not None
        self._read = reader(profile.heartbeat)
        self._max_age_us = int(profile.heartbeat.max_age_s * SECOND_US)
        self._value: Raw | None = None
        self._moved = 0

    def stopped(self, image: Image, t: int) -> str | None:
        try:
            value = self._read(image)
        except Unread as unread:
            return f"heartbeat unknown: {unread.reason}"
        if value != self._value:
            self._value, self._moved = value, t
        age = t - self._moved
        return f"heartbeat register still for {age / SECOND_US:.0f} s" if age > self._max_age_us else None


def _worse(measured: Measured, doubts: list[tuple[frozenset[str], Quality, str]], name: str) -> Measured:
    """Take the worst of what the value itself and what the device's mode say; the value stays as it was read."""
    for channels, quality, reason in doubts:
        if quality > measured.quality and (not channels or name in channels):
            measured = Measured(measured.x, quality, reason)
    return measured


def _sources(
    profile: ModbusProfile, channels: tuple[ModbusChannel, ...], rules: list[_Rule], *, with_events: bool
) -> Iterator[Source]:
    """Name everything that must be read for these channels."""
    yield from channels
    yield from (channel.decimals_from for channel in channels if channel.decimals_from is not None)
    yield from (channel.sign_from for channel in channels if channel.sign_from is not None)
    yield from (rule.rule for rule in rules)
    yield from (each for each in (profile.heartbeat, profile.device_time) if each is not None)
    for event in profile.events if with_events else ():
        yield event
        yield from event.read.values()
        if event.subject is not None:
            yield event.subject

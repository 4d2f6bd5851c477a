"""From the image of one cycle to readings and events of one sensor, by its profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.modbus.raw import Absent, Image, Raw, Unread, plainly, reader
from hubwatch_agents.drivers.modbus.unexpected import UnexpectedErrors
from hubwatch_agents.profiles.modbus_schema import (
    Command,
    EventRule,
    ModbusChannel,
    ModbusProfile,
    QualityRule,
    RegisterSource,
)
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.values.edges import EdgeDetector, Watch
from hubwatch_agents.values.pseudonyms import Pseudonym
from hubwatch_agents.values.scaling import Sample, bad, judge
from hubwatch_core.clock import SECOND_US
from hubwatch_core.logs import get_logger
from hubwatch_core.wire import LATEST_US
from hubwatch_core.words import Quality

MAX_DECIMALS = 9
"""More decimals than that no device has; a register that says so holds something else (0xFF, 0xFFFF)."""
MAX_EXPONENT = 10
"""SunSpec scale factors are -10 to 10; -32768 is none (SunSpec Information Model Specification, sunssf)."""
NO_EXPONENT = -32768
POWERS: tuple[int, ...] = tuple(10**n for n in range(MAX_EXPONENT + 1))

Doubt = tuple[frozenset[str], Quality, str]
"""The channels in doubt (none named: all), how much, and why."""


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
        drops: DropCounters | None = None,
    ) -> None:
        self.sensor = device.sensor
        self.errors = UnexpectedErrors(get_logger("modbus"))
        self._drops = drops if drops is not None else DropCounters()
        self._channels = [_Channel(channel, self.errors, f"{device.sensor}/{channel.name}") for channel in channels]
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

    def decode(self, image: Image, t: int) -> tuple[list[Reading], list[SensorEvent]]:
        """Return what the image read at `t` (µs) says; nothing in it is older than the cycle."""
        device = None if self._device_time is None else self._own_time(self._device_time, image, t)
        measured = [channel.read(image) for channel in self._channels]
        if self._may_doubt and (doubts := self._doubts(image, t)):
            measured = [
                _worse(each, doubts, channel.name) for each, channel in zip(measured, self._channels, strict=True)
            ]
        readings = [
            Reading(self.sensor, channel.name, t, *each, device)
            for each, channel in zip(measured, self._channels, strict=True)
        ]
        return readings, self._happened(image, t) if self._events else []

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
        """Return a bad reading of every channel: at `t` there was no answer."""
        return [Reading(self.sensor, channel.name, t, None, Quality.BAD, reason) for channel in self._channels]

    def _doubts(self, image: Image, t: int) -> list[Doubt]:
        doubts = [self._doubt(rule, image) for rule in self._rules]
        if self._heartbeat is not None:
            doubts.append(self._stopped(self._heartbeat, image, t))
        return [doubt for doubt in doubts if doubt is not None]

    def _doubt(self, rule: _Rule, image: Image) -> Doubt | None:
        try:
            return rule.doubt(image)
        except Exception as error:  # noqa: BLE001 - what cannot be judged is bad, and nothing else is hurt
            return rule.channels, Quality.BAD, self.errors.record(f"{self.sensor}: quality rule", error)

    def _stopped(self, heartbeat: _Heartbeat, image: Image, t: int) -> Doubt | None:
        reason = heartbeat.stopped(image, t)
        return None if reason is None else (frozenset(), Quality.BAD, reason)

    def _happened(self, image: Image, t: int) -> list[SensorEvent]:
        events: list[SensorEvent] = []
        for watched in self._events:
            try:
                events += self._events_of(watched, image, t)
            except Exception as error:  # noqa: BLE001 - one event's error costs no other event
                self.errors.record(f"{self.sensor}: event {watched.rule.event}", error)
        return events

    def _own_time(self, read: Callable[[Image], Raw], image: Image, t: int) -> int | None:
        """Return the device's own time, None where it says none; one that cannot be is counted."""
        try:
            seconds = float(read(image))
            if 0 < seconds * SECOND_US <= LATEST_US:
                self._drops.settle(t)
                return round(seconds * SECOND_US)
            reason = f"says {seconds:g} s since 1970"
        except Absent:
            return None
        except Unread as unread:
            reason = unread.reason
        self._drops.drop(self.sensor, Cause.UNREADABLE_TIME, t, f"device time: {reason}")
        return None

    def _events_of(self, event: _Event, image: Image, t: int) -> Iterator[SensorEvent]:
        try:
            value = event.read(image)
        except Unread:
            return
        change = event.watch.see(value, t)
        self._acknowledge(event.rule, happened=change is not None, up=bool(value))
        if change is None:
            return
        attrs = event.attrs(image, change)
        if change.unseen_us > self._unseen_us:
            attrs["unseen_s"] = round(change.unseen_us / SECOND_US, 3)
        yield SensorEvent(self.sensor, t, event.rule.event, event.subject(image), attrs)

    def _acknowledge(self, rule: EventRule, *, happened: bool, up: bool) -> None:
        """Have an event acknowledged; a flag that is still up, or was up at the first look, would block the device."""
        if rule.acknowledge is not None and rule.acknowledge in self._may and (happened or (up and rule.on == "rise")):
            self._due.append(self._commands[rule.acknowledge])


class _Channel:
    """One channel, compiled."""

    def __init__(self, channel: ModbusChannel, errors: UnexpectedErrors, what: str) -> None:
        self.name = channel.name
        self.take = _number_of(channel)
        self._judge = judge(channel)
        self._errors = errors
        self._what = what

    def read(self, image: Image) -> Sample:
        """Return what the image says of the channel; whatever goes wrong is a bad value with a reason."""
        try:
            return self._judge(self.take(image))
        except Unread as unread:
            return bad(unread.reason)
        except Exception as error:  # noqa: BLE001 - one channel's error costs no other channel a reading
            return bad(self._errors.record(self._what, error))


def _number_of(channel: ModbusChannel) -> Callable[[Image], float]:
    """Compile the way from registers to the raw number of a channel. It raises Unread where there is none."""
    take = _coded(channel) if channel.values else reader(channel)
    if channel.decimals_from is not None:
        take = _scaled(take, reader(channel.decimals_from), _decimals)
    if channel.exponent_from is not None:
        take = _scaled(take, reader(channel.exponent_from), _exponent)
    if channel.sign_from is not None:
        take = _signed(take, reader(channel.sign_from))
    return take  # type: ignore[return-value]  # a channel whose type is a text has values (ModbusChannel)


def _coded(channel: ModbusChannel) -> Callable[[Image], Raw]:
    take, values = reader(channel), channel.values

    def coded(image: Image) -> Raw:
        text = str(take(image))
        if text not in values:
            raise Unread(f"{text[:50]!r} is not in the profile")
        return values[text]

    return coded


def _scaled(
    take: Callable[[Image], Raw], power: Callable[[Image], Raw], exponent: Callable[[float], int]
) -> Callable[[Image], Raw]:
    def scaled(image: Image) -> Raw:
        raw, n = float(take(image)), exponent(float(power(image)))
        return (
            raw * POWERS[n] if n >= 0 else raw / POWERS[-n]
        )  # whole powers: 655300 / 10**4 is 65.53, times 1e-4 it is not

    return scaled


def _decimals(says: float) -> int:
    if not (says.is_integer() and 0 <= says <= MAX_DECIMALS):
        raise Unread(f"says {says:g} decimals")
    return -int(says)


def _exponent(says: float) -> int:
    if says == NO_EXPONENT:
        raise Unread(f"the device says that it has no value (exponent {NO_EXPONENT})")
    if not (says.is_integer() and abs(says) <= MAX_EXPONENT):
        raise Unread(f"says an exponent of {says:g}")
    return int(says)


def _signed(take: Callable[[Image], Raw], sign: Callable[[Image], Raw]) -> Callable[[Image], Raw]:
    return lambda image: -float(take(image)) if sign(image) else take(image)


class _Rule:
    """One quality rule, compiled."""

    def __init__(self, rule: QualityRule) -> None:
        self.rule = rule
        self._read = reader(rule)
        self.channels = frozenset(rule.channels)

    def doubt(self, image: Image) -> Doubt | None:
        """Return the channels in doubt (none named: all), how much, and why; None when all is well."""
        try:
            value = self._read(image)
        except Unread as unread:
            return self.channels, Quality.BAD, f"mode unknown: {unread.reason}"
        if value in self.rule.good:  # as numbers: 1.0 is in (1,)
            return None
        reason = self.rule.reasons.get(plainly(value)) or _said(self.rule.reason, value)
        return self.channels, Quality.UNCERTAIN if value in self.rule.uncertain else Quality.BAD, reason


def _said(reason: str, value: Raw) -> str:
    """Return a reason with the value in it; only whole numbers can be shown as bits, others are shown as they are."""
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    try:
        return reason.format(value=whole)
    except ValueError:
        return reason.format(value=_AsItIs(plainly(value)))


class _AsItIs(str):
    """A text that any format shows as it is."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)


class _Event:
    """One event rule, compiled."""

    def __init__(self, rule: EventRule, pseudonym: Pseudonym) -> None:
        self.rule = rule
        self.read = reader(rule)
        self.watch = Watch(rule.on)
        self._attrs: dict[str, Callable[[Image], Raw]] = {name: reader(source) for name, source in rule.read.items()}
        self._subject = reader(rule.subject) if rule.subject is not None else None
        self._pseudonym = pseudonym

    def attrs(self, image: Image, change: EdgeDetector) -> dict[str, Any]:
        attrs: dict[str, Any] = dict(self.rule.attrs)
        if self.rule.on in ("change", "increase"):
            attrs["before"], attrs["now"] = change.before, change.now
        for name, read in self._attrs.items():
            try:
                value = read(image)
            except Unread:
                continue
            attrs[name] = value
        return attrs

    def subject(self, image: Image) -> str | None:
        if self._subject is None or self.rule.subject is None:
            return None
        try:
            identity = plainly(self._subject(image)).lstrip("0")
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


def _worse(measured: Sample, doubts: list[Doubt], name: str) -> Sample:
    """Take the worst of what the value itself and what the device's mode say; the value stays as it was read."""
    for channels, quality, reason in doubts:
        if quality > measured.quality and (not channels or name in channels):
            measured = Sample(measured.x, quality, reason)
    return measured


def _sources(
    profile: ModbusProfile, channels: tuple[ModbusChannel, ...], rules: list[_Rule], *, with_events: bool
) -> Iterator[RegisterSource]:
    """Name everything that must be read for these channels."""
    yield from channels
    yield from (channel.decimals_from for channel in channels if channel.decimals_from is not None)
    yield from (channel.exponent_from for channel in channels if channel.exponent_from is not None)
    yield from (channel.sign_from for channel in channels if channel.sign_from is not None)
    yield from (rule.rule for rule in rules)
    yield from (each for each in (profile.heartbeat, profile.device_time) if each is not None)
    for event in profile.events if with_events else ():
        yield event
        yield from event.read.values()
        if event.subject is not None:
            yield event.subject

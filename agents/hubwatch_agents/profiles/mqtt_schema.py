"""Profiles of devices that publish JSON or plain text over MQTT."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from hubwatch_agents.profiles.command import BaseCommand, check_names
from hubwatch_agents.profiles.measure import Measure
from hubwatch_agents.profiles.provenance import Provenance
from hubwatch_core.config import ConfigId, Section
from hubwatch_core.config.topics import TopicFilter, TopicName

Plain = str | int | float | bool
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")


class Pick(Section):
    """A value inside a message: dotted path, list positions as numbers; empty for the whole message."""

    path: str = Field("", description="Where it stands, as in `params.input:0.state`; dots inside a key: `a\\.b`.")
    values: dict[str, Plain] = Field({}, description="Text to value, before anything else; for True, ON, '0', …")
    active_when: tuple[Plain, ...] = Field(
        (), description="Contacts that work either way: the value is 1 when it is one of these."
    )
    inactive_when: tuple[Plain, ...] = Field(
        (),
        description="And 0 when it is one of these; unset beside a single true or false: the other. All else is bad.",
    )

    @cached_property
    def numbers(self) -> dict[float, Plain]:
        """Return `values` by number, for the keys that are one: a device says 1 or 1.0 for the same thing."""
        return {float(key): value for key, value in self.values.items() if _NUMBER.fullmatch(key)}

    @model_validator(mode="after")
    def _both_ways(self) -> Pick:
        if bool(self.active_when) != bool(self.inactive_when) and self.active_when not in ((True,), (False,)):
            raise ValueError("active_when needs inactive_when beside it, but for a single true or false")
        if any(type(one) is type(other) and one == other for one in self.active_when for other in self.inactive_when):
            raise ValueError("active_when and inactive_when share a value")
        return self


class MessageCondition(Pick):
    """What must hold in a message for a rule to apply."""

    equals: tuple[Plain, ...] = Field((), description="One of these; none given: it only has to be there.")


class MqttChannel(Measure, Pick):
    """A channel inside a message."""

    required: bool = Field(False, description="A message without it is a fault; else it says nothing about it.")

    def place(self) -> str:
        """Return where in a message it stands."""
        return self.path or self.name


class MqttQuality(Pick):
    """A status, mode or error inside a message that decides whether channels may be believed.

    What was found holds, for every message of the device, until it says otherwise.
    """

    good: tuple[Plain, ...] = Field((), description="Values in which the channels are good; all others: bad.")
    uncertain: tuple[Plain, ...] = Field((), description="Values in which they are uncertain.")
    bad: tuple[Plain, ...] = Field((), description="Values in which they are bad; without good, all others are good.")
    good_between: tuple[float, float] | None = Field(None, description="Numbers from the first to the second are good.")
    required: bool = Field(False, description="A message of its topic without it makes the channels bad.")
    reason: Annotated[str, Field(min_length=1, max_length=150)] = Field(
        description="Why they are not good; {value} is the value found."
    )
    reasons: dict[str, str] = Field({}, description="Better words for single values.")
    channels: tuple[str, ...] = Field((), description="The channels it speaks of; none named: all.")

    @model_validator(mode="after")
    def _decides(self) -> MqttQuality:
        if not (self.good or self.uncertain or self.bad or self.good_between):
            raise ValueError("needs good, uncertain, bad or good_between, else it decides nothing")
        return self


class DeviceTime(Pick):
    """The device's own time inside a message."""

    format: str = Field("iso", description="iso, unix_s, unix_ms or a strptime format.")
    zone: str = Field("UTC", description="Time zone of a time that does not say its own.")

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone {zone}") from None
        return zone

    @field_validator("format")
    @classmethod
    def _parses(cls, form: str) -> str:
        if form in ("iso", "unix_s", "unix_ms"):
            return form
        try:
            written = datetime(2026, 11, 28, 21, 5, 7, tzinfo=UTC).strftime(form)
            datetime.strptime(written, form)  # noqa: DTZ007 - only whether it can be read is asked
        except (ValueError, IndexError, KeyError, re.error, OverflowError) as error:
            raise ValueError(f"is neither iso, unix_s, unix_ms nor a strptime format: {error}") from None
        if "%" not in form:
            raise ValueError("holds no directive such as %Y")
        return form


class SubjectPick(Pick):
    """Whom an event is about."""

    prefix: str = Field("badge:", description="Put before it.")
    ignore: tuple[Plain, ...] = Field((0, ""), description="Values that mean nobody.")


class MqttEvent(Section):
    """An event told by a message."""

    event: ConfigId = Field(description="Type of the event.")
    when: tuple[MessageCondition, ...] = Field((), description="All must hold.")
    on: Literal["message", "rise", "fall", "change"] = Field(
        "message", description="Every message, or only when `watch` changes; the first value is the baseline."
    )
    watch: Pick | None = Field(None, description="The value whose change makes the event.")
    subject: SubjectPick | None = Field(None, description="Whom it is about; personal data.")
    attrs: dict[str, Plain] = Field({}, description="Attributes that are always the same.")
    read: dict[str, Pick] = Field({}, description="Attributes taken from the message.")

    @model_validator(mode="after")
    def _watched(self) -> MqttEvent:
        if (self.on == "message") != (self.watch is None):
            raise ValueError("rise, fall and change need watch; message has none")
        return self


class MessageRule(Section):
    """One topic and what its messages mean."""

    topic: TopicFilter = Field(description="Topic filter; {name} is a parameter.")
    format: Literal["json", "text"] = Field("json", description="What the payload is.")
    each: tuple[str, ...] = Field(("",), description="Path of the object, or list of objects, to use; first that fits.")
    retain_is_live: bool = Field(False, description="May a retained message pass for a fresh one?")
    delta: bool = Field(False, description="Messages hold only what changed; laid over the last state.")
    when: tuple[MessageCondition, ...] = Field((), description="All must hold, or the message is not for this sensor.")
    device_time: DeviceTime | None = Field(None, description="The device's own time.")
    buffered: bool = Field(
        False,
        description="The device keeps values back and sends several at once: the time of each is the device's own, and "
        "late when it is old. Needs device_time.",
    )
    unique: Pick | None = Field(
        None,
        description="A number each event has; the same again is a repeat and dropped, but with another time of the "
        "device (else: another content), as after a reset, it is not. With an empty path: whole messages.",
    )
    unique_within_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Only within this time is it a repeat; for devices whose clock may stand still."
    )
    quality: tuple[MqttQuality, ...] = Field((), description="What decides whether channels may be believed.")
    channels: tuple[MqttChannel, ...] = Field((), description="What is measured.")
    events: tuple[MqttEvent, ...] = Field((), description="What happened.")

    @model_validator(mode="after")
    def _times(self) -> MessageRule:
        if self.buffered and self.device_time is None:
            raise ValueError("buffered needs device_time, else nobody knows when a value was measured")
        return self


class Availability(Section):
    """The topic on which the device, or its last will, says whether it is there.

    Words are compared without case, blanks and quotes around them. One that is neither makes the channels uncertain.
    """

    topic: TopicFilter = Field(description="Where it says so.")
    path: str = Field(
        "", description="Where in a JSON payload; empty, or where the payload is no JSON: the whole payload."
    )
    online: tuple[str, ...] = Field(("online",), description="Payloads that mean it is there.")
    offline: tuple[str, ...] = Field(("offline",), description="Payloads that mean it is gone.")
    reason: str = Field("device offline, says its last will", description="Why its channels are bad then.")
    settle_s: Annotated[float, Field(ge=0)] = Field(
        0.0, description="After it has come back its values are uncertain for so long; for averages that begin anew."
    )


class MqttRequest(Section):
    """Something to be asked for.

    In its payload the text `<token>` becomes a mark of this one request, `<client>` the agent's own client id,
    `<reply>` the topic of the reply, `<number>` the number of an event.
    """

    topic: TopicName = Field(description="Topic it is published to; never retained.")
    payload: dict[str, Any] = Field(description="What is asked, as a table that becomes JSON.")
    echo: str = Field(min_length=1, description="Path at which the reply gives `<token>` back.")
    timeout_ms: Annotated[int, Field(ge=100, le=600_000)] = Field(10_000, description="Longest wait for the reply.")
    queue: str = Field("", description="Requests of the same queue wait for each other; unset: those of one topic.")

    @model_validator(mode="after")
    def _marked(self) -> MqttRequest:
        if "<token>" not in _texts(self.payload):
            raise ValueError('payload needs a "<token>", else a late reply could be taken for another')
        _check_json(self.payload)
        return self


class PolledRequest(MqttRequest):
    """A request that is made again and again, and what the replies mean."""

    period_ms: Annotated[int, Field(ge=100)] = Field(description="How often it is made.")
    reply: MessageRule = Field(description="The replies; a reply to anybody else is left alone.")


class Recovery(Section):
    """How events that were missed are fetched: they are numbered, so a gap shows."""

    renamed: ClassVar[Mapping[str, str]] = {"most": "max_events"}

    name: str = Field(min_length=1, description="What counts: devices with the same name share the counter.")
    topic: TopicFilter = Field(description="Topic of the live events; fetched ones are taken for such.")
    each: tuple[str, ...] = Field(("",), description="Path of the event, or list of events, in a live message.")
    when: tuple[MessageCondition, ...] = Field((), description="All must hold, or an event is of another counter.")
    number: Pick = Field(description="The number of an event; grows by one with each.")
    device_time: DeviceTime | None = Field(
        None, description="The device's own time: a lower number with a later time shows that the counter began anew."
    )
    request: MqttRequest = Field(description="Asks for the event `<number>`.")
    newest: Plain | None = Field(None, description="What to ask for instead of a number to get the newest event.")
    reply: TopicFilter = Field(description="Topic of the replies.")
    event: tuple[str, ...] = Field(min_length=1, description="Path of the event in a reply; first that fits.")
    max_events: Annotated[int, Field(ge=1, le=100_000)] = Field(1000, description="Fetch at most so many; the newest.")
    pause_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(200, description="Quiet between two requests.")


class MqttCommand(BaseCommand):
    """A command that is published to a topic of the device; never retained."""

    topic: Annotated[TopicName, Field(max_length=500)] = Field(description="Topic it is published to.")
    payload: Annotated[str, Field(max_length=2000)] = Field(description="Exactly this.")

    def effect(self) -> Iterator[tuple[str, str]]:
        """Return what is published."""
        yield "publishes", f"{self.payload!r} to {self.topic}, once, not retained"


class MqttProfile(Provenance):
    """The profile of a device that talks MQTT."""

    protocol: Literal["mqtt"] = Field(description="What the device speaks.")
    period_ms: Annotated[int, Field(ge=10)] | None = Field(None, description="How often it publishes; unset: unknown.")
    availability: tuple[Availability, ...] = Field((), description="How it says that it is there.")
    silent_after_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Without a message for this long its channels become bad."
    )
    messages: tuple[MessageRule, ...] = Field((), description="Topics and what they mean.")
    requests: tuple[PolledRequest, ...] = Field((), description="What it has to be asked for.")
    recovery: Recovery | None = Field(None, description="How events that were missed are fetched.")
    commands: tuple[MqttCommand, ...] = Field((), description="What it can be told; off unless allowed by name.")

    @field_validator("availability", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:
        return (given,) if isinstance(given, dict) else given

    @property
    def rules(self) -> tuple[MessageRule, ...]:
        """What every message means, those of replies after the others."""
        return (*self.messages, *(request.reply for request in self.requests))

    @property
    def channels(self) -> tuple[MqttChannel, ...]:
        """Every channel, over all topics."""
        return tuple(channel for rule in self.rules for channel in rule.channels)

    def all_commands(self) -> tuple[MqttCommand, ...]:
        """Return what the device can be told."""
        return self.commands

    def names_persons(self) -> bool:
        """Return whether an event says whom it is about."""
        return any(event.subject is not None for rule in self.rules for event in rule.events)

    def event_places(self) -> Iterator[tuple[str, str, str]]:
        """Return each event with what makes it and the topic it is read from."""
        for rule in self.messages:
            for event in rule.events:
                yield event.event, event.on, rule.topic

    @model_validator(mode="after")
    def _names(self) -> MqttProfile:
        names = Counter(channel.name for channel in self.channels)
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            raise ValueError(f"channel {twice[0]} is there twice")
        if not self.rules:
            raise ValueError("needs messages or requests")
        spoken_of = {name for rule in self.rules for quality in rule.quality for name in quality.channels}
        if unknown := sorted(spoken_of - names.keys()):
            raise ValueError(f"quality speaks of the channel {unknown[0]}, which is not there")
        check_names(self.commands)
        return self


def _check_json(tree: Any) -> None:
    """Raise ValueError for what TOML has and JSON has not: dates and times, nan and inf."""
    for value in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(value, dict | list):
            _check_json(value)
        elif not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"payload: {value} cannot be written as JSON; put it in quotes")


def _texts(tree: Any) -> set[str]:
    """Return every text of a tree."""
    if isinstance(tree, dict):
        return {text for value in tree.values() for text in _texts(value)}
    if isinstance(tree, list):
        return {text for value in tree for text in _texts(value)}
    return {tree} if isinstance(tree, str) else set()

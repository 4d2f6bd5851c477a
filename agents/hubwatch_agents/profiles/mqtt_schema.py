"""Profiles of devices that publish JSON or plain text over MQTT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hubwatch_agents.profiles.command import BaseCommand, check_names
from hubwatch_agents.profiles.measure import Measure
from hubwatch_agents.profiles.provenance import Provenance
from hubwatch_core.config import ConfigId, Section
from hubwatch_core.section import Conflict

Plain = str | int | float | bool


class Pick(Section):
    """A value inside a message: dotted path, list positions as numbers; empty for the whole message."""

    path: str = Field("", description="Where it stands, as in `params.input:0.state`; dots inside a key: `a\\.b`.")
    values: dict[str, Plain] = Field({}, description="Text to value, before anything else; for True, ON, '0', …")


class Condition(Pick):
    """What must hold in a message for a rule to apply."""

    equals: tuple[Plain, ...] = Field((), description="One of these; none given: it only has to be there.")


class MqttChannel(Measure, Pick):
    """A channel inside a message."""

    required: bool = Field(False, description="A message without it is a fault; else it says nothing about it.")


class DeviceTime(Pick):
    """The device's own time inside a message."""

    format: str = Field("iso", description="iso, unix_s, unix_ms or a strptime format.")
    zone: str = Field("UTC", description="Time zone of a time that does not say its own.")


class SubjectPick(Pick):
    """Whom an event is about."""

    prefix: str = Field("badge:", description="Put before it.")
    ignore: tuple[Plain, ...] = Field((0, ""), description="Values that mean nobody.")


class MqttEvent(Section):
    """An event told by a message."""

    event: ConfigId = Field(description="Type of the event.")
    when: tuple[Condition, ...] = Field((), description="All must hold.")
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

    topic: str = Field(min_length=1, description="Topic filter; {name} is a parameter.")
    format: Literal["json", "text"] = Field("json", description="What the payload is.")
    each: tuple[str, ...] = Field(("",), description="Path of the object, or list of objects, to use; first that fits.")
    retain_is_live: bool = Field(False, description="May a retained message pass for a fresh one?")
    delta: bool = Field(False, description="Messages hold only what changed; laid over the last state.")
    when: tuple[Condition, ...] = Field((), description="All must hold, or the message is not for this sensor.")
    device_time: DeviceTime | None = Field(None, description="The device's own time.")
    unique: Pick | None = Field(None, description="A number that grows with each event; repeats are dropped.")
    channels: tuple[MqttChannel, ...] = Field((), description="What is measured.")
    events: tuple[MqttEvent, ...] = Field((), description="What happened.")


class Availability(Section):
    """The topic on which the device, or its last will, says whether it is there."""

    topic: str = Field(min_length=1, description="Where it says so.")
    path: str = Field("", description="Where in a JSON payload; empty for the whole payload.")
    online: tuple[str, ...] = Field(("online",), description="Payloads that mean it is there.")
    offline: tuple[str, ...] = Field(("offline",), description="Payloads that mean it is gone.")


class MqttCommand(BaseCommand):
    """A command that is published to a topic of the device; never retained."""

    topic: Annotated[str, Field(min_length=1, max_length=500)] = Field(description="Topic it is published to.")
    payload: Annotated[str, Field(max_length=2000)] = Field(description="Exactly this.")

    def conflicts(self) -> Iterator[Conflict]:
        """Yield what no broker would take."""
        if any(each in self.topic for each in "+#\0"):
            yield ("topic",), "must name one topic, without + and #"


class MqttProfile(Provenance):
    """The profile of a device that talks MQTT."""

    protocol: Literal["mqtt"] = Field(description="What the device speaks.")
    period_ms: Annotated[int, Field(ge=10)] | None = Field(None, description="How often it publishes; unset: unknown.")
    availability: Availability | None = Field(None, description="How it says that it is there.")
    silent_after_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Without a message for this long its channels become bad."
    )
    messages: tuple[MessageRule, ...] = Field(min_length=1, description="Topics and what they mean.")
    commands: tuple[MqttCommand, ...] = Field((), description="What it can be told; off unless allowed by name.")

    @property
    def channels(self) -> tuple[MqttChannel, ...]:
        """Every channel, over all topics."""
        return tuple(channel for rule in self.messages for channel in rule.channels)

    @model_validator(mode="after")
    def _names(self) -> MqttProfile:
        names = [channel.name for channel in self.channels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"channel {twice[0]} is there twice")
        check_names(self.commands)
        return self

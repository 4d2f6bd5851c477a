"""A profile as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator

from hubwatch_agents.profiles.library import Map, Profile
from hubwatch_agents.profiles.modbus_schema import ModbusProfile, Source
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile


def lines(profile_map: Map) -> Iterator[str]:
    """Give a profile, filled with its example parameters, line by line."""
    profile = profile_map.example()
    yield f"{profile.id}: {profile.title}"
    yield f"  kind {profile.kind}, protocol {profile.protocol}, confidence {profile.confidence}, " + (
        f"verified {profile.verified_on}" if profile.verified_on_hardware else "not verified on hardware"
    )
    for source in profile.source:
        yield f"  source: {source}"
    for line in profile.notes.strip().splitlines():
        yield f"  note: {line}"
    for name, parameter in profile_map.declared.items():
        need = "optional" if parameter.optional else "required" if parameter.default is None else "default"
        default = f" {parameter.default}" if parameter.default is not None else ""
        yield f"  parameter {name} ({parameter.type}, {need}{default}): {parameter.description}"
    yield from _channels(profile)
    if not isinstance(profile, SparkplugProfile):
        for command in profile.commands:
            yield f"  command {command.name:24} role {command.role:12} {command.description}"


def _channels(profile: Profile) -> Iterator[str]:
    for channel in profile.channels:
        place = _place(channel) if isinstance(channel, Source) else getattr(channel, "path", "") or channel.name
        latched = ", stays until reset at the device" if channel.latched else ""
        yield f"  channel {channel.name:24} {channel.unit:10} {channel.kind:8} {place}{latched}"
    if isinstance(profile, ModbusProfile):
        for event in profile.events:
            yield f"  event   {event.event:24} on {event.on:7} {_place(event)}"
    elif isinstance(profile, MqttProfile):
        for rule in profile.messages:
            for told in rule.events:
                yield f"  event   {told.event:24} on {told.on:7} {rule.topic}"


def _place(source: Source) -> str:
    bits = f" bits {list(source.any_of_bits)}" if source.any_of_bits else ""
    mask = f" mask {source.mask:#x}" if source.mask is not None else ""
    codes = f" codes {list(source.one_of)}" if source.one_of else ""
    turned = " inverted" if source.invert else ""
    return f"function {source.function} wire {source.wire} {source.type}{bits}{mask}{codes}{turned}"

"""A profile as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator

from hubwatch_agents.config.library import Map
from hubwatch_agents.profiles.profile import Profile


def lines(profile_map: Map) -> Iterator[str]:
    """Return a profile, filled with its example parameters, line by line."""
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
    for command in profile.all_commands():
        yield f"  command {command.name:24} role {command.role:12} {command.description}"


def _channels(profile: Profile) -> Iterator[str]:
    for channel in profile.channels:
        latched = ", stays until reset at the device" if channel.latched else ""
        yield f"  channel {channel.name:24} {channel.unit:10} {channel.kind:8} {channel.place()}{latched}"
    for event, on, place in profile.event_places():
        yield f"  event   {event:24} on {on:7} {place}"

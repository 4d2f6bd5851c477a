"""Devices as the drivers see them: the installation's entry joined with its filled profile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubwatch_agents.commands import catalog
from hubwatch_agents.config import DeviceSection, Settings
from hubwatch_agents.connections import Connection
from hubwatch_agents.profiles.library import Library, Map, Profile
from hubwatch_agents.profiles.modbus_schema import ModbusProfile
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_core import wire
from hubwatch_core.errors import ConfigError, Problem

SILENT_PERIODS = 5
LEAST_MAX_AGE_S = 5.0

_PROTOCOL_OF = {
    "tcp": "modbus",
    "rtu": "modbus",
    "rtu_over_tcp": "modbus",
    "tls": "modbus",
    "mqtt": "mqtt",
    "sparkplug": "sparkplug",
}


_NO_CONNECTION = "there is no connection"
_NO_PROFILE = "there is no profile"
_NO_KEY = "is required, as"

_CAUSES = {
    _NO_CONNECTION: re.compile(r"connections(\[\d+\](\.transport)?)?"),
    _NO_PROFILE: re.compile(r"profile_folders(\[\d+\])?"),
    _NO_KEY: re.compile(r"privacy(\.subjects)?"),
}
"""Keys without which it cannot be known whether what such a message says is so."""


@dataclass(frozen=True, slots=True)
class Device:
    """One sensor with the profile it is read by."""

    section: DeviceSection
    profile: Profile
    connection: Connection

    @property
    def sensor(self) -> str:
        """Name of the sensor."""
        return self.section.sensor

    @property
    def period_ms(self) -> int | None:
        """How often it is read, None where the device decides and nobody knows."""
        return self.section.period_ms or self.profile.period_ms

    @property
    def max_age_s(self) -> float | None:
        """After how long without a reading it counts as silent."""
        given = self.section.max_age_s or self.profile.max_age_s
        if given is not None or self.period_ms is None:
            return given
        return max(LEAST_MAX_AGE_S, SILENT_PERIODS * self.period_ms / 1000)


def resolve(settings: Settings, where: str) -> list[Device]:
    """Join every device with its profile. Raises ConfigError with every mistake, told as `where` and key."""
    devices, problems = examine(settings, where)
    if problems:
        raise ConfigError(problems)
    return devices


def examine(settings: Settings, where: str, told: frozenset[str] = frozenset()) -> tuple[list[Device], list[Problem]]:
    """Join every device with its profile; gives those without a mistake, and every mistake as `where` and key.

    Where keys are `told` to be wrong already, settings lack what they said, and what follows from that is no mistake.
    """
    library, problems = _library(settings)
    told |= {"profile_folders"} if problems else set()
    told |= {"connections"} if any("name" in way.lacking for way in settings.connections) else set()
    ways = {connection.name: connection for connection in settings.connections}
    devices: list[Device] = []
    for index, section in enumerate(settings.devices):
        try:
            devices.append(_resolve_one(section, library, ways, where, f"devices[{index}]"))
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    problems += _shared_problems(settings, devices, where)
    problems += _privacy_problems(settings, devices, where)
    problems += catalog.problems(settings, devices, where)
    return devices, [each for each in problems if not _follows(each, told)]


def _library(settings: Settings) -> tuple[Library, list[Problem]]:
    problems: list[Problem] = []
    good: list[Path] = []
    for folder in settings.profile_folders:
        try:
            Library([folder])
            good.append(folder)
        except ConfigError as error:
            problems += error.problems
    return Library(good), problems


def _follows(problem: Problem, told: frozenset[str]) -> bool:
    """Tell whether a problem may be there only because of what was wrong at keys told already."""
    causes = next((keys for start, keys in _CAUSES.items() if problem.message.startswith(start)), None)
    return causes is not None and any(causes.fullmatch(key) for key in told)


def _resolve_one(section: DeviceSection, library: Library, ways: dict[str, Connection], where: str, key: str) -> Device:
    problems: list[Problem] = []
    way = ways.get(section.connection)
    if way is None:
        problems.append(Problem(where, f"{key}.connection", f"{_NO_CONNECTION} {section.connection}"))
    profile_map = _map(library, section.profile, where, key, problems)
    profile = _fill(profile_map, section, where, key, problems)
    if profile is not None and way is not None:
        problems += _fit(section, profile, way, where, key)
    if problems or profile is None or way is None:
        raise ConfigError(problems)
    return Device(section, profile, way)


def _map(library: Library, profile_id: str, where: str, key: str, problems: list[Problem]) -> Map | None:
    try:
        return library.map(profile_id)
    except KeyError:
        problems.append(Problem(where, f"{key}.profile", f"{_NO_PROFILE} {profile_id}"))
    except ConfigError as error:
        problems += error.problems
    return None


def _fill(
    profile_map: Map | None, section: DeviceSection, where: str, key: str, problems: list[Problem]
) -> Profile | None:
    if profile_map is None:
        return None
    try:
        return profile_map.fill(section.parameters, where, f"{key}.parameters")
    except ConfigError as error:
        problems += error.problems
        return None


def _fit(section: DeviceSection, profile: Profile, way: Connection, where: str, key: str) -> list[Problem]:
    """Find what does not go together: protocol and connection, reports and channels, commands and profile."""
    problems = []
    if _PROTOCOL_OF[way.transport] != profile.protocol:
        text = f"profile {profile.id} speaks {profile.protocol}, connection {way.name} is {way.transport}"
        problems.append(Problem(where, f"{key}.connection", text))
    elif isinstance(profile, ModbusProfile) and way.transport not in profile.line.transports:
        text = f"profile {profile.id} cannot be read over {way.transport}"
        problems.append(Problem(where, f"{key}.connection", text))
    names = {channel.name for channel in profile.channels}
    for index, report in enumerate(section.report):
        if report.channel not in names:
            text = f"profile {profile.id} has no channel {report.channel}"
            problems.append(Problem(where, f"{key}.report[{index}].channel", text))
    known = {command.name for command in profile.commands} if isinstance(profile, ModbusProfile) else set()
    for name in section.allow_commands:
        if name not in known:
            problems.append(Problem(where, f"{key}.allow_commands", f"profile {profile.id} has no command {name}"))
    return problems


def _shared_problems(settings: Settings, devices: Sequence[Device], where: str) -> list[Problem]:
    """Find devices that cannot make up one sensor: another zone, another kind, the same channel twice."""
    index_of = {id(section): index for index, section in enumerate(settings.devices)}
    problems: list[Problem] = []
    for name, group in _by_sensor(devices).items():
        first, zones = group[0], [device.section.zone for device in group if device.section.zone]
        channels: set[str] = set()
        for device in group:
            key = f"devices[{index_of[id(device.section)]}]"
            if device.section.zone and device.section.zone != zones[0]:
                problems.append(Problem(where, f"{key}.zone", f"sensor {name} stands in two zones"))
            if device.profile.kind != first.profile.kind:
                problems.append(Problem(where, f"{key}.profile", f"sensor {name} has profiles of two kinds"))
            own = [channel.name for channel in device.profile.channels]
            twice = sorted(channel for i, channel in enumerate(own) if channel in channels or channel in own[:i])
            if twice:
                text = f"sensor {name} has the channel {twice[0]} twice"
                problems.append(Problem(where, f"{key}.sensor", text))
            channels.update(own)
    return problems


def _by_sensor(devices: Sequence[Device]) -> dict[str, list[Device]]:
    groups: dict[str, list[Device]] = {}
    for device in devices:
        if device.sensor:  # without a name, which is told already, it is nobody's
            groups.setdefault(device.sensor, []).append(device)
    return groups


def _privacy_problems(settings: Settings, devices: Sequence[Device], where: str) -> list[Problem]:
    personal = [device.sensor for device in devices if _tells_subjects(device.profile)]
    if not personal or settings.privacy.subjects == "raw" or settings.privacy.key_file is not None:
        return []
    text = (
        f"{_NO_KEY} {personal[0]} reads badges: give the file of the key that makes pseudonyms of them, "
        'or say subjects = "raw" to send them as they are'
    )
    return [Problem(where, "privacy.key_file", text)]


def _tells_subjects(profile: Profile) -> bool:
    if isinstance(profile, ModbusProfile):
        return any(event.subject is not None for event in profile.events)
    if isinstance(profile, MqttProfile):
        return any(event.subject is not None for rule in profile.rules for event in rule.events)
    return False


def inventory(devices: Sequence[Device]) -> list[wire.Sensor]:
    """Give the sensors as a birth lists them."""
    return [_sensor(name, group) for name, group in _by_sensor(devices).items()]


def _sensor(name: str, group: list[Device]) -> wire.Sensor:
    ages = [device.max_age_s for device in group if device.max_age_s is not None and device.profile.channels]
    return wire.Sensor(
        sensor=name,
        kind=group[0].profile.kind,
        zone=group[0].section.zone,
        profile="+".join(device.profile.id for device in group)[:100],
        max_age_s=min(ages, default=None),
        channels=[channel for device in group for channel in _channels(device)],
    )


def _channels(device: Device) -> list[wire.Channel]:
    period_us = device.period_ms * 1000 if device.period_ms is not None else None
    return [
        wire.Channel(
            name=channel.name,
            unit=channel.unit,
            kind=channel.kind,
            period_us=(getattr(channel, "period_ms", None) or 0) * 1000 or period_us,
            resolution=channel.resolution,
            latched=channel.latched,
        )
        for channel in device.profile.channels
    ]

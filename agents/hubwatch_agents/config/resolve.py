"""Joins the devices of a configuration with their profiles and connections, and finds what does not go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hubwatch_agents.config.library import Library, Map
from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.registry import module_of
from hubwatch_agents.profiles.profile import Profile
from hubwatch_agents.protocols import protocol_of
from hubwatch_agents.settings import AgentSettings, DeviceSection, PrivacySection
from hubwatch_core.config import Partial
from hubwatch_core.errors import ConfigError, Problem


class Resolved(NamedTuple):
    """A device and where it stands in the file."""

    key: str
    device: Device


class Resolver:
    """Resolves the devices that are right, one after the other; collects every problem."""

    def __init__(self, settings: Partial[AgentSettings], where: str, folder: Path) -> None:
        """Take the settings as far as they are right; `folder` is what profile folders are relative to."""
        self._settings = settings
        self._where = where
        self.problems: list[Problem] = []
        folders = settings.get("profile_folders")
        self._all_profiles = folders is not None
        self._library = self._read([folder / each for each in folders or ()])
        self._connections = {each.name: each for _, each in settings.entries("connections")}
        names = [entry.get("name") for _, entry in settings.every("connections")]
        self._names = set(names)
        self._all_names = "connections" not in settings.wrong and None not in names

    def resolve(self) -> list[Resolved]:
        """Return every device without a mistake."""
        found = []
        for index, section in self._settings.entries("devices"):
            key = f"devices[{index}]"
            try:
                device = self._device(section, key)
            except ConfigError as error:
                self.problems += [problem for problem in error.problems if problem not in self.problems]
                continue
            if device is not None:
                found.append(Resolved(key, device))
        devices = [each.device for each in found]
        self.problems += _shared_problems(found, self._where)
        self.problems += _privacy_problems(self._settings.get("privacy"), devices, self._where)
        return found

    def _read(self, folders: Sequence[Path]) -> Library:
        good: list[Path] = []
        for folder in folders:
            try:
                Library([folder])
                good.append(folder)
            except ConfigError as error:
                self.problems += error.problems
                self._all_profiles = False
        return Library(good)

    def _device(self, section: DeviceSection, key: str) -> Device | None:
        """Return a device, None where what it names has a mistake itself. Raises ConfigError with its own mistakes."""
        problems: list[Problem] = []
        if section.connection not in self._names and self._all_names:
            text = f"there is no connection {section.connection}"
            problems.append(Problem(self._where, f"{key}.connection", text))
        connection = self._connections.get(section.connection)
        profile = self._profile(section, key, problems)
        if profile is not None:
            problems += _fit(section, profile, connection, self._where, key)
        device = None if profile is None or connection is None else Device(section, profile, connection)
        if device is not None and not problems:
            found = module_of(device.connection).device_problems(device)
            problems += [Problem(self._where, f"{key}.{name}", text) for name, text in found]
        if problems:
            raise ConfigError(problems)
        return device

    def _profile(self, section: DeviceSection, key: str, problems: list[Problem]) -> Profile | None:
        try:
            return self._map(section, key).fill(section.parameters, self._where, f"{key}.parameters")
        except ConfigError as error:
            problems += error.problems
        except KeyError:  # it may be in a folder that cannot be read
            return None
        return None

    def _map(self, section: DeviceSection, key: str) -> Map:
        try:
            return self._library.map(section.profile)
        except KeyError:
            if self._all_profiles:
                text = f"there is no profile {section.profile}"
                raise ConfigError([Problem(self._where, f"{key}.profile", text)]) from None
            raise


def _fit(
    section: DeviceSection, profile: Profile, connection: ConnectionSection | None, where: str, key: str
) -> Iterator[Problem]:
    """Find what does not go together: protocol and connection, reports and channels, commands and profile."""
    if connection is not None and protocol_of(connection).name != profile.protocol:
        text = f"profile {profile.id} speaks {profile.protocol}, connection {connection.name} is {connection.transport}"
        yield Problem(where, f"{key}.connection", text)
    names = {channel.name for channel in profile.channels}
    for index, report in enumerate(section.report):
        if report.channel not in names:
            text = f"profile {profile.id} has no channel {report.channel}"
            yield Problem(where, f"{key}.report[{index}].channel", text)
    known = {command.name for command in profile.own_commands()}
    for name in section.allow_commands:
        if name not in known:
            yield Problem(where, f"{key}.allow_commands", f"profile {profile.id} has no command {name}")


def _shared_problems(resolved: Sequence[Resolved], where: str) -> Iterator[Problem]:
    """Find devices that cannot make up one sensor: another zone, another kind, the same channel twice."""
    first: dict[str, Device] = {}
    channels: dict[str, set[str]] = {}
    for key, device in resolved:
        name = device.sensor
        head, seen = first.setdefault(name, device), channels.setdefault(name, set())
        if device.section.zone != head.section.zone:
            yield Problem(where, f"{key}.zone", f"sensor {name} stands in two zones")
        if device.profile.kind != head.profile.kind:
            yield Problem(where, f"{key}.profile", f"sensor {name} has profiles of two kinds")
        own = [channel.name for channel in device.profile.channels]
        twice = sorted(channel for i, channel in enumerate(own) if channel in seen or channel in own[:i])
        if twice:
            yield Problem(where, f"{key}.sensor", f"sensor {name} has the channel {twice[0]} twice")
        seen.update(own)


def _privacy_problems(privacy: PrivacySection | None, devices: Sequence[Device], where: str) -> Iterator[Problem]:
    personal = [device.sensor for device in devices if device.profile.names_persons()]
    if personal and privacy is not None and privacy.subjects != "raw" and privacy.key_file is None:
        text = (
            f"is required, as {personal[0]} reads badges: give the file of the key that makes pseudonyms of them, "
            'or say subjects = "raw" to send them as they are'
        )
        yield Problem(where, "privacy.key_file", text)

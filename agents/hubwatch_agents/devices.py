"""Devices as the drivers see them: the installation's entry joined with its filled profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.profiles.profile import Profile
from hubwatch_agents.settings import AgentSettings, DeviceSection
from hubwatch_core import wire

SILENT_PERIODS = 5
LEAST_MAX_AGE_S = 5.0


@dataclass(frozen=True, slots=True)
class Device:
    """One sensor with the profile it is read by."""

    section: DeviceSection
    profile: Profile
    connection: ConnectionSection

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


@dataclass(frozen=True)
class Configuration:
    """Settings and the devices they name."""

    settings: AgentSettings
    devices: tuple[Device, ...]


def by_sensor(devices: Sequence[Device]) -> dict[str, list[Device]]:
    """Return the devices of each sensor, in the order of the file."""
    groups: dict[str, list[Device]] = {}
    for device in devices:
        groups.setdefault(device.sensor, []).append(device)
    return groups


def inventory(devices: Sequence[Device]) -> list[wire.Sensor]:
    """Return the sensors as a birth lists them."""
    return [_sensor(name, group) for name, group in by_sensor(devices).items()]


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

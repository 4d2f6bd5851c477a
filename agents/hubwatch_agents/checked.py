"""A configuration that has passed every check: its own, its profiles', and whether the lines can carry it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubwatch_agents import privacy
from hubwatch_agents.config import Settings, load
from hubwatch_agents.connections import MqttWay, SparkplugWay
from hubwatch_agents.devices import Device, resolve
from hubwatch_agents.modbus import line
from hubwatch_agents.modbus.jobs import jobs_of
from hubwatch_core.errors import ConfigError, Problem


@dataclass(frozen=True)
class Checked:
    """Settings and the devices they name."""

    settings: Settings
    devices: tuple[Device, ...]


def check(settings: Settings, where: str) -> Checked:
    """Check settings against profiles and lines. Raises ConfigError with every mistake; connects to nothing."""
    devices = resolve(settings, where)
    problems = []
    for index, way in enumerate(settings.connections):
        if isinstance(way, MqttWay | SparkplugWay):
            continue
        behind = [device for device in devices if device.connection.name == way.name]
        found = line.problems(way, jobs_of(way, behind, privacy.raw))
        problems += [Problem(where, f"connections[{index}] ({way.name})", text) for text in found]
    if problems:
        raise ConfigError(problems)
    return Checked(settings, tuple(devices))


def read(path: Path, flags: Mapping[str, object] | None = None) -> Checked:
    """Read and check a file. Raises ConfigError with every mistake."""
    return check(load(path, flags), str(path))

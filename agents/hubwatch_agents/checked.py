"""A configuration that has passed every check: its own, its profiles', and whether the lines can carry it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubwatch_agents import privacy
from hubwatch_agents.config import Settings, load
from hubwatch_agents.connections import MqttWay, SparkplugWay
from hubwatch_agents.devices import Device, examine
from hubwatch_agents.modbus import line
from hubwatch_agents.modbus.jobs import jobs_of
from hubwatch_core.errors import ConfigError, Problem

_PLACE = re.compile(r"(connections|devices)(?:\[(\d+)\])?")


@dataclass(frozen=True)
class Checked:
    """Settings and the devices they name."""

    settings: Settings
    devices: tuple[Device, ...]


def check(settings: Settings, where: str) -> Checked:
    """Check settings against profiles and lines. Raises ConfigError with every mistake; connects to nothing."""
    devices, problems = mistakes(settings, where)
    if problems:
        raise ConfigError(problems)
    return Checked(settings, tuple(devices))


def mistakes(settings: Settings, where: str, told: frozenset[str] = frozenset()) -> tuple[list[Device], list[Problem]]:
    """Give the devices that are right, and every mistake, of lines too.

    Where keys are `told` to be wrong already, nothing is said of a line that hangs on them: a line is judged by the
    devices that are right, so that what is found too much for it already would not get less with the others.
    """
    devices, problems = examine(settings, where, told)
    return devices, [*problems, *_line_problems(settings, where, devices, told)]


def _line_problems(
    settings: Settings, where: str, devices: Sequence[Device], told: frozenset[str]
) -> Iterator[Problem]:
    doubtful = {match.groups() for key in told if (match := _PLACE.match(key)) is not None}
    unsure = {
        id(each) for i, each in enumerate(settings.devices) if {("devices", str(i)), ("devices", None)} & doubtful
    }
    for index, way in enumerate(settings.connections):
        if isinstance(way, MqttWay | SparkplugWay) or {("connections", str(index)), ("connections", None)} & doubtful:
            continue
        behind = [each for each in devices if each.connection.name == way.name and id(each.section) not in unsure]
        for text in line.problems(way, jobs_of(way, behind, privacy.raw)):
            yield Problem(where, f"connections[{index}] ({way.name})", text)


def read(path: Path, flags: Mapping[str, object] | None = None, *, check_files: bool = False) -> Checked:
    """Read and check a file, with `check_files` the files it names as well. Raises ConfigError with every mistake."""
    return check(load(path, flags, check_files=check_files), str(path))

"""A configuration that has passed every check: its own, its profiles', and whether the lines can carry it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hubwatch_agents.commands import catalog
from hubwatch_agents.config.resolve import Resolver
from hubwatch_agents.devices import Configuration, Device
from hubwatch_agents.drivers.registry import module_of
from hubwatch_agents.settings import AgentSettings
from hubwatch_core.config import Partial
from hubwatch_core.config.load import load as load_file
from hubwatch_core.errors import ConfigError, Problem
from hubwatch_core.logs import get_logger
from hubwatch_core.plain_text import one_line

_log = get_logger("config")


def read(path: Path, flags: Mapping[str, object] | None = None, *, check_files: bool = False) -> Configuration:
    """Read and check a file, its environment and its flags, with the profiles and lines they name, and with
    `check_files` every file they name. Raises ConfigError with every mistake.
    """
    devices: list[Device] = []

    def further(settings: Partial[AgentSettings]) -> list[Problem]:
        found, problems = _examine(settings, str(path), path.parent)
        devices.extend(found)
        return problems

    try:
        settings = load_file(AgentSettings, path, flags=flags, further=further, check_files=check_files)
    except ConfigError:
        raise
    except Exception as error:
        # A fault of our own in a check: told like a mistake, so that it never ends a running agent.
        _log.exception("configuration could not be checked", file=str(path))
        text = f"could not be checked: {one_line(f'{type(error).__name__}: {error}')}"
        raise ConfigError([Problem(str(path), "", text)]) from error
    return Configuration(_absolute(settings, path.parent), tuple(devices))


def load(path: Path, flags: Mapping[str, object] | None = None, *, folder: Path | None = None) -> AgentSettings:
    """Read and check a file, its environment and its flags, without the profiles and files they name.

    Profile folders are relative to `folder`, by default that of the file.
    """
    return _absolute(load_file(AgentSettings, path, flags=flags), path.parent if folder is None else folder)


def check(settings: AgentSettings, where: str) -> Configuration:
    """Check settings against profiles and lines. Raises ConfigError with every mistake; connects to nothing."""
    devices, problems = _examine(Partial(AgentSettings, settings), where, Path())
    if problems:
        raise ConfigError(problems)
    return Configuration(settings, tuple(devices))


def _absolute(settings: AgentSettings, folder: Path) -> AgentSettings:
    """Return the settings with profile folders that are not relative to the file any more."""
    return settings.model_copy(update={"profile_folders": tuple(folder / each for each in settings.profile_folders)})


def _examine(settings: Partial[AgentSettings], where: str, folder: Path) -> tuple[list[Device], list[Problem]]:
    """Return the devices that are right, and every mistake beyond those of single sections."""
    resolver = Resolver(settings, where, folder)
    devices = [each.device for each in resolver.resolve()]
    problems = resolver.problems + catalog.problems(settings, devices, where)
    return devices, [*problems, *_line_problems(settings, where, devices)]


def _line_problems(settings: Partial[AgentSettings], where: str, devices: Sequence[Device]) -> Iterator[Problem]:
    """Find lines that cannot carry what is asked of them: what is too much without the wrong devices stays so."""
    for index, connection in settings.entries("connections"):
        behind = [each for each in devices if each.connection.name == connection.name]
        for text in module_of(connection).problems(connection, behind):
            yield Problem(where, f"connections[{index}] ({connection.name})", text)

"""Checks a configuration with everything it points to, without connecting to anything."""

from __future__ import annotations

from pathlib import Path

from hubwatch_alarms.config import Settings
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.notify.table import make_route
from hubwatch_core.config import load, read_secret
from hubwatch_core.errors import ConfigError, Permanent, Problem


def check(file: Path) -> Settings:
    """Load a configuration and read its secrets and instructions; raises ConfigError with every mistake."""
    settings = load(Settings, file)
    problems: list[Problem] = []
    try:
        Instructions.load(settings.instructions_file)
    except ConfigError as error:
        problems += error.problems
    try:
        read_secret(settings.database.password, settings.database.password_file)
    except Permanent as error:
        problems.append(Problem(str(file), "database.password_file", str(error)))
    for i, route in enumerate(settings.routes):
        try:
            make_route(route)
        except Permanent as error:
            problems.append(Problem(str(file), f"routes[{i}]", str(error)))
    if problems:
        raise ConfigError(problems)
    return settings

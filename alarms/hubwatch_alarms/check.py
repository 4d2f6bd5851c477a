"""Checks a configuration with everything it points to, without connecting to anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hubwatch_alarms.config import Settings
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.notify.table import AnyRouteSection, make_route
from hubwatch_core.config import load
from hubwatch_core.errors import ConfigError, Permanent, Problem


def check(file: Path) -> Settings:
    """Load a configuration and read its secrets and instructions; raises ConfigError with every mistake."""

    def further(settings: Settings, told: frozenset[str]) -> Iterator[Problem]:
        return beyond(settings, told, str(file))

    return load(Settings, file, further=further, check_files=True)


def beyond(settings: Settings, told: frozenset[str], file: str, table: str = "") -> Iterator[Problem]:
    """Yield what is wrong with instructions and keys that settings point to, but for keys that are `told` already.

    `table` stands before each key: `alarms.` in the file of `hubwatch up`.
    """
    if f"{table}instructions_file" not in told:
        yield from _instructions(settings)
    for index, route in enumerate(settings.routes):
        yield from _route(route, file, f"{table}routes[{index}]")


def _instructions(settings: Settings) -> Iterator[Problem]:
    try:
        Instructions.load(settings.instructions_file)
    except ConfigError as error:
        yield from error.problems


def _route(route: AnyRouteSection, where: str, key: str) -> Iterator[Problem]:
    if route.lacking or route.quiet:  # it cannot be made, and why is told already
        return
    try:
        make_route(route)
    except Permanent as error:
        by_variable = getattr(route, "secret_env", None) is not None
        yield Problem(where, f"{key}.secret_env" if by_variable else f"{key}.secret_file", str(error))

"""Checks a configuration with everything it points to, without connecting to anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.notify.smtp import SmtpRouteSection
from hubwatch_alarms.notify.table import AnyRouteSection
from hubwatch_alarms.notify.webhook import PostedRouteSection
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.config import Partial
from hubwatch_core.config.load import load
from hubwatch_core.errors import ConfigError, Permanent, Problem


def check(file: Path) -> AlarmsSettings:
    """Load a configuration and read its secrets and instructions; raises ConfigError with every mistake."""

    def further(settings: Partial[AlarmsSettings]) -> Iterator[Problem]:
        return beyond(settings, str(file))

    return load(AlarmsSettings, file, further=further, check_files=True)


def beyond(settings: Partial[Any], file: str, table: str = "") -> Iterator[Problem]:
    """Yield what is wrong with instructions and keys that settings point to, as far as the settings are right.

    `table` stands before each key: `alarms.` in the file of `hubwatch up`.
    """
    if "instructions_file" not in settings.wrong:
        file_of_instructions = settings.get("instructions_file")
        yield from _instructions(None if file_of_instructions is None else Path(file_of_instructions))
    heart = settings.get("heartbeat")
    if heart is not None:
        try:
            heart.read_url()
        except Permanent as error:
            yield Problem(file, f"{table}heartbeat.url_file", str(error))
    links = settings.get("acknowledge")
    if links is not None:
        try:
            links.key()
        except Permanent as error:
            yield Problem(file, f"{table}acknowledge.key_file", str(error))
    for index, route in settings.entries("routes"):
        yield from _route(route, file, f"{table}routes[{index}]")


def _instructions(file: Path | None) -> Iterator[Problem]:
    if file is not None and not (file.is_file() and os.access(file, os.R_OK)):
        return  # said where the files are checked
    try:
        Instructions.load(file)
    except ConfigError as error:
        yield from error.problems


def _route(route: AnyRouteSection, where: str, key: str) -> Iterator[Problem]:
    if isinstance(route, SmtpRouteSection):
        try:
            route.open()
        except Permanent as error:
            yield Problem(where, f"{key}.{'ca_file' if 'CA' in str(error) else 'password_file'}", str(error))
    if isinstance(route, PostedRouteSection):
        try:
            route.read_url()
        except Permanent as error:
            yield Problem(where, f"{key}.url_file", str(error))
        try:
            route.read_key()
        except Permanent as error:
            yield Problem(where, f"{key}.{'secret_file' if route.secret_env is None else 'secret_env'}", str(error))

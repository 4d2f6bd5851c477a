"""Checks a configuration with everything it points to, without connecting to anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.notify.apprise import AppriseRouteSection
from hubwatch_alarms.notify.smtp import SmtpRouteSection
from hubwatch_alarms.notify.table import AnyRouteSection
from hubwatch_alarms.notify.webhook import PostedRouteSection
from hubwatch_alarms.oncall.matching import MatchingSection
from hubwatch_alarms.priorities import Priorities
from hubwatch_alarms.scenarios import load_scenarios
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.config import Partial
from hubwatch_core.config.load import load
from hubwatch_core.errors import ConfigError, Permanent, Problem

FILES: Mapping[str, Callable[[Path | None], object]] = {
    "instructions_file": Instructions.load, "priorities_file": Priorities.load, "scenarios_file": load_scenarios,
}  # fmt: skip
"""Files of the hub's own, and what reads them."""
ALIKE = 0.75
"""How like one of ours the name of a family must be to be a slip of the pen."""


def check(file: Path) -> AlarmsSettings:
    """Load a configuration and read its secrets and the files it names; raises ConfigError with every mistake."""

    def further(settings: Partial[AlarmsSettings]) -> Iterator[Problem]:
        return beyond(settings, str(file))

    return load(AlarmsSettings, file, further=further, check_files=True)


def beyond(settings: Partial[Any], file: str, table: str = "") -> Iterator[Problem]:
    """Yield what is wrong with the files and keys that settings point to, as far as they are right.

    `table` stands before each key: `alarms.` in the file of `hubwatch up`.
    """
    for key, read in FILES.items():
        if key not in settings.wrong:
            named = settings.get(key)
            yield from _problems(read, None if named is None else Path(named))
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
    known = frozenset(each.type for each in Priorities.load().ranked())
    for index, route in settings.entries("routes"):
        yield from _route(route, file, f"{table}routes[{index}]")
        yield from _types(route, known, file, f"{table}routes[{index}]")
    for index, escalation in settings.entries("escalations"):
        yield from _types(escalation, known, file, f"{table}escalations[{index}]")


def _problems(read: Callable[[Path | None], object], file: Path | None) -> Iterator[Problem]:
    if file is not None and not (file.is_file() and os.access(file, os.R_OK)):
        return  # said where the files are checked
    try:
        read(file)
    except ConfigError as error:
        yield from error.problems


def _types(meant: MatchingSection, known: Collection[str], where: str, key: str) -> Iterator[Problem]:
    """Yield types that no detector finds: what is for them only would carry nothing, and nobody would know.

    A family that is like none of ours may be that of another distribution's detector.
    """
    families = {type_.partition(".")[0] for type_ in known}
    names = {
        ".".join(parts[:end]) for type_ in known for parts in [type_.split(".")] for end in range(1, len(parts) + 1)
    }
    for index, wanted in enumerate(meant.types):
        family = wanted.partition(".")[0]
        if wanted in names or (family not in families and not get_close_matches(family, families, cutoff=ALIKE)):
            continue
        like = get_close_matches(wanted, names, n=1)
        said = f"; there is {like[0]}" if like else ""
        yield Problem(where, f"{key}.types[{index}]", f"{wanted} is no type that a detector finds{said}")


def _route(route: AnyRouteSection, where: str, key: str) -> Iterator[Problem]:
    if isinstance(route, SmtpRouteSection):
        try:
            route.open()
        except Permanent as error:
            yield Problem(where, f"{key}.{'ca_file' if 'CA' in str(error) else 'password_file'}", str(error))
    if isinstance(route, AppriseRouteSection):
        try:
            route.open()
        except Permanent as error:
            yield Problem(where, f"{key}.{'url_file' if route.url_env is None else 'url_env'}", str(error))
    if isinstance(route, PostedRouteSection):
        try:
            route.read_url()
        except Permanent as error:
            yield Problem(where, f"{key}.url_file", str(error))
        try:
            route.read_key()
        except Permanent as error:
            yield Problem(where, f"{key}.{'secret_file' if route.secret_env is None else 'secret_env'}", str(error))

"""Values inside JSON messages by path, and times as devices write them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hubwatch_agents.profiles.mqtt_schema import Condition, DeviceTime, Pick

MISSING = object()
"""What a path gives where there is nothing."""


class Strange(NamedTuple):
    """What a contact gives that says neither active nor inactive."""

    found: Any

    def __str__(self) -> str:
        return f"{str(self.found)[:50]!r} is neither active nor inactive"


SECOND_US = 1_000_000
EARLIEST_US, LATEST_US = 0, 4_102_444_800_000_000
"""1970 to 2100: outside it is no clock, and further than the wire's offsets reach."""
_DOT = re.compile(r"(?<!\\)\.")
_ABBREVIATION = re.compile(r"\s+[A-Z]{2,5}$")


def at(message: Any, path: str) -> Any:
    """Give what stands at a dotted path, MISSING when nothing does."""
    found = message
    for part in _DOT.split(path) if path else ():
        key = part.replace("\\.", ".")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return MISSING
    return found


def pick(message: Any, what: Pick) -> Any:
    """Give the value a pick means, translated by its table; MISSING when there is none, also for null."""
    found = at(message, what.path)
    if found is None or found is MISSING:
        return MISSING
    if what.values:
        found = what.values.get(_text(found), MISSING if isinstance(found, dict | list) else found)
    return _contact(found, what) if what.active_when and found is not MISSING else found


def holds(message: Any, conditions: Iterable[Condition]) -> bool:
    """Tell whether every condition holds."""
    return all(_one_holds(pick(message, condition), condition) for condition in conditions)


def objects(message: Any, candidates: Iterable[str]) -> list[Any]:
    """Give the objects at the first path that leads to one, or to a list of them."""
    for path in candidates:
        found = at(message, path)
        if isinstance(found, list):
            return found
        if found is not MISSING:
            return [found]
    return []


def number(value: Any) -> float | None:
    """Give a value as number: numbers, booleans as 1 and 0, texts that are numbers; None for anything else."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        return _float(value)
    if isinstance(value, str) and "_" not in value:  # Python reads 1_000 as a number, no device writes one so
        try:
            return float(value)
        except ValueError:
            return None
    return None


def overlay(state: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a message that holds only what changed over the last state, tables into tables."""
    merged = dict(state)
    for key, value in delta.items():
        before = merged.get(key)
        merged[key] = overlay(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def device_time(message: Any, rule: DeviceTime) -> int | None:
    """Give the device's own time in µs, None where there is none or it cannot be read."""
    value = pick(message, rule)
    try:
        moment = _moment(value, rule)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment is not None and EARLIEST_US <= moment <= LATEST_US else None


def same(found: Any, one_of: Iterable[Any]) -> bool:
    """Tell whether a value is one of these. 1 and true are different things here, as in JSON."""
    return any(type(found) is type(each) and found == each for each in one_of)


def _moment(value: Any, rule: DeviceTime) -> int | None:
    if rule.format == "unix_s":
        return round(float(value) * SECOND_US)
    if rule.format == "unix_ms":
        return round(float(value) * 1000)
    return _written(value, rule) if isinstance(value, str) else None


def _contact(found: Any, what: Pick) -> int | Strange:
    if same(found, what.active_when):
        return 1
    inactive = what.inactive_when or (what.active_when[0] is False,)
    return 0 if same(found, inactive) else Strange(found)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf


def _written(text: str, rule: DeviceTime) -> int:
    # Abbreviations of time zones mean different things in different places; the configured zone decides.
    bare = _ABBREVIATION.sub("", text)
    moment = _parse(bare, rule.format)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(rule.zone))
    return round(moment.astimezone(UTC).timestamp() * SECOND_US)


def _parse(text: str, form: str) -> datetime:
    if form == "iso":
        return datetime.fromisoformat(text)
    return datetime.strptime(text, form)  # noqa: DTZ007 - the caller sets the zone


def _one_holds(found: Any, condition: Condition) -> bool:
    if found is MISSING:
        return False
    return not condition.equals or same(found, condition.equals)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

"""Values inside messages by path, what they mean, and times as devices write them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hubwatch_agents.drivers.mqtt import payload
from hubwatch_agents.profiles.mqtt_schema import DeviceTime, MessageCondition, Pick
from hubwatch_core.clock import SECOND_US

MISSING = object()
"""What a path gives where there is nothing."""


class NoContact(NamedTuple):
    """What a contact gives that says neither active nor inactive."""

    found: Any

    def __str__(self) -> str:
        return f"{payload.shown(self.found)!r} is neither active nor inactive"


class UnreadableTime(ValueError):
    """A time of a device that is there and cannot be read."""


EARLIEST_US, LATEST_US = 0, 4_102_444_800_000_000
"""1970 to 2100: outside it is no clock, and further than the wire's offsets reach."""
MAX_NUMBER = 64
"""Characters of a text that may be a number or a time; no device writes a longer one."""
_DOT = re.compile(r"(?<!\\)\.")
_ABBREVIATION = re.compile(r"\s+[A-Z]{2,5}\Z")


def at(message: Any, path: str) -> Any:
    """Return what stands at a dotted path, MISSING when nothing does."""
    found = message
    for key, index in _steps(path):
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and index is not None and index < len(found):
            found = found[index]
        else:
            return MISSING
    return found


def pick(message: Any, what: Pick) -> Any:
    """Return the value a pick means, translated by its table; MISSING when there is none, also for null.

    A text ends at its first NUL.
    """
    found = at(message, what.path)
    if found is None or found is MISSING:
        return MISSING
    if isinstance(found, str):
        found = found.partition("\0")[0]
    if what.values:
        found = _translated(found, what)
    return _contact(found, what) if what.active_when and found is not MISSING else found


def pick_finite(message: Any, what: Pick) -> Any:
    """Return what `pick` does, but MISSING for infinity and what is no number: no rule is decided by them."""
    found = pick(message, what)
    return MISSING if isinstance(found, float) and not math.isfinite(found) else found


def holds(message: Any, conditions: Iterable[MessageCondition]) -> bool:
    """Return whether every condition holds."""
    return all(_one_holds(pick_finite(message, condition), condition) for condition in conditions)


def objects(message: Any, candidates: Iterable[str]) -> list[Any]:
    """Return the objects at the first path that leads to one, or to a list of them."""
    for path in candidates:
        found = at(message, path)
        if isinstance(found, list):
            return found
        if found is not MISSING:
            return [found]
    return []


def number(value: Any) -> float | None:
    """Return a value as number: numbers, booleans as 1 and 0, texts that are numbers; None for anything else."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        return _float(value)
    if (
        isinstance(value, str) and len(value) <= MAX_NUMBER and "_" not in value
    ):  # Python reads 1_000, no device writes it
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
    """Return the device's own time in µs, None where there is none. Raises UnreadableTime."""
    value = pick(message, rule)
    if value is MISSING:
        return None
    try:
        moment = _moment(value, rule)
    except (TypeError, ValueError, OverflowError, re.error) as error:
        raise UnreadableTime(f"device time {payload.shown(value)!r} is not in the format {rule.format}") from error
    if not EARLIEST_US <= moment <= LATEST_US:
        raise UnreadableTime(f"device time {payload.shown(value)!r} is not between 1970 and 2100")
    return moment


def same(found: Any, one_of: Iterable[Any]) -> bool:
    """Return whether a value is one of these. Numbers are compared as numbers: 1 is 1.0.

    1 and true are different things here, as in JSON.
    """
    return any(_kind(found) is _kind(each) and found == each for each in one_of)


def _kind(value: Any) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


@lru_cache(maxsize=4096)  # paths stand in profiles: there are as many as those have, whatever devices say
def _steps(path: str) -> tuple[tuple[str, int | None], ...]:
    """Return the keys of a path, each with the position in a list it may mean."""
    keys = [part.replace("\\.", ".") for part in _DOT.split(path)] if path else []
    return tuple((key, int(key) if re.fullmatch(r"[0-9]{1,6}", key) else None) for key in keys)


def _translated(found: Any, what: Pick) -> Any:
    if isinstance(found, dict | list):
        return MISSING
    if isinstance(found, int | float) and not isinstance(found, bool):
        return what.numbers.get(_float(found), found)
    return what.values.get(_text(found), found)


def _moment(value: Any, rule: DeviceTime) -> int:
    if isinstance(value, bool) or (isinstance(value, str) and len(value) > MAX_NUMBER):
        raise ValueError("is no time")
    if rule.format == "unix_s":
        return round(float(value) * SECOND_US)
    if rule.format == "unix_ms":
        return round(float(value) * 1000)
    if not isinstance(value, str):
        raise TypeError("a text is due")
    return _written(value.strip(), rule)


def _contact(found: Any, what: Pick) -> int | NoContact:
    if same(found, what.active_when):
        return 1
    inactive = what.inactive_when or (what.active_when[0] is False,)
    return 0 if same(found, inactive) else NoContact(found)


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


def _one_holds(found: Any, condition: MessageCondition) -> bool:
    if found is MISSING:
        return False
    return not condition.equals or same(found, condition.equals)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

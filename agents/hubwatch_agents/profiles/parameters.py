"""Parameters of a profile: `"$name"` in a map becomes the value an installation gives.

A value that is only `$name` keeps the parameter's type; whole-number sums are written `"$base+201"` or
`"$unit*10000+1000"` (a base address, a unit offset, an address that encodes the measurand); inside longer text
`{name}` is replaced. A table with `only_if = "$name"` is left out where the optional parameter is not given, and one
with `repeat = {n = [1, 4]}` is made once for each value of `n`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Value = str | int | float | bool | list[int] | list[str]

_REFERENCE = re.compile(r"\$([a-z][a-z0-9_]*)\Z")
_SUM = re.compile(r"\$[a-z][a-z0-9_]*(\*[0-9]{1,18})?([+-](\$[a-z][a-z0-9_]*(\*[0-9]{1,18})?|[0-9]{1,18}(?![0-9])))*\Z")
_TERM = re.compile(r"([+-]?)(?:\$([a-z][a-z0-9_]*)(?:\*([0-9]+))?|([0-9]+))")
_PLACE = re.compile(r"\{(?!value\})([a-z][a-z0-9_]*)\}")
"""`{value}` is no parameter: a quality rule puts the value it found there."""

MAX_COPIES = 10_000
"""Tables that all `repeat`s of a profile may make."""
MAX_REPEATS = 1024
"""Tables made of one; the largest device known has 320 inputs."""

ABSENT = object()
"""What an optional parameter that is not given becomes; the key that holds it is left out."""


class MalformedTemplate(ValueError):
    """`only_if` or `repeat` does not say what it should."""


class _Copies:
    """How many tables `repeat` may still make."""

    def __init__(self) -> None:
        self._left = MAX_COPIES

    def take(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise MalformedTemplate(f"repeat makes more than {MAX_COPIES} tables")


def fill(tree: Any, values: Mapping[str, Value | None]) -> Any:
    """Return `tree` with every reference replaced.

    Raises KeyError(name) for a parameter that is not declared, MalformedTemplate for what cannot be followed.
    """
    return _fill(tree, values, _Copies())


def _fill(tree: Any, values: Mapping[str, Value | None], copies: _Copies) -> Any:
    if isinstance(tree, dict):
        return _fill_table(tree, values, copies)
    if isinstance(tree, list):
        return [filled for item in tree for filled in _fill_item(item, values, copies)]
    return _fill_text(tree, values) if isinstance(tree, str) else tree


def references(tree: Any) -> set[str]:
    """Return the names of all parameters that `tree` refers to, repeated ones left out."""
    if isinstance(tree, dict):
        repeat = tree.get("repeat")
        own = set(repeat) if isinstance(repeat, dict) else set()
        return {name for value in tree.values() for name in references(value)} - own
    if isinstance(tree, list):
        return {name for item in tree for name in references(item)}
    if not isinstance(tree, str):
        return set()
    sums = {name for _, name, _, _ in _TERM.findall(tree) if name} if _SUM.match(tree) else set()
    return sums | set(_PLACE.findall(tree))


def _fill_table(table: dict[str, Any], values: Mapping[str, Value | None], copies: _Copies) -> dict[str, Any]:
    filled = {
        key: _fill(value, values, copies)
        for key, value in table.items()
        if key not in ("only_if", "repeat") and _wanted(value, values)
    }
    return {key: value for key, value in filled.items() if value is not ABSENT}


def _fill_item(item: Any, values: Mapping[str, Value | None], copies: _Copies) -> Iterator[Any]:
    if not isinstance(item, dict):
        yield _fill(item, values, copies)
        return
    for more in _repeats(item.get("repeat")):
        copies.take()
        merged = {**values, **more}
        if _wanted(item, merged):
            yield _fill_table(item, merged, copies)


def _repeats(repeat: Any) -> Iterator[dict[str, Value]]:
    if repeat is None:
        yield {}
        return
    if not isinstance(repeat, dict) or len(repeat) != 1:
        raise MalformedTemplate("repeat must be a table of one name and its first and last value: { n = [1, 4] }")
    ((name, bounds),) = repeat.items()
    if not isinstance(bounds, list) or len(bounds) != 2 or not all(type(each) is int for each in bounds):
        raise MalformedTemplate(f"repeat of {name} must be its first and last value: {{ {name} = [1, 4] }}")
    first, last = bounds
    if not 0 <= last - first < MAX_REPEATS:
        raise MalformedTemplate(f"repeat of {name} must make from 1 to {MAX_REPEATS} tables, first value first")
    for value in range(first, last + 1):
        yield {name: value}


def _wanted(item: Any, values: Mapping[str, Value | None]) -> bool:
    return not isinstance(item, dict) or "only_if" not in item or _given(item["only_if"], values)


def _given(guard: Any, values: Mapping[str, Value | None]) -> bool:
    if not isinstance(guard, str) or not _REFERENCE.match(guard):
        raise MalformedTemplate('only_if must name a parameter: only_if = "$name"')
    value = values[guard.removeprefix("$")]
    return value is not None and value is not False


def _fill_text(text: str, values: Mapping[str, Value | None]) -> Any:
    if match := _REFERENCE.match(text):
        value = values[match.group(1)]
        return ABSENT if value is None else value
    if _SUM.match(text):
        return _sum(text, values)
    return _PLACE.sub(lambda match: str(values[match.group(1)]), text)


def _sum(text: str, values: Mapping[str, Value | None]) -> Any:
    total = 0
    for sign, name, factor, number in _TERM.findall(text):
        value = values[name] if name else int(number)
        if value is None:
            return ABSENT
        if not isinstance(value, int):
            return text  # validation then says that a whole number is needed here
        total += (-1 if sign == "-" else 1) * value * int(factor or 1)
    return total

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
_SUM = re.compile(r"\$[a-z][a-z0-9_]*(\*\d+)?([+-](\$[a-z][a-z0-9_]*(\*\d+)?|\d+))*\Z")
_TERM = re.compile(r"([+-]?)(?:\$([a-z][a-z0-9_]*)(?:\*(\d+))?|(\d+))")
_PLACE = re.compile(r"\{(?!value\})([a-z][a-z0-9_]*)\}")
"""`{value}` is no parameter: a quality rule puts the value it found there."""

ABSENT = object()
"""What an optional parameter that is not given becomes; the key that holds it is left out."""


def fill(tree: Any, values: Mapping[str, Value | None]) -> Any:
    """Give `tree` with every reference replaced. Raises KeyError(name) for a parameter that is not declared."""
    if isinstance(tree, dict):
        return _fill_table(tree, values)
    if isinstance(tree, list):
        return [filled for item in tree for filled in _fill_item(item, values)]
    return _fill_text(tree, values) if isinstance(tree, str) else tree


def references(tree: Any) -> set[str]:
    """Give the names of all parameters that `tree` refers to, repeated ones left out."""
    if isinstance(tree, dict):
        own = set(tree.get("repeat", {}))
        return {name for value in tree.values() for name in references(value)} - own
    if isinstance(tree, list):
        return {name for item in tree for name in references(item)}
    if not isinstance(tree, str):
        return set()
    sums = {name for _, name, _, _ in _TERM.findall(tree) if name} if _SUM.match(tree) else set()
    return sums | set(_PLACE.findall(tree))


def _fill_table(table: dict[str, Any], values: Mapping[str, Value | None]) -> dict[str, Any]:
    filled = {
        key: fill(value, values)
        for key, value in table.items()
        if key not in ("only_if", "repeat") and _wanted(value, values)
    }
    return {key: value for key, value in filled.items() if value is not ABSENT}


def _fill_item(item: Any, values: Mapping[str, Value | None]) -> Iterator[Any]:
    if not isinstance(item, dict):
        yield fill(item, values)
        return
    for more in _repeats(item.get("repeat")):
        merged = {**values, **more}
        if _wanted(item, merged):
            yield _fill_table(item, merged)


def _repeats(repeat: Any) -> Iterator[dict[str, Value]]:
    if not isinstance(repeat, dict):
        yield {}
        return
    for name, (first, last) in repeat.items():
        for value in range(first, last + 1):
            yield {name: value}


def _wanted(item: Any, values: Mapping[str, Value | None]) -> bool:
    return not isinstance(item, dict) or "only_if" not in item or _given(item["only_if"], values)


def _given(guard: str, values: Mapping[str, Value | None]) -> bool:
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

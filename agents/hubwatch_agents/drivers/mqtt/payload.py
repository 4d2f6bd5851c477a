"""From payloads to documents, and from values to attributes, that nothing further on can stumble over. Pure.

Time and memory of everything here are bounded by the size of the payload, and that by `MAX_BYTES`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Literal

MAX_BYTES = 256 * 1024
"""No device of devices.md says more at once than a few KiB; what is longer is no message of a sensor."""
MAX_LEVELS = 32
"""Levels of lists and tables: twice what the deepest event of a known device has, far below Python's stack."""
MAX_VALUES = 50_000
"""Values in one message: a logger's hour at ten a second, with its times."""
MAX_TEXT = 200
"""As long as the wire lets a subject be; an attribute needs no more."""
MAX_SHOWN = 50
"""Characters of a value in a reason or a log line."""
_INT64 = 1 << 63
_SUBSTITUTE = "\N{REPLACEMENT CHARACTER}"


def read(payload: bytes, form: Literal["json", "text"]) -> Any:
    """Return what a payload holds. Raises ValueError with the reason.

    A byte order mark before it is skipped, and it ends at the first NUL: devices send the rest of a C buffer.
    """
    if len(payload) > MAX_BYTES:
        raise ValueError(f"{len(payload)} bytes are more than {MAX_BYTES}")
    text = payload.decode("utf-8-sig").partition("\0")[0]
    if form == "text":
        return text
    try:
        document = json.loads(text, object_pairs_hook=_table)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_LEVELS} levels") from None
    opened = text.count("[") + text.count("{")
    if opened > MAX_LEVELS or opened + text.count(",") > MAX_VALUES:  # else it is neither that deep nor that large
        _check_shape(document)
    return document


def weight(document: Any) -> int:
    """Return roughly how many bytes a document would have, written down."""
    total, level = 0, [document]
    while level:
        for each in level:
            total += len(each) if isinstance(each, str) else 8
            if isinstance(each, dict):
                total += sum(map(len, each))
        level = [inner for each in level for inner in _inside(each)]
    return total


def attribute(value: Any) -> str | int | float | bool | None:
    """Return a value as an attribute holds it; None for what is no value. Tables and lists become text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else str(value)[:MAX_TEXT]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return storable(written(value))


def storable(value: str) -> str:
    """Return a text without NUL, which no database stores, and without half characters, which are no UTF-8."""
    return value[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8").replace("\0", _SUBSTITUTE)


def shown(value: Any) -> str:
    """Return the beginning of a value for a reason or a log line."""
    return storable(written(value)[:MAX_SHOWN])


def written(value: Any) -> str:
    """Return a value as text, tables and lists as JSON, at least as far as `MAX_TEXT` characters."""
    if not isinstance(value, dict | list):
        return str(value)
    parts: list[str] = []
    length = 0
    for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):  # a part at a time: the rest is never written
        parts.append(part)
        length += len(part)
        if length >= MAX_TEXT:
            break
    return "".join(parts)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):  # RFC 8259, 4: what then counts is different from reader to reader
        raise ValueError(f"key {_doubled(pairs)[:MAX_SHOWN]!r} is there twice")
    return table


def _doubled(pairs: list[tuple[str, Any]]) -> str:
    known: set[str] = set()
    for key, _ in pairs:
        if key in known:
            return key
        known.add(key)
    return ""


def _check_shape(document: Any) -> None:
    level: list[Any] = [document]
    count = 1
    for _ in range(MAX_LEVELS):
        level = [inner for each in level for inner in _inside(each)]
        count += len(level)
        if count > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values")
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_LEVELS} levels")


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()

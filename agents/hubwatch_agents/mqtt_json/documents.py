"""From payloads to documents that nothing further on can stumble over. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

MAX_BYTES = 256 * 1024
"""No device of devices.md says more at once than a few KiB; what is longer is no message of a sensor."""
MAX_LEVELS = 32
"""Levels of lists and tables: twice what the deepest event of a known device has, far below Python's stack."""


def read(payload: bytes, form: Literal["json", "text"]) -> Any:
    """Read a payload. Raises ValueError with the reason."""
    if len(payload) > MAX_BYTES:
        raise ValueError(f"{len(payload)} bytes are more than {MAX_BYTES}")
    text = payload.decode("utf-8")
    if form == "text":
        return text
    try:
        document = json.loads(text, object_pairs_hook=_table)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_LEVELS} levels") from None
    if text.count("[") + text.count("{") > MAX_LEVELS and _deep(document):  # fewer cannot be that deep
        raise ValueError(f"nested deeper than {MAX_LEVELS} levels")
    return document


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):  # RFC 8259, 4: what then counts is different from reader to reader
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)[:50]!r} is there twice")
    return table


def _deep(document: Any) -> bool:
    level: list[Any] = [document]
    for _ in range(MAX_LEVELS):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()

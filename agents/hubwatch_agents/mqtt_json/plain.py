"""What of a document may become part of an event: short, plain, and nothing a later stage cannot store. Pure."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_TEXT = 200
"""As long as the wire lets a subject be; an attribute needs no more."""
_INT64 = 1 << 63
_SUBSTITUTE = "\N{REPLACEMENT CHARACTER}"


def attribute(value: Any) -> str | int | float | bool | None:
    """Give a value as an attribute holds it; None for what is no value. Tables and lists become text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else str(value)[:MAX_TEXT]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict | list):
        return text(json.dumps(value, ensure_ascii=False))
    return text(str(value))


def text(value: str) -> str:
    """Give a text without NUL, which no database stores, and without half characters, which are no UTF-8."""
    return value[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8").replace("\0", _SUBSTITUTE)

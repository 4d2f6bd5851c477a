"""Lists a page at a time: a cursor says where one ended, so that what comes meanwhile neither shifts nor repeats any.

A cursor is opaque to programs. It opens nothing: which hubs are seen is decided anew with each page. Decision 0112.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from fastapi import Depends, Query

from hubwatch_core.clock import to_us
from hubwatch_core.errors import BadCall

Item = TypeVar("Item")
Place = Sequence[int | str]

MOST_CURSOR = 1_000
"""Characters; the longest of ours names a hub, an agent, a moment and a serial."""
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class PageWanted:
    """Which page of a list somebody wants: at most so many after a place, from the beginning without one."""

    kind: str
    most: int
    place: list[Any] | None

    def page(self, found: Sequence[Item], place_of: Callable[[Item], Place]) -> tuple[Sequence[Item], str | None]:
        """Return a page of what was found, and the cursor of the next where more was found than is wanted."""
        page = found[: self.most]
        return page, cursor_of(self.kind, place_of(page[-1])) if len(found) > self.most else None


def paged(kind: str, *shape: type, default: int, limit: int) -> Any:
    """Return the dependency of a list whose places have that shape."""

    def wanted(
        cursor: str | None = Query(
            None, max_length=MOST_CURSOR, description="The `next` of the page before; without it the first page."
        ),
        most: int = Query(default, ge=1, le=limit, description="How many a page holds at most."),
    ) -> PageWanted:
        return PageWanted(kind, most, None if cursor is None else place_of_cursor(kind, shape, cursor))

    return Depends(wanted)


def cursor_of(kind: str, place: Place) -> str:
    """Return the cursor of a place in a list."""
    return base64.urlsafe_b64encode(json.dumps([kind, *place], separators=(",", ":")).encode()).decode().rstrip("=")


def place_of_cursor(kind: str, shape: Sequence[type], cursor: str) -> list[Any]:
    """Return the place that a cursor names; raises BadCall for one that is of no page of this list."""
    try:
        text = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        said = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        said = None
    if isinstance(said, list) and said[:1] == [kind] and len(said) == len(shape) + 1:
        place = said[1:]
        if all(type(each) is wanted and _fits(each) for each, wanted in zip(place, shape, strict=True)):
            return place
    raise BadCall("cursor must be the `next` of a page of this list")


def moment_of(text: str, what: str) -> datetime:
    """Return a moment of ISO 8601 in a cursor; raises BadCall for anything else."""
    try:
        moment = datetime.fromisoformat(text)
        to_us(moment)
    except (ValueError, OverflowError):
        raise BadCall(f"{what} must be the `next` of a page of this list") from None
    return moment


def _fits(each: Any) -> bool:
    return -LARGEST <= each <= LARGEST if isinstance(each, int) else each.isprintable()

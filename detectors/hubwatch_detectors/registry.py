"""The table of all detectors. A new one is a file of its own and a line here."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from hubwatch_core.errors import Permanent
from hubwatch_detectors import access, frozen, perimeter, radiation_portal
from hubwatch_detectors.contract import Spec

ENTRY_POINTS = "hubwatch.detectors"
"""Group in which other distributions offer a `Spec`; read after the table, and never over it."""

TABLE: tuple[Spec[Any], ...] = (
    radiation_portal.SPEC,
    access.SPEC,
    perimeter.SPEC,
    frozen.SPEC,
)


@cache
def specs() -> tuple[Spec[Any], ...]:
    """Give the table and the detectors of other distributions; raises Permanent when one of those is unusable."""
    found = list(TABLE)
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda each: each.name):
        found.append(_load(point.name, point.load(), {spec.name for spec in found}))
    return tuple(found)


def _load(name: str, offered: object, taken: set[str]) -> Spec[Any]:
    if not isinstance(offered, Spec):
        raise Permanent(f"entry point {name} of group {ENTRY_POINTS} is no detector Spec")
    if offered.name in taken:
        raise Permanent(f"entry point {name} offers a detector {offered.name}, which is there already")
    return offered

"""The table of all detectors. A new one is a file of its own and a line here."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from hubwatch_core.errors import Permanent
from hubwatch_detectors.access import badges, door
from hubwatch_detectors.chemical import gas
from hubwatch_detectors.contract import Spec
from hubwatch_detectors.integrity import bounds, expected, frozen, presence, replayed, spoofed
from hubwatch_detectors.perimeter import crossing
from hubwatch_detectors.power import supply
from hubwatch_detectors.process import multivariate, series
from hubwatch_detectors.radiation import area, portal
from hubwatch_detectors.screening import scanner

ENTRY_POINTS = "hubwatch.detectors"
"""Group in which other distributions offer a `Spec`; read after the table, and never over it."""

TABLE: tuple[Spec[Any], ...] = (
    portal.SPEC,
    area.SPEC,
    gas.SPEC,
    scanner.SPEC,
    door.SPEC,
    badges.SPEC,
    crossing.SPEC,
    frozen.SPEC,
    presence.SPEC,
    replayed.SPEC,
    spoofed.SPEC,
    bounds.SPEC,
    expected.SPEC,
    supply.SPEC,
    multivariate.SPEC,
    series.SPEC,
)


@cache
def specs() -> tuple[Spec[Any], ...]:
    """Return the table and the detectors of other distributions; raises Permanent when one of those is unusable."""
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

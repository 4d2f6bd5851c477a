"""What a detector needs of a site, and what of it a hub does not say. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from hubwatch_core.words import SensorKind
from hubwatch_site.draft import Announced
from hubwatch_site.model import HubSite

MAX_NAMED = 5


class Need(StrEnum):
    """A part of the site."""

    FENCES = "fences"
    DOORS = "doors"
    PATHS = "paths"
    LANES = "lanes"
    DISTANCES = "distances"
    SHIFTS = "shifts"
    CARDHOLDERS = "cardholders"


NEEDS_OF = {
    SensorKind.ACCESS: (Need.DOORS, Need.PATHS, Need.SHIFTS, Need.CARDHOLDERS),
    SensorKind.PERIMETER: (Need.FENCES,),
    SensorKind.RADIATION_PORTAL: (Need.LANES, Need.DISTANCES),
    SensorKind.SCREENING: (Need.LANES,),
}
"""What the sensors of a kind are described by."""


@dataclass(frozen=True, slots=True)
class HubKnown:
    """What is known of a hub: its site, the sensors that a detector looks at there, and how many cardholders."""

    site: HubSite | None
    sensors: Collection[Announced]
    cardholders: int = 0


def needs_of(kinds: Iterable[SensorKind]) -> tuple[Need, ...]:
    """Return what detectors of sensors of these kinds can use of a site."""
    return tuple(dict.fromkeys(need for kind in sorted(kinds) for need in NEEDS_OF.get(kind, ())))


def missing(needs: Iterable[Need], known: HubKnown) -> list[str]:
    """Return in words what a hub does not say of what is needed; nothing where there is no sensor to judge."""
    if not known.sensors:
        return []
    if known.site is None:
        return ["a site: `hubwatch site draft` begins one"]
    site = known.site
    return [f"{need}: {what}" for need in needs if (what := _CHECKS[need](site, known))]


def _fences(site: HubSite, known: HubKnown) -> str:
    sections = {section.sensor for fence in site.fences for section in fence.sections}
    behind = {each.sensor for fence in site.fences for each in fence.behind}
    return _without(known.sensors, {SensorKind.PERIMETER}, sections | behind, "in no line")


def _doors(site: HubSite, known: HubKnown) -> str:
    return _without(known.sensors, {SensorKind.ACCESS}, {door.sensor for door in site.doors}, "at no door")


def _lanes(site: HubSite, known: HubKnown) -> str:
    steps = {step.sensor for lane in site.lanes for step in lane.steps}
    return _without(known.sensors, {SensorKind.RADIATION_PORTAL, SensorKind.SCREENING}, steps, "in no lane")


def _distances(site: HubSite, known: HubKnown) -> str:
    told = {place.id for place in site.sensors if place.distance_m is not None}
    return _without(known.sensors, {SensorKind.RADIATION_PORTAL}, told, "without distance_m")


def _paths(site: HubSite, _known: HubKnown) -> str:
    ends = {end for path in site.paths for end in (path.from_, path.to)}
    joined = ends | {end for door in site.doors for end in (door.from_, door.to)}
    return _named([zone.id for zone in site.zones if zone.id not in joined], "led to by no path and no door")


def _shifts(site: HubSite, _known: HubKnown) -> str:
    return "" if site.shifts else "none"


def _cardholders(_site: HubSite, known: HubKnown) -> str:
    return "" if known.cardholders else "none imported"


_CHECKS: dict[Need, Callable[[HubSite, HubKnown], str]] = {
    Need.FENCES: _fences,
    Need.DOORS: _doors,
    Need.PATHS: _paths,
    Need.LANES: _lanes,
    Need.DISTANCES: _distances,
    Need.SHIFTS: _shifts,
    Need.CARDHOLDERS: _cardholders,
}


def _without(sensors: Iterable[Announced], kinds: Collection[SensorKind], told: Collection[str], what: str) -> str:
    return _named([each.sensor for each in sensors if each.kind in kinds and each.sensor not in told], what)


def _named(names: list[str], what: str) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{', '.join(names[:MAX_NAMED])}{more} {what}" if names else ""

"""What has to agree between the entries of a site: names that exist, once; stretches that join; points on the plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hubwatch_core.config import Conflict, Partial

if TYPE_CHECKING:
    from hubwatch_site.model import Fence, FenceSection, LaneStep, Plan, Supply

GAP_M = 0.01
"""Stretches that are nearer than this join."""

MOST_IN_A_ROW = 8
"""Supplies that feed one another in a row: mains, a building, a floor, a cabinet, and as many again."""

Named = tuple[tuple[str | int, ...], str]
"""Where something is named, and the name."""


def of_sections(sections: Sequence[tuple[int, FenceSection]]) -> Iterator[Conflict]:
    """Yield the stretches of a fence that do not begin where the one before ends."""
    for (before_index, before), (index, section) in pairwise(sections):
        gap = section.from_m - before.to_m
        if index == before_index + 1 and abs(gap) > GAP_M:
            what = f"{gap:g} m are watched by nobody" if gap > 0 else f"{-gap:g} m are watched twice"
            yield ("sections", index, "from_m"), f"must be {before.to_m:g}, where {before.sensor} ends: {what}"


def of_steps(steps: Sequence[tuple[int, LaneStep]]) -> Iterator[Conflict]:
    """Yield the steps of a lane that are there twice, or that come after nothing."""
    seen: set[str] = set()
    for index, step in steps:
        if step.sensor in seen:
            yield ("steps", index, "sensor"), f"{step.sensor} is a step of this lane already"
        seen.add(step.sensor)
        if index == 0 and step.within_s is not None:
            yield ("steps", index, "within_s"), "the first step comes after no other"


def of_site(parts: Partial[Any]) -> Iterator[Conflict]:
    """Yield everything that does not agree."""
    zones = {zone.id for _, zone in parts.entries("zones")}
    if len(parts.entries("zones")) == len(parts.every("zones")):
        yield from _unknown_zones(parts, zones)
    for kind, key in NAMES.items():
        yield from _twice(((kind, i, key), getattr(each, key)) for i, each in parts.entries(kind))
    yield from _twice(_watchers(parts))
    yield from _twice_paths(parts)
    yield from _off_the_plan(parts)
    yield from _of_behind(parts.entries("fences"))
    yield from _of_supplies(parts.entries("supplies"))


def _unknown_zones(parts: Partial[Any], zones: set[str]) -> Iterator[Conflict]:
    named: list[Named] = []
    for kind in ("paths", "doors"):
        named += [((kind, i, key.rstrip("_")), getattr(each, key)) for i, each in parts.entries(kind) for key in ENDS]
    named += [(("fences", i, "zone"), fence.zone) for i, fence in parts.entries("fences")]
    for i, travel in parts.entries("travel"):
        named += [(("travel", i, k.rstrip("_")), end) for k in ENDS if isinstance(end := getattr(travel, k), str)]
    named += [(("supplies", i, "zones", j), zone) for i, supply in parts.entries("supplies")
              for j, zone in enumerate(supply.zones)]  # fmt: skip
    for path, name in named:
        if name not in zones:
            yield path, f"there is no zone {name} in this file"


ENDS = ("from_", "to")
NAMES = {
    "zones": "id", "lanes": "id", "sensors": "id", "cameras": "id", "shifts": "name", "supplies": "sensor",
    "checks": "id",
}  # fmt: skip
"""What each kind of entry is called by."""


def _watchers(parts: Partial[Any]) -> Iterator[Named]:
    """Yield each place where a sensor stands: a sensor is one door, or one stretch of one line."""
    for i, door in parts.entries("doors"):
        yield ("doors", i, "sensor"), door.sensor
    for i, fence in parts.every("fences"):
        for j, section in fence.entries("sections"):
            yield ("fences", i, "sections", j, "sensor"), section.sensor


def _twice(named: Iterable[Named]) -> Iterator[Conflict]:
    first: dict[str, tuple[str | int, ...]] = {}
    for path, name in named:
        if name in first:
            where = ".".join(str(part) for part in first[name][:-1])
            yield path, f"{name} is named twice, first at {where}"
        first.setdefault(name, path)


def _twice_paths(parts: Partial[Any]) -> Iterator[Conflict]:
    """Yield the ways that are given twice, also when one is the other's way back."""
    seen: dict[tuple[str, str], int] = {}
    for i, path in parts.entries("paths"):
        ends = [(path.from_, path.to)] if path.one_way else [(path.from_, path.to), (path.to, path.from_)]
        known = [seen[each] for each in ends if each in seen]
        if known:
            yield ("paths", i, "to"), f"the way from {path.from_} to {path.to} is given already, at paths.{known[0]}"
        seen |= dict.fromkeys(ends, i)


def _off_the_plan(parts: Partial[Any]) -> Iterator[Conflict]:
    plan: Plan | None = parts.get("plan")
    points = defaultdict[tuple[str | int, ...], list[tuple[float, float]]](list)
    for i, zone in parts.entries("zones"):
        points["zones", i, "outline"] += zone.outline
    for i, place in parts.entries("sensors"):
        points["sensors", i, "at"] += [place.at] if place.at is not None else []
    if "plan" in parts.wrong or (plan is None and parts.part("plan").values):
        return
    for path, corners in points.items():
        outside = plan is not None and [
            p for p in corners if not (0 <= p[0] <= plan.width_m and 0 <= p[1] <= plan.height_m)
        ]
        if plan is None and corners:
            yield path, "there is no plan: give [plan] with width_m and height_m"
        elif outside:
            x, y = outside[0]
            yield path, f"{x:g}, {y:g} lies outside the plan"


def _of_behind(fences: Sequence[tuple[int, Fence]]) -> Iterator[Conflict]:
    """Yield what stands behind a line that it is part of, or beside it."""
    for i, fence in fences:
        own = {section.sensor for section in fence.sections}
        begin, end = fence.sections[0].from_m, fence.sections[-1].to_m
        for j, behind in enumerate(fence.behind):
            if behind.sensor in own:
                yield ("fences", i, "behind", j, "sensor"), f"{behind.sensor} is part of this line itself"
            if (
                behind.from_m is not None
                and behind.to_m is not None
                and not begin <= behind.from_m < behind.to_m <= end
            ):
                yield ("fences", i, "behind", j, "from_m"), f"the line goes from {begin:g} to {end:g} m"


def _of_supplies(supplies: Sequence[tuple[int, Supply]]) -> Iterator[Conflict]:
    """Yield the supplies that feed themselves in the end, or too many in a row."""
    index = {supply.sensor: i for i, supply in supplies}
    order = TopologicalSorter({supply.sensor: sorted(index.keys() & set(supply.sensors)) for _, supply in supplies})
    try:
        order.prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        way = " feeds ".join(reversed(circle[: MOST_IN_A_ROW + 2]))
        yield ("supplies", index[circle[0]], "sensors"), f"a supply feeds itself in the end: {way}"
        return
    for level in range(len(index)):
        ready = order.get_ready()
        if ready and level == MOST_IN_A_ROW:
            yield (
                ("supplies", index[ready[0]], "sensors"),
                f"more than {MOST_IN_A_ROW} supplies feed one another in a row",
            )
            return
        order.done(*ready)

"""Drafts the file of a site from what agents have announced. What only people know stands in it as comments."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hubwatch_core.words import SensorKind
from hubwatch_site.fences import Neighbour

UNKNOWN_ZONE = "unknown"
"""Where a sensor stands of which nobody says it."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A sensor as an agent's birth lists it."""

    sensor: str
    kind: SensorKind | None
    zone: str


def draft(hub: str, sensors: Iterable[Announced], pairs: Sequence[Neighbour] = ()) -> str:
    """Return a file that `hubwatch site check` accepts, with everything that is known of a hub.

    `pairs` are the perimeter sensors one behind the other, where an earlier configuration said so.
    """
    ours = [pair for pair in pairs if pair.hub == hub and pair.from_ != pair.to]
    every = sorted(_with_those_of(ours, sensors), key=lambda each: _in_order(each.sensor))
    zones = sorted({each.zone for each in every}, key=_in_order)
    fences = _lines_of(ours, every) if ours else _fences(every)
    return "\n".join([*_head(hub), *_zones(zones), *_doors(every), *fences, *_lanes(every), *_places(every)])


def _with_those_of(pairs: Iterable[Neighbour], sensors: Iterable[Announced]) -> list[Announced]:
    """Return the announced sensors, and those that only the pairs name."""
    known = {each.sensor: each for each in sensors}
    for name in dict.fromkeys(name for pair in pairs for name in (pair.from_, pair.to)):
        known.setdefault(name, Announced(name, SensorKind.PERIMETER, UNKNOWN_ZONE))
    return list(known.values())


def _head(hub: str) -> Iterator[str]:
    yield "# Drafted from what agents announce. What only you know is a comment: fill it in, and take the # away."
    yield "# `hubwatch site sample` explains every key, `hubwatch site check FILE` says what is wrong.\n"
    yield f"[hub]\nid = {_toml(hub)}\nname = {_toml(hub)}"
    yield '# sea, air, rail or land\nmode = "sea"\ntime_zone = "UTC"\n'
    yield "# [plan]\n# width_m = 900\n# height_m = 400\n"


def _zones(zones: Iterable[str]) -> Iterator[str]:
    for zone in zones:
        yield f"[[zones]]\nid = {_toml(zone)}\n# 1 ordinary to 3 vital\ncriticality = 1\n"


def _doors(sensors: Iterable[Announced]) -> Iterator[str]:
    for each in sensors:
        if each.kind is SensorKind.ACCESS:
            yield f"# [[doors]]\n# sensor = {_toml(each.sensor)}"
            yield f'# from = "outside"\n# to = {_toml(each.zone)}'
            yield '# readers = { in = "reader-in", out = "reader-out" }\n'


def _fences(sensors: Iterable[Announced]) -> Iterator[str]:
    lines = defaultdict[str, list[str]](list)
    for each in sensors:
        if each.kind is SensorKind.PERIMETER:
            lines[each.zone].append(each.sensor)
    for zone, line in sorted(lines.items()):
        yield f"# [[fences]]\n# zone = {_toml(zone)}\n# sections = ["
        for i, sensor in enumerate(line):
            yield f"#   {{ sensor = {_toml(sensor)}, from_m = {i * 100}, to_m = {(i + 1) * 100} }},"
        yield "# ]\n"


def _lines_of(pairs: Sequence[Neighbour], sensors: Iterable[Announced]) -> Iterator[str]:
    """Yield a line of one section for each sensor that others stand behind: pairs say nothing of what lies beside."""
    zones = {each.sensor: each.zone for each in sensors}
    for name in dict.fromkeys(pair.from_ for pair in pairs):
        yield f"# Its length was not known: 100 m are assumed.\n[[fences]]\nzone = {_toml(zones[name])}"
        yield f"sections = [{{ sensor = {_toml(name)}, from_m = 0, to_m = 100 }}]\n"
        for to, metres in {pair.to: pair.distance_m for pair in reversed(pairs) if pair.from_ == name}.items():
            yield f"[[fences.behind]]\nsensor = {_toml(to)}\nmetres = {metres:g}\n"


def _lanes(sensors: Iterable[Announced]) -> Iterator[str]:
    for each in sensors:
        if each.kind is SensorKind.RADIATION_PORTAL:
            yield f"# [[lanes]]\n# id = {_toml('lane-' + each.sensor[:58])}"
            yield f"# steps = [{{ sensor = {_toml(each.sensor)} }}]\n"


def _places(sensors: Iterable[Announced]) -> Iterator[str]:
    for each in sensors:
        kind = f"  # {each.kind}" if each.kind is not None else ""
        yield f"[[sensors]]\nid = {_toml(each.sensor)}{kind}\n# at = [0, 0]\n"


def _in_order(name: str) -> list[tuple[int, str]]:
    """Return a key that puts fence-2 before fence-10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _toml(text: str) -> str:
    return json.dumps(text)

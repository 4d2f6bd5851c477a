"""What every panel must have, checked on the finished JSON, whoever built it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from hubwatch_dashboards import no_answer

GRID_COLUMNS = 24
_ONE = re.compile(r"SELECT [^()]*\bFROM hubwatch\.board_\w+\((?:[^();]|\(\))*\)")
"""What a panel asks: columns of one function of the store, where the rest is written and tested on every engine."""
_VARIABLE = re.compile(r"ARRAY\[\$\{\w+:sqlstring\}\]::text\[\]")
"""The only form of a variable that may be empty."""
_HUBS = "ARRAY[${hub:sqlstring}]::text[]"


def problems(board: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for every fault of a board."""
    title = board["title"]
    panels = board["panels"]
    for doubled, times in Counter(panel["title"] for panel in panels).items():
        if times > 1:
            yield f"{title}: {times} panels are called {doubled!r}"
    for panel in panels:
        yield from (f"{title}: panel {panel['title']!r} {fault}" for fault in _faults(panel))
    yield from (f"{title}: {fault}" for fault in _overlaps(panels))


def _faults(panel: Mapping[str, Any]) -> Iterator[str]:
    if not panel.get("description"):
        yield "has no description"
    if not panel.get("targets"):
        yield "has no query"
    if "unit" not in panel["fieldConfig"]["defaults"]:
        yield "has no unit"
    if not [link for link in panel.get("links", []) if link.get("title") and link.get("url")]:
        yield "leads nowhere"
    place = panel["gridPos"]
    if place["x"] + place["w"] > GRID_COLUMNS:
        yield "reaches over the edge"
    yield from no_answer.faults(panel)
    for target in panel.get("targets", []):
        yield from _query_faults(target["rawSql"])


def _query_faults(sql: str) -> Iterator[str]:
    if not _ONE.fullmatch(sql):
        yield "asks more than the columns of one function hubwatch.board_…"
    if _HUBS not in sql:
        yield f"ignores the chosen hub: {_HUBS}"
    if "${" in _VARIABLE.sub("", sql):
        yield "fails when nothing is chosen: only ARRAY[${…:sqlstring}]::text[] may be empty"


def _overlaps(panels: list[Mapping[str, Any]]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    clashes = set()
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken:
                    clashes.add((taken[x, y], panel["title"]))
                taken[x, y] = panel["title"]
    for one, other in sorted(clashes):
        yield f"panels {one!r} and {other!r} overlap"

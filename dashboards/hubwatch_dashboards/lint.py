"""What every panel must have, checked on the finished JSON, whoever built it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from hubwatch_dashboards import no_answer

GRID_COLUMNS = 24
_PUBLIC = """
hubs zones agents sensors channels readings readings_1m readings_1h latest events detections
alarms alarm_journal alarm_telling suppressed incidents notifications frames ledger_gaps dead_letters
"""
PUBLIC = frozenset(_PUBLIC.split())
"""The public names of the schema, the only ones a board may read."""
FUNCTIONS = frozenset({"rollup"})
"""Functions that show a login what it may see of its hubs."""

_RELATION = re.compile(r"\bhubwatch\.(\w+)")
_BARE = re.compile(r"\b(?:FROM|JOIN)\s+(?!hubwatch\.|LATERAL\b)([a-z_]+)", re.IGNORECASE)
_CTE = re.compile(r"\b(\w+) AS \(", re.IGNORECASE)
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
    place = panel["gridPos"]
    if place["x"] + place["w"] > GRID_COLUMNS:
        yield "reaches over the edge"
    yield from no_answer.faults(panel)
    for target in panel.get("targets", []):
        yield from _query_faults(target["rawSql"])


def _query_faults(sql: str) -> Iterator[str]:
    for name in sorted(set(_RELATION.findall(sql)) - PUBLIC - FUNCTIONS):
        yield f"reads hubwatch.{name}, which is not public"
    for name in sorted(set(_BARE.findall(sql)) - set(_CTE.findall(sql))):
        yield f"reads {name} without its schema"
    if "${hub" not in sql:
        yield "ignores the chosen hub"
    if "${hub" in sql.replace(_HUBS, ""):
        yield f"fails when no hub is chosen: only {_HUBS} may be empty"
    if ";" in sql:
        yield "holds more than one statement"


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

"""Every board, in one table, and their JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from hubwatch_dashboards import (
    access,
    alarm_performance,
    detector_performance,
    devices,
    equipment,
    hub_overview,
    perimeter,
    portals,
    regional,
    zone,
)
from hubwatch_dashboards.board_frame import marks

BOARDS: Mapping[str, Callable[[], Dashboard]] = {
    "hub-overview": hub_overview.board,
    "zone": zone.board,
    "portals": portals.board,
    "access": access.board,
    "perimeter": perimeter.board,
    "devices": devices.board,
    "alarm-performance": alarm_performance.board,
    "detector-performance": detector_performance.board,
    "equipment": equipment.board,
    "regional": regional.board,
}
"""A board's file name without suffix, which is its uid without prefix too, and what builds it."""


def built(name: str) -> dict[str, Any]:
    """Return a board as plain JSON values, its panels numbered in order so that links to them last."""
    text = json.dumps(BOARDS[name]().build(), cls=JSONEncoder)
    board: dict[str, Any] = json.loads(text)
    board["annotations"] = marks()
    for number, panel in enumerate(board["panels"], start=1):
        panel["id"] = number
    return board


def rendered(name: str) -> str:
    """Return a board's file: the same bytes every time."""
    return json.dumps(built(name), sort_keys=True, indent=2, ensure_ascii=False) + "\n"

"""Process equipment: what the hub depends on: cranes, cold stores, pumps, power, and the air around them."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import shared_tables
from hubwatch_dashboards.board_frame import Panel, choice
from hubwatch_dashboards.board_frame import board as framed
from hubwatch_dashboards.links import to_board
from hubwatch_dashboards.panel_kinds import lines, timeline

SQL = named_queries("hubwatch_dashboards", "equipment")
ZONE = ("zone", "Zone")


def board() -> build.Dashboard:
    """Build the board."""
    question = "Does the equipment that the hub depends on run as it should?"
    chosen = [choice("equipment", "Equipment", "equipment")]
    return framed("equipment", "Process equipment", question, _panels(), variables=chosen, since="now-6h")


def _panels() -> Iterator[Panel]:
    yield shared_tables.alarms(SQL["open_alarms"], "Open alarms of equipment", height=7)
    yield shared_tables.alarms(SQL["power_alarms"], "Open alarms of power", height=6)
    yield lines("Course", SQL["course"], link=to_board(*ZONE), span=24, height=11)
    yield shared_tables.values(SQL["values"], "Newest values", to_board(*ZONE), span=12, height=12)
    yield shared_tables.sensors(
        SQL["sensors"], "Equipment", to_board("devices", "Device and agent health"), span=12, height=12
    )
    yield timeline("Detections", SQL["detections"], to_board(*ZONE), span=24, height=8)

"""Zone: what is seen of a place, what is wrong in it, and what each sensor there says now."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import shared_tables
from hubwatch_dashboards.board_frame import Panel, choice
from hubwatch_dashboards.board_frame import board as framed
from hubwatch_dashboards.links import to_board, to_console
from hubwatch_dashboards.panel_kinds import AGE, narrow, rows, timeline
from hubwatch_dashboards.severity import PRIORITY, SIGHT, coloured

SQL = named_queries("hubwatch_dashboards", "zone")
OVERVIEW = ("hub-overview", "Hub overview")


def board() -> build.Dashboard:
    """Build the board."""
    question = "What is seen of a zone, what is wrong in it, and what does each of its sensors say?"
    return framed("zone", "Zone", question, _panels(), variables=[choice("zone", "Zone", "zones")])


def _panels() -> Iterator[Panel]:
    yield (
        rows("Zones", SQL["zones"], to_console("/plan", "Plan of the hub"), span=24, height=7)
        .override_by_name("Priority", coloured(PRIORITY, 90))
        .override_by_name("Sight", coloured(SIGHT, 130))
        .override_by_name("Seen", narrow(90))
        .override_by_name("Open alarms", narrow(110))
        .override_by_name("Criticality", narrow(100))
        .override_by_name("Last heard", AGE)
    )
    yield shared_tables.alarms(SQL["open_alarms"])
    yield shared_tables.sensors(SQL["sensors"], "Sensors", to_console("/blind", "Blind spots"), span=12, height=10)
    yield shared_tables.values(SQL["values"], "Newest values", to_board(*OVERVIEW), span=12, height=10)
    yield timeline("Detections", SQL["detections"], to_board(*OVERVIEW), span=24, height=8)
    yield shared_tables.events(SQL["events"], "Events", to_board(*OVERVIEW), span=24, height=9)

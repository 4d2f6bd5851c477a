"""Perimeter: the sections of the fences in order, and whether the weather or an intruder moves them."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import shared_tables
from hubwatch_dashboards.board_frame import Panel, choice
from hubwatch_dashboards.board_frame import board as framed
from hubwatch_dashboards.links import to_board, to_console
from hubwatch_dashboards.panel_kinds import AGE, WRAPPED, bars, lines, narrow, rows, timeline
from hubwatch_dashboards.severity import SIGHT, coloured

SQL = named_queries("hubwatch_dashboards", "perimeter")
ZONE = ("zone", "Zone")
DETECTORS = ("detector-performance", "Detector performance")


def board() -> build.Dashboard:
    """Build the board."""
    question = "Which section of the fence is touched, which cannot be seen, and is it the weather?"
    zones = [choice("zone", "Zone", "zones")]
    return framed("perimeter", "Perimeter", question, _panels(), variables=zones, since="now-8h")


def _panels() -> Iterator[Panel]:
    yield shared_tables.alarms(SQL["open_alarms"], height=7)
    yield (
        rows("Sections", SQL["sections"], to_console("/plan", "Plan of the hub"), span=24, height=9)
        .override_by_name("Fence", narrow(150))
        .override_by_name("From – to", narrow(130))
        .override_by_name("Where", WRAPPED)
        .override_by_name("Sight", coloured(SIGHT, 130))
        .override_by_name("Open alarms", narrow(110))
        .override_by_name("Findings", narrow(90))
        .override_by_name("Nuisances", narrow(100))
        .override_by_name("Last", AGE)
    )
    yield timeline("Detections", SQL["detections"], to_board(*DETECTORS), span=12, height=9)
    yield lines("Wind and rain", SQL["weather"], link=to_board(*ZONE), span=12, height=9)
    yield bars("What alarms were", SQL["verdicts"], to_board(*DETECTORS), span=12, height=9).time_from("30d")
    yield shared_tables.events(SQL["events"], "Events", to_board(*ZONE), span=12, height=9)

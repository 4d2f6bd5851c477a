"""Access: doors, denials, doors that were held or forced, and people who are unusual, by pseudonym."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import shared_tables
from hubwatch_dashboards.board_frame import Panel, choice
from hubwatch_dashboards.board_frame import board as framed
from hubwatch_dashboards.links import to_board, to_console
from hubwatch_dashboards.panel_kinds import AGE, WRAPPED, bars, narrow, rows, timeline
from hubwatch_dashboards.severity import PRIORITY, coloured, sentence

SQL = named_queries("hubwatch_dashboards", "access")
ZONE = ("zone", "Zone")
DETECTORS = ("detector-performance", "Detector performance")


def board() -> build.Dashboard:
    """Build the board. People stand here by pseudonym only; their names are in the console, for few."""
    question = "Who was denied, which door was held or forced, and whose badge is used unusually?"
    zones = [choice("zone", "Zone", "zones")]
    return framed("access", "Access", question, _panels(), variables=zones, since="now-8h", refresh="30s")


def _panels() -> Iterator[Panel]:
    yield shared_tables.alarms(SQL["open_alarms"], height=7)
    yield shared_tables.sensors(SQL["sensors"], "Doors and readers", to_board(*ZONE), span=12, height=9)
    yield bars("Denied, held, forced", SQL["counts"], to_board(*ZONE), span=12, height=9)
    yield (
        rows("Unusual people", SQL["subjects"], to_console("/", "Console"), span=24, height=8)
        .override_by_name("Priority", coloured(PRIORITY, 90))
        .override_by_name("Pseudonym", sentence())
        .override_by_name("Found", WRAPPED)
        .override_by_name("Times", narrow(70))
        .override_by_name("Last", AGE)
        .override_by_name("Where", WRAPPED)
    )
    yield timeline("Detections", SQL["detections"], to_board(*DETECTORS), span=24, height=8)
    yield shared_tables.events(SQL["events"], "Doors", to_board(*ZONE), span=24, height=10)

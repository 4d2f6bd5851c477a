"""Radiation portals: what passed, what it looked like, what the background does, and what alarms came to."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import shared_tables
from hubwatch_dashboards.board_frame import Panel, choice
from hubwatch_dashboards.board_frame import board as framed
from hubwatch_dashboards.links import to_board, to_console
from hubwatch_dashboards.panel_kinds import MOMENT, bars, lines, measured, rows, timeline
from hubwatch_dashboards.severity import sentence

SQL = named_queries("hubwatch_dashboards", "portals")
DETECTORS = ("detector-performance", "Detector performance")


def board() -> build.Dashboard:
    """Build the board."""
    question = "What passed the radiation portals, what was found, and can the portals be relied on?"
    return framed(
        "portals", "Radiation portals", question, _panels(), variables=[choice("portal", "Portal", "portals")]
    )


def _panels() -> Iterator[Panel]:
    yield shared_tables.alarms(SQL["open_alarms"], height=7)
    yield (
        rows("Occupancies", SQL["occupancies"], to_console("/", "Console"), span=14, height=11)
        .override_by_name("Began", MOMENT)
        .override_by_name("Portal", sentence())
        .override_by_name("Stood", measured("s", 80, 0))
        .override_by_name("Gamma", measured("short", 90, 0))
        .override_by_name("Neutron", measured("short", 90, 0))
        .override_by_name("Found", sentence())
    )
    yield shared_tables.sensors(
        SQL["sensors"], "Portals and area monitors", to_board("zone", "Zone"), span=10, height=11
    )
    for title, name in (("Gamma profile", "gamma"), ("Neutron profile", "neutron")):
        yield shared_tables.portal_course(
            title, SQL[name], SQL["occupied"], to_board("zone", "Zone"), span=12, height=10
        )
    yield (
        lines("Background", SQL["background"], link=to_board(*DETECTORS), span=12, height=9)
        .axis_label("counts a sample")
        .min(0)
        .time_from("30d")
    )
    yield (
        lines("Occupied share of each hour", SQL["throughput"], link=to_board("zone", "Zone"), span=12, height=9)
        .unit("percentunit")
        .min(0)
        .max(1)
        .time_from("7d")
    )
    yield bars("What alarms were", SQL["verdicts"], to_board(*DETECTORS), span=12, height=9).time_from("30d")
    yield timeline("Detections", SQL["detections"], to_board(*DETECTORS), span=12, height=9)

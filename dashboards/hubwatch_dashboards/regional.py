"""Regional: many hubs side by side, the worst first."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import shared_tables
from hubwatch_dashboards.board_frame import Panel
from hubwatch_dashboards.board_frame import board as framed
from hubwatch_dashboards.links import hub_cell, to_board
from hubwatch_dashboards.panel_kinds import AGE, HIDDEN, WRAPPED, bars, measured, narrow, rows, timeline
from hubwatch_dashboards.severity import HIGH, LOW, MEDIUM, PRIORITY, WORKS, coloured

SQL = named_queries("hubwatch_dashboards", "regional")
OVERVIEW = ("hub-overview", "Hub overview")
LEVELS = {"2": ("level 2", MEDIUM), "3": ("level 3", HIGH)}
ALL_BLIND = {"BLIND": ("BLIND", HIGH), "without sensor": ("without sensor", LOW)}


def board() -> build.Dashboard:
    """Build the board."""
    question = "Which hub needs help: what is open, what is blind, and at which security level does each work?"
    return framed("regional", "Regional", question, _panels(), since="now-24h", refresh="30s")


def _panels() -> Iterator[Panel]:
    yield (
        rows("Hubs", SQL["hubs"], to_board(*OVERVIEW), span=24, height=10)
        .override_by_name("Worst", coloured(PRIORITY, 90))
        .override_by_name("Hub", hub_cell())
        .override_by_name("Watched", coloured(WORKS, 90))
        .override_by_name("Level", coloured(LEVELS, 80))
        .override_by_name("Blind", coloured(ALL_BLIND, 100))
        .override_by_name("Blind share", measured("percentunit", 100, 0))
        .override_by_name("Waiting", narrow(80))
        .override_by_name("Agents offline", narrow(120))
        .override_by_name("Last heard", AGE)
        .override_by_name("Not sure that", WRAPPED)
        .override_by_name("Id", HIDDEN)
    )
    yield shared_tables.alarms(SQL["open_alarms"], height=10)
    yield shared_tables.blind(SQL["blind"], span=12, height=9)
    yield bars(
        "Alarms in ten minutes", SQL["rate"], to_board("alarm-performance", "Alarm performance"), span=12, height=9
    )
    yield timeline("Detections", SQL["detections"], to_board(*OVERVIEW), span=24, height=9)

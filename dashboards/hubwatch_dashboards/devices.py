"""Device and agent health: can what the boards show be trusted?"""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import shared_tables
from hubwatch_dashboards.board_frame import Panel
from hubwatch_dashboards.board_frame import board as framed
from hubwatch_dashboards.links import to_board, to_console
from hubwatch_dashboards.panel_kinds import AGE, WRAPPED, bars, lines, measured, narrow, rows
from hubwatch_dashboards.severity import AGENT_STATE, GAP_CAUSE, coloured

SQL = named_queries("hubwatch_dashboards", "devices")
OVERVIEW = ("hub-overview", "Hub overview")


def board() -> build.Dashboard:
    """Build the board."""
    question = "Does every device and agent speak, in time, and is everything they said stored?"
    return framed("devices", "Device and agent health", question, _panels(), refresh="10s")


def _panels() -> Iterator[Panel]:
    health = to_console("/health", "Health")
    yield (
        rows("Agents", SQL["agents"], health, span=24, height=8)
        .override_by_name("Agent", WRAPPED)
        .override_by_name("State", coloured(AGENT_STATE, 100))
        .override_by_name("Last heard", AGE)
        .override_by_name("Latency", measured("s", 90, 2))
        .override_by_name("In spool", narrow(90))
        .override_by_name("Clock off by", measured("ms", 110, 0))
        .override_by_name("Missing frames", narrow(120))
    )
    yield shared_tables.sensors(SQL["sensors"], "Sensors", to_console("/blind", "Blind spots"), span=24, height=11)
    yield (
        rows("Gaps in the ledger", SQL["ledger_gaps"], health, span=12, height=9)
        .override_by_name("Cause", coloured(GAP_CAUSE, 130))
        .override_by_name("Agent", WRAPPED)
        .override_by_name("Since", AGE)
    )
    yield (
        rows("Dead letters", SQL["dead_letters"], health, span=12, height=9)
        .override_by_name("Last seen", AGE)
        .override_by_name("Reason", WRAPPED)
    )
    yield shared_tables.values(SQL["batteries"], "Batteries", to_board(*OVERVIEW), span=12, height=9)
    yield lines("Frames in the spools", SQL["spool"], link=health, span=12, height=9).min(0)
    yield bars("Readings stored a second", SQL["readings_rate"], to_board(*OVERVIEW), span=24, height=7)

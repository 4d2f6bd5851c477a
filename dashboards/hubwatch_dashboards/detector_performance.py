"""Detector performance: how often each detector was wrong, beside what its hub allows it."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards.board_frame import Panel
from hubwatch_dashboards.board_frame import board as framed
from hubwatch_dashboards.links import to_board, to_console
from hubwatch_dashboards.panel_kinds import bars, measured, narrow, rows, timeline
from hubwatch_dashboards.severity import JUDGEMENT, coloured, sentence

SQL = named_queries("hubwatch_dashboards", "detector_performance")
ALARMS = ("alarm-performance", "Alarm performance")


def board() -> build.Dashboard:
    """Build the board."""
    question = "How often was each detector wrong, and does that keep to the budget of its hub?"
    return framed("detector-performance", "Detector performance", question, _panels(), since="now-30d", refresh="5m")


def _panels() -> Iterator[Panel]:
    yield (
        rows(
            "False-alarm rates",
            SQL["detectors"],
            to_console("/", "Say in the console what alarms were"),
            span=24,
            height=14,
        )
        .override_by_name("Detector", sentence())
        .override_by_name("Type", narrow(220))
        .override_by_name("Judgement", coloured(JUDGEMENT, 140))
        .override_by_name("False a day", measured("short", 110, 3))
        .override_by_name("Low", measured("short", 90, 3))
        .override_by_name("High", measured("short", 90, 3))
        .override_by_name("Allowed", measured("short", 90, 3))
        .override_by_name("Watched days", measured("short", 120, 1))
    )
    yield bars("What alarms were", SQL["verdicts"], to_board(*ALARMS), span=12, height=10)
    yield timeline("Detections", SQL["detections"], to_board(*ALARMS), span=12, height=10)

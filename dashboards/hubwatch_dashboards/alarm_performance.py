"""Alarm performance: can the people on shift still handle what the alarms ask of them?"""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import shared_tables
from hubwatch_dashboards.board_frame import Panel
from hubwatch_dashboards.board_frame import board as framed
from hubwatch_dashboards.links import to_board, to_console
from hubwatch_dashboards.panel_kinds import WRAPPED, bars, measured, narrow, rows
from hubwatch_dashboards.severity import JUDGEMENT, coloured, sentence

SQL = named_queries("hubwatch_dashboards", "alarm_performance")
DETECTORS = ("detector-performance", "Detector performance")


def board() -> build.Dashboard:
    """Build the board."""
    question = "Are alarms few enough, and taken soon enough, for the people on shift?"
    return framed("alarm-performance", "Alarm performance", question, _panels(), since="now-24h", refresh="1m")


def _panels() -> Iterator[Panel]:
    yield (
        rows("Figures of IEC 62682", SQL["figures"], to_console("/", "Queue"), span=12, height=12)
        .override_by_name("Figure", WRAPPED)
        .override_by_name("Value", narrow(100))
        .override_by_name("Manageable", narrow(120))
        .override_by_name("Judgement", coloured(JUDGEMENT, 130))
        .override_by_name("Hub", narrow(110))
    )
    yield (
        rows("Most frequent", SQL["frequent"], to_board(*DETECTORS), span=12, height=12)
        .override_by_name("Where", sentence())
        .override_by_name("What", narrow(190))
        .override_by_name("Presented", narrow(100))
        .override_by_name("Share", measured("percentunit", 80, 0))
        .override_by_name("Within a minute", narrow(130))
    )
    yield (
        bars(
            "Alarms in ten minutes", SQL["rate"], to_board("hub-overview", "Hub overview"), span=24, height=9
        ).axis_label("alarms in ten minutes")
    )
    yield shared_tables.suppressed(SQL["suppressed"], span=12, height=9)
    yield bars("What alarms were", SQL["verdicts"], to_board(*DETECTORS), span=12, height=9).time_from("30d")

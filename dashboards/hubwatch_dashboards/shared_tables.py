"""Tables and charts that several boards show, each with its columns."""

from __future__ import annotations

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model

from hubwatch_core.named_sql import Query
from hubwatch_dashboards.links import alarm_cell, to_board, to_console
from hubwatch_dashboards.panel_kinds import AGE, MOMENT, WRAPPED, lines, narrow, rows
from hubwatch_dashboards.severity import ALARM_STATE, BAD_EVENTS, GREY, PRIORITY, SIGHT, TOLD, coloured, sentence


def alarms(query: Query, title: str = "Open alarms", *, height: int = 9) -> table.Panel:
    """Make the table of open alarms over the whole width: place first, nothing of it cut."""
    return (
        rows(title, query, to_console("/", "Handle them in the console"), span=24, height=height)
        .override_by_name("Priority", coloured(PRIORITY, 90))
        .override_by_name("Where", sentence())
        .override_by_name("What", narrow(190))
        .override_by_name("Since", AGE)
        .override_by_name("Last", AGE)
        .override_by_name("State", coloured(ALARM_STATE, 120))
        .override_by_name("Taken by", narrow(110))
        .override_by_name("Told", coloured(TOLD, 80))
        .override_by_name("Times", narrow(60))
        .override_by_name("Subject", narrow(110))
        .override_by_name("Why", WRAPPED)
        .override_by_name("Alarm", alarm_cell())
    )


def suppressed(query: Query, *, span: int, height: int) -> table.Panel:
    """Make the table of all that nobody is told of."""
    return (
        rows("Set aside: nobody is told", query, to_console("/", "Console"), span=span, height=height)
        .override_by_name("Priority", coloured(PRIORITY, 90))
        .override_by_name("Where", sentence())
        .override_by_name("Since", AGE)
        .override_by_name("Until", AGE)
        .override_by_name("Why", WRAPPED)
        .override_by_name("Alarm", alarm_cell())
    )


def blind(query: Query, *, span: int, height: int) -> table.Panel:
    """Make the table of what cannot be seen. Every row of it that names a place has a cause, in the colour of one."""
    return (
        rows("Blind right now", query, to_board("devices", "Device and agent health"), span=span, height=height)
        .override_by_name("Blind", coloured({}, other=SIGHT["BLIND"][1]))
        .override_by_name("Why", WRAPPED)
        .override_by_name("Channels", WRAPPED)
        .override_by_name("Last heard", AGE)
    )


def sensors(query: Query, title: str, link: DashboardLink, *, span: int, height: int) -> table.Panel:
    """Make the table of sensors with their sight."""
    return (
        rows(title, query, link, span=span, height=height)
        .override_by_name("Where", sentence())
        .override_by_name("Sight", coloured(SIGHT, 130))
        .override_by_name("Last heard", AGE)
        .override_by_name("Unseen channels", WRAPPED)
        .override_by_name("Never published", WRAPPED)
    )


def values(query: Query, title: str, link: DashboardLink, *, span: int, height: int) -> table.Panel:
    """Make the table of newest values, each with its age."""
    return (
        rows(title, query, link, span=span, height=height)
        .override_by_name("Where", sentence())
        .override_by_name("Sight", coloured(SIGHT, 120))
        .override_by_name("Read", AGE)
    )


def events(query: Query, title: str, link: DashboardLink, *, span: int, height: int) -> table.Panel:
    """Make the table of what happened, the newest first."""
    return (
        rows(title, query, link, span=span, height=height)
        .override_by_name("Time", MOMENT)
        .override_by_name("Where", sentence())
        .override_by_name("What", coloured(BAD_EVENTS, 140))
        .override_by_name("Detail", WRAPPED)
    )


def portal_course(
    title: str, query: Query, occupied: Query, link: DashboardLink, *, span: int, height: int
) -> timeseries.Panel:
    """Make counts as lines on the left axis; behind them, on the right one, the occupancy as blocks."""
    blocks = {
        "custom.drawStyle": common.GraphDrawStyle.LINE,
        "custom.lineInterpolation": common.LineInterpolation.STEP_AFTER,
        "custom.lineWidth": 0,
        "custom.fillOpacity": 25,
        "custom.axisPlacement": common.AxisPlacement.RIGHT,
        "custom.axisLabel": "occupied",
        "max": 1,
        "color": {"mode": "fixed", "fixedColor": GREY},
    }
    return (
        lines(title, query, occupied, link=link, span=span, height=height)
        .axis_label("counts a sample")
        .min(0)
        .override_by_query("B", [model.DynamicConfigValue(key, value) for key, value in blocks.items()])
    )

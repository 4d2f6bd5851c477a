"""Hub overview: the board for the officer at the wall display.

From the top, in the order of the questions of a shift: what is wrong, what can we not see, what are we not told of, how
much of it; then what led there; at the bottom whether the data itself can be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards.panel_kinds import AGE, CLOCK, bars, lines, narrow, number, rows
from hubwatch_dashboards.postgres_query import DATASOURCE
from hubwatch_dashboards.severity import (
    ALARM_STATE,
    BAD_EVENTS,
    CALM,
    GAP_CAUSE,
    HIGH,
    LOW,
    PRIORITY,
    TOLD,
    URGENT,
    coloured,
    none_is_calm,
)

UID = "hubwatch-hub-overview"
SQL = named_queries("hubwatch_dashboards", "hub_overview")
Panel = Builder[model.Panel]


def board() -> build.Dashboard:
    """Build the board."""
    made = (
        build.Dashboard("Hub overview")
        .uid(UID)
        .description("What is wrong at a hub, what cannot be seen, and whether the data can be trusted.")
        .tags(["hubwatch"])
        .time("now-1h", "now")
        .refresh("5s")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(_database())
        .with_variable(_hub())
    )
    for panel in (*_now(), *_numbers(), *_course(), *_trust()):
        made = made.with_panel(panel)
    return made


def _database() -> build.DatasourceVariable:
    """Only sources whose name begins with hubwatch: another database would answer every panel with an error."""
    return (
        build.DatasourceVariable("datasource")
        .label("Database")
        .type(str(DATASOURCE.type_val))
        .regex("/^hubwatch/i")
        .current(model.VariableOption(text="hubwatch", value="hubwatch"))
        .allow_custom_value(False)
    )


def _hub() -> build.QueryVariable:
    return (
        build.QueryVariable("hub")
        .label("Hub")
        .datasource(DATASOURCE)
        .query(SQL["hubs"].text)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .current(model.VariableOption(text="All", value="$__all"))
    )


def _now() -> Iterator[Panel]:
    yield (
        rows("Open alarms", SQL["open_alarms"], span=15, height=11)
        .override_by_name("Priority", coloured(PRIORITY, 90))
        .override_by_name("State", coloured(ALARM_STATE, 120))
        .override_by_name("Since", AGE)
        .override_by_name("Told", coloured(TOLD, 80))
        .override_by_name("Times", narrow(60))
        .override_by_name("Alarm", narrow(70))
    )
    yield (
        rows("Blind right now", SQL["blind"], span=9, height=11)
        .override_by_name("Blind", coloured({}, other=HIGH))
        .override_by_name("Last heard", AGE)
    )
    yield (
        rows("Set aside: nobody is told", SQL["suppressed"], span=24, height=6)
        .override_by_name("Priority", coloured(PRIORITY, 90))
        .override_by_name("Since", AGE)
        .override_by_name("Until", AGE)
        .override_by_name("Alarm", narrow(70))
    )


def _numbers() -> Iterator[Panel]:
    for title, name, colour in (
        ("Alarms waiting", "alarms_waiting", URGENT),
        ("Sensors blind", "sensors_blind", HIGH),
        ("Agents offline", "agents_offline", HIGH),
        ("Frames unexplained", "frames_unexplained", URGENT),
        ("Unreadable messages", "dead_letters_now", HIGH),
    ):
        yield number(title, SQL[name], none_is_calm(colour), span=4, height=4)
    # Here nothing at all is what alarms.
    nothing = [model.Threshold(value=None, color=URGENT), model.Threshold(value=0.001, color=CALM)]
    yield number("Readings/s", SQL["readings_now"], build.ThresholdsConfig().steps(nothing), span=4, height=4).decimals(
        0
    )


def _course() -> Iterator[Panel]:
    yield bars("Detections", SQL["detections"], span=24, height=7)
    yield _portals("Portals: gamma", "portal_gamma")
    yield _portals("Portals: neutrons", "portal_neutron")
    yield (
        rows("Doors", SQL["doors"], span=12, height=9)
        .override_by_name("Time", CLOCK)
        .override_by_name("What", coloured(BAD_EVENTS, 130))
    )
    yield (
        rows("Perimeter", SQL["perimeter"], span=12, height=9)
        .override_by_name("Time", CLOCK)
        .override_by_name("What", coloured(BAD_EVENTS, 130))
    )


def _portals(title: str, name: str) -> Panel:
    """Counts as lines on the left axis; behind them, on the right one, the occupancy as blocks."""
    blocks = {
        "custom.drawStyle": common.GraphDrawStyle.LINE,
        "custom.lineInterpolation": common.LineInterpolation.STEP_AFTER,
        "custom.lineWidth": 0,
        "custom.fillOpacity": 15,
        "custom.axisPlacement": common.AxisPlacement.RIGHT,
        "max": 1,
        "color": {"mode": "fixed", "fixedColor": LOW},
    }
    return (
        lines(title, SQL[name], SQL["portal_occupied"], span=12, height=9)
        .axis_label("counts a sample")
        .override_by_query("B", [model.DynamicConfigValue(key, value) for key, value in blocks.items()])
    )


def _trust() -> Iterator[Panel]:
    yield bars("Readings stored a second", SQL["readings_rate"], span=24, height=6)
    yield (
        rows("Gaps in the ledger", SQL["ledger_gaps"], span=12, height=8)
        .override_by_name("Cause", coloured(GAP_CAUSE, 120))
        .override_by_name("Since", AGE)
    )
    yield rows("Dead letters", SQL["dead_letters"], span=12, height=8).override_by_name("Last seen", AGE)

"""What every board has: uid, variables, marks over its charts, and links to the other boards and the console."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards.links import TAG, UID_PREFIX, to_all_boards, to_console
from hubwatch_dashboards.postgres_query import DATASOURCE
from hubwatch_dashboards.severity import HIGH

SQL = named_queries("hubwatch_dashboards", "board_frame")
Panel = Builder[model.Panel]
CONSOLE_ADDRESS = "https://127.0.0.1:8443"
"""Where `hubwatch console run` listens unless told otherwise."""


def board(
    name: str,
    title: str,
    question: str,
    panels: Iterable[Panel],
    *,
    variables: Iterable[build.QueryVariable] = (),
    since: str = "now-1h",
    refresh: str = "5s",
) -> build.Dashboard:
    """Build a board that answers one question."""
    made = (
        build.Dashboard(title)
        .uid(UID_PREFIX + name)
        .description(question)
        .tags([TAG])
        .time(since, "now")
        .refresh(refresh)
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(to_all_boards())
        .link(to_console("/", "Console"))
    )
    for variable in (_database(), choice("hub", "Hub", "hubs"), *variables, _console()):
        made = made.with_variable(variable)
    for panel in panels:
        made = made.with_panel(panel)
    return made


def choice(name: str, label: str, query: str) -> build.QueryVariable:
    """Return a variable of which several values, or all, can be chosen."""
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(SQL[query].text)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .current(model.VariableOption(text="All", value="$__all"))
    )


def marks() -> dict[str, Any]:
    """Return what is drawn over every chart, as Grafana keeps it; the SDK knows no SQL in an annotation."""
    query = {
        "refId": "Marks",
        "datasource": {"type": DATASOURCE.type_val, "uid": DATASOURCE.uid},
        "editorMode": "code",
        "format": "table",
        "rawQuery": True,
        "rawSql": SQL["marks"].text,
    }
    return {
        "list": [
            {
                "name": "Alarms, commands, security level",
                "datasource": query["datasource"],
                "enable": True,
                "hide": False,
                "iconColor": HIGH,
                "target": query,
            }
        ]
    }


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


def _console() -> build.TextBoxVariable:
    return build.TextBoxVariable("console").label("Console").default_value(CONSOLE_ADDRESS)

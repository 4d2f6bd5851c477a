"""Expands Grafana's SQL macros and variables the way its PostgreSQL data source does (timescaledb off).

Ref: grafana/pkg/tsdb/grafana-postgresql-datasource/macros.go; ${name:sqlstring} in the template service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_MACRO = re.compile(r"\$__(\w+)\(([^)]*)\)")
_VARIABLE = re.compile(r"\$\{(\w+):sqlstring\}")


@dataclass(frozen=True, slots=True)
class View:
    """What a person looks at: the time range, the interval that fits the panel's width, what is chosen."""

    start: datetime
    end: datetime
    interval: timedelta
    hubs: Sequence[str]
    zones: Sequence[str] = ()
    sensors: Sequence[str] = ()


def expand(sql: str, view: View) -> str:
    """Return the SQL the database would get; raises KeyError for a macro or variable that Grafana does not know."""
    seconds = view.interval.total_seconds()
    sql = sql.replace("$__interval_ms", str(int(seconds * 1000))).replace("$__interval", f"{seconds:g}s")
    chosen = {"hub": view.hubs, "zone": view.zones, "portal": view.sensors, "equipment": view.sensors}
    variables = {name: ",".join("'" + each.replace("'", "''") + "'" for each in of) for name, of in chosen.items()}
    sql = _VARIABLE.sub(lambda match: variables[match[1]], sql)
    return _MACRO.sub(lambda match: _MACROS[match[1]]([part.strip() for part in match[2].split(",")], view), sql)


def _time_filter(arguments: list[str], view: View) -> str:
    (column,) = arguments
    return f"{column} BETWEEN '{view.start.isoformat()}' AND '{view.end.isoformat()}'"


def _time_to(arguments: list[str], view: View) -> str:
    assert arguments == [""], arguments
    return f"'{view.end.isoformat()}'"


def _time_from(arguments: list[str], view: View) -> str:
    assert arguments == [""], arguments
    return f"'{view.start.isoformat()}'"


_MACROS: dict[str, Callable[[list[str], View], str]] = {
    "timeFilter": _time_filter,
    "timeTo": _time_to,
    "timeFrom": _time_from,
}

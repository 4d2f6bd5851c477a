"""Hub overview: the board for the officer at the wall display.

From the top, in the order of the questions of a shift: does anybody watch, what is wrong, what can we not see, what are
we not told of; then what led there; at the bottom whether the data itself can be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

from hubwatch_core.named_sql import named_queries
from hubwatch_dashboards import shared_tables
from hubwatch_dashboards.board_frame import Panel
from hubwatch_dashboards.board_frame import board as framed
from hubwatch_dashboards.links import to_board, to_console
from hubwatch_dashboards.panel_kinds import AGE, bars, number, rows, timeline
from hubwatch_dashboards.severity import CALM, HIGH, URGENT, WORKS, coloured, none_is_calm

SQL = named_queries("hubwatch_dashboards", "hub_overview")
DEVICES = ("devices", "Device and agent health")
PORTALS = ("portals", "Radiation portals")


def board() -> build.Dashboard:
    """Build the board."""
    question = "Is anything wrong at a hub, where, since when; what is blind; and is anybody watching?"
    panels = (*_now(), *_course(), *_trust())
    return framed("hub-overview", "Hub overview", question, panels)


def _now() -> Iterator[Panel]:
    yield (
        rows("Is it being watched?", SQL["duties"], to_console("/health", "Health"), span=8, height=6)
        .override_by_name("Works", coloured(WORKS, 90))
        .override_by_name("Last", AGE)
    )
    for title, name, colour, link in (
        ("Alarms waiting", "alarms_waiting", URGENT, to_console("/", "Queue")),
        ("Sensors blind", "sensors_blind", HIGH, to_board("zone", "Zone")),
        ("Agents offline", "agents_offline", HIGH, to_board(*DEVICES)),
        ("Frames unexplained", "frames_unexplained", URGENT, to_board(*DEVICES)),
    ):
        yield number(title, SQL[name], none_is_calm(colour), link, span=4, height=6)
    yield shared_tables.alarms(SQL["open_alarms"], height=10)
    yield shared_tables.blind(SQL["blind"], span=12, height=8)
    yield shared_tables.suppressed(SQL["suppressed"], span=12, height=8)


def _course() -> Iterator[Panel]:
    yield timeline("Detections", SQL["detections"], to_board("zone", "Zone"), span=24, height=9)
    for title, name in (("Portals: gamma", "portal_gamma"), ("Portals: neutrons", "portal_neutron")):
        yield shared_tables.portal_course(
            title, SQL[name], SQL["portal_occupied"], to_board(*PORTALS), span=12, height=9
        )
    yield shared_tables.events(SQL["doors"], "Doors", to_board("access", "Access"), span=12, height=9)
    yield shared_tables.events(SQL["perimeter"], "Perimeter", to_board("perimeter", "Perimeter"), span=12, height=9)


def _trust() -> Iterator[Panel]:
    unread = none_is_calm(HIGH)
    yield number("Unreadable messages", SQL["dead_letters_now"], unread, to_board(*DEVICES), span=4, height=6)
    # Here nothing at all is what alarms.
    nothing = [model.Threshold(value=None, color=URGENT), model.Threshold(value=0.001, color=CALM)]
    stored = build.ThresholdsConfig().steps(nothing)
    yield number("Readings/s", SQL["readings_now"], stored, to_board(*DEVICES), span=4, height=6).decimals(0)
    yield bars("Readings stored a second", SQL["readings_rate"], to_board(*DEVICES), span=16, height=6)

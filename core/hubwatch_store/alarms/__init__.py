"""Alarms, their journal, incidents and notifications."""

from hubwatch_store.alarms import (
    adjudications,
    alarms,
    closing,
    delays,
    escalations,
    expected,
    figures,
    incidents,
    notifications,
    route_failures,
)
from hubwatch_store.alarms.adjudications import Adjudicated
from hubwatch_store.alarms.expected import ExpectedAlarms, ExpectedKind, OpenCause
from hubwatch_store.alarms.figures import Figures
from hubwatch_store.alarms.incidents import NearbyAlarm, OpenIncident
from hubwatch_store.alarms.notifications import Carried, Claimed, Telling, Unrouted
from hubwatch_store.alarms.route_failures import ROUTE_FAILED, RouteFailure

__all__ = [
    "ROUTE_FAILED",
    "Adjudicated",
    "Carried",
    "Claimed",
    "ExpectedAlarms",
    "ExpectedKind",
    "Figures",
    "NearbyAlarm",
    "OpenCause",
    "OpenIncident",
    "RouteFailure",
    "Telling",
    "Unrouted",
    "adjudications",
    "alarms",
    "closing",
    "delays",
    "escalations",
    "expected",
    "figures",
    "incidents",
    "notifications",
    "route_failures",
]

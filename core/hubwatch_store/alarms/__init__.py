"""Alarms, their journal, incidents and notifications."""

from hubwatch_store.alarms import (
    adjudications,
    alarms,
    closing,
    dead_man,
    delays,
    drills,
    escalations,
    expected,
    figures,
    handovers,
    incident_acts,
    incidents,
    notifications,
    route_failures,
)
from hubwatch_store.alarms.adjudications import Adjudicated
from hubwatch_store.alarms.batch import AlarmBatch
from hubwatch_store.alarms.dead_man import BeatOutcome, LastBeat
from hubwatch_store.alarms.drills import Drill, DrillSensor, DrillStep
from hubwatch_store.alarms.expected import ExpectedAlarms, ExpectedKind, OpenCause
from hubwatch_store.alarms.figures import Figures
from hubwatch_store.alarms.handovers import Beats, Handover, HubLag
from hubwatch_store.alarms.incident_acts import Doer
from hubwatch_store.alarms.incidents import Happened, Member, Membership, NearbyAlarm, StandingIncident
from hubwatch_store.alarms.notifications import Carried, Claimed, Telling, Unrouted
from hubwatch_store.alarms.route_failures import ROUTE_FAILED, RouteFailure

__all__ = [
    "ROUTE_FAILED",
    "Adjudicated",
    "AlarmBatch",
    "BeatOutcome",
    "Beats",
    "Carried",
    "Claimed",
    "Doer",
    "Drill",
    "DrillSensor",
    "DrillStep",
    "ExpectedAlarms",
    "ExpectedKind",
    "Figures",
    "Handover",
    "Happened",
    "HubLag",
    "LastBeat",
    "Member",
    "Membership",
    "NearbyAlarm",
    "OpenCause",
    "RouteFailure",
    "StandingIncident",
    "Telling",
    "Unrouted",
    "adjudications",
    "alarms",
    "closing",
    "dead_man",
    "delays",
    "drills",
    "escalations",
    "expected",
    "figures",
    "handovers",
    "incident_acts",
    "incidents",
    "notifications",
    "route_failures",
]

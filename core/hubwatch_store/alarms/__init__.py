"""Alarms, their journal, incidents and notifications."""

from hubwatch_store.alarms import (
    adjudications,
    alarms,
    closing,
    delays,
    escalations,
    expected,
    figures,
    handovers,
    incident_acts,
    incidents,
    notifications,
)
from hubwatch_store.alarms.adjudications import Adjudicated
from hubwatch_store.alarms.expected import ExpectedAlarms, ExpectedKind, OpenCause
from hubwatch_store.alarms.figures import Figures
from hubwatch_store.alarms.handovers import Handover
from hubwatch_store.alarms.incident_acts import Doer
from hubwatch_store.alarms.incidents import Happened, Incident, Member, Membership, NearbyAlarm
from hubwatch_store.alarms.notifications import Carried, Claimed, Telling, Unrouted

__all__ = [
    "Adjudicated",
    "Carried",
    "Claimed",
    "Doer",
    "ExpectedAlarms",
    "ExpectedKind",
    "Figures",
    "Handover",
    "Happened",
    "Incident",
    "Member",
    "Membership",
    "NearbyAlarm",
    "OpenCause",
    "Telling",
    "Unrouted",
    "adjudications",
    "alarms",
    "closing",
    "delays",
    "escalations",
    "expected",
    "figures",
    "handovers",
    "incident_acts",
    "incidents",
    "notifications",
]

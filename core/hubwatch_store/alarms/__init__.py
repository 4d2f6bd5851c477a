"""Alarms, their journal, incidents and notifications."""

from hubwatch_store.alarms import (
    adjudications,
    alarms,
    closing,
    delays,
    drills,
    escalations,
    expected,
    figures,
    incidents,
    notifications,
)
from hubwatch_store.alarms.adjudications import Adjudicated
from hubwatch_store.alarms.batch import AlarmBatch
from hubwatch_store.alarms.drills import Drill, DrillSensor, DrillStep
from hubwatch_store.alarms.expected import ExpectedAlarms, ExpectedKind, OpenCause
from hubwatch_store.alarms.figures import Figures
from hubwatch_store.alarms.incidents import NearbyAlarm, OpenIncident
from hubwatch_store.alarms.notifications import Carried, Claimed, Telling, Unrouted

__all__ = [
    "Adjudicated",
    "AlarmBatch",
    "Carried",
    "Claimed",
    "Drill",
    "DrillSensor",
    "DrillStep",
    "ExpectedAlarms",
    "ExpectedKind",
    "Figures",
    "NearbyAlarm",
    "OpenCause",
    "OpenIncident",
    "Telling",
    "Unrouted",
    "adjudications",
    "alarms",
    "closing",
    "delays",
    "drills",
    "escalations",
    "expected",
    "figures",
    "incidents",
    "notifications",
]

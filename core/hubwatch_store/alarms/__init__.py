"""Alarms, their journal, incidents and notifications."""

from hubwatch_store.alarms import adjudications, alarms, closing, escalations, incidents, notifications
from hubwatch_store.alarms.adjudications import Adjudicated
from hubwatch_store.alarms.incidents import NearbyAlarm
from hubwatch_store.alarms.notifications import Carried, Claimed, Telling, Unrouted

__all__ = [
    "Adjudicated",
    "Carried",
    "Claimed",
    "NearbyAlarm",
    "Telling",
    "Unrouted",
    "adjudications",
    "alarms",
    "closing",
    "escalations",
    "incidents",
    "notifications",
]

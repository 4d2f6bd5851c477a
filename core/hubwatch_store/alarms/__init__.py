"""Alarms, their journal, incidents and notifications."""

from hubwatch_store.alarms import adjudications, alarms, closing, delays, expected, figures, incidents, notifications
from hubwatch_store.alarms.adjudications import Adjudicated
from hubwatch_store.alarms.expected import Expected, ExpectedKind
from hubwatch_store.alarms.incidents import NearbyAlarm
from hubwatch_store.alarms.notifications import Claimed, Telling

__all__ = [
    "Adjudicated",
    "Claimed",
    "Expected",
    "ExpectedKind",
    "NearbyAlarm",
    "Telling",
    "adjudications",
    "alarms",
    "closing",
    "delays",
    "expected",
    "figures",
    "incidents",
    "notifications",
]

"""Detections, the state of detectors, and what was taken since it was written."""

from hubwatch_store.detections.detections import DetectionBatch, Unended, keep, unended
from hubwatch_store.detections.detector_journal import JournalRow, load_journal
from hubwatch_store.detections.detector_state import StateKey, StateRow, StateSnapshot, keep_snapshot, load_states
from hubwatch_store.detections.false_alarms import (
    AlarmsOfType,
    JudgedDetection,
    Passed,
    SensorToJudge,
    ToJudge,
    achieved,
    passed,
    to_judge,
    to_judge_now,
    verdicts,
    watched_days,
)
from hubwatch_store.detections.one import StoredDetection, detection_of

__all__ = [
    "AlarmsOfType",
    "DetectionBatch",
    "JournalRow",
    "JudgedDetection",
    "Passed",
    "SensorToJudge",
    "StateKey",
    "StateRow",
    "StateSnapshot",
    "StoredDetection",
    "ToJudge",
    "Unended",
    "achieved",
    "detection_of",
    "keep",
    "keep_snapshot",
    "load_journal",
    "load_states",
    "passed",
    "to_judge",
    "to_judge_now",
    "unended",
    "verdicts",
    "watched_days",
]

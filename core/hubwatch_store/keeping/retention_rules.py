"""Retention rules: by kind of sensor, how many days readings, minutes, hours and events are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import Connection

from hubwatch_core.errors import Permanent
from hubwatch_core.words import SensorKind
from hubwatch_store.database import translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.series import maintained

UNKNOWN = "unknown"
"""Stands for the kind of sensors that no birth has named, and for kinds without a rule."""

LEAST_RAW_DAYS_CONTINUOUS = 31
"""TimescaleDB refreshes continuous aggregates 30 days back (migration 0002); readings it may look at must be there."""

LAYERS = ("raw", "minute", "hour", "event")


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """Days that each layer of a kind is kept; None is for ever."""

    kind: str
    raw: int | None
    minute: int | None
    hour: int | None
    event: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much before and after a detection is evidence, and for how many days it is kept; None is for ever."""

    before: timedelta
    after: timedelta
    days: int | None


def rules(connection: Connection[Any]) -> list[RetentionRule]:
    """Return the rules in force."""
    with translated():
        return [RetentionRule(*row) for row in connection.execute(queries("retention")["rules"])]


def change(connection: Connection[Any], kind: str, days: Mapping[str, int | None], why: str | None) -> RetentionRule:
    """Change layers of a kind's rule and give the new rule.

    Raises Permanent when the kind is unknown, or an aggregate would not live as long as what it was made from.
    """
    if kind not in {*SensorKind, UNKNOWN}:
        raise Permanent(f"{kind} is no kind of sensor; there are {', '.join([*SensorKind, UNKNOWN])}")
    with translated(), connection.transaction():
        known = {rule.kind: rule for rule in rules(connection)}
        rule = _changed(known.get(kind, known[UNKNOWN]), kind, days, why)
        if not maintained(connection) and (rule.raw or LEAST_RAW_DAYS_CONTINUOUS) < LEAST_RAW_DAYS_CONTINUOUS:
            raise Permanent(f"continuous aggregates need readings for {LEAST_RAW_DAYS_CONTINUOUS} days at least")
        values = {f"{layer}_days": getattr(rule, layer) for layer in LAYERS}
        connection.execute(queries("retention")["set"], {"kind": kind, "why": rule.why, **values})
    return rule


def _changed(old: RetentionRule, kind: str, days: Mapping[str, int | None], why: str | None) -> RetentionRule:
    kept = {layer: days.get(layer, getattr(old, layer)) for layer in LAYERS}
    if any(number is not None and number < 1 for number in kept.values()):
        raise Permanent("days are counted from 1")
    for shorter, longer in (("raw", "minute"), ("minute", "hour")):
        if (kept[shorter] or float("inf")) > (kept[longer] or float("inf")):
            raise Permanent(f"{longer} aggregates outlive {shorter}: give {longer} as many days at least, or for ever")
    return RetentionRule(kind, **kept, why=why or old.why)


def evidence(connection: Connection[Any]) -> Evidence:
    """Return what is kept around detections."""
    with translated():
        row = connection.execute(queries("retention")["evidence"]).fetchone()
    assert row is not None, "the migration has put the one row there"
    return Evidence(*row)


def change_evidence(connection: Connection[Any], new: Evidence) -> None:
    """Change what is kept around detections; raises Permanent when before or after are not within a day."""
    day = timedelta(days=1)
    if not (timedelta(0) <= new.before <= day and timedelta(0) <= new.after <= day):
        raise Permanent("before and after are between nothing and a day")
    if new.days is not None and new.days < 1:
        raise Permanent("days are counted from 1")
    with translated():
        values = {"before": new.before, "after": new.after, "days": new.days}
        connection.execute(queries("retention")["set_evidence"], values)

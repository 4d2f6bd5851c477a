"""What a hub gives to judge, and what people found its alarms to be: for budgets of false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from psycopg import Connection

from hubwatch_core.words import SensorKind
from hubwatch_store.database import Pool, translated
from hubwatch_store.database.sql_files import queries


class SensorToJudge(NamedTuple):
    """A sensor that an agent lists: its kind, the criticality of its zone, the channels that measure, and how many
    samples they give in a day.
    """

    sensor: str
    kind: SensorKind
    criticality: int
    gauges: int
    samples_per_day: float


@dataclass(frozen=True, slots=True)
class ToJudge:
    """The sensors of a hub, and what its security level multiplies budgets by."""

    sensors: tuple[SensorToJudge, ...]
    scale: float


class Passed(NamedTuple):
    """What passed a hub between two moments."""

    vehicles: int
    badge_uses: int
    people: int


class AlarmsOfType(NamedTuple):
    """The alarms of one type of one detector; `judged` are those of which somebody has said what they were."""

    detector: str
    type: str
    alarms: int
    judged: int
    false: int
    innocent: int
    real: int


class JudgedDetection(NamedTuple):
    """A detection, and what people found it to be; times in µs."""

    type: str
    sensor: str
    subject: str | None
    start: int
    end: int
    verdict: str


async def to_judge(pool: Pool, hub: str) -> ToJudge:
    """Return what there is to judge at a hub. Raises Transient or Permanent."""
    with translated():
        async with pool.connection() as connection:
            sensors = await (await connection.execute(queries("false_alarms")["sensors"], {"hub": hub})).fetchall()
            scale = await (await connection.execute(queries("false_alarms")["scale"], {"hub": hub})).fetchone()
    return _to_judge(sensors, scale)


def to_judge_now(connection: Connection[Any], hub: str) -> ToJudge:
    """Return the same, for a command."""
    with translated():
        sensors = connection.execute(queries("false_alarms")["sensors"], {"hub": hub}).fetchall()
        scale = connection.execute(queries("false_alarms")["scale"], {"hub": hub}).fetchone()
    return _to_judge(sensors, scale)


def watched_days(connection: Connection[Any], hub: str, since: date) -> float:
    """Return for how many days a hub was watched since a day (UTC). Raises Transient or Permanent."""
    with translated():
        row = connection.execute(queries("false_alarms")["watched"], {"hub": hub, "since": since}).fetchone()
    return float(row[0]) if row is not None else 0.0


def achieved(connection: Connection[Any], hub: str, since: date) -> list[AlarmsOfType]:
    """Return what the alarms that were opened since a day (UTC) came to. Raises Transient or Permanent."""
    with translated():
        rows = connection.execute(queries("false_alarms")["achieved"], {"hub": hub, "since": since}).fetchall()
    return [AlarmsOfType(*row) for row in rows]


def passed(connection: Connection[Any], hub: str, start: datetime, end: datetime) -> Passed:
    """Return what passed a hub in [start, end). Raises Transient or Permanent."""
    with translated():
        row = connection.execute(queries("false_alarms")["passed"], {"hub": hub, "start": start, "end": end}).fetchone()
    assert row is not None, "counts always give a row"
    return Passed(*row)


def verdicts(
    connection: Connection[Any], hub: str, detector: str, start: datetime, end: datetime
) -> list[JudgedDetection]:
    """Return the detections that began in [start, end) and that people have judged. Raises Transient or Permanent."""
    wanted = {"hub": hub, "detector": detector, "start": start, "end": end}
    with translated():
        rows = connection.execute(queries("false_alarms")["verdicts"], wanted).fetchall()
    return [JudgedDetection(*row) for row in rows]


def _to_judge(sensors: Sequence[tuple[Any, ...]], scale: tuple[Any, ...] | None) -> ToJudge:
    known = set(SensorKind)
    found = tuple(SensorToJudge(name, SensorKind(kind), *rest) for name, kind, *rest in sensors if kind in known)
    return ToJudge(found, float(scale[0]) if scale is not None else 1.0)

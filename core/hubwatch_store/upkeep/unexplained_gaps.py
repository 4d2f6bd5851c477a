"""Detects frames that are missing without an explanation: a detection, so that it becomes an alarm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from hubwatch_core.ids import new_ulid
from hubwatch_core.words import Priority
from hubwatch_store.database.sql_files import queries

UNEXPLAINED_GAP = "integrity.unexplained_gap"
"""Type of the detection; its sensor is the agent's own, its subject the epoch."""


@dataclass(frozen=True, slots=True)
class UnexplainedGap:
    """What is missing of one epoch without a cause."""

    hub: str
    agent: str
    epoch: str
    sum: int
    first: int
    last: int
    since: datetime


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A finding that is not over: of which epoch, and how many frames it reported."""

    id: str
    hub: str
    agent: str
    epoch: str
    frames: int


def report_unexplained_gaps(connection: Connection[Any]) -> int:
    """Bring the findings up to date with the ledger; return how many frames are missing unexplained.

    A finding is made when a gap becomes unexplained, another when it grows, and all end when it is gone.
    """
    sql = queries("integrity")
    with connection.transaction():
        gaps = [UnexplainedGap(*row) for row in connection.execute(sql["unexplained"])]
        reported = [OpenFinding(*row) for row in connection.execute(sql["open"])]
        for gap in new_or_grown(gaps, reported):
            connection.execute(queries("detections")["add"], _finding(gap, _now(connection)))
        moment = _now(connection)
        for each in resolved(gaps, reported):
            connection.execute(queries("detections")["end"], (each.id, moment, moment))
    return sum(gap.sum for gap in gaps)


def new_or_grown(gaps: Iterable[UnexplainedGap], reported: Sequence[OpenFinding]) -> list[UnexplainedGap]:
    """Return the gaps that were not reported, or with fewer frames."""
    known: dict[tuple[str, str, str], int] = {}
    for each in reported:
        key = (each.hub, each.agent, each.epoch)
        known[key] = max(known.get(key, 0), each.frames)
    return [gap for gap in gaps if gap.sum > known.get((gap.hub, gap.agent, gap.epoch), 0)]


def resolved(gaps: Iterable[UnexplainedGap], reported: Iterable[OpenFinding]) -> list[OpenFinding]:
    """Return the findings whose epoch has no gap any more."""
    still = {(gap.hub, gap.agent, gap.epoch) for gap in gaps}
    return [each for each in reported if (each.hub, each.agent, each.epoch) not in still]


def _now(connection: Connection[Any]) -> datetime:
    row = connection.execute(queries("maintenance")["now"]).fetchone()
    assert row is not None, "a select without a table gives one row"
    moment: datetime = row[0]
    return moment


def _finding(gap: UnexplainedGap, moment: datetime) -> tuple[object, ...]:
    what = f"{gap.sum} frames" if gap.sum > 1 else "1 frame"
    why = f"{what} of agent {gap.agent} between {gap.first} and {gap.last} never came and nothing explains it"
    evidence = {"frames": gap.sum, "first_seq": gap.first, "last_seq": gap.last, "epoch": gap.epoch}
    where = (UNEXPLAINED_GAP, gap.hub, gap.agent, gap.epoch)
    scored = (float(gap.sum), int(Priority.HIGH), "ledger", 1, False, why, Jsonb(evidence))
    return (new_ulid(), *where, min(gap.since, moment), None, moment, *scored)

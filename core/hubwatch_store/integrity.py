"""Says by itself when frames are missing that nothing explains: as a detection, so that it becomes an alarm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from hubwatch_core.clock import now_us, to_datetime
from hubwatch_core.ids import new_ulid
from hubwatch_core.words import Priority
from hubwatch_store.queries import queries

UNEXPLAINED_GAP = "integrity.unexplained_gap"
"""Type of the detection; its sensor is the agent's own, its subject the epoch."""


@dataclass(frozen=True, slots=True)
class Hole:
    """What is missing of one epoch without a cause."""

    hub: str
    agent: str
    epoch: str
    sum: int
    first: int
    last: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A finding that is not over: of which epoch, and how many frames it told of."""

    id: str
    hub: str
    agent: str
    epoch: str
    frames: int


def tell_unexplained(connection: Connection[Any]) -> int:
    """Bring the findings up to date with the ledger; gives how many frames are missing unexplained.

    A finding is made when a gap becomes unexplained, another when it grows, and all end when it is gone.
    """
    sql = queries("integrity")
    with connection.transaction():
        holes = [Hole(*row) for row in connection.execute(sql["unexplained"])]
        told = [Told(*row) for row in connection.execute(sql["open"])]
        for hole in worse(holes, told):
            connection.execute(queries("detections")["add"], _finding(hole))
        moment = to_datetime(now_us())
        for each in healed(holes, told):
            connection.execute(queries("detections")["end"], (each.id, moment, moment))
    return sum(hole.sum for hole in holes)


def worse(holes: Iterable[Hole], told: Sequence[Told]) -> list[Hole]:
    """Give the holes that were not told of, or with fewer frames."""
    known: dict[tuple[str, str, str], int] = {}
    for each in told:
        key = (each.hub, each.agent, each.epoch)
        known[key] = max(known.get(key, 0), each.frames)
    return [hole for hole in holes if hole.sum > known.get((hole.hub, hole.agent, hole.epoch), 0)]


def healed(holes: Iterable[Hole], told: Iterable[Told]) -> list[Told]:
    """Give the findings whose epoch has no hole any more."""
    still = {(hole.hub, hole.agent, hole.epoch) for hole in holes}
    return [each for each in told if (each.hub, each.agent, each.epoch) not in still]


def _finding(hole: Hole) -> tuple[object, ...]:
    moment = to_datetime(now_us())
    what = f"{hole.sum} frames" if hole.sum > 1 else "1 frame"
    why = f"{what} of agent {hole.agent} between {hole.first} and {hole.last} never came and nothing explains it"
    evidence = {"frames": hole.sum, "first_seq": hole.first, "last_seq": hole.last, "epoch": hole.epoch}
    where = (UNEXPLAINED_GAP, hole.hub, hole.agent, hole.epoch)
    scored = (float(hole.sum), int(Priority.HIGH), "ledger", 1, False, why, Jsonb(evidence))
    return (new_ulid(), *where, min(hole.since, moment), None, moment, *scored)

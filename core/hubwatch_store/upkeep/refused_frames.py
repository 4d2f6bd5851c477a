"""Detects agents whose frames are all refused: a detection, so that it becomes an alarm; over when one is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from hubwatch_core.ids import new_ulid
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Priority
from hubwatch_store.database.sql_files import queries

FRAMES_REFUSED = "integrity.frames_refused"
"""Type of the detection; its sensor is the agent's own."""
REASON_CHARS = 300


@dataclass(frozen=True, slots=True)
class RefusedAgent:
    """An agent of which nothing is stored any more: how many frames were refused, since when, and why the last was."""

    hub: str
    agent: str
    frames: int
    since: datetime
    reason: str


def report_refused_frames(connection: Connection[Any], now: datetime) -> int:
    """Bring the findings up to date with dead letters and ledger at `now`; return how many agents are refused."""
    sql = queries("integrity")
    with connection.transaction():
        refused = [RefusedAgent(*row) for row in connection.execute(sql["refused"])]
        still = set()
        for number, hub, agent, over in connection.execute(sql["open_refused"]).fetchall():
            if over:
                connection.execute(queries("detections")["end"], (number, now, now))
            else:
                still.add((hub, agent))
        for each in refused:
            if (each.hub, each.agent) not in still:
                connection.execute(queries("detections")["add"], _finding(each, now))
    return len(still | {(each.hub, each.agent) for each in refused})


def _finding(refused: RefusedAgent, now: datetime) -> tuple[object, ...]:
    reason = one_line(refused.reason)[:REASON_CHARS]
    why = (
        f"every frame of agent {refused.agent} is refused since {refused.since:%F %T}Z, {refused.frames} so far; "
        f"nothing behind it is stored. The last reason: {reason}"
    )
    evidence = {"frames": refused.frames, "reason": reason}
    where = (FRAMES_REFUSED, refused.hub, refused.agent, None)
    scored = (float(refused.frames), int(Priority.HIGH), "ledger", 1, False, why, Jsonb(evidence))
    return (new_ulid(), *where, min(refused.since, now), None, now, *scored)

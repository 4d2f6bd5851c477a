"""Tells what collectors do not believe: a detection when it begins, a count while it lasts, an end when it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.types.json import Jsonb

from hubwatch_core.ids import new_ulid
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Priority
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.database.sql_files import queries
from hubwatch_store.ingest.offer import Letter, Mistrust, Notice

QUIET = "5 minutes"
"""A finding that has not happened for so long is over."""
REASON_CHARS = 300


class Told(NamedTuple):
    """A type of detection, how urgent it is, and what it says."""

    type: str
    priority: Priority
    why: str


TOLD = {
    Mistrust.FORGED: Told(
        "integrity.frame_forged",
        Priority.CRITICAL,
        "what came in the name of agent {agent} is not proven to be its own",
    ),
    Mistrust.REPLAYED: Told(
        "integrity.frame_replayed", Priority.HIGH, "what agent {agent} said before came once more, from somebody else"
    ),
    Mistrust.CLAIMED: Told(
        "integrity.sensor_claimed", Priority.HIGH, "agent {agent} claims sensor {sensor}, which is another agent's"
    ),
    Mistrust.LIMIT: Told("integrity.agent_limited", Priority.MEDIUM, "agent {agent} sends more than it may"),
    Mistrust.UNIT: Told(
        "integrity.unit_changed", Priority.MEDIUM, "what sensor {sensor} measures is in other units than before"
    ),
    Mistrust.LOGIN: Told("integrity.login_refused", Priority.MEDIUM, "the broker did not let somebody in"),
    Mistrust.TOPIC: Told(
        "integrity.topic_refused", Priority.HIGH, "a machine tried at the broker what it has no right to"
    ),
}


class _What(NamedTuple):
    kind: Mistrust
    hub: str
    agent: str
    sensor: str


async def tell(connection: DatabaseConnection, found: Iterable[Letter | Notice]) -> None:
    """Make known what was found, inside the caller's transaction."""
    times: Counter[_What] = Counter()
    reasons: dict[_What, str] = {}
    for each in found:
        if each.kind in TOLD and each.hub and each.agent:
            what = _What(each.kind, each.hub, each.agent, each.sensor or "")
            times[what] += each.times if isinstance(each, Notice) else 1
            reasons[what] = one_line(each.reason)[:REASON_CHARS]
    # Sorted, so that two collectors cannot wait for each other.
    for what in sorted(times):
        told = TOLD[what.kind]
        why = f"{told.why.format(agent=what.agent, sensor=what.sensor)}: {reasons[what]}"
        where = (what.hub, what.sensor or what.agent, what.agent if what.sensor else "")
        evidence = Jsonb({"agent": what.agent, "reason": reasons[what]})
        values = (what.kind, *where, times[what], new_ulid(), told.type, int(told.priority), why, evidence)
        await connection.execute(queries("intake")["tell"], values)


def end_what_is_over(connection: Connection[Any]) -> None:
    """End findings that have not happened for a while."""
    with connection.transaction():
        for number, last in connection.execute(queries("intake")["over"], (QUIET,)).fetchall():
            row = connection.execute(queries("maintenance")["now"]).fetchone()
            connection.execute(queries("detections")["end"], (number, last, row[0] if row else last))

"""Takes what waits in the database to the lifecycle and writes back what comes of it, exactly once.

A finding leaves the inbox, the alarm moves, its journal grows and the messages to people are queued in one
transaction: whatever dies in between, nothing is lost and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hubwatch_alarms.correlation import WINDOW_US, incident_of
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.lifecycle import move
from hubwatch_alarms.notify.route import RouteSection
from hubwatch_alarms.triggers import Cleared, Detected, ShelfExpired, Trigger
from hubwatch_core.clock import now_us
from hubwatch_core.words import AlarmState
from hubwatch_store import alarms, incidents, notifications
from hubwatch_store.alarm_rows import Action, Alarm, Entry
from hubwatch_store.pool import Connection, Pool

BATCH = 200
"""Findings a transaction handles at most; keeps it well under a second, so that people's commands need not wait."""


@dataclass(frozen=True, slots=True)
class Change:
    """One alarm after one move, with what its journal says of it; `detected` where a finding made it move."""

    alarm: Alarm
    entries: tuple[Entry, ...]
    detected: int | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: findings taken, alarms moved, journal entries that the routes were asked about."""

    arrivals: int
    changes: tuple[Change, ...]
    routed: int

    @property
    def more(self) -> bool:
        """Tell whether there is likely more to do at once."""
        return self.arrivals >= BATCH or self.routed >= BATCH


class Mover:
    """Moves alarms; any number of them may work on one database."""

    def __init__(self, pool: Pool, routes: Sequence[RouteSection], instructions: Instructions) -> None:
        self._pool = pool
        self._routes = routes
        self._instructions = instructions

    async def round(self) -> Round:
        """Handle a batch of findings, shelves that are over and entries not yet routed; raises Transient, Permanent."""
        async with alarms.moving(self._pool) as connection:
            arrivals = await alarms.take_arrivals(connection, BATCH)
            changes = [change for arrival in arrivals if (change := await self._take(connection, arrival)) is not None]
            now = now_us()
            for alarm in await alarms.shelf_over(connection, now):
                changes.append(await apply(connection, alarm, ShelfExpired(now)))
            return Round(len(arrivals), tuple(changes), await self._route(connection))

    async def _take(self, connection: Connection, arrival: alarms.Arrival) -> Change | None:
        found = arrival.detection
        if arrival.is_end:
            return await self._end(connection, arrival)
        if arrival.bound:
            return None
        alarm = await alarms.open_alarm(connection, found)
        new_id = alarm.id if alarm is not None else await alarms.next_alarm_id(connection)
        moved, entries = move(alarm, Detected(now_us(), found, new_id, arrival.zone))
        if alarm is None:
            moved = await self._with_incident(connection, moved)
        await alarms.save(connection, moved, entries)
        await alarms.bind(connection, found, moved.id)
        return Change(moved, entries, found.detected)

    async def _end(self, connection: Connection, arrival: alarms.Arrival) -> Change | None:
        """An end that comes before its detection was taken is not lost: that detection then shows as already over."""
        found = arrival.detection
        bound = await alarms.end_detection(connection, found.id)
        if bound is None or found.end is None:
            return None
        alarm = await alarms.alarm_by_id(connection, bound)
        assert alarm is not None, "bindings refer to alarms"
        return await apply(connection, alarm, Cleared(now_us(), found.id, found.end))

    async def _with_incident(self, connection: Connection, alarm: Alarm) -> Alarm:
        since, until = alarm.opened - WINDOW_US, alarm.opened + WINDOW_US
        incident = incident_of(alarm, await incidents.neighbours(connection, alarm.hub, since, until))
        if incident is None:
            place = f"{alarm.hub} / {alarm.zone or alarm.sensor}"
            title = f"{self._instructions.of(alarm.type).title}, {place}"
            incident = await incidents.open_incident(connection, alarm.hub, alarm.opened, title)
        else:
            await incidents.join_incident(connection, incident, alarm.opened)
        return replace(alarm, incident=incident)

    async def _route(self, connection: Connection) -> int:
        """Queue a message on each route that wants to hear of an entry, also of those that commands wrote."""
        unrouted = await notifications.take_unrouted(connection, BATCH)
        for entry in unrouted:
            for route in self._routes:
                if route.wants(entry.action, entry.type, entry.priority):
                    await notifications.queue(connection, entry, route.name)
        return len(unrouted)


async def apply(connection: Connection, alarm: Alarm, trigger: Trigger) -> Change:
    """Move an alarm that exists and write what came of it; raises MoveRefused with nothing written."""
    moved, entries = move(alarm, trigger)
    if moved != alarm:
        await alarms.save(connection, moved, entries)
    if moved.state is AlarmState.NORMAL and moved.incident is not None:
        await incidents.close_when_done(connection, moved.incident, trigger.at)
    return Change(moved, entries)


def actions_of(changes: Sequence[Change]) -> list[tuple[Alarm, Action]]:
    """Give every (alarm, action) of these changes, in order."""
    return [(change.alarm, entry.action) for change in changes for entry in change.entries]

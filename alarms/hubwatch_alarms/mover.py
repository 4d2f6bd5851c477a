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
from hubwatch_alarms.places import Places
from hubwatch_alarms.priorities import Priorities
from hubwatch_alarms.triggers import Cleared, Close, Detected, ShelfExpired, Trigger, Unwatched
from hubwatch_core.alarm import Action, Alarm, DetectedCondition, JournalEntry
from hubwatch_core.words import AlarmState
from hubwatch_store.alarms import alarms, closing, incidents, notifications
from hubwatch_store.database import DatabaseConnection, Pool, database_clock

BATCH = 200
"""Findings a transaction handles at most; keeps it well under a second, so that people's commands need not wait."""


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """One alarm after one move, with what its journal says of it; `detected` where a finding made it move."""

    alarm: Alarm
    entries: tuple[JournalEntry, ...]
    detected: int | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: findings taken, alarms moved, journal entries that the routes were asked about."""

    arrivals: int
    changes: tuple[AlarmChange, ...]
    routed: int

    @property
    def more(self) -> bool:
        """Return whether there is likely more to do at once."""
        return self.arrivals >= BATCH or self.routed >= BATCH or len(self.changes) >= BATCH


class Mover:
    """Moves alarms, one transaction after the other; with the token of an `owner` only while that one has the work."""

    def __init__(
        self,
        pool: Pool,
        routes: Sequence[RouteSection],
        instructions: Instructions,
        owner: str | None = None,
        places: Places | None = None,
        priorities: Priorities | None = None,
    ) -> None:
        self._pool, self._owner = pool, owner
        self._places = places or Places()
        self._priorities = priorities or Priorities.load()
        self._routes = routes
        self._instructions = instructions

    async def round(self) -> Round:
        """Handle a batch of findings, shelves that are over and entries not yet routed; raises Transient, Permanent."""
        await self._places.look(self._pool)
        async with alarms.moving(self._pool, self._owner) as connection:
            now = await database_clock(connection)
            wishes = await closing.closings(connection, BATCH)
            changes = []
            arrivals = await alarms.take_arrivals(connection, BATCH)
            for arrival in arrivals:
                change = await self._take(connection, arrival, now)
                if change is not None:
                    changes.append(change)
            for alarm in await alarms.shelf_over(connection, now):
                set_back = alarm.shelved_until is not None and alarm.shelved_until > now
                changes.append(await apply(connection, alarm, ShelfExpired(now, clock_set_back=set_back)))
            if len(arrivals) < BATCH:
                # Every finding made before these wishes has been taken, so none opens an alarm after its closing.
                changes += [change for wish in wishes for change in await self._close(connection, wish, now)]
            return Round(len(arrivals), tuple(changes), await self._route(connection))

    async def _take(self, connection: DatabaseConnection, arrival: alarms.NewDetection, now: int) -> AlarmChange | None:
        found = not_after(arrival.detection, now)
        if arrival.is_end:
            return await self._end(connection, arrival, found, now)
        if arrival.bound:
            return None
        found = replace(found, priority=self._priority(found, arrival.zone))
        alarm = await alarms.open_alarm(connection, found)
        if alarm is None and found.late:
            alarm = await alarms.closed_alarm(connection, found)
        new_id = alarm.id if alarm is not None else await alarms.next_alarm_id(connection)
        quiet_us = 0
        if alarm is not None and alarm.state is AlarmState.RETURNED:
            quiet_us = await alarms.quiet_us(connection, alarm.id, now)
        moved, entries = move(alarm, Detected(now, found, new_id, arrival.zone, quiet_us))
        if alarm is None:
            moved = await self._with_incident(connection, moved)
        await alarms.save(connection, moved, entries)
        await alarms.bind(connection, found, moved.id)
        return AlarmChange(moved, entries, found.detected)

    def _priority(self, found: DetectedCondition, zone: str | None) -> int:
        places = self._places
        steps = places.level_steps(found.hub)
        return self._priorities.of(found.type, found.priority, places.criticality(found.hub, zone), steps)

    async def _end(
        self, connection: DatabaseConnection, arrival: alarms.NewDetection, found: DetectedCondition, now: int
    ) -> AlarmChange | None:
        """An end that comes before its detection was taken is not lost: that detection then shows as already over."""
        bound = await alarms.end_detection(connection, found.id)
        if bound is None or found.end is None:
            return None
        alarm = await alarms.alarm_by_id(connection, bound)
        assert alarm is not None, "bindings refer to alarms"
        return await apply(connection, alarm, Cleared(now, found.id, found.end, arrival.end_why, found.peak))

    async def _close(self, connection: DatabaseConnection, wish: closing.Closing, now: int) -> list[AlarmChange]:
        """End up to BATCH alarms of a wish; it is taken away once none is left."""
        found = await closing.alarms_of(connection, wish, BATCH)
        end = Unwatched if wish.keep_unacknowledged else Close
        changes = [await apply(connection, alarm, end(now, wish.by, wish.reason)) for alarm in found]
        if len(found) < BATCH:
            await closing.done(connection, wish)
        return changes

    async def _with_incident(self, connection: DatabaseConnection, alarm: Alarm) -> Alarm:
        since, until = alarm.opened - WINDOW_US, alarm.opened + WINDOW_US
        near = await incidents.neighbours(connection, alarm.hub, since, until)
        incident = incident_of(alarm, near, self._places.apart(alarm.hub))
        if incident is None:
            place = f"{alarm.hub} / {alarm.zone or alarm.sensor}"
            title = f"{self._instructions.of(alarm.type).title}, {place}"
            incident = await incidents.open_incident(connection, alarm.hub, alarm.opened, title)
        else:
            await incidents.join_incident(connection, incident, alarm.opened)
        return replace(alarm, incident=incident)

    async def _route(self, connection: DatabaseConnection) -> int:
        """Queue a message on each route that wants to hear of an entry, also of those that commands wrote."""
        unrouted = await notifications.take_unrouted(connection, BATCH)
        for entry in unrouted:
            for route in self._routes:
                if route.wants(entry.action, entry.type, entry.priority):
                    await notifications.queue(connection, entry, route.name)
        return len(unrouted)


def not_after(found: DetectedCondition, now: int) -> DetectedCondition:
    """Return a detection without times of the future, which come from an agent whose clock is ahead."""
    end = None if found.end is None else min(found.end, now)
    return replace(found, start=min(found.start, now), end=end, detected=min(found.detected, now))


async def apply(
    connection: DatabaseConnection, alarm: Alarm, trigger: Trigger, *, verified: bool | None = None
) -> AlarmChange:
    """Move an alarm that exists and write what came of it; raises MoveRefused with nothing written.

    `verified` tells of a person who acts whether they have shown who they are.
    """
    moved, entries = move(alarm, trigger)
    if verified is not None:
        entries = tuple(replace(entry, verified=verified) for entry in entries)
    if moved != alarm:
        await alarms.save(connection, moved, entries)
        if isinstance(trigger, Close | Unwatched):
            await alarms.end_detections(connection, moved.id)
    if moved.state is AlarmState.NORMAL and moved.incident is not None:
        await incidents.close_when_done(connection, moved.incident, trigger.at)
    return AlarmChange(moved, entries)


def actions_of(changes: Sequence[AlarmChange]) -> list[tuple[Alarm, Action]]:
    """Return every (alarm, action) of these changes, in order."""
    return [(change.alarm, entry.action) for change in changes for entry in change.entries]

"""Takes what waits in the database to the lifecycle and writes back what comes of it, exactly once.

A finding leaves the inbox, the alarm moves, its journal grows and the messages to people are queued in one
transaction: whatever dies in between, nothing is lost and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hubwatch_alarms.correlation import WINDOW_US, incident_of
from hubwatch_alarms.expecting import Expectations, Place
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.lifecycle import QUIET_US, came_back, move
from hubwatch_alarms.notify.route import RouteSection
from hubwatch_alarms.oncall.escalation import Escalations, failed_route
from hubwatch_alarms.oncall.matching import Circumstances
from hubwatch_alarms.places import Places
from hubwatch_alarms.priorities import MAX_REALARM_S, Priorities
from hubwatch_alarms.triggers import (
    PLAIN,
    Cleared,
    Close,
    Detected,
    OffDelayOver,
    Overdue,
    Release,
    ShelfExpired,
    Suppress,
    Trigger,
    TypeRules,
    Unwatched,
)
from hubwatch_core.alarm import SET_ASIDE, TOLD, Action, Alarm, DetectedCondition, JournalEntry
from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState
from hubwatch_store.alarms import alarms, closing, delays, expected, incidents, notifications
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
    passed: int = 0
    """Findings that were over within the on delay of their type and made no alarm."""

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
        escalations: Escalations | None = None,
        priorities: Priorities | None = None,
    ) -> None:
        self._escalations = escalations or Escalations()
        self._pool, self._owner = pool, owner
        self._places = places or Places()
        self._priorities = priorities or Priorities.load()
        self._routes = routes
        self._instructions = instructions
        self._expected = Expectations()
        self._considered: Expectations | None = None
        """What was expected when open alarms were last looked at for it; None makes that happen again."""
        self._passed = 0

    async def round(self) -> Round:
        """Handle a batch of findings, shelves that are over and entries not yet routed; raises Transient, Permanent."""
        await self._places.look(self._pool)
        self._passed = 0
        async with alarms.moving(self._pool, self._owner) as connection:
            now = await database_clock(connection)
            wishes = await closing.closings(connection, BATCH)
            changes = await self._expect(connection, now)
            considered = self._expected if len(changes) < BATCH else None
            arrivals = await alarms.take_arrivals(connection, BATCH)
            for arrival in arrivals:
                change = await self._take(connection, arrival, now)
                if change is not None:
                    changes.append(change)
            changes += await self._moments(connection, now)
            if len(arrivals) < BATCH:
                # Every finding made before these wishes has been taken, so none opens an alarm after its closing.
                changes += [change for wish in wishes for change in await self._close(connection, wish, now)]
            routed = await self._route(connection, now)
            routed += await self._escalations.go_on(connection, now, BATCH)
            done = Round(len(arrivals), tuple(changes), routed, self._passed)
        self._considered = considered
        return done

    async def _expect(self, connection: DatabaseConnection, now: int) -> list[AlarmChange]:
        """Set aside what is expected from now on, and give back what is not any more: up to BATCH alarms."""
        causes = {cause for rule in self._priorities.design for cause in rule.while_open}
        self._expected = Expectations(
            tuple(await expected.in_force(connection, now)),
            await expected.causes(connection, sorted(causes)) if causes else frozenset(),
            self._priorities.design,
        )
        await expected.tell_bursts(connection, now)
        if self._expected == self._considered:
            return []
        changes: list[AlarmChange] = []
        for alarm in await expected.reconsidered(connection, sorted(self._expected.hubs())):
            trigger = self._reconsidered(alarm, now)
            if trigger is not None and len(changes) < BATCH:
                changes.append(await self._apply(connection, alarm, trigger))
        return changes

    def _reconsidered(self, alarm: Alarm, now: int) -> Trigger | None:
        aside = self._expected.aside(_place(alarm))
        if aside is not None:
            return None if alarm.state is aside.state else Suppress(now, aside)
        is_expected = alarm.state in SET_ASIDE and alarm.state is not AlarmState.SHELVED
        return Release(now, "nothing is expected there any more") if is_expected else None

    async def _moments(self, connection: DatabaseConnection, now: int) -> list[AlarmChange]:
        """Do what is due by the clock alone: shelves that are over, off delays, what nobody has taken, on delays."""
        changes: list[AlarmChange] = []
        for alarm in await alarms.shelf_over(connection, now):
            set_back = alarm.shelved_until is not None and alarm.shelved_until > now
            changes.append(await self._apply(connection, alarm, ShelfExpired(now, clock_set_back=set_back)))
        for alarm in await alarms.moments_over(connection, now, MAX_REALARM_S, BATCH):
            changes.append(await self._apply(connection, alarm, _due(alarm, now)))
        await delays.release_due(connection, now, BATCH)
        return changes

    async def _apply(self, connection: DatabaseConnection, alarm: Alarm, trigger: Trigger) -> AlarmChange:
        return await apply(connection, alarm, trigger, rules=self._priorities.rules(alarm.type))

    async def _take(self, connection: DatabaseConnection, arrival: alarms.NewDetection, now: int) -> AlarmChange | None:
        found = not_after(arrival.detection, now)
        if arrival.is_end:
            return await self._end(connection, arrival, found, now)
        if arrival.bound or arrival.delay == "passed":
            return None
        priority = self._priority(found, arrival.zone)
        if priority != found.priority:
            found = replace(found, priority=priority)
        aside = self._expected.aside(Place(found.hub, arrival.zone, found.sensor, found.type, found.priority))
        alarm = await alarms.standing_alarm(connection, found, now - QUIET_US)
        trigger = Detected(now, found, 0 if alarm is None else alarm.id, arrival.zone, aside=aside)
        if alarm is not None and alarm.closed is not None and not (aside is None and came_back(alarm, trigger)):
            alarm = None
        if alarm is None and found.late:
            alarm = await alarms.closed_alarm(connection, found)
        if alarm is None and await self._waits(connection, arrival, found, now):
            return None
        return await self._detected(connection, alarm, trigger)

    async def _detected(self, connection: DatabaseConnection, alarm: Alarm | None, trigger: Detected) -> AlarmChange:
        if alarm is None:
            trigger = replace(trigger, new_id=await alarms.next_alarm_id(connection))
        elif alarm.state is AlarmState.RETURNED:
            trigger = replace(trigger, quiet_us=await alarms.quiet_us(connection, alarm.id, trigger.at))
        found = trigger.detection
        moved, entries = move(alarm, trigger, self._priorities.rules(found.type))
        if alarm is None:
            moved = await self._with_incident(connection, moved)
        elif alarm.closed is not None and moved.closed is None and moved.incident is not None:
            await incidents.reopen_incident(connection, moved.incident)
        await alarms.save(connection, moved, entries)
        await alarms.bind(connection, found, moved.id)
        return AlarmChange(moved, entries, found.detected)

    async def _waits(
        self, connection: DatabaseConnection, arrival: alarms.NewDetection, found: DetectedCondition, now: int
    ) -> bool:
        """Return whether a finding makes no alarm yet, or none at all, because its type has an on delay.

        What was over when it was made cannot be waited for: it never is.
        """
        delay_us = self._priorities.on_delay_us(found.type, found.priority)
        if not delay_us or arrival.delay is not None or (found.end is not None and not arrival.ended_later):
            return False
        due = found.start + delay_us
        if found.end is not None and found.end < due:
            await delays.pass_by(connection, found, now, due)
            self._passed += 1
            return True
        if found.end is not None or due <= now:
            return False
        await delays.delay(connection, found, now, due)
        return True

    def _priority(self, found: DetectedCondition, zone: str | None) -> int:
        places = self._places
        steps = places.level_steps(found.hub)
        return self._priorities.of(found.type, found.priority, places.criticality(found.hub, zone), steps)

    async def _end(
        self, connection: DatabaseConnection, arrival: alarms.NewDetection, found: DetectedCondition, now: int
    ) -> AlarmChange | None:
        """An end that comes before its detection was taken is not lost: that detection then shows as already over."""
        bound = await alarms.end_detection(connection, found.id)
        if found.end is None:
            return None
        if bound is None:
            if arrival.delay is None:
                delay_us = self._priorities.on_delay_us(found.type, self._priority(found, arrival.zone))
                lasted = found.end - found.start >= delay_us
                self._passed += await delays.ended(connection, found, now, lasted=lasted)
            return None
        alarm = await alarms.alarm_by_id(connection, bound)
        assert alarm is not None, "bindings refer to alarms"
        return await self._apply(connection, alarm, Cleared(now, found.id, found.end, arrival.end_why, found.peak))

    async def _close(self, connection: DatabaseConnection, wish: closing.Closing, now: int) -> list[AlarmChange]:
        """End up to BATCH alarms of a wish; it is taken away once none is left."""
        found = await closing.alarms_of(connection, wish, BATCH)
        end = Unwatched if wish.keep_unacknowledged else Close
        changes = [await self._apply(connection, alarm, end(now, wish.by, wish.reason)) for alarm in found]
        if len(found) < BATCH:
            await delays.drop(connection, wish, now)
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

    async def _route(self, connection: DatabaseConnection, now: int) -> int:
        """Queue a message on each route that wants to hear of an entry, also of those that commands wrote.

        Nobody is told of an alarm that is expected, that came and went while it was, or that is back with who has it.
        """
        unrouted = await notifications.take_unrouted(connection, BATCH)
        for entry in unrouted:
            if entry.is_untold:
                continue
            where = Circumstances(entry.hub, entry.zone, entry.level, now)
            past = failed_route(entry.type, entry.subject)
            wanting = [
                route.name
                for route in self._routes
                if route.name != past and route.wants(entry.action, entry.type, entry.priority, where)
            ]
            for name in wanting:
                await notifications.queue(connection, entry, name)
            queued = len(wanting) + await self._escalations.follow(connection, entry, now, past=past)
            if past is not None and not queued and entry.action in TOLD:
                for way in self._others(past):
                    await notifications.queue(connection, entry, way)
        return len(unrouted)

    def _others(self, past: str) -> list[str]:
        """Return the ways that remain to tell that a route fails, where none is meant for it: all of them."""
        plain = [route.name for route in self._routes if not route.needs_person and route.name != past]
        return plain or self._escalations.every_way(past)


def not_after(found: DetectedCondition, now: int) -> DetectedCondition:
    """Return a detection without times of the future, which come from an agent whose clock is ahead."""
    end = None if found.end is None else min(found.end, now)
    return replace(found, start=min(found.start, now), end=end, detected=min(found.detected, now))


async def apply(
    connection: DatabaseConnection,
    alarm: Alarm,
    trigger: Trigger,
    *,
    verified: bool | None = None,
    rules: TypeRules = PLAIN,
) -> AlarmChange:
    """Move an alarm that exists and write what came of it; raises MoveRefused with nothing written.

    `verified` tells of a person who acts whether they have shown who they are.
    """
    moved, entries = move(alarm, trigger, rules)
    if verified is not None:
        entries = tuple(replace(entry, verified=verified) for entry in entries)
    if moved != alarm:
        await alarms.save(connection, moved, entries)
        if isinstance(trigger, Close | Unwatched):
            await alarms.end_detections(connection, moved.id)
    if moved.state is AlarmState.NORMAL and moved.incident is not None:
        await incidents.close_when_done(connection, moved.incident, trigger.at)
    return AlarmChange(moved, entries)


def _place(alarm: Alarm) -> Place:
    return Place(alarm.hub, alarm.zone, alarm.sensor, alarm.type, alarm.priority)


def _due(alarm: Alarm, now: int) -> OffDelayOver | Overdue:
    """Return what the clock has to say to an alarm first; a moment far ahead is of a clock that was set back."""
    far = now + int(MAX_REALARM_S * SECOND_US)
    if alarm.returns_at is not None and not now < alarm.returns_at <= far:
        return OffDelayOver(now, clock_set_back=alarm.returns_at > now)
    return Overdue(now, clock_set_back=alarm.realarm is not None and alarm.realarm > now)


def actions_of(changes: Sequence[AlarmChange]) -> list[tuple[Alarm, Action]]:
    """Return every (alarm, action) of these changes, in order."""
    return [(change.alarm, entry.action) for change in changes for entry in change.entries]

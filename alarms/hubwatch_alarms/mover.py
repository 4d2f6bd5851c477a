"""Takes what waits in the database to the lifecycle and writes back what comes of it, exactly once.

A finding leaves the inbox, the alarm moves, its journal grows and the messages to people are queued in one
transaction: whatever dies in between, nothing is lost and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from hubwatch_alarms.correlation import WINDOW_US, incident_of, may_be_symptom
from hubwatch_alarms.expecting import Expectations, Place
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.lifecycle import QUIET_US, came_back, move
from hubwatch_alarms.notify.route import RouteSection
from hubwatch_alarms.oncall.escalation import Escalations, failed_route
from hubwatch_alarms.oncall.matching import Circumstances
from hubwatch_alarms.places import Places
from hubwatch_alarms.priorities import MAX_REALARM_S, Priorities
from hubwatch_alarms.titles import IncidentTitles
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
from hubwatch_core.logs import get_logger
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import AlarmState
from hubwatch_store.alarms import (
    AlarmBatch,
    Unrouted,
    alarms,
    closing,
    delays,
    drills,
    expected,
    incidents,
    notifications,
)
from hubwatch_store.database import DatabaseConnection, DatabaseRefused, Pool, database_clock

BATCH = 200
"""Findings that are read, moved and written together."""

TAKING_S = 0.3
"""A transaction takes one batch after the other for so long: what it costs whatever it holds, and the disk's answer to
its commit, are shared by all of them. With the batch after that it stays under a second, so that people's commands need
not wait."""

MOST_ENTRIES = 2
"""Journal entries that a finding writes: of so many times as many the routes are asked in a transaction."""

_log = get_logger("alarms")


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """One alarm after one move, with what its journal says of it; `detected` where a finding made it move."""

    alarm: Alarm
    entries: tuple[JournalEntry, ...]
    detected: int | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: findings taken, alarms moved, findings that were over within their on delay."""

    arrivals: int
    changes: tuple[AlarmChange, ...]
    passed: int
    more: bool
    """Whether there is likely more to do at once."""


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
        taking_s: float = TAKING_S,
    ) -> None:
        self._escalations = escalations or Escalations()
        self._pool, self._owner = pool, owner
        self._places = places or Places()
        self._priorities = priorities or Priorities.load()
        self._routes = routes
        self._titles = IncidentTitles(instructions, self._places)
        self._expected = Expectations()
        self._considered: Expectations | None = None
        """What was expected when open alarms were last looked at for it; None makes that happen again."""
        self._passed = 0
        self._taking_s = taking_s

    async def round(self) -> Round:
        """Handle findings, shelves that are over and entries not yet routed; raises Transient, Permanent."""
        await self._places.look(self._pool)
        self._passed = 0
        async with alarms.moving(self._pool, self._owner) as connection:
            now, began = await database_clock(connection), perf_counter()
            wishes = await closing.closings(connection, BATCH)
            changes = await self._expect(connection, now)
            considered = self._expected if len(changes) < BATCH else None
            arrivals, full = 0, True
            while full and (not arrivals or perf_counter() - began < self._taking_s):
                batch = await alarms.take_arrivals(connection, BATCH)
                changes += await self._take_all(connection, batch, now)
                arrivals, full = arrivals + len(batch), len(batch) == BATCH
            changes += await self._moments(connection, now)
            changes += await self._drill(connection, now)
            if not full:
                # Every finding made before these wishes has been taken, so none opens an alarm after its closing.
                changes += [change for wish in wishes for change in await self._close(connection, wish, now)]
            await self._titles.renew(connection, actions_of(changes))
            most = MOST_ENTRIES * max(arrivals, BATCH)
            routed = await self._route(connection, now, most)
            routed += await self._escalations.go_on(connection, now, BATCH)
        self._considered = considered
        more = full or routed >= most or len(changes) >= BATCH
        return Round(arrivals, tuple(changes), self._passed, more)

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

    async def _take_all(
        self, connection: DatabaseConnection, arrivals: Sequence[alarms.NewDetection], now: int
    ) -> list[AlarmChange]:
        """Move the alarms that findings are about; one of which no alarm can be made costs itself only."""
        if not arrivals:
            return []
        before = self._expected, self._passed
        try:
            async with alarms.part(connection):
                return await self._take_together(connection, arrivals, now)
        except (DatabaseRefused, ValueError, OverflowError) as error:
            self._expected, self._passed = before
            if len(arrivals) == 1:
                await self._refuse(connection, arrivals[0], error)
                return []
        half = len(arrivals) // 2
        first = await self._take_all(connection, arrivals[:half], now)
        return first + await self._take_all(connection, arrivals[half:], now)

    async def _refuse(self, connection: DatabaseConnection, arrival: alarms.NewDetection, error: Exception) -> None:
        reason = one_line(str(error))[:500]
        await alarms.refuse(connection, arrival, reason)
        _log.error("no alarm can be made of a finding, it is kept", detection=arrival.detection.id, reason=reason)

    async def _take_together(
        self, connection: DatabaseConnection, arrivals: Sequence[alarms.NewDetection], now: int
    ) -> list[AlarmChange]:
        """Move alarms one finding after the other, and write them together."""
        batch = await AlarmBatch.read(connection, arrivals, now - QUIET_US)
        changes = [await self._take(connection, batch, arrival, now) for arrival in arrivals]
        await batch.write()
        made = [change for change in changes if change is not None]
        # Incidents whose last alarm has closed, as alarms stand at the end of the batch.
        closed = (each.alarm.incident for each in made if each.alarm.closed is not None and each.entries)
        for incident in dict.fromkeys(closed):
            if incident is not None:
                await incidents.close_when_done(connection, incident, now)
        return made

    async def _take(
        self, connection: DatabaseConnection, batch: AlarmBatch, arrival: alarms.NewDetection, now: int
    ) -> AlarmChange | None:
        found = not_after(arrival.detection, now)
        if arrival.is_end:
            return await self._end(connection, batch, arrival, found, now)
        if arrival.bound or arrival.delay == "passed":
            return None
        priority = self._priority(found, arrival.zone)
        if priority != found.priority:
            found = replace(found, priority=priority)
        aside = self._expected.aside(Place(found.hub, arrival.zone, found.sensor, found.type, found.priority))
        alarm = batch.standing(found)
        trigger = Detected(now, found, 0 if alarm is None else alarm.id, arrival.zone, aside=aside)
        if alarm is not None and alarm.closed is not None and not (aside is None and came_back(alarm, trigger)):
            alarm = None
        if alarm is None and found.late:
            alarm = await batch.closed_alarm(found)
        if alarm is None and await self._waits(connection, arrival, found, now):
            return None
        return await self._detected(connection, batch, alarm, trigger)

    async def _detected(
        self, connection: DatabaseConnection, batch: AlarmBatch, alarm: Alarm | None, trigger: Detected
    ) -> AlarmChange:
        if alarm is None:
            trigger = replace(trigger, new_id=await batch.next_id())
        elif alarm.state is AlarmState.RETURNED:
            trigger = replace(trigger, quiet_us=batch.quiet_us(alarm.id, trigger.at))
        found = trigger.detection
        moved, entries = move(alarm, trigger, self._priorities.rules(found.type))
        if alarm is None:
            await batch.write()  # what opened a moment ago is a neighbour
            moved = await self._with_incident(connection, moved)
            self._expected = self._expected.after(moved)
        elif alarm.closed is not None and moved.closed is None and moved.incident is not None:
            await incidents.reopen_incident(connection, moved.incident, moved.id)
        batch.save(moved, entries)
        batch.bind(found, moved)
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
        self,
        connection: DatabaseConnection,
        batch: AlarmBatch,
        arrival: alarms.NewDetection,
        found: DetectedCondition,
        now: int,
    ) -> AlarmChange | None:
        """An end that comes before its detection was taken is not lost: that detection then shows as already over."""
        alarm = batch.end(found.id)
        if found.end is None:
            return None
        if alarm is None:
            if arrival.waits:
                delay_us = self._priorities.on_delay_us(found.type, self._priority(found, arrival.zone))
                lasted = found.end - found.start >= delay_us
                self._passed += await delays.ended(connection, found, now, lasted=lasted)
            return None
        cleared = Cleared(now, found.id, found.end, arrival.end_why, found.peak)
        moved, entries = move(alarm, cleared, self._priorities.rules(alarm.type))
        if moved != alarm:
            batch.save(moved, entries)
        return AlarmChange(moved, entries)

    async def _close(self, connection: DatabaseConnection, wish: closing.Closing, now: int) -> list[AlarmChange]:
        """End up to BATCH alarms of a wish; it is taken away once none is left."""
        found = await closing.alarms_of(connection, wish, BATCH)
        end = Unwatched if wish.keep_unacknowledged else Close
        changes = [await self._apply(connection, alarm, end(now, wish.by, wish.reason)) for alarm in found]
        if len(found) < BATCH:
            await delays.drop(connection, wish, now)
            await closing.done(connection, wish)
        return changes

    async def _drill(self, connection: DatabaseConnection, now: int) -> list[AlarmChange]:
        """Let drills make up what is due, and end up to BATCH alarms of those that are over, and their incidents."""
        await drills.go_on(connection, now, BATCH)
        changes = [
            await self._apply(connection, alarm, Close(now, by, f"exercise {alarm.exercise} is over"))
            for alarm, by in await drills.left(connection, BATCH)
        ]
        await drills.close_incidents(connection, now)
        return changes

    async def _with_incident(self, connection: DatabaseConnection, alarm: Alarm) -> Alarm:
        incident = await incidents.of_cause(connection, alarm) if may_be_symptom(alarm) else None
        if incident is None:
            since, until = alarm.opened - WINDOW_US, alarm.opened + WINDOW_US
            near = await incidents.neighbours(connection, alarm.hub, since, until, alarm.exercise)
            incident = incident_of(alarm, near, self._places.apart(alarm.hub))
        if incident is None:
            title = self._titles.first(alarm)
            incident = await incidents.open_incident(
                connection, alarm.hub, alarm.opened, title, alarm.priority, alarm.exercise
            )
        else:
            await incidents.join_incident(connection, incident, alarm.opened)
        return replace(alarm, incident=incident)

    async def _route(self, connection: DatabaseConnection, now: int, most: int) -> int:
        """Queue a message on each route that wants to hear of up to `most` entries, also those that commands wrote.

        Nobody is told of an alarm that is expected, that came and went while it was, or that is back with who has it.
        """
        unrouted = await notifications.take_unrouted(connection, most)
        told = [entry for entry in unrouted if not entry.is_untold]
        wanting = {entry.journal: self._wanting(entry, now) for entry in told}
        await notifications.queue(connection, [(entry, name) for entry in told for name in wanting[entry.journal]])
        rest: list[tuple[Unrouted, str]] = []
        for entry in told:
            past = failed_route(entry.type, entry.subject)
            queued = await self._escalations.follow(connection, entry, now, past=past) + len(wanting[entry.journal])
            if past is not None and not queued and entry.action in TOLD:
                rest += [(entry, way) for way in self._others(past)]
        await notifications.queue(connection, rest)
        return len(unrouted)

    def _wanting(self, entry: Unrouted, now: int) -> list[str]:
        """Return the routes that are meant for an entry; none is told that it fails itself."""
        where = Circumstances(entry.hub, entry.zone, entry.level, now)
        past = failed_route(entry.type, entry.subject)
        return [
            route.name
            for route in self._routes
            if route.name != past and route.wants(entry.action, entry.type, entry.priority, where)
        ]

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
    (change,) = await apply_all(connection, [alarm], trigger, verified=verified, rules=rules)
    return change


async def apply_all(
    connection: DatabaseConnection,
    several: Sequence[Alarm],
    trigger: Trigger,
    *,
    verified: bool | None = None,
    rules: TypeRules = PLAIN,
) -> list[AlarmChange]:
    """Move different alarms that exist in the same way; raises MoveRefused with nothing written.

    They are written together: one by one, each would walk past what the ones before have left behind in their incident
    and in the chain.
    """
    changes: list[AlarmChange] = []
    changed: list[AlarmChange] = []
    for alarm in several:
        moved, entries = move(alarm, trigger, rules)
        if verified is not None:
            entries = tuple(replace(entry, verified=verified) for entry in entries)
        changes.append(AlarmChange(moved, entries))
        if moved != alarm:
            changed.append(changes[-1])
    if changed:
        entries_of = [(change.alarm.id, entry) for change in changed for entry in change.entries]
        await alarms.save_all(connection, [change.alarm for change in changed], entries_of)
        if isinstance(trigger, Close | Unwatched):
            await alarms.end_detections(connection, [change.alarm.id for change in changed])
    closed = (change.alarm.incident for change in changes if change.alarm.state is AlarmState.NORMAL)
    for incident in dict.fromkeys(closed):
        if incident is not None:
            await incidents.close_when_done(connection, incident, trigger.at)
    return changes


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

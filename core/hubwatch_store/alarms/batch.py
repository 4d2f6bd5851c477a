"""The alarms that a batch of findings touches: read together, moved in memory one after the other, written together.

What one finding does the next one sees, as if each had been written at once; a batch costs a few statements instead of
several for each finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from hubwatch_core.alarm import Action, Alarm, DetectedCondition, JournalEntry
from hubwatch_core.clock import to_datetime, to_us
from hubwatch_core.words import AlarmState
from hubwatch_store.alarms.alarms import NewDetection, alarm_of, closed_alarm, save_all
from hubwatch_store.database import DatabaseConnection, fetch, write

Condition = tuple[str, str, str, str | None, int | None]
"""Hub, sensor, type, subject, drill: what there is at most one open alarm of."""

_SAYS_NOTHING_NEW = frozenset({Action.ESCALATED, Action.REALARMED})
"""Entries that no finding wrote: an alarm is as quiet as before."""


class AlarmBatch:
    """Alarms by their number, by their condition and by the detections that went to them."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self._connection = connection
        self._alarms: dict[int, Alarm] = {}
        self._standing: dict[Condition, int] = {}
        """The open alarm of a condition, or the one that closed last; what a person has ended is not here."""
        self._bound: dict[str, int] = {}
        """By detection whose end is not counted yet."""
        self._said: dict[int, int] = {}
        """When something was last written about an alarm (µs)."""
        self._ids: list[int] = []
        self._wanted = 0
        self._changed: dict[int, Alarm] = {}
        self._entries: list[tuple[int, JournalEntry]] = []
        self._new_bounds: list[tuple[str, int, bool]] = []
        self._ended: list[str] = []

    @classmethod
    async def read(cls, connection: DatabaseConnection, arrivals: Sequence[NewDetection], closed_since: int) -> Self:
        """Read what findings may touch: open alarms, and those that closed by themselves at `closed_since` or later."""
        batch = cls(connection)
        await batch._read_bound([each.detection.id for each in arrivals if each.is_end])
        # A condition whose detection is in the batch, in the order of their coming.
        found = dict.fromkeys(_condition(each.detection) for each in arrivals if not each.is_end)
        await batch._read_standing(list(found), closed_since)
        await batch._read_said([each.id for each in batch._alarms.values() if each.state is AlarmState.RETURNED])
        return batch

    def standing(self, found: DetectedCondition) -> Alarm | None:
        """Return the open alarm of the condition that `found` speaks of, or else the last one it had."""
        number = self._standing.get(_condition(found))
        return None if number is None else self._alarms[number]

    def end(self, detection: str) -> Alarm | None:
        """Count the end of a detection; return its alarm, None when that is counted already or it has no alarm yet."""
        number = self._bound.pop(detection, None)
        if number is None:
            return None
        self._ended.append(detection)
        return self._alarms[number]

    def quiet_us(self, alarm: int, now: int) -> int:
        """Return how long ago something was written of an alarm; for ever, if the clock was set back since."""
        at = self._said.get(alarm, now)
        return now - at if at <= now else now

    async def next_id(self) -> int:
        """Return the number of a new alarm."""
        if not self._ids:
            rows = await fetch(self._connection, "alarms", "next_ids", count=max(1, self._wanted))
            self._ids = [int(row["id"]) for row in reversed(rows)]
            self._wanted = 0
        return self._ids.pop()

    async def closed_alarm(self, found: DetectedCondition) -> Alarm | None:
        """Return the closed alarm of a condition that was there all the time that a late finding tells of."""
        await self.write()
        alarm = await closed_alarm(self._connection, found)
        if alarm is not None:
            self._alarms[alarm.id] = alarm
        return alarm

    def save(self, alarm: Alarm, entries: Sequence[JournalEntry]) -> None:
        """Keep an alarm as it stands now, and the entries of the move that brought it there."""
        self._alarms[alarm.id] = self._changed[alarm.id] = alarm
        self._entries += [(alarm.id, entry) for entry in entries]
        for entry in entries:
            if entry.action not in _SAYS_NOTHING_NEW:
                self._said[alarm.id] = entry.at

    def bind(self, detection: DetectedCondition, alarm: Alarm) -> None:
        """Keep that a detection went to an alarm, which is that of its condition if it is open."""
        ended = detection.end is not None
        self._new_bounds.append((detection.id, alarm.id, ended))
        if not ended:
            self._bound[detection.id] = alarm.id
        if alarm.closed is None:
            self._standing[_condition(detection)] = alarm.id

    async def write(self) -> None:
        """Write what has changed since this was last done."""
        connection = self._connection
        if self._changed:
            await save_all(connection, list(self._changed.values()), self._entries)
        if self._new_bounds:
            detections, alarms, ended = zip(*self._new_bounds, strict=True)
            await write(
                connection, "alarms", "bind", detections=list(detections), alarms=list(alarms), ended=list(ended)
            )
        if self._ended:
            await write(connection, "alarms", "end_some", detections=self._ended)
        self._changed, self._entries, self._new_bounds, self._ended = {}, [], [], []

    async def _read_bound(self, detections: Sequence[str]) -> None:
        if not detections:
            return
        for row in await fetch(self._connection, "alarms", "bound", detections=list(detections)):
            alarm = alarm_of(row)
            self._alarms[alarm.id] = alarm
            if alarm.closed is None:
                self._standing[_condition(alarm)] = alarm.id
            if not row["counted"]:
                self._bound[row["detection"]] = alarm.id

    async def _read_standing(self, conditions: Sequence[Condition], closed_since: int) -> None:
        if not conditions:
            return
        hubs, sensors, types, subjects, exercises = zip(*conditions, strict=True)
        rows = await fetch(
            self._connection, "alarms", "standing", hubs=list(hubs), sensors=list(sensors), types=list(types),
            subjects=list(subjects), exercises=list(exercises), since=to_datetime(closed_since),
        )  # fmt: skip
        for row in rows:
            if not row["by_person"]:
                alarm = alarm_of(row)
                self._alarms[alarm.id] = alarm
                self._standing[conditions[row["n"] - 1]] = alarm.id
        self._wanted = len(conditions) - sum(self._alarms[each].closed is None for each in self._standing.values())

    async def _read_said(self, alarms: Sequence[int]) -> None:
        if alarms:
            rows = await fetch(self._connection, "alarms", "last_entries", alarms=list(alarms))
            self._said = {row["id"]: to_us(row["at"]) for row in rows}


def _condition(of: DetectedCondition | Alarm) -> Condition:
    return of.hub, of.sensor, of.type, of.subject, of.exercise

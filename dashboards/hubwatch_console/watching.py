"""Whether alarms are looked for: only then does an empty queue mean that all is well. Pure; times are of one clock.

A process that holds the name of its work shows by its beats that it lives. That detectors judge shows by what they
write, that a collector stores by the frames that agents send every ten seconds at least, and that alarms are made by
findings that do not wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from hubwatch_store.console import Beat, HubWork

BEATS_WITHIN_S = 15.0
"""As long as a process that waits for the work of another takes it for alive."""
HEARD_WITHIN_S = 30.0
"""Three times the longest pause between two frames of an agent."""
JUDGED_WITHIN_S = 120.0
"""Detectors write what they have taken every few seconds, and their states every minute."""
MADE_WITHIN_S = 10.0
"""A finding becomes an alarm in well under a second."""


class WatchDoubt(StrEnum):
    """Why it is not known that all is well."""

    NOT_ASKED = "not_asked"
    """The database was not asked long enough to see anybody work."""
    NOTHING_HEARD = "nothing_heard"
    """No frame of the hub was stored lately: its agents, the broker or the collector."""
    NOT_JUDGED = "not_judged"
    """No detector of the hub has written anything lately, or none runs."""
    NO_ALARMS = "no_alarms"
    """What makes alarms of findings does not run."""
    ALARMS_WAIT = "alarms_wait"
    """Findings wait and no alarm is made of them."""


class Watching:
    """What was seen of the work at each look."""

    def __init__(self) -> None:
        self._beats: dict[tuple[str, tuple[str, ...]], tuple[int, float | None]] = {}
        """By kind and hubs: the count, and when it was last seen to rise."""
        self._waits: tuple[int, float] | None = None
        self._work: dict[str, HubWork] = {}
        self._looked_at: float | None = None
        self._looks = 0

    def take(self, beats: Sequence[Beat], work: Iterable[HubWork], now: float) -> None:
        """Note what the database says at a moment."""
        found: dict[tuple[str, tuple[str, ...]], tuple[int, float | None]] = {}
        for beat in beats:
            key = (beat.kind, tuple(beat.hubs or ()))
            count, rose = self._beats.get(key, (None, None))
            found[key] = (beat.beats, now if count is not None and beat.beats > count else rose)
        self._beats = found
        oldest = beats[0].waits if beats else None
        if oldest is None:
            self._waits = None
        elif self._waits is None or self._waits[0] != oldest:
            self._waits = (oldest, now)
        self._work = {each.hub: each for each in work}
        self._looked_at, self._looks = now, self._looks + 1

    @property
    def hubs(self) -> list[str]:
        """Return the hubs there are."""
        return sorted(self._work)

    def doubts(self, hub: str, now: float) -> list[WatchDoubt]:
        """Return why it is not known that all is well at a hub; nothing when it is."""
        if self._looked_at is None or now - self._looked_at > MADE_WITHIN_S:
            return [WatchDoubt.NOT_ASKED]
        work = self._work.get(hub)
        found = []
        if work is None or not _within(work.heard_s, HEARD_WITHIN_S):
            found.append(WatchDoubt.NOTHING_HEARD)
        if not self._works("detectors", hub, now) or work is None or not _within(work.judged_s, JUDGED_WITHIN_S):
            found.append(WatchDoubt.NOT_JUDGED)
        if not self._works("alarms", hub, now):
            found.append(WatchDoubt.NO_ALARMS)
        elif self._waits is not None and now - self._waits[1] > MADE_WITHIN_S:
            found.append(WatchDoubt.ALARMS_WAIT)
        return found

    def _works(self, kind: str, hub: str, now: float) -> bool:
        return any(
            rose is not None and now - rose <= BEATS_WITHIN_S
            for (its_kind, hubs), (_, rose) in self._beats.items()
            if its_kind == kind and (not hubs or hub in hubs)
        )


def _within(age_s: float | None, most_s: float) -> bool:
    """Return whether something was lately; what lies in the future was not."""
    return age_s is not None and -most_s <= age_s <= most_s

"""Doors: forced open, held open, and a reader that keeps refusing.

Forced: the door opened and neither a grant nor a request to exit came within `grant_s` before. Contact and reader are
often on different devices, so a grant may reach us after the opening it explains: `grace_s` is waited for it.
Held: open for longer than `held_s` after an opening that was in order, or found open at the start.
Brute force: a CUSUM over the times between denials at one reader (`denials.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.section import Conflict
from hubwatch_core.wire import Clear, Event
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.denials import Denials, Rates

MOST_READERS = 16
"""Readers of one door that are told apart; more are judged as one."""
LONGEST_READER = 100
MOST_SUBJECTS = 20
OPEN_FROM = 0.5
AUTHORITIES = frozenset({"access.granted", "door.rex"})


class AccessConfig(DetectorConfig):
    """Times and rates of the door detector."""

    grant_s: float = Field(10.0, gt=0, le=3600, description="Seconds after a grant in which the door may open.")
    grace_s: float = Field(1.0, ge=0, le=60, description="Seconds a grant may come after the opening it explains.")
    held_s: float = Field(30.0, gt=0, description="Seconds a door may stand open.")
    benign_per_h: float = Field(0.5, gt=0, description="Denials an hour at one reader on a normal day.")
    attack_per_h: float = Field(60.0, gt=0, description="Denials an hour under attack.")
    burst_sum: float = Field(
        14.3, gt=0, description="CUSUM that alarms; 14.3 is the fourth denial within five minutes, or three within 4 s."
    )
    burst_clear_s: float = Field(60.0, gt=0, description="Seconds without a denial that end an attack.")

    def conflicts(self) -> Iterator[Conflict]:
        """An attack is faster than a normal day."""
        if self.attack_per_h <= self.benign_per_h:
            yield ("attack_per_h",), "attack_per_h must be more than benign_per_h"


class AccessMemory(msgspec.Struct):
    """What one door remembers; times in µs."""

    open: bool | None = None
    moved: int = 0
    """When the position was last learned."""
    authority: int = 0
    """The last grant or request to exit."""
    opened: int = 0
    """Start of the present, or the last, opening."""
    unexplained: int | None = None
    """An opening that still waits for its grant."""
    closed: int | None = None
    """When the unexplained opening ended, if it has."""
    lawful: bool = True
    forced: str | None = None
    held: str | None = None
    readers: dict[str, Denials] = {}


class Access(Detector[AccessMemory]):
    """One door with its readers."""

    def __init__(self, config: AccessConfig, origin: Origin, _site: Site) -> None:
        self.config, self.origin = config, origin
        self.memory = AccessMemory()
        self._rates = Rates(config.benign_per_h, config.attack_per_h)
        self._grant_us, self._grace_us = round(config.grant_s * SECOND_US), round(config.grace_s * SECOND_US)
        self._held_us, self._quiet_us = round(config.held_s * SECOND_US), round(config.burst_clear_s * SECOND_US)

    def update(self, chunk: Chunk) -> list[Finding]:
        """Follow door and readers, moment by moment."""
        found: list[Finding] = []
        for item in chunk.moments():
            found += self.advance(item.t)
            if isinstance(item, Event):
                found += self._event(item)
            elif item.channel == "position":
                found += self._position(item.t, item.value >= OPEN_FROM)
        return found

    def advance(self, now: int) -> list[Finding]:
        """Judge what is due before `now`: an opening without grant, a door still open, an attack that ended."""
        memory, found = self.memory, list[Finding]()
        if memory.unexplained is not None and now > memory.unexplained + self._grace_us:
            found += self._forced(memory.unexplained, memory.unexplained + self._grace_us, "no grant")
        due = memory.opened + self._held_us
        if memory.open and memory.lawful and memory.held is None and memory.unexplained is None and now > due:
            found += self._held(memory.opened, due)
        for denials in memory.readers.values():
            over = denials.last + self._quiet_us
            if denials.alarm is not None and now > over:
                found.append(Clear(denials.alarm, denials.last, over))
                denials.end()
        return found

    def rewind(self) -> None:
        """A door learns nothing that outlasts the moment."""
        self.memory = AccessMemory()

    def _event(self, event: Event) -> list[Finding]:
        memory = self.memory
        if event.type in AUTHORITIES:
            memory.authority = max(memory.authority, event.t)
            if memory.unexplained is not None and self._explains(event.t, memory.unexplained):
                memory.unexplained, memory.lawful = None, True
        elif event.type == "access.denied":
            return self._denied(event)
        elif event.type in {"door.opened", "door.closed"}:
            return self._position(event.t, event.type == "door.opened")
        elif event.type in {"door.forced", "door.held"}:
            return self._controller_says(event)
        return []

    def _controller_says(self, event: Event) -> list[Finding]:
        """Take the door controller's own verdict, unless we have come to it already or the door is closed again."""
        memory, momentary = self.memory, self.memory.open is None
        if (
            not momentary
            and not memory.open
            and memory.unexplained is None
            and event.t <= memory.moved + self._grace_us
        ):
            return []
        if event.type == "door.forced" and memory.forced is None:
            start = event.t if memory.unexplained is None else memory.unexplained
            return self._forced(start, event.t, "the door controller says so", momentary=momentary)
        if event.type == "door.held" and memory.held is None and memory.forced is None:
            return self._held(memory.opened if memory.open else event.t, event.t, momentary=momentary)
        return []

    def _position(self, t: int, is_open: bool) -> list[Finding]:
        memory, was = self.memory, self.memory.open
        if t <= memory.moved:
            return []
        memory.moved, memory.open = t, is_open
        if is_open and not was:
            memory.opened = t
            memory.lawful = was is None or self._explains(memory.authority, t)
            if not memory.lawful and memory.unexplained is None:
                memory.unexplained = t
            memory.closed = None
        elif was and not is_open:
            return self._closed(t)
        return []

    def _explains(self, authority: int, opening: int) -> bool:
        return opening - self._grant_us <= authority <= opening + self._grace_us

    def _closed(self, t: int) -> list[Finding]:
        memory = self.memory
        found: list[Finding] = [Clear(alarm, t, t) for alarm in (memory.forced, memory.held) if alarm is not None]
        memory.forced = memory.held = None
        memory.closed = t if memory.unexplained is not None else None
        return found

    def _forced(self, start: int, t: int, reason: str, *, momentary: bool = False) -> list[Finding]:
        memory = self.memory
        end = start if momentary else memory.closed
        memory.unexplained = memory.closed = None
        memory.lawful = False
        before = (start - memory.authority) / SECOND_US if memory.authority else None
        detection = self.origin.detection(
            "access.forced",
            start=start,
            end=end,
            detected=t,
            score=1.0,
            priority=Priority.CRITICAL,
            why=f"door opened without a grant or request to exit in the {self.config.grant_s:g} s before ({reason})",
            evidence={"reason": reason, "seconds_since_authority": before},
        )
        memory.forced = detection.id if end is None else None
        return [detection]

    def _held(self, start: int, t: int, *, momentary: bool = False) -> list[Finding]:
        detection = self.origin.detection(
            "access.held",
            start=start,
            end=t if momentary else None,
            detected=t,
            score=1.0,
            priority=Priority.MEDIUM,
            why=f"door open for more than {(t - start) / SECOND_US:.0f} s",
            evidence={"held_s": self.config.held_s},
        )
        self.memory.held = None if momentary else detection.id
        return [detection]

    def _denied(self, event: Event) -> list[Finding]:
        reader = str(event.attrs.get("reader", ""))[:LONGEST_READER]
        readers = self.memory.readers
        if reader not in readers and len(readers) >= MOST_READERS:
            reader = "other"
        denials = readers.setdefault(reader, Denials())
        if not denials.add(event.t, self._rates):
            return []
        if event.subject is not None and event.subject not in denials.subjects[:MOST_SUBJECTS]:
            denials.subjects = [*denials.subjects, event.subject][:MOST_SUBJECTS]
        if denials.alarm is not None or denials.sum < self.config.burst_sum:
            return []
        detection = self.origin.detection(
            "access.brute_force",
            subject=f"reader:{reader}" if reader else None,
            start=denials.first,
            detected=event.t,
            score=denials.sum,
            priority=Priority.HIGH,
            why=f"{denials.count} denials within {(event.t - denials.first) / SECOND_US:.0f} s at one reader",
            evidence={"denials": denials.count, "subjects": denials.subjects},
        )
        denials.alarm = detection.id
        return [detection]


SPEC = Spec(
    name="access",
    version=1,
    scope=Scope.SENSOR,
    types=("access.forced", "access.held", "access.brute_force"),
    config=AccessConfig,
    make=Access,
    kinds=frozenset({SensorKind.ACCESS}),
)

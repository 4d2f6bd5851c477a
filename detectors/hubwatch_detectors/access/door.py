"""Doors: forced, held open, followed through, tampered with, opened under duress, and a reader that keeps refusing.

Forced: the door opened and neither a grant nor a request to exit came within `grant_s` before. Contact and reader are
often on different devices, so a grant may reach us after the opening it explains: `grace_s` is waited for it.
Held: open for longer than `held_s` after an opening that was in order, or found open at the start.
Tailgating: a turnstile or sluice of the site that opens twice for one grant; any door that stands open for two
(`open_times.py`). Brute force: times and badges of the denials at one reader (`denials.py`).
"""

from __future__ import annotations

import math

import msgspec

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Clear, Event
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors.access.denials import Denials
from hubwatch_detectors.access.door_config import AccessConfig
from hubwatch_detectors.access.open_times import OpenTimes
from hubwatch_detectors.access.readers import ReaderRules, reader_of
from hubwatch_detectors.access.urgent import Reported, duress, tampered
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import ALWAYS, NEVER, Detector, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.rates import DEVICES_OWN, EXACT, Rate, RateForm, badge_uses, readers

BOUNCE_US = SECOND_US // 2
"""A contact that closes for less has bounced. Our choice: nobody passes a turnstile so soon after another."""
OPEN_FROM = 0.5
AUTHORITIES = frozenset({"access.granted", "door.rex"})


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
    grants: int = 0
    """Grants and requests to exit since the door last closed."""
    granted: int = 0
    """The last grant."""
    passed: int = 0
    """The grant that explained the last opening."""
    shut: int = 0
    """When the door last closed."""
    second: int | None = None
    """An opening for which no further grant has come yet."""
    open_times: OpenTimes = msgspec.field(default_factory=OpenTimes)
    reported: Reported = msgspec.field(default_factory=Reported)


class Access(Detector[AccessMemory]):
    """One door with its readers."""

    def __init__(self, config: AccessConfig, origin: Origin, site: Site) -> None:
        self.config, self.origin = config, origin
        self.memory = AccessMemory()
        self._readers = ReaderRules(config, origin)
        self._grant_us, self._grace_us = round(config.grant_s * SECOND_US), round(config.grace_s * SECOND_US)
        self._one_person = _is_for_one_person(site, origin)
        self._held_us = round(config.held_s * SECOND_US)

    def update(self, chunk: Chunk) -> list[Finding]:
        """Follow door and readers, moment by moment."""
        if not chunk.events and self._rests(chunk):
            self.memory.moved = max(self.memory.moved, chunk.last)
            return self.advance(chunk.last)
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
        if memory.second is not None and now > memory.second + self._grace_us:
            found += self._followed(memory.second)
        return found + self._readers.ended(memory.readers, now)

    def due(self) -> int:
        """Return when something has to be judged, or an attack may be over."""
        memory = self.memory
        if any(each.alarm is not None for each in memory.readers.values()):
            return ALWAYS
        due = NEVER if memory.second is None else memory.second + self._grace_us + 1
        if memory.unexplained is not None:
            return min(due, memory.unexplained + self._grace_us + 1)
        waits = memory.open and memory.lawful and memory.held is None
        return min(due, memory.opened + self._held_us + 1) if waits else due

    def _rests(self, chunk: Chunk) -> bool:
        """Return whether the door says nothing but that it is as it was."""
        if len(chunk.columns) != 1 or chunk.columns[0].channel != "position" or self.memory.open is None:
            return False
        x = chunk.columns[0].x
        return min(x) >= OPEN_FROM if self.memory.open else max(x) < OPEN_FROM

    def rewind(self) -> None:
        """Keep how often readers deny and how long the door stands open."""
        known = self.memory
        for denials in known.readers.values():
            denials.forget_moment()
        self.memory = AccessMemory(readers=known.readers, open_times=known.open_times)

    def _event(self, event: Event) -> list[Finding]:
        memory, found = self.memory, duress(event, self.origin, self.memory.reported)
        if event.type in AUTHORITIES:
            self._allowed(event)
            if memory.unexplained is not None and self._explains(event.t, memory.unexplained):
                memory.unexplained, memory.lawful, memory.passed = None, True, memory.authority
        elif event.type == "access.denied":
            found += self._readers.denied(event, memory.readers)
        elif event.type in {"door.opened", "door.closed"}:
            found += self._position(event.t, event.type == "door.opened")
        elif event.type in {"door.forced", "door.held"}:
            found += self._controller_says(event)
        elif event.type == "device.tamper":
            found += tampered(event, self.origin, memory.reported)
        return found

    def _allowed(self, event: Event) -> None:
        memory = self.memory
        if event.t > memory.authority:
            memory.grants += 1
            memory.authority = event.t
        if event.type != "access.granted":
            return
        memory.granted = max(memory.granted, event.t)
        reader = memory.readers.get(reader_of(event))
        if reader is not None:
            reader.granted(event.t, event.subject)

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
            if memory.lawful and was is not None:
                self._passes(t)
        elif was and not is_open:
            return self._closed(t)
        return []

    def _explains(self, authority: int, opening: int) -> bool:
        return opening - self._grant_us <= authority <= opening + self._grace_us

    def _passes(self, t: int) -> None:
        """Note that the door opens in order; the second time for one grant somebody may follow."""
        memory = self.memory
        again = memory.granted == memory.authority == memory.passed
        if again and self._one_person and memory.second is None and t >= memory.shut + BOUNCE_US:
            memory.second = t
        memory.passed = memory.authority

    def _followed(self, t: int) -> list[Finding]:
        """Judge the second opening for one grant, when no further grant has come."""
        memory = self.memory
        memory.second = None
        if memory.authority != memory.passed:
            memory.passed = memory.authority
            return []
        seconds = (t - memory.passed) / SECOND_US
        why = f"the door opened twice for one grant, the second time {seconds:.0f} s after it"
        return [self._tailgating(t, t + self._grace_us, 1.0, why, {"seconds_since_grant": round(seconds, 3)})]

    def _stood_open(self, t: int) -> list[Finding]:
        """Judge how long the door stood open for one grant, and learn from it."""
        memory, times = self.memory, self.memory.open_times
        seconds = (t - memory.opened) / SECOND_US
        if not memory.lawful or memory.grants != 1 or memory.held is not None or seconds <= 0:
            return []
        threshold, score = times.threshold(self.config.tailgating_rate), 0.0
        if threshold is not None:
            score = times.score(seconds)
        if threshold is None or score < threshold:
            times.learn(seconds)
            return []
        usual = math.exp(times.mean)
        why = f"the door stood open for {seconds:.1f} s after one grant; one person takes {usual:.1f} s"
        evidence = {"seconds": round(seconds, 3), "usual_seconds": round(usual, 3), "threshold": round(threshold, 3)}
        evidence["scatter"] = round(times.scatter(), 4)
        return [self._tailgating(memory.opened, t, score, why, evidence)]

    def _tailgating(self, start: int, t: int, score: float, why: str, evidence: dict[str, float]) -> Finding:
        return self.origin.detection(
            "access.tailgating",
            start=start,
            end=start,
            detected=t,
            score=score,
            priority=Priority.MEDIUM if self._one_person else Priority.LOW,
            why=why,
            evidence=evidence,
        )

    def _closed(self, t: int) -> list[Finding]:
        memory = self.memory
        timed = self._stood_open(t)
        memory.grants, memory.shut = 0, t
        found: list[Finding] = [
            *timed,
            *(Clear(alarm, t, t) for alarm in (memory.forced, memory.held) if alarm is not None),
        ]
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


def _is_for_one_person(site: Site, origin: Origin) -> bool:
    hub = site.of(origin.hub)
    return hub is not None and any(door.sensor == origin.sensor and door.one_person for door in hub.doors)


SPEC = Spec(
    name="access",
    version=2,
    scope=Scope.SENSOR,
    types=(
        "access.forced",
        "access.held",
        "access.brute_force",
        "access.tailgating",
        "access.tamper",
        "access.duress",
    ),
    config=AccessConfig,
    make=Access,
    kinds=frozenset({SensorKind.ACCESS}),
    rates=(
        Rate(
            "false_alarm_days",
            ("access.brute_force",),
            SensorKind.ACCESS,
            "reader",
            readers,
            by_hand=("burst_score",),
            form=RateForm.DAYS_BETWEEN,
        ),
        Rate(
            "tailgating_rate",
            ("access.tailgating",),
            SensorKind.ACCESS,
            "opening",
            badge_uses(),
            needs="badge_uses_per_day",
        ),
    ),
    no_share={"access.forced": EXACT, "access.held": EXACT, "access.tamper": DEVICES_OWN, "access.duress": DEVICES_OWN},
    source="Shiryaev-Roberts, mixed: Pollak and Tartakovsky 2009; otherwise rules",
    warm_up="none; a reader's own rate of denials is learned from benign_per_h on",
)

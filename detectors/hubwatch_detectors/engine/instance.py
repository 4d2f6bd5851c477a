"""One detector at work: a fault in it starts it anew and is reported, and what it has open is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from hubwatch_core.clock import SECOND_US
from hubwatch_core.logs import get_logger
from hubwatch_core.wire import Clear, Detection
from hubwatch_core.words import Priority
from hubwatch_detectors import binary
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import ALWAYS, Detector, Finding, Origin, Spec
from hubwatch_detectors.engine.waiting import Waiting

LIVE, LATE = "live", "late"
FAILED = "integrity.detector_failed"

_log = get_logger("detectors")


class InstanceKey(NamedTuple):
    """What names an instance; `sensor` is empty for one of a whole hub, `lane` is live or late."""

    hub: str
    detector: str
    sensor: str
    lane: str


class Saved(NamedTuple):
    """The state of one instance as it is stored."""

    key: InstanceKey
    version: int
    state: bytes


class Envelope(msgspec.Struct, array_like=True):
    """What is stored of an instance beside its detector's own state."""

    state: bytes
    open: list[str] = []
    fed: int = 0
    until: int = 0
    meaning: dict[str, str] = {}


@dataclass(slots=True)
class Instance:
    """A detector at work; `open` are the ids of its detections that have not ended."""

    key: InstanceKey
    spec: Spec[Any]
    build: Callable[[], Detector[Any]]
    detector: Detector[Any]
    open: dict[str, None] = field(default_factory=dict)
    fed: int = 0
    """Late lane: when it was last fed, by the hub's clock (µs)."""
    until: int = 0
    """Late lane: up to where it is to judge (µs, event time)."""
    meaning: dict[str, str] = field(default_factory=dict)
    """What the readings mean that it has judged, by channel; nothing for one of a whole hub."""
    last: int = 0
    """The newest it has judged (µs, event time); 0 after a restart."""
    due: int = ALWAYS
    """When it is to be told the time next (µs, event time)."""
    changed: bool = True
    """Whether its state may differ from the stored one."""
    patience_us: int = 0
    waiting: Waiting | None = None
    asks: bool = False
    """Whether its detector says when it is due."""

    def __post_init__(self) -> None:
        self.patience_us = round(self.spec.patience_s * SECOND_US) if self.key.lane == LIVE else 0
        self.asks = type(self.detector).due is not Detector.due

    def give(self, chunk: Chunk) -> list[Finding]:
        """Let the detector take what a sensor said: at once, or with what comes next if it is patient."""
        return self.update(chunk) if self.waiting is None else self.waiting.give(chunk)

    def flush(self) -> list[Finding]:
        """Let the detector, and those that are as patient with the sensor, take what waits for it."""
        return [] if self.waiting is None else self.waiting.flush()

    @property
    def next(self) -> int:
        """Return when it is to be told the time, or given what waits (µs, event time)."""
        return self.due if self.waiting is None else min(self.due, self.waiting.due)

    def update(self, chunk: Chunk) -> list[Finding]:
        """Let the detector take what a sensor said, now."""
        self.changed = True
        self.last = max(self.last, chunk.last)
        try:
            found = self.detector.update(chunk)
            self.due = self.detector.due() if self.asks else self._next_due(chunk.last)
        except Exception as error:  # noqa: BLE001 - a fault in one detector must not blind all the others
            return self._begin_anew(error, chunk.sensor.sensor, chunk.last)
        return self.note(found) if found else found

    def advance(self, now: int) -> list[Finding]:
        """Let the detector take what waits and judge what did not come up to `now` (µs, event time)."""
        before = self.flush() if self.waiting is not None else []
        self.changed = True
        try:
            found = self.detector.advance(now)
            self.due = self.detector.due() if self.asks else self._next_due(now)
        except Exception as error:  # noqa: BLE001 - as above
            return before + self._begin_anew(error, self.key.sensor or self.key.hub, now)
        return before + self.note(found) if found else before

    def _next_due(self, now: int) -> int:
        """One that does not say when it is due is told the time always; a patient one as often as it gets readings."""
        return now + self.patience_us if self.patience_us else ALWAYS

    def _begin_anew(self, error: Exception, sensor: str, now: int) -> list[Finding]:
        """Forget everything, end what was open, and tell people that something may have been missed."""
        _log.error("detector failed and starts anew", **self.key._asdict(), exc_info=error)
        self.detector, self.due = self.build(), ALWAYS
        ended = [Clear(each, now, now) for each in self.open]
        self.open.clear()
        origin = Origin(self.key.detector, self.spec.version, self.key.hub, sensor, self.key.lane == LATE)
        failed = origin.detection(
            FAILED,
            start=now,
            end=now,
            detected=now,
            score=1.0,
            priority=Priority.HIGH,
            why=f"detector {self.key.detector} failed here and began anew: what just happened may be unjudged",
            evidence={"error": f"{type(error).__name__}: {error}"[:500]},
        )
        return [*ended, failed]

    def note(self, found: list[Finding]) -> list[Finding]:
        """Keep account of what is open, and pass the findings on."""
        for finding in found:
            if not isinstance(finding, Detection):
                self.open.pop(finding.id, None)
            elif finding.end is None:
                self.open[finding.id] = None
        return found

    def taught_by(self, state: bytes) -> None:
        """Let the detector begin with what another one has learned, and without its moment."""
        self.detector.restore(state)
        self.detector.rewind()
        self.due = ALWAYS

    def restored(self, state: bytes) -> None:
        """Take up what `saved` gave; raises Poison when it cannot be read."""
        envelope = binary.decode(state, Envelope)
        self.detector.restore(envelope.state)
        self.open, self.fed, self.until = dict.fromkeys(envelope.open), envelope.fed, envelope.until
        self.meaning = envelope.meaning
        self.due, self.changed = ALWAYS, False

    def saved(self) -> Saved:
        """Return what is to be stored; nothing may wait."""
        envelope = Envelope(self.detector.state(), list(self.open), self.fed, self.until, self.meaning)
        return Saved(self.key, self.spec.version, binary.encode(envelope))

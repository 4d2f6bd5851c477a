"""A badge at a reader, and what the judges of badges report about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from hubwatch_core.wire import Event
from hubwatch_core.words import Priority
from hubwatch_detectors.access.people import Person
from hubwatch_detectors.access.whereabouts import Passage
from hubwatch_site import Cardholder

MAX_SUBJECT, MAX_READER = 120, 100
KINDS = frozenset({"access.granted", "access.denied", "access.presented"})


class Presented(msgspec.Struct, array_like=True, frozen=True):
    """A badge at a reader, `t` in µs."""

    t: int
    sensor: str
    reader: str
    direction: str
    subject: str
    denied: bool

    @classmethod
    def of(cls, sensor: str, event: Event) -> Presented | None:
        """Return what an event says of a badge; None for other events, and for a badge without a usable name."""
        if event.type not in KINDS or event.subject is None or len(event.subject) > MAX_SUBJECT:
            return None
        reader, direction = event.attrs.get("reader"), event.attrs.get("direction")
        return cls(
            event.t,
            sensor,
            reader[:MAX_READER] if isinstance(reader, str) else "",
            direction if direction in ("in", "out") else "",
            event.subject,
            event.type == "access.denied",
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """A badge at a reader, with what is known of its owner and the place."""

    at: Presented
    person: Person
    owner: Cardholder | None
    door: int
    """Number of the door."""
    passage: Passage | None
    """What the reader leads to, where the site says it."""

    @property
    def is_outward(self) -> bool:
        """Return whether somebody goes out: those who come in choose their door, those who leave take the same."""
        return self.at.direction == "out" if self.passage is None else not self.passage.inward


@dataclass(frozen=True, slots=True)
class BadgeReport:
    """What a judge finds about a moment; `start` (µs) where it began before, `lasts` where it goes on."""

    kind: str
    priority: Priority
    why: str
    evidence: dict[str, Any] = field(default_factory=dict)
    score: float = 1.0
    start: int | None = None
    lasts: bool = False

"""What a device at a door says itself and nobody has to work out: it is tampered with, somebody is forced to open."""

from __future__ import annotations

import msgspec

from hubwatch_core.wire import Event
from hubwatch_core.words import Priority
from hubwatch_detectors.access.readers import MAX_SUBJECT, reader_of
from hubwatch_detectors.contract import Finding, Origin


class Reported(msgspec.Struct):
    """What was last reported (µs): the same event may come again."""

    tamper: int = 0
    duress: int = 0


def tampered(event: Event, origin: Origin, last: Reported) -> list[Finding]:
    """Report that a housing was opened."""
    if event.t <= last.tamper:
        return []
    last.tamper, reader = event.t, reader_of(event)
    why = "the tamper contact of " + (f"reader {reader}" if reader else "the door or its reader") + " opened"
    return [_momentary("access.tamper", Priority.HIGH, event, origin, why)]


def duress(event: Event, origin: Origin, last: Reported) -> list[Finding]:
    """Report a code that says: I am forced to open this door."""
    if not _is_duress(event) or event.t <= last.duress:
        return []
    last.duress = event.t
    why = "a person at the door gave the code that says they are forced to open it"
    return [_momentary("access.duress", Priority.CRITICAL, event, origin, why)]


def _is_duress(event: Event) -> bool:
    said = event.attrs.get("duress")
    return event.type == "access.duress" or event.attrs.get("reason") == "duress" or said in (True, "true", "1")


def _momentary(kind: str, priority: Priority, event: Event, origin: Origin, why: str) -> Finding:
    return origin.detection(
        kind,
        subject=None if event.subject is None else event.subject[:MAX_SUBJECT],
        start=event.t,
        end=event.t,
        detected=event.t,
        score=1.0,
        priority=priority,
        why=why,
        evidence={"reader": reader_of(event), "event": event.type},
    )

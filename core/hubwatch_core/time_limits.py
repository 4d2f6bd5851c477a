"""Which times of a frame or a birth make sense at the moment of its receipt; others come from a clock that is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.errors import Poison
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.wire import EARLIEST_US, Birth

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Times that make sense, relative to the moment of receipt; µs."""

    oldest_us: int
    newest_us: int


def check_times(content: AnyFrame | Birth, received: int, limits: Limits, *, retained: bool = False) -> None:
    """Raise Poison when a time in `content`, received at `received` (µs UTC), is outside the limits.

    A birth that the broker had kept may be as old as its agent's last start.
    """
    earliest, latest = received - limits.oldest_us, received + limits.newest_us
    if content.sent > latest or (content.sent < earliest and not (isinstance(content, Birth) and retained)):
        raise _absurd("sent", content.sent, received)
    if isinstance(content, Birth):
        return
    for what, first, last in content.spans:
        if not earliest <= first:
            raise _absurd(what, first, received)
        if not last <= latest:
            raise _absurd(what, last, received)
    for event in content.events:
        if not earliest <= event.t <= latest:
            raise _absurd(event.type, event.t, received)


def said_at(birth: Birth, received: int, *, retained: bool) -> int:
    """Return when a birth was said (µs UTC): what its agent says, but not after it was received.

    What a broker had kept may have been received before. If it is from the future, nothing tells when it was said.
    """
    if retained and birth.sent > received:
        return EARLIEST_US
    return min(birth.sent, received)


def _absurd(what: str, time: int, received: int) -> Poison:
    off = (time - received) / DAY_US
    return Poison(f"{what} is {abs(off):.1f} days {'ahead of' if off > 0 else 'behind'} the time of receipt")

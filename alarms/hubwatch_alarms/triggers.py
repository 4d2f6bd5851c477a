"""What can happen to an alarm; times are microseconds UTC since 1970, `at` is when the move is made."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.alarm import DetectedCondition


@dataclass(frozen=True, slots=True)
class Detected:
    """A detector found the condition; `new_id` and `zone` are used when this opens an alarm.

    `quiet_us` is for how long nothing had happened to the alarm, by the hub's clock.
    """

    at: int
    detection: DetectedCondition
    new_id: int
    zone: str | None = None
    quiet_us: int = 0


@dataclass(frozen=True, slots=True)
class Cleared:
    """The condition of one detection was over at `end`; `why` where nobody watches it any more."""

    at: int
    detection: str
    end: int
    why: str | None = None
    peak: float = 0.0
    """The highest score of that detection."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A person takes the alarm."""

    at: int
    by: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Shelve:
    """A person sets the alarm aside until `until`, and says why."""

    at: int
    by: str
    until: int
    note: str


@dataclass(frozen=True, slots=True)
class Unshelve:
    """A person takes the alarm off the shelf."""

    at: int
    by: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ShelfExpired:
    """The clock passed the alarm's time on the shelf, or was set back to before it was shelved."""

    at: int
    clock_set_back: bool = False


@dataclass(frozen=True, slots=True)
class Close:
    """The alarm is ended whatever its condition does, by a person or by hubwatch itself, with a reason."""

    at: int
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unwatched:
    """Nobody can say any more whether the condition is there: what reported it is gone, and `reason` says what."""

    at: int
    by: str
    reason: str


Trigger = Detected | Cleared | Acknowledge | Shelve | Unshelve | ShelfExpired | Close | Unwatched

"""What can happen to an alarm; times are microseconds UTC since 1970, `at` is when the move is made."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.alarm import DetectedCondition
from hubwatch_core.words import AlarmState


@dataclass(frozen=True, slots=True)
class TypeRules:
    """What of the lifecycle differs from type to type."""

    off_delay_us: int = 0
    """For how long a condition must have gone before its alarm returns."""
    latching: bool = False
    """Whether an alarm whose condition has gone stays until a person has reset it."""
    realarm_us: int = 0
    """After how long without anybody it is told again; 0 is never."""


PLAIN = TypeRules()


@dataclass(frozen=True, slots=True)
class Aside:
    """Why alarms are set aside before anybody is told: SUPPRESSED or OUT_OF_SERVICE, and the reason and whose it is."""

    state: AlarmState
    reason: str


@dataclass(frozen=True, slots=True)
class Detected:
    """A detector found the condition; `new_id` and `zone` are used when this opens an alarm.

    `quiet_us` is for how long nothing had happened to the alarm, by the hub's clock; `aside` says why it is expected.
    """

    at: int
    detection: DetectedCondition
    new_id: int
    zone: str | None = None
    quiet_us: int = 0
    aside: Aside | None = None


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


@dataclass(frozen=True, slots=True)
class Suppress:
    """The alarm is expected, or what reports it is out of service, from now on."""

    at: int
    aside: Aside


@dataclass(frozen=True, slots=True)
class Release:
    """Nothing says any more that it is expected or out of service."""

    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class OffDelayOver:
    """The clock passed the moment at which an alarm whose condition has gone returns, or was set back."""

    at: int
    clock_set_back: bool = False


@dataclass(frozen=True, slots=True)
class Overdue:
    """The clock passed the moment at which an alarm that nobody has taken is told again, or was set back."""

    at: int
    clock_set_back: bool = False


Trigger = (
    Detected
    | Cleared
    | Acknowledge
    | Shelve
    | Unshelve
    | ShelfExpired
    | Close
    | Unwatched
    | Suppress
    | Release
    | OffDelayOver
    | Overdue
)

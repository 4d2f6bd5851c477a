"""What can happen to an alarm; times are microseconds UTC since 1970, `at` is when the move is made."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.wire import Detection


@dataclass(frozen=True, slots=True)
class Detected:
    """A detector found the condition; `new_id` and `zone` are used when this opens an alarm."""

    at: int
    detection: Detection
    new_id: int
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Cleared:
    """The condition of one detection was over at `end`."""

    at: int
    detection: str
    end: int


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
    """The clock passed the alarm's time on the shelf."""

    at: int


Trigger = Detected | Cleared | Acknowledge | Shelve | Unshelve | ShelfExpired

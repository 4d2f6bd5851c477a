"""What is remembered of the people of a hub: a compact summary of each, of a limited number of them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

MAX_PEOPLE = 20_000
"""People remembered of one hub; who was not seen for longest is forgotten. Our choice: a large port's badges."""
MAX_PERSON_BYTES = 1200
USUAL_PERSON_BYTES = 400
"""What one person takes in the saved state: at most, with the longest names, and usually (a test holds both). 20 000
people take 8 MB."""
MAX_DOORS = 32
"""Doors remembered of one person; of more the least used is forgotten."""
PROBATION = 8
"""Uses without another alarm after which what was called cloned is learned all the same: two windows. Our choice; a
clone that is worth its price is used again before."""
MAX_KEPT = 8
"""Uses called cloned that wait for it."""
MAX_USES = 2000
"""Uses after which a person's history is halved, so that it follows a life that changes."""


class Use(NamedTuple):
    """A use of a badge that is not yet learned: when (µs), the door's number, the hour, ln(clone/owner)."""

    t: int
    door: int
    hour: int
    score: float


class Person(msgspec.Struct, array_like=True):
    """One person with a badge; times are µs."""

    last: int = 0
    """The last time the badge was at a reader, whatever came of it; what is older is not judged."""
    place: int = -1
    """Number of the door it was at."""
    zone: str | None = None
    """Where the person is, as far as readers say."""
    stood: str | None = None
    """Zone of the reader it was at: whoever badges may turn round."""
    used: int = 0
    """When the badge was last used with success."""
    longest_us: int = 0
    """The longest time between two uses."""
    doors: dict[int, int] = {}
    """Learned uses by door."""
    hours: list[int] = msgspec.field(default_factory=lambda: [0] * 24)
    """Learned uses by hour of the day."""
    session: list[Use] = []
    """The last uses of the present session."""
    uses: int = 0
    """Uses of the present session so far."""
    conflicts: int = 0
    """How often in a row the person came to where they were already."""
    conflict: int = 0
    """When that last was."""
    told: int = 0
    """When it was last said that the badge should not be in use."""
    doubtful: bool = False
    """Whether something in this session was not its owner's doing; then nothing of it is learned."""
    cloned: str | None = None
    after_hours: str | None = None
    peaks: tuple[float, float] = (0.0, 0.0)
    """Highest scores of the two detections that last: cloned, after hours."""
    kept: list[tuple[int, int]] = []
    """Doors and hours of uses that were called cloned, but may have been the owner's."""
    probation: int = 0
    """Uses without another alarm after which `kept` is learned; 0 where nothing is kept."""

    def total(self) -> int:
        """Return how many uses were learned."""
        return sum(self.doors.values())

    def is_active(self) -> bool:
        """Return whether a detection of this person goes on."""
        return self.cloned is not None or self.after_hours is not None

    def goes_on(self, kind: str, id_: str, score: float) -> None:
        """Note a detection of type `kind` that lasts."""
        if kind == "access.cloned":
            self.cloned, self.peaks = id_, (score, self.peaks[1])
        else:
            self.after_hours, self.peaks = id_, (self.peaks[0], score)
            self.never_learn()

    def may_learn(self) -> None:
        """Begin to keep what is called cloned, in place of what was before."""
        self.kept, self.probation = [], PROBATION

    def never_learn(self) -> None:
        """Forget what was called cloned: it was hardly the owner's doing."""
        self.kept, self.probation = [], 0

    def keep(self, count: int) -> None:
        """Take the first `count` uses, in which something was found, out of the session."""
        if self.probation:
            self.kept = [*self.kept, *((use.door, use.hour) for use in self.session[: max(count, 0)])][:MAX_KEPT]
        self.session = self.session[max(count, 0) :]

    def trusted(self) -> list[tuple[int, int]]:
        """Note a use that is learned, and return doors and hours of what is to be learned with it by now."""
        if not self.probation:
            return []
        self.probation -= 1
        kept = [] if self.probation else self.kept
        if kept:
            self.kept = []
        return kept

    def learn(self, door: int, hour: int) -> None:
        """Take a use into the person's history."""
        self.doors[door] = self.doors.get(door, 0) + 1
        self.hours[hour] += 1
        if len(self.doors) > MAX_DOORS:
            del self.doors[min(self.doors, key=lambda door: (self.doors[door], door))]
        if self.total() > MAX_USES:
            self.doors = {door: count // 2 for door, count in self.doors.items() if count > 1}
            self.hours = [count // 2 for count in self.hours]

    def forget_moment(self) -> None:
        """Keep what was learned; what comes next may be older than what was."""
        self.last, self.place, self.zone, self.stood = 0, -1, None, None
        self.session, self.conflicts, self.conflict, self.told = [], 0, 0, 0
        self.doubtful, self.uses = False, 0
        self.cloned = self.after_hours = None
        self.peaks = (0.0, 0.0)
        self.never_learn()


class People(msgspec.Struct):
    """The people of one hub, the one seen last at the end."""

    known: dict[str, Person] = {}
    active: dict[str, None] = {}
    """Those with a detection that goes on."""

    def take(self, subject: str) -> tuple[Person, Person | None]:
        """Return a person, new where not known, and the one that is forgotten for it."""
        person = self.known.pop(subject, None)
        forgotten = None
        if person is None:
            person = Person()
            if len(self.known) >= MAX_PEOPLE:
                oldest = next(iter(self.known))
                forgotten = self.known.pop(oldest)
                self.active.pop(oldest, None)
        self.known[subject] = person
        return person, forgotten

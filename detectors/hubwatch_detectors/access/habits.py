"""Which doors a person uses, and whether the last uses of a badge were more likely another person's.

A person's uses follow a habit over the doors; habits of all people follow a Dirichlet distribution whose concentration
is learned from the hub (empirical Bayes, by how well each of some values foretold the uses so far). So a person with
ten days of history is judged by those and by what people of this hub are like. Whoever has a cloned badge uses any
door alike. The sum of the log-likelihood ratios over the last uses is the score; its threshold is the one that all
people of the hub together, each by what is known of them, pass at the allowed rate.
"""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec
import numpy as np

from hubwatch_detectors.access import urn
from hubwatch_detectors.access.people import Person

WINDOW = 4
"""Uses that are judged together: with fewer a clone is hardly told from a detour. Our choice."""
EARLY = 0.01
"""Share of the allowed rate for each look at fewer uses."""
LATER = 0.45
"""The same for each look after the first at a full window. It shares three uses with the look before; with this, a life
has the allowed rate for every four uses (simulated)."""
SPARE = 0.06
"""Share that is left: what was called cloned is learned late or never, and a threshold follows (simulated)."""
SHARES = (*(EARLY,) * (WINDOW - 1), 1 - EARLY * (WINDOW - 1) - SPARE, LATER)
"""Shares of the looks after the first use of a session, the second, …; the last is for all that follow."""
CONCENTRATIONS = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
"""Of the habits, for each door; small means that people keep to few doors."""
FIRST = 0.3
"""The one believed before the hub has shown its own. Our choice: people with two to four usual doors."""
FIRST_TRUST = 5.0
"""How much better (nats) another must have foretold before it is believed."""
FORGET = 0.9998
"""What one use leaves of the record of foretelling: the last 5 000 uses count."""
FEWEST_USES = 20
"""A person with fewer is not judged."""
SETTLING = 200.0
MEMORY = 1000.0
"""Looks by which a threshold follows the people of the hub: the first counts like one of `SETTLING`."""
MAX_DOORS_OF_HUB = 4096


class Habits(msgspec.Struct):
    """What is known of the habits of a hub's people together."""

    doors: dict[str, int] = {}
    """Numbers of the doors."""
    names: list[str] = []
    """The doors by their numbers."""
    uses: list[float] = []
    """Uses of each door, by all people."""
    fits: list[float] = msgspec.field(
        default_factory=lambda: [0.0 if each == FIRST else -FIRST_TRUST for each in CONCENTRATIONS]
    )
    """Log-likelihood of the uses by each concentration."""
    thresholds: list[float] = []
    """By `SHARES`; empty before the first look."""
    looks: list[int] = msgspec.field(default_factory=lambda: [0] * len(SHARES))

    def number(self, door: str) -> int:
        """Return the number of a door; those beyond the most that are told apart share one."""
        if door not in self.doors:
            if len(self.doors) >= MAX_DOORS_OF_HUB:
                return MAX_DOORS_OF_HUB - 1
            self.doors[door] = len(self.doors)
            self.names.append(door)
            self.uses.append(0.0)
        return self.doors[door]

    def size(self, doors_of_site: int) -> int:
        """Return how many doors there are to choose from."""
        return max(len(self.doors), doors_of_site, 2)

    def score(self, person: Person, door: int, size: int) -> float:
        """Return ln(clone/owner) of one use of a door, after those of the session."""
        concentration = self.concentration() * size
        now = sum(use.door == door for use in person.session)
        balls = person.doors.get(door, 0) + now + concentration * self._share(door, size)
        return math.log((person.total() + len(person.session) + concentration) / (size * balls))

    def learn(self, person: Person, door: int, size: int) -> None:
        """Take a use, which is not yet in the person's history, into what is known of all."""
        count, total, share = person.doors.get(door, 0), person.total(), self._share(door, size)
        for i, each in enumerate(CONCENTRATIONS):
            chance = (count + each * size * share) / (total + each * size)
            self.fits[i] = self.fits[i] * FORGET + math.log(chance)
        self.uses[door] += 1

    def chance(self, person: Person, uses: int, score: float, size: int) -> float:
        """Return how likely the owner's next `uses` score as much."""
        return urn.chance(self._urn(person, size), uses, score)

    def threshold(self, person: Person, size: int, rate: float) -> float:
        """Return the score at which uses are called cloned, and follow the hub's people a step further."""
        if not self.thresholds:
            self.thresholds = [
                _first_threshold(size, min(n, WINDOW), rate * share) for n, share in enumerate(SHARES, start=1)
            ]
        uses = len(person.session)
        alike = [uses - 1] if uses < WINDOW else [WINDOW - 1, WINDOW]
        at_present = self.thresholds[alike[0] if person.uses <= WINDOW else alike[-1]]
        passed = urn.chances(self._urn(person, size), uses, [self.thresholds[k] for k in alike])
        for k, chance in zip(alike, passed, strict=True):
            self.looks[k] = min(self.looks[k] + 1, round(MEMORY))
            gain = 1 / (SETTLING + self.looks[k])
            self.thresholds[k] += gain * min(chance / (rate * SHARES[k]) - 1, 20.0)
        return at_present

    def _urn(self, person: Person, size: int) -> urn.Weights:
        balls = np.full(size, self._share(-1, size))
        balls[: len(self.uses)] = self._shares(size)
        balls *= self.concentration() * size
        for door, count in person.doors.items():
            balls[door] += count
        return balls

    def concentration(self) -> float:
        """Return how little people keep to few doors, as believed at present."""
        return CONCENTRATIONS[max(range(len(self.fits)), key=self.fits.__getitem__)]

    def _share(self, door: int, size: int) -> float:
        """Return a door's share of all uses, drawn towards equal shares."""
        total = sum(self.uses)
        even = max(5.0, 0.2 * total / size)
        count = self.uses[door] if 0 <= door < len(self.uses) else 0.0
        return (count + even) / (total + even * size)

    def _shares(self, size: int) -> urn.Weights:
        uses = np.asarray(self.uses)
        even = max(5.0, 0.2 * float(uses.sum()) / size)
        return np.asarray((uses + even) / (uses.sum() + even * size))


@lru_cache(maxsize=256)
def _first_threshold(size: int, uses: int, rate: float) -> float:
    """Return the threshold for people as believed at first, each with 130 uses of history; simulated, seeded."""
    random = np.random.default_rng(size * WINDOW + uses)
    prior = np.full(size, FIRST)
    habits = random.dirichlet(prior, 100)
    return urn.quantile([random.multinomial(130, habit) + prior for habit in habits], uses, rate)

"""Repeated denials at one reader: normal bursts of mistyping against attacks of several kinds.

Normal: people are denied now and then, at the reader's own rate; whoever mistypes tries again within seconds with the
same badge, and mostly gets in. Attack: attempts at one of four rates, with one badge (its code is guessed) or with many
(badges are tried). The time since the last denial and whether the badge is the same give each attack a likelihood
ratio. The sums run from every denial on (Shiryaev–Roberts, mixed over the attacks): whatever the weights, the mean
number of normal denials until a false alarm is at least the threshold (Pollak and Tartakovsky, Statist. Sinica 19,
2009), so the threshold follows from the denials that a reader has in the allowed time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from hubwatch_core.clock import SECOND_US

HOUR_S = 3600.0
RATES = (10.0, 1.0, 0.1, 0.025)
"""Attacks looked for, as multiples of the configured rate. Our choice: from a machine to one attempt in 40 minutes."""
RATE_WEIGHTS = (0.15, 0.6, 0.15, 0.1)
ONE_BADGE, MANY_BADGES = 0.97, 0.03
"""Chance that an attempt is with the same badge as the one before, where one code is guessed or many badges tried."""
RETRIES = 0.3
"""Chance that a person who was denied tries again at once. Our choice; each reader learns its own."""
RETRY_WEIGHT = 20.0
"""Denials after which a reader's own share of retries counts as much as `RETRIES`."""
RETRY_GAPS = ((0.85, 6.0), (0.15, 20.0))
"""Seconds between a mistyped code and the next try: shares and means of two exponentials, some typing it anew at once,
some looking it up. Our choice."""
MAX_SLOWNESS = 2.0
"""A reader's own pace of retries is believed up to this factor; beyond it somebody may be teaching it."""
SAME_IN_RETRY, SAME_BY_CHANCE = 0.98, 0.1
EPISODE_WEIGHT = 2.0
"""Episodes after which a reader's own rate of denials counts as much as the configured one."""
FORGIVEN = 0.05
"""How much less likely an attack is once the badge that was denied is granted: about that many attacks end so soon."""
FORGIVE_S = 120.0
MAX_FORGIVEN = 5
"""More denials of one badge than these are no mistyping, even if the right code comes in the end."""
MAX_SUBJECTS = 20
OVERSHOOT = 0.35
"""The sum passes its threshold by a good deal, and the bound of the mean counts it as if it did not. With it simulated
readers of several kinds have between 0.3 and 0.9 of the false alarms they are allowed (tests/support/badge_model.py).
"""
MIN_THRESHOLD = 15.0
"""A reader that hardly ever denies still has its doubt; our choice."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What is normal before a reader's own history says more, and what an attack is, in denials an hour."""

    benign: float
    attack: float

    def attacks(self) -> tuple[float, ...]:
        """Return the attack rates looked for, per second."""
        return tuple(self.attack * factor / HOUR_S for factor in RATES)


class ReaderHistory(msgspec.Struct):
    """How often a reader denies: separate occasions, tries at once after a denial, and the time they took."""

    episodes: float = 0.0
    retries: float = 0.0
    seconds: float = 0.0
    retry_seconds: float = 0.0
    """Time between a denial and the next try, over all retries."""

    def add(self, other: ReaderHistory) -> None:
        """Take another stretch into this one."""
        self.episodes += other.episodes
        self.retries += other.retries
        self.seconds += other.seconds
        self.retry_seconds += other.retry_seconds


class Denials(msgspec.Struct):
    """The denials at one reader; times in µs."""

    ratios: list[float] = msgspec.field(default_factory=lambda: [0.0] * 2 * len(RATES))
    """The running sums of likelihood ratios: one badge at each rate, then many badges at each rate."""
    last: int = 0
    first: int = 0
    """Start of the present burst."""
    count: int = 0
    """Denials in the present burst."""
    subject: str | None = None
    """Badge of the last denial."""
    repeats: int = 0
    """How often that badge was denied in a row."""
    subjects: list[str] = []
    alarm: str | None = None
    value: float = 0.0
    """The statistic after the last denial."""
    peak: float = 0.0
    history: ReaderHistory = msgspec.field(default_factory=ReaderHistory)
    recent: ReaderHistory = msgspec.field(default_factory=ReaderHistory)
    """Of the present burst, taken into the history when it turns out to be none."""

    def add(self, t: int, subject: str | None, rates: Rates) -> bool:
        """Count a denial at `t`; False when it is not newer than the last one, as a repeated event is not."""
        if t <= self.last:
            return False
        gap_s = (t - self.last) / SECOND_US if self.last else None
        if gap_s is None:
            self.ratios = [1.0] * len(self.ratios)
            self._begin(t)
        else:
            self._weigh(gap_s, subject, rates, t)
        self.repeats = self.repeats + 1 if subject is not None and subject == self.subject else 1
        self.subject, self.last = subject, t
        self.count += 1
        if subject is not None and subject not in self.subjects and len(self.subjects) < MAX_SUBJECTS:
            self.subjects = [*self.subjects, subject]
        return True

    def granted(self, t: int, subject: str | None) -> None:
        """Note a grant at this reader: whoever was denied before it has mistyped."""
        own = self.subject is None or subject == self.subject
        if self.alarm is None and own and self.last < t <= self.last + FORGIVE_S * SECOND_US:
            if 0 < self.repeats <= MAX_FORGIVEN:
                self.ratios = [ratio * FORGIVEN for ratio in self.ratios]
            self.repeats = 0

    def per_hour(self, rates: Rates) -> float:
        """Return the normal denials of this reader an hour: its own history, and the configured rate before it."""
        return self._episodes_per_s(rates) * HOUR_S / (1 - self._retry_share())

    def threshold(self, rates: Rates, allowed_days: float) -> float:
        """Return the statistic that alarms: by the normal denials in the time that shall lie between false alarms."""
        return max(MIN_THRESHOLD, OVERSHOOT * self.per_hour(rates) * 24 * allowed_days)

    def by_attack(self, rates: Rates) -> dict[str, float]:
        """Return how well attacks of each rate (denials an hour) explain the denials, in nats."""
        count = len(RATES)
        best = [max(self.ratios[i], self.ratios[count + i], 1.0) for i in range(count)]
        return {f"{rates.attack * each:g}": round(math.log(x), 2) for each, x in zip(RATES, best, strict=True)}

    def quiet_us(self, least_s: float) -> int:
        """Return how long no denial must come until a burst is over: three of its gaps."""
        mean_us = (self.last - self.first) / max(1, self.count - 1)
        return round(max(least_s * SECOND_US, 3 * mean_us))

    def end(self) -> None:
        """Begin afresh after an alarm that is over; nothing of it is learned."""
        self.alarm, self.value, self.peak = None, 0.0, 0.0
        self.ratios = [0.0] * len(self.ratios)
        self.recent = ReaderHistory()

    def forget_moment(self) -> None:
        """Keep the history; what comes next may be older than what was."""
        self.end()
        self.last = self.first = self.count = self.repeats = 0
        self.subject, self.subjects = None, []

    def _begin(self, t: int) -> None:
        self.first, self.count, self.subjects = t, 0, []

    def _weigh(self, gap_s: float, subject: str | None, rates: Rates, t: int) -> None:
        same = None if subject is None or self.subject is None else subject == self.subject
        share, per_s = self._retry_share(), self._episodes_per_s(rates)
        retry = share * _retry_density(gap_s, self._slowness()) * _chance(same, SAME_IN_RETRY)
        fresh = (1 - share) * per_s * math.exp(-per_s * gap_s) * _chance(same, SAME_BY_CHANCE)
        normal = max(retry + fresh, 1e-300)
        attacks = [_attack(rate, gap_s) for rate in rates.attacks()]
        likelihoods = [density * _chance(same, style) for style in (ONE_BADGE, MANY_BADGES) for density in attacks]
        moved = [ratio * each / normal for ratio, each in zip(self.ratios, likelihoods, strict=True)]
        self.value = sum(weight * each / 2 for weight, each in zip(RATE_WEIGHTS * 2, moved, strict=True))
        self.peak = max(self.peak, self.value)
        self.ratios = [min(1.0 + each, 1e100) for each in moved]
        if self.alarm is None:
            self.recent.add(ReaderHistory(fresh / normal, retry / normal, gap_s, gap_s * retry / normal))
            if self.value < 1.0:  # nothing speaks for an attack any more
                self.history.add(self.recent)
                self.recent = ReaderHistory()
                self._begin(t)

    def _retry_share(self) -> float:
        known = self.history
        return (known.retries + RETRIES * RETRY_WEIGHT) / (known.episodes + known.retries + RETRY_WEIGHT)

    def _slowness(self) -> float:
        """Return how much slower than usual people try again at this reader."""
        known, usual_s = self.history, sum(share * mean for share, mean in RETRY_GAPS)
        learned_s = (known.retry_seconds + RETRY_WEIGHT * usual_s) / (known.retries + RETRY_WEIGHT)
        return min(max(learned_s / usual_s, 1 / MAX_SLOWNESS), MAX_SLOWNESS)

    def _episodes_per_s(self, rates: Rates) -> float:
        prior = rates.benign * (1 - RETRIES) / HOUR_S
        learned = (self.history.episodes + EPISODE_WEIGHT) / (self.history.seconds + EPISODE_WEIGHT / prior)
        return min(learned, rates.attack / HOUR_S / 10)


def _retry_density(gap_s: float, slowness: float) -> float:
    return sum(share / (mean * slowness) * math.exp(-gap_s / (mean * slowness)) for share, mean in RETRY_GAPS)


def _attack(per_s: float, gap_s: float) -> float:
    return per_s * math.exp(-per_s * gap_s)


def _chance(same: bool | None, of_same: float) -> float:
    """Return how likely it is that the badge is the same as before, or another; 1 where that is not known."""
    if same is None:
        return 1.0
    return of_same if same else 1 - of_same

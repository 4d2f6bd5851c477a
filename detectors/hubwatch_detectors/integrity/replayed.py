"""A stretch of readings that is a copy of an earlier one: a recording is played, or a driver sends its buffer again.

Readings become tokens: a run of equal values, with its length. A window of tokens has a fingerprint; one that comes
again at the same distance in time, and goes on doing so, is a copy. How long a window must be follows from the channel:
with c the share in which two tokens that come again are followed by what followed them before, L further tokens agree
by chance with probability c^L, and L is chosen so that this is below 2^-`bits`. The share is the one before the last
`min_tokens` tokens, so that a copy that has just begun is not taken for the nature of its channel. A channel that
would need more than `MOST_TOKENS` for that repeats itself by nature and is not judged.

Only fingerprints that are divisible by a number are kept (Schleimer et al. 2003, "Winnowing", SIGMOD): a fast channel
then remembers as long as a slow one, and copies select the same ones.
"""

from __future__ import annotations

import math

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Channel, Clear, Detection
from hubwatch_core.words import ChannelKind, Priority
from hubwatch_detectors.chunk import Steps
from hubwatch_detectors.contract import DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.methods.by_channel import ChannelDetector
from hubwatch_detectors.rates import no_rate

MOST_CHANNELS = 64
MOST_KEPT = 512
"""Fingerprints of a channel; with `reach_h` it decides which are kept."""
MOST_FOLLOWED = 256
LEAST_TOKENS, MOST_TOKENS = 8, 200
PRIME = (1 << 61) - 1
BASE = 1_000_003
GAP_PERIODS = 10.0
SAME_LAG_US = 2 * SECOND_US
"""Two copies at distances that differ by less belong together: clocks jitter. Our choice."""


class ReplayedConfig(DetectorConfig):
    """When a stretch counts as a copy."""

    bits: float = Field(56.0, ge=20, le=200, description="A copy of a window by chance has a probability of 2^-bits.")
    reach_h: float = Field(72.0, gt=0, le=1000, description="Hours back that a copy may lie.")
    min_tokens: int = Field(200, ge=50, le=10_000, description="Changes of value before a channel is judged.")


class Tape(msgspec.Struct):
    """What is remembered of one channel; times in µs."""

    value: float | None = None
    length: int = 0
    last: int = 0
    base: float | None = None
    """A counter's last value; its increments are judged."""
    lived: int = 0
    """How long it has been followed."""
    tokens: int = 0
    before: int = 0
    pair: int = 0
    """The last token, and the last two as one number."""
    follows: dict[int, int] = {}
    """The token that came after each two, the last time."""
    trials: int = 0
    agreed: int = 0
    settled: tuple[int, int] = (0, 0)
    """Both as they were when the window was chosen last: what came since may be the beginning of a copy."""
    window: int = 0
    """Tokens of a window; 0 while it is not known, -1 where the channel is not judged."""
    every: int = 1
    recent: list[tuple[int, int]] = []
    """Tokens of the window and when each ended."""
    rolling: int = 0
    power: int = 0
    """What the oldest token of the window counts in the fingerprint."""
    kept: dict[int, int] = {}
    """Fingerprints and when each ended, the oldest first."""
    lag: int = 0
    hits: int = 0
    since: int = 0
    hit_at: int = 0
    """Tokens when the copy was last seen to go on."""
    until: int = 0
    alarm: str | None = None


class ReplayedMemory(msgspec.Struct):
    """The channels of one sensor."""

    channels: dict[str, Tape] = {}


class Replayed(ChannelDetector[ReplayedMemory, Tape]):
    """The channels of one sensor."""

    entry = Tape
    max_channels = MOST_CHANNELS

    def __init__(self, config: ReplayedConfig, origin: Origin, _site: Site) -> None:
        self.config, self.origin, self.memory = config, origin, ReplayedMemory()
        self._min_tokens = config.min_tokens

    def rewind(self) -> None:
        """Keep what each channel has shown before."""
        self.memory.channels = {
            name: Tape(
                lived=tape.lived, tokens=tape.tokens, follows=tape.follows, trials=tape.trials, agreed=tape.agreed,
                settled=tape.settled,
                window=tape.window, power=tape.power, every=tape.every, kept=tape.kept, hit_at=tape.tokens,
            )
            for name, tape in self.memory.channels.items()
        }  # fmt: skip

    @property
    def entries(self) -> dict[str, Tape]:
        """Return what is remembered, by channel."""
        return self.memory.channels

    def follow(
        self, channel: Channel, entry: Tape, times: list[int], values: list[float], steps: Steps
    ) -> list[Finding]:
        """Make tokens of the values of a channel; what stands still or changes is most of the work."""
        pause = math.inf if channel.period_us is None else GAP_PERIODS * channel.period_us
        if channel.kind is not ChannelKind.COUNTER and steps.go_on_from(entry.last, times[0], pause):
            return self._follow_steadily(channel, entry, times, values)
        found: list[Finding] = []
        counts, last, value, length = channel.kind is ChannelKind.COUNTER, entry.last, entry.value, entry.length
        for t, x in zip(times, values, strict=True):
            if t <= last:
                continue
            if counts:
                x, entry.base = x - (entry.base or 0.0), x  # noqa: PLW2901 - the increment is judged
            passed, before, last = t - last if last else 0, last, t
            entry.lived += passed
            if passed > pause:
                entry.recent, entry.rolling, value, length = [], 0, x, 1
            elif x == value:
                length += 1
            else:
                token, begins = hash((value, length)) % PRIME, value is None
                value, length, entry.last = x, 1, t
                if not begins:
                    found += self._token(channel, entry, token, before)
        entry.last, entry.value, entry.length = last, value, length
        return found

    def _follow_steadily(self, channel: Channel, tape: Tape, times: list[int], values: list[float]) -> list[Finding]:
        """Do the same where every time counts and no pause lies between."""
        value, length = tape.value, tape.length
        if values[0] == value and values.count(value) == len(values):
            tape.lived, tape.last, tape.length = tape.lived + times[-1] - tape.last, times[-1], length + len(values)
            return []
        found: list[Finding] = []
        before, born = tape.last, tape.last - tape.lived
        for t, x in zip(times, values, strict=True):
            if x == value:
                length += 1
            else:
                token = hash((value, length)) % PRIME
                tape.lived, tape.last = t - born, t
                if value is not None and (news := self._token(channel, tape, token, before)):
                    found += news
                value, length = x, 1
            before = t
        tape.lived, tape.last, tape.value, tape.length = times[-1] - born, times[-1], value, length
        return found

    def _token(self, channel: Channel, tape: Tape, token: int, t: int) -> list[Finding]:
        tokens = tape.tokens = tape.tokens + 1
        if tape.hits == 0:
            _follow(tape, token)
            if tokens % self._min_tokens == 0 and tape.alarm is None:
                self._measure(tape)
        tape.before = token
        window = tape.window
        if window <= 0:
            return []
        recent = tape.recent
        fingerprint = _roll(tape, recent, window, token, t)
        if len(recent) < window:
            return []
        if fingerprint % tape.every:
            return self._ended(tape) if tape.hits and self._is_over(tape) else []
        return self._compare(channel, tape, fingerprint, t)

    def _measure(self, tape: Tape) -> None:
        """Choose the window by what the channel had shown the last time; a longer one begins anew."""
        now = (tape.trials, tape.agreed)
        before, tape.settled = tape.settled if tape.window else now, now
        needed = max(LEAST_TOKENS, math.ceil(self.config.bits / -math.log2(min(_share(before), 0.999))))
        if needed > MOST_TOKENS:
            tape.window, tape.kept = -1, {}
        elif tape.window <= 0 or needed > 1.25 * tape.window:
            tape.window, tape.power, tape.every = needed, pow(BASE, needed, PRIME), 1
            tape.kept, tape.recent, tape.rolling = {}, [], 0
        per_s = tape.tokens * SECOND_US / max(1, tape.lived)
        while tape.every * MOST_KEPT < per_s * self.config.reach_h * 3600:
            tape.every *= 2
            tape.kept = {fingerprint: when for fingerprint, when in tape.kept.items() if fingerprint % tape.every == 0}

    def _compare(self, channel: Channel, tape: Tape, fingerprint: int, t: int) -> list[Finding]:
        before = tape.kept.get(fingerprint)
        if before is None:
            ended = self._ended(tape) if self._is_over(tape) else []
            if tape.alarm is None:
                tape.kept[fingerprint] = t
                if len(tape.kept) > MOST_KEPT:
                    del tape.kept[next(iter(tape.kept))]
            return ended
        lag = t - before
        if tape.hits and abs(lag - tape.lag) <= max(SAME_LAG_US, 2 * (channel.period_us or 0)):
            tape.hits, tape.hit_at, tape.until = tape.hits + 1, tape.tokens, t
        elif tape.alarm is None:
            tape.lag, tape.hits, tape.since, tape.hit_at = lag, 1, tape.recent[0][1], tape.tokens
        if tape.alarm is None and tape.hits >= 2 and lag > tape.recent[-1][1] - tape.recent[0][1]:
            return [self._detection(channel, tape, t)]
        return []

    def _is_over(self, tape: Tape) -> bool:
        """Return whether a copy would have been seen to go on by now."""
        return tape.hits > 0 and tape.tokens - tape.hit_at > 6 * tape.every + tape.window

    def _ended(self, tape: Tape) -> list[Finding]:
        alarm, until = tape.alarm, tape.until
        tape.alarm, tape.hits = None, 0
        return [Clear(alarm, until, max(until, tape.last))] if alarm is not None else []

    def _detection(self, channel: Channel, tape: Tape, t: int) -> Detection:
        share = _share(tape.settled)
        tape.trials, tape.agreed = tape.settled
        tokens = tape.window + tape.every
        tape.until = t
        detection = self.origin.detection(
            "integrity.replayed",
            subject=channel.name,
            start=tape.since,
            detected=t,
            score=-tokens * math.log10(share),
            priority=Priority.HIGH,
            why=f"{channel.name} says again what it said {_span(tape.lag)} before, for {_span(t - tape.since)} so far; "
            f"it goes on by itself in the same way with a probability of {share:.2f} a change",
            evidence={
                "lag_s": round(tape.lag / SECOND_US, 1),
                "window_changes": tape.window,
                "repeat_share": round(share, 4),
                "allowed_bits": self.config.bits,
                "copied_until": t - tape.lag,
            },
        )
        tape.alarm = detection.id
        return detection


def _share(settled: tuple[int, int]) -> float:
    """Return how often what comes again goes on in the same way; a quarter while too little is known."""
    trials, agreed = settled
    return (agreed + 0.5) / (trials + 2)


def _follow(tape: Tape, token: int) -> None:
    """Note whether what follows two tokens is what followed them the last time."""
    pair, tape.pair = tape.pair, (tape.before * BASE + token) % PRIME
    if pair:
        follows = tape.follows
        expected = follows.pop(pair, None)
        follows[pair] = token
        if expected is not None:
            tape.trials += 1
            if expected == token:
                tape.agreed += 1
        elif len(follows) > MOST_FOLLOWED:
            del follows[next(iter(follows))]


def _roll(tape: Tape, recent: list[tuple[int, int]], window: int, token: int, t: int) -> int:
    """Take a token into the window and return the window's fingerprint (Rabin-Karp)."""
    rolling = tape.rolling * BASE + token
    recent.append((token, t))
    if len(recent) > window:
        rolling -= recent.pop(0)[0] * tape.power
    rolling = tape.rolling = rolling % PRIME
    return rolling


def _span(span_us: int) -> str:
    seconds = span_us / SECOND_US
    return (
        f"{seconds:.0f} s"
        if seconds < 180
        else f"{seconds / 60:.0f} min"
        if seconds < 10_800
        else f"{seconds / 3600:.1f} h"
    )


SPEC = Spec(
    name="replayed",
    version=2,
    scope=Scope.SENSOR,
    types=("integrity.replayed",),
    config=ReplayedConfig,
    make=Replayed,
    no_share={"integrity.replayed": no_rate("bits")},
    source="fingerprints: Karp and Rabin 1987; Schleimer et al. 2003, SIGMOD",
    warm_up="min_tokens changes of value",
    patience_s=5,
)

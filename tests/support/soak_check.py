"""Compares what the soak's devices handed out with the frames that came; uses nothing of hubwatch but its wire format.

A count has to be in the frames exactly once. It may be missing only where its link was broken, or its agent dead or
without a disk, when it was handed out: from shortly before the mishap until the first count that came after it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hubwatch_core import wire
from support.soak_breaks import Mishap
from support.soak_devices import Given

BEFORE_S = 1.0
"""A count handed out so shortly before a mishap may have been on its way: a frame is cut every 0.2 s, and a busy
machine takes the rest.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it came to."""

    given: int
    taken: int
    excused: int
    lost: int
    doubled: int
    corrupted_taken: int
    undeclared: int
    evicted: int
    silence_device_s: float
    silence_uplink_s: float
    detail: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled, taken corrupted or left undeclared, and there was something at all."""
        return self.taken > 0 and (self.lost, self.doubled, self.corrupted_taken, self.undeclared) == (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Taken:
    """A good reading that came: its count and when it was read (seconds since 1970)."""

    n: int
    at: float


def unique(frames: Iterable[wire.Frame]) -> list[wire.Frame]:
    """Return every frame once, by its identity."""
    return list({(frame.agent, frame.epoch, frame.seq): frame for frame in frames}.values())


def readings(frames: Iterable[wire.Frame]) -> dict[str, list[Taken]]:
    """Return the good counts of every sensor, by time."""
    found: dict[str, list[Taken]] = {}
    for frame in frames:
        for series in frame.series:
            if series.channel == "n":
                marks = series.q or [0] * len(series.x)
                found.setdefault(series.sensor, []).extend(
                    Taken(int(x), (series.t0 + dt) / 1e6)
                    for dt, x, mark in zip(series.dt, series.x, marks, strict=True)
                    if x is not None and mark == 0
                )
    return {sensor: sorted(taken, key=lambda each: each.at) for sensor, taken in found.items() if taken}


def gaps(frames: Sequence[wire.Frame]) -> tuple[int, int]:
    """Return how many frame numbers are missing undeclared, and how many were declared as given up."""
    declared: set[tuple[str, int]] = set()
    seen: dict[str, set[int]] = {}
    for frame in frames:
        seen.setdefault(frame.epoch, set()).add(frame.seq)
        for event in frame.events:
            if event.type == "agent.evicted":
                numbers = range(event.attrs["first_seq"], event.attrs["last_seq"] + 1)
                declared |= {(event.attrs["epoch"], n) for n in numbers}
    missing = {(epoch, n) for epoch, seqs in seen.items() for n in range(1, max(seqs) + 1) if n not in seqs}
    return len(missing - declared), len(missing & declared)


def spans(mishaps: Iterable[Mishap], taken: Sequence[Taken]) -> list[tuple[float, float]]:
    """Return when a sensor's counts may be missing: from before each mishap until the first count that came after it"""
    times = [each.at for each in taken]
    found = []
    for mishap in sorted(mishaps, key=lambda each: each.began):
        after = bisect_left(times, mishap.ended)
        found.append((mishap.began - BEFORE_S, times[after] if after < len(times) else mishap.ended))
    return found


def _within(at: float, excuses: Sequence[tuple[float, float]]) -> bool:
    """Return whether a time is in one of the spans, which are in the order of their beginnings."""
    return any(at <= end for _, end in excuses[: bisect_right(excuses, at, key=lambda span: span[0])])


def _silence(resumed: float, hits: Sequence[Mishap]) -> float:
    """Return how long after the last mishap before it a sensor was heard again."""
    return max(0.0, resumed - max(hit.ended for hit in hits if hit.began <= resumed))


def judge(
    given: Mapping[str, Sequence[Given]],
    frames: Iterable[wire.Frame],
    hits: Mapping[str, Sequence[Mishap]],
    uplink_silence_s: float,
    until: float,
) -> Verdict:
    """Compare; `hits` are the mishaps that hit a sensor's path, what was handed out after `until` may be on its way."""
    once = unique(frames)
    came = readings(once)
    lost: list[tuple[str, Given]] = []
    counts = Counter[str]()
    silence = 0.0
    for sensor, account in given.items():
        taken = came.get(sensor, [])
        numbers = Counter(each.n for each in taken)
        excuses = spans(hits[sensor], taken)
        silence = max([silence, *(_silence(end, hits[sensor]) for _, end in excuses)])
        missing = [each for each in account if each.n not in numbers and each.at <= until]
        unexcused = [each for each in missing if not _within(each.at, excuses)]
        lost += [(sensor, each) for each in unexcused]
        counts["given"] += len(account)
        counts["taken"] += len(taken)
        counts["excused"] += len(missing) - len(unexcused)
        counts["doubled"] += sum(count - 1 for count in numbers.values())
        counts["corrupted"] += len(numbers.keys() - {each.n for each in account})
    undeclared, evicted = gaps(once)
    return Verdict(
        given=counts["given"], taken=counts["taken"], excused=counts["excused"], lost=len(lost),
        doubled=counts["doubled"], corrupted_taken=counts["corrupted"], undeclared=undeclared, evicted=evicted,
        silence_device_s=silence, silence_uplink_s=uplink_silence_s, detail=f"lost {lost[:5]}" if lost else "",
    )  # fmt: skip

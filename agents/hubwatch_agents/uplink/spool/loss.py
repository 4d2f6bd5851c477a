"""What the spool had to give up, as ranges of frame numbers, so that the ledger can explain every gap. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

MAX_RANGES = 50
"""Beyond this the nearest ranges are joined: a declaration has to fit into a frame."""


class Loss(NamedTuple):
    """Frames `first_seq` to `last_seq` of `epoch` that will never be sent, and why."""

    epoch: str
    first_seq: int
    last_seq: int
    readings: int
    events: int
    reason: str


class Gone(NamedTuple):
    """One frame that is given up."""

    seq: int
    readings: int
    events: int


def losses(epoch: str, gone: Iterable[Gone], reason: str) -> list[Loss]:
    """Join frames that are given up into ranges."""
    found: list[Loss] = []
    for each in sorted(gone):
        last = found[-1] if found else None
        if last is not None and each.seq == last.last_seq + 1:
            found[-1] = _joined(last, Loss(epoch, each.seq, each.seq, each.readings, each.events, reason))
        else:
            found.append(Loss(epoch, each.seq, each.seq, each.readings, each.events, reason))
    return fewer(found)


def fewer(found: Sequence[Loss]) -> list[Loss]:
    """Join the nearest ranges of an epoch until there are few enough; the reason of the first stands for both."""
    ranges = sorted(found)
    while len(ranges) > MAX_RANGES:
        gaps = [(b.first_seq - a.last_seq, i) for i, (a, b) in enumerate(pairwise(ranges)) if a.epoch == b.epoch]
        if not gaps:
            break
        at = min(gaps)[1]
        ranges[at : at + 2] = [_joined(ranges[at], ranges[at + 1])]
    return ranges


def _joined(a: Loss, b: Loss) -> Loss:
    last = max(a.last_seq, b.last_seq)
    return Loss(a.epoch, a.first_seq, last, a.readings + b.readings, a.events + b.events, a.reason)

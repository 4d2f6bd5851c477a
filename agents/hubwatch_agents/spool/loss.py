"""What the spool had to give up, as ranges of frame numbers, so that the ledger can explain every gap. Pure."""

from __future__ import annotations

from collections.abc import Iterable
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
    while len(found) > MAX_RANGES:
        gaps = [after.first_seq - before.last_seq for before, after in pairwise(found)]
        at = gaps.index(min(gaps))
        found[at : at + 2] = [_joined(found[at], found[at + 1])]
    return found


def _joined(a: Loss, b: Loss) -> Loss:
    return Loss(a.epoch, a.first_seq, b.last_seq, a.readings + b.readings, a.events + b.events, a.reason)

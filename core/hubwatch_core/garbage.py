"""How often Python looks for cycles among the objects of a process that takes many frames."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

ALLOCATIONS = 100_000
"""Objects more than before that make Python look for cycles; by default 700, which is one frame of many channels.

A collector's batch holds some 100 000 lists and none of them is in a cycle: looking at them again and again took a
third of the time of a collector that gets one reading in each series (85 000 readings per CPU second with it, 129 000
so). Detectors remember some 100 objects a channel: with 2 000 area monitors at 1 Hz it was half of their time.
"""


def collect_seldom() -> None:
    """Let the process look for cycles seldom, and never among what is there already. Call when all is imported."""
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 10, 10)


@contextmanager
def building_what_stays() -> Iterator[None]:
    """Look for no cycles while what stays for long is built, and never among it after.

    Restoring the states of 10 000 channels makes a million objects that stay; looking at them again and again was a
    fifth of the time that detectors needed to start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

"""Shows that work grows no faster than its input: each doubling may cost at most 2.2 times the processor time."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from time import process_time
from typing import TypeVar

T = TypeVar("T")

LIMIT = 2.2
"""How many times as much twice the input may cost; quadratic work costs four times as much."""
DOUBLINGS = 3
TIMES = 1 << DOUBLINGS
"""How many times as long the larger input is. Over three doublings quadratic work costs 64 times as much, and what is
allowed is 10.6 times: no busy machine makes the one look like the other."""
ROUNDS_MAX = 15
MEASURABLE_S = 0.008
"""Shorter work is measured by noise, so it is repeated until it takes that long."""
REPEATS_MAX = 4_000
PROBES = 3
AT_ONCE = 64
"""How many inputs are held at a time."""


def assert_linear(make: Callable[[int], T], work: Callable[[T], object], size: int) -> None:
    """Fail when each doubling from `size / 8` to `size` costs on average more than 2.2 times the processor time.

    A round sets one run of the larger input against eight of the smaller, so that both take about as long and a busy
    machine slows both. One round within the limit is enough: noise adds time, and does not take any away. Each run gets
    an input of its own, so work may change it.
    """
    small = size // TIMES
    gc.collect()  # once: among all that a test process holds it takes longer than what is measured
    # The least of some: one alone may be a hundred times as long on a busy machine.
    alone_s = min(_cost_s(make, work, size, 1) for _ in range(PROBES))
    repeats = math.ceil(MEASURABLE_S / max(alone_s, 1e-9))
    assert repeats <= REPEATS_MAX, f"size {size} is too small to measure"
    best, spent_s = float("inf"), 0.0
    for _ in range(ROUNDS_MAX):
        before = _cost_s(make, work, small, repeats * TIMES // 2)
        spent_s = _cost_s(make, work, size, repeats)
        after = _cost_s(make, work, small, repeats * TIMES // 2)
        best = min(best, (TIMES * spent_s / (before + after)) ** (1 / DOUBLINGS))
        if best <= LIMIT:
            return
    raise AssertionError(
        f"twice the size costs {best:.1f} times the time: from {small} to {size}, "
        f"where it takes {spent_s / repeats * 1000:.1f} ms"
    )


def _cost_s(make: Callable[[int], T], work: Callable[[T], object], size: int, times: int) -> float:
    """Return the processor time of that many runs, without the garbage collector: its share depends on what else is."""
    spent_s = 0.0
    for begin in range(0, times, AT_ONCE):
        subjects = [make(size) for _ in range(begin, min(begin + AT_ONCE, times))]
        gc.disable()
        try:
            began = process_time()
            for subject in subjects:
                work(subject)
            spent_s += process_time() - began
        finally:
            gc.enable()
    return spent_s

"""Fuzzers that look for a time, not for a number of inputs: two seconds here, a minute in CI, longer at night.

`HUBWATCH_FUZZ_S` says for how many seconds; `.ci/run` sets it. hypothesis knows no such budget, so each fuzzer runs it
again and again with another seed until its time is up. A failure is shrunk by hypothesis as ever, and says which seed
has found it, and of how many inputs; `HUBWATCH_FUZZ_SEED` begins with those.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import count
from random import SystemRandom
from time import monotonic
from typing import Any

import pytest
from hypothesis import example, given, seed, settings
from hypothesis.strategies import SearchStrategy

SECONDS = "HUBWATCH_FUZZ_S"
SEED = "HUBWATCH_FUZZ_SEED"
DEFAULT_S = 2.0
CHUNK_S = 5.0
"""So long one seed is followed, about: hypothesis gets better the longer it looks, and the clock is read in between."""
FIRST_CHUNK = 10
LARGEST_CHUNK = 5_000
SHRINKING_S = 360.0
"""What hypothesis takes at most to shrink a failure (300 s), and then some."""

Check = Callable[..., None]


def fuzzed(
    *strategies: SearchStrategy[Any], share: float = 1.0, examples: Sequence[tuple[Any, ...]] = ()
) -> Callable[[Check], Callable[[], None]]:
    """Give a check inputs of `strategies` for a `share` of the seconds of a fuzzer, and `examples` first."""

    def decorate(check: Check) -> Callable[[], None]:
        budget_s = share * float(os.environ.get(SECONDS) or DEFAULT_S)

        def fuzzer() -> None:
            look(check, strategies, budget_s, examples)

        fuzzer.__name__, fuzzer.__doc__, fuzzer.__module__ = check.__name__, check.__doc__, check.__module__
        return pytest.mark.timeout(budget_s * 2 + SHRINKING_S)(fuzzer)

    return decorate


def look(
    check: Check,
    strategies: Sequence[SearchStrategy[Any]],
    budget_s: float,
    examples: Sequence[tuple[Any, ...]] = (),
) -> int:
    """Try a check until its time is up, at least once; return how many inputs were asked for."""
    first, size = _begin(os.environ.get(SEED, ""))
    began, tried = monotonic(), 0
    for number in count(first):
        _try(check, strategies, number, size, examples if number == first else ())
        tried += size
        spent_s = monotonic() - began
        if spent_s >= budget_s:
            break
        # So large that it ends when the time does.
        next_s = min(CHUNK_S, budget_s - spent_s)
        size = max(FIRST_CHUNK, min(LARGEST_CHUNK, int(tried / max(spent_s, 0.001) * next_s)))
    return tried


def _begin(said: str) -> tuple[int, int]:
    """Return the first seed, and how many inputs are made of it."""
    number, _, size = said.partition("/")
    return int(number) if number else SystemRandom().randrange(2**32), int(size) if size else FIRST_CHUNK


def _try(
    check: Check,
    strategies: Sequence[SearchStrategy[Any]],
    number: int,
    size: int,
    examples: Sequence[tuple[Any, ...]],
) -> None:
    run: Check = given(*strategies)(check)
    for each in examples:
        run = example(*each)(run)
    limits = settings(max_examples=size)
    try:
        limits(seed(number)(run))()
    except BaseException as error:
        error.add_note(f"found with {SEED}={number}/{size}")
        raise

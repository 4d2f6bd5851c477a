"""From a raw number to a value with its quality: the same for every protocol. Pure but for roll-over counting."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import NamedTuple

from hubwatch_agents.profiles.measure import CurrentLoop, Measure
from hubwatch_core.words import Quality

FAULT_LOW_MA, FAULT_HIGH_MA = 3.6, 21.0
"""At and beyond these a 4-20 mA transmitter signals its own failure (NAMUR NE 43)."""
DEAD_LOOP_MA = 0.5
"""Less than any live transmitter draws, more than the zero error of an analogue input."""


class Sample(NamedTuple):
    """A published value, None where there is none, with its quality."""

    x: float | None
    quality: Quality = Quality.GOOD
    reason: str | None = None


_good = tuple.__new__
"""Makes a Sample of its three fields at half the cost of its constructor: this is done for every value read."""


def bad(reason: str) -> Sample:
    """Say that there is no value."""
    return Sample(None, Quality.BAD, reason)


def judge(measure: Measure) -> Callable[[float], Sample]:
    """Compile a measure into a function of the raw number; holds the count of roll-overs where there are any."""
    if measure.loop is not None:
        return _judge_loop(measure.loop, frozenset(measure.invalid))
    judged = _judge_scaled(measure)
    if measure.invalid or measure.suspect or measure.states or measure.rolls_at is not None:
        return judged
    convert, (low, high) = _converter(measure), _limits(measure)

    def quickly(raw: float) -> Sample:
        try:
            x = convert(raw)  # NaN and infinity are in no range
        except OverflowError:
            return _no_value(raw)
        return _good(Sample, (x, Quality.GOOD, None)) if low <= x <= high else judged(raw)

    return quickly


def _limits(measure: Measure) -> tuple[float, float]:
    return measure.plausible or (-sys.float_info.max, sys.float_info.max)


def _judge_scaled(measure: Measure) -> Callable[[float], Sample]:
    invalid, suspect = frozenset(measure.invalid), frozenset(measure.suspect)
    convert, (low, high) = _converter(measure), _limits(measure)
    codes = {float(code) for code in measure.states}
    turns = RolloverCounter(measure.rolls_at) if measure.rolls_at is not None else None

    def judged(raw: float) -> Sample:
        if raw in invalid or not _finite(raw):
            return _no_value(raw)
        x = convert(raw if turns is None else turns.count(raw))
        if not math.isfinite(x):
            return bad(f"raw {raw:g} is too large a number to be scaled")
        if not low <= x <= high:
            return Sample(x, Quality.BAD, f"{x:g} {measure.unit} is outside {low:g} to {high:g}")
        if raw in suspect:
            return Sample(x, Quality.UNCERTAIN, f"raw {raw:g} is a value the device also gives by mistake")
        if codes and raw not in codes:
            return Sample(x, Quality.UNCERTAIN, f"code {raw:g} is not in the profile")
        return Sample(x)

    return judged


def _finite(raw: float) -> bool:
    """Return whether a raw number can be calculated with; a whole number from a document may have any size."""
    try:
        return math.isfinite(raw)
    except OverflowError:
        return False


def _no_value(raw: float) -> Sample:
    try:
        shown = f"{raw:g}"
    except OverflowError:
        shown = "of more than 300 digits"
    return bad(f"the device says that it has no value (raw {shown})")


def _converter(measure: Measure) -> Callable[[float], float]:
    """Return raw to published value. A decimal scale must not leave 0.30000000000000004: it divides, or is rounded."""
    factor, offset = measure.scale / measure.divisor, measure.offset
    if offset == 0.0 and factor == 1.0:
        return lambda raw: raw
    tenth = next((10**n for n in range(1, 10) if factor == 1 / 10**n), None)
    if offset == 0.0 and tenth is not None:
        return lambda raw: raw / tenth
    return lambda raw: float(f"{raw * factor + offset:.12g}")


def _judge_loop(loop: CurrentLoop, invalid: frozenset[float]) -> Callable[[float], Sample]:
    raw_per_ma = (loop.raw_20ma - loop.raw_4ma) / 16
    value_per_ma = (loop.high - loop.low) / 16

    def judged(raw: float) -> Sample:
        if raw in invalid or not _finite(raw):
            return _no_value(raw)
        ma = 4 + (raw - loop.raw_4ma) / raw_per_ma
        if ma < DEAD_LOOP_MA:
            return bad(f"no current in the loop ({ma:.2f} mA): wire broken or no supply")
        if ma <= FAULT_LOW_MA or ma >= FAULT_HIGH_MA:
            return bad(f"{ma:.2f} mA: fault signal of the detector or broken loop")
        return Sample(float(f"{loop.low + value_per_ma * (ma - 4):.12g}"))

    return judged


class RolloverCounter:
    """Counts how often a counter has started again from 0."""

    def __init__(self, modulus: int) -> None:
        self._modulus = modulus
        self._before: float | None = None
        self._turns = 0

    def count(self, raw: float) -> float:
        """Return the raw value with full turns added.

        A fall from the last quarter to the first is a turn; any other fall is a restart of the device, and the
        count begins again at what it says.
        """
        before, self._before = self._before, raw
        if before is not None and raw < before:
            rolled = before >= 0.75 * self._modulus and raw < 0.25 * self._modulus
            self._turns = self._turns + 1 if rolled else 0
        return raw + self._turns * self._modulus

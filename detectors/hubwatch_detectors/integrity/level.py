"""The level of a channel: whether a block of samples lies where the channel has been before.

Real noise grows with what is measured: a cloud of gas is uneven, and the more so the denser it is. So noise is compared
only at levels that a channel has shown. What lies beyond them is a rise that everybody sees, and other detectors judge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PARTS = 4
"""Parts of a block whose means are its level: a rise that begins within a block is seen in its last part."""
STEPS = 1.0
"""A level is another's when it lies further outside all others than they do from each other, and than so many usual
steps from sample to sample. Our choice: of white noise, five or six deviations of a part's mean in blocks of 64."""

Numbers = NDArray[np.float64]
Level = tuple[float, float]


def level(block: Numbers) -> Level:
    """Return the lowest and the highest mean of a block's parts."""
    if len(block) % PARTS == 0:
        means: list[float] = block.reshape(PARTS, -1).mean(axis=1).tolist()
    else:
        means = [float(part.mean()) for part in np.array_split(block, PARTS)]
    return min(means), max(means)


def is_elsewhere(before: list[Level], now: Level, step: float) -> bool:
    """Return whether a level lies where none before it did; `step` is the usual one between samples."""
    if not before:
        return False
    low, high = min(each[0] for each in before), max(each[1] for each in before)
    room = max(high - low, STEPS * step)
    return now[0] < low - room or now[1] > high + room

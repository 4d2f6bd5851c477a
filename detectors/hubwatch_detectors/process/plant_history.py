"""A plant's stored history as rows that a model is fitted on: one row a period, as the detector makes them live."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hubwatch_core.clock import SECOND_US
from hubwatch_detectors.process.model import Rows

Times = NDArray[np.int64]


def periods(start: int, end: int, period_s: float) -> Times:
    """Return the ends (µs) of the whole periods in [start, end), counted from 1970 as the detector counts them."""
    period = round(period_s * SECOND_US)
    first, last = -(-start // period), end // period
    return np.arange(first + 1, last + 1, dtype=np.int64) * period


def column(times: Times, values: Rows, ends: Times, hold_us: int) -> Rows:
    """Return what a signal said at each end: its last value before, NaN where that is `hold_us` old or older."""
    if not len(times):
        return np.full(len(ends), np.nan)
    last = np.searchsorted(times, ends, side="left") - 1
    known = (last >= 0) & (times[last] > ends - hold_us)
    found: Rows = np.where(known, values[last], np.nan)
    return found


def unheard(names: Sequence[str], rows: Rows) -> list[str]:
    """Return the signals that have no value in any row."""
    heard = np.asarray(np.isfinite(rows).any(axis=0))
    return [name for name, each in zip(names, heard, strict=True) if not each]

"""Rows of the database as DataFrames: times in UTC, quality by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

QUALITIES = ("good", "uncertain", "bad")
TIMES = frozenset({"time", "device_time", "start", "end", "detected"})
NUMBERS = frozenset({"value", "score"})

READINGS = ("time", "value", "quality", "reason", "device_time", "unit", "version")
ALL_READINGS = ("time", "sensor", "channel", "unit", "value", "quality", "reason", "device_time")
EVENTS = ("time", "sensor", "type", "subject", "attrs", "device_time", "late")
DETECTIONS = (
    "start",
    "id",
    "type",
    "sensor",
    "subject",
    "end",
    "detected",
    "score",
    "priority",
    "detector",
    "version",
    "late",
    "why",
    "evidence",
)
CHANNELS = ("sensor", "channel", "unit", "version", "sensor_kind", "zone", "period_us", "valid_from", "valid_to")


def table_of(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a DataFrame with these columns; also without rows each has its type."""
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pd.DataFrame({name: _column(name, each) for name, each in zip(columns, values, strict=True)})


def micros_of(times: Any) -> NDArray[np.int64]:
    """Return times in UTC, a column or an index of one of these tables, as µs since 1970."""
    return pd.DatetimeIndex(times).tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)


def _column(name: str, values: Sequence[Any]) -> Any:
    if name in TIMES:
        return _times(values)
    if name == "quality":
        return pd.Categorical.from_codes(np.array(values, dtype=np.int64), categories=pd.Index(QUALITIES))
    if name in NUMBERS:
        return np.array([np.nan if each is None else each for each in values], dtype=np.float64)
    if name in {"version", "priority"}:
        return np.array(values, dtype=np.int64)
    if name == "late":
        return np.array(values, dtype=bool)
    return pd.Series(list(values), dtype=object)


def _times(values: Sequence[int | None]) -> pd.DatetimeIndex:
    """Return moments in µs since 1970 as times in UTC; what is missing is NaT."""
    nowhere = np.iinfo(np.int64).min
    moments = np.array([nowhere if each is None else each for each in values], dtype=np.int64)
    return pd.DatetimeIndex(moments.view("datetime64[us]"), tz="UTC")

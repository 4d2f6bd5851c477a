"""The passages through a portal, from what its occupancy sensor says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

OCCUPIED_FROM = 0.5


def occupancies_of(occupied: pd.DataFrame, counts: Mapping[str, pd.DataFrame] | None = None) -> pd.DataFrame:
    """Return a row for each passage: start, end (NaT for one that is not over), seconds, and its highest counts.

    `occupied` are the readings of that channel, `counts` those of counting channels by name. A passage begins with the
    first good reading of at least 0.5 and ends with the next one below; bad readings say nothing. The highest counts
    are of one moment, all panels together (gamma_max, neutron_max).
    """
    good = occupied[occupied["quality"] != "bad"]
    values = good["value"].to_numpy() >= OCCUPIED_FROM
    before = np.concatenate([[False], values[:-1]]) if len(values) else values
    starts = pd.DatetimeIndex(good.index[values & ~before])
    ends = pd.DatetimeIndex(good.index[~values & before])
    table = pd.DataFrame({"start": starts, "end": pd.Series(ends).reindex(range(len(starts)))})
    table["seconds"] = (table["end"] - table["start"]).dt.total_seconds()
    for ray in ("gamma", "neutron"):
        table[f"{ray}_max"] = _highest(table, _together(ray, counts or {}))
    return table


def _together(ray: str, counts: Mapping[str, pd.DataFrame]) -> pd.Series[float]:
    """Return the counts of all panels of one kind, moment by moment; bad readings count as missing."""
    panels = [each["value"][each["quality"] != "bad"] for name, each in counts.items() if name.split(".")[0] == ray]
    if not panels:
        return pd.Series(dtype=np.float64)
    together: pd.Series[float] = pd.concat(panels).groupby(level=0).sum().sort_index()
    return together


def _highest(table: pd.DataFrame, counts: pd.Series[float]) -> list[float]:
    last = counts.index[-1] if len(counts) else None
    return [
        float(counts.loc[start : (last if pd.isna(end) else end)].max()) if last is not None else float("nan")
        for start, end in zip(table["start"], table["end"], strict=True)
    ]

"""The BATADAL data and its score: S = (S_TTD + S_CLF) / 2.

Taormina et al. 2018, J. Water Resour. Plann. Manage. 144(8) 04018048. S_TTD = 1 − mean(time to detection / duration of
the attack), the whole duration where it is not detected; S_CLF = (TPR + TNR) / 2 over the hours.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Hours:
    """A data set: one row an hour."""

    signals: tuple[str, ...]
    rows: Values
    attacked: Flags


@dataclass(frozen=True, slots=True)
class Score:
    """What a detector reached."""

    s: float
    found_rate: float
    quiet_rate: float
    """TNR: the share of normal hours without an alarm."""


def read(file: Path) -> Hours:
    """Return the hours in a file of the competition."""
    with file.open(encoding="utf-8", newline="") as stream:
        head, *rows = list(csv.reader(stream))
    signals = tuple(name.strip() for name in head[1:-1])
    return Hours(
        signals,
        np.array([[float(each) for each in row[1:-1]] for row in rows]),
        np.array([float(row[-1]) > 0 for row in rows]),
    )


def runs(flags: Flags) -> list[tuple[int, int]]:
    """Return where flags are set, as [first, last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def score(alarmed: Flags, attacked: Flags) -> Score:
    """Return the score of alarmed hours."""
    delays = []
    for first, last in runs(attacked):
        hits = np.flatnonzero(alarmed[first:last])
        delays.append((int(hits[0]) if hits.size else last - first) / (last - first))
    found, quiet = float(alarmed[attacked].mean()), float(1 - alarmed[~attacked].mean())
    return Score(0.5 * (1 - float(np.mean(delays))) + 0.25 * (found + quiet), found, quiet)

"""What detections are worth, held against what really happened.

A detection belongs to an incident of the truth when type and hub are the same, the sensor too where the truth names
one, and it was made between the incident's start and its end, or `grace_s` after. What belongs to none is a false
alarm.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hubwatch_core.clock import SECOND_US
from hubwatch_core.errors import ConfigError, Problem

CONFIDENCE = 0.95
MAX_PROBLEMS = 20
COLUMNS = ("type", "hub", "start", "end")
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that really happened; times in µs."""

    type: str
    hub: str
    sensor: str
    """Empty where the truth does not say it."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Made:
    """As much of a detection as is judged here."""

    type: str
    hub: str
    sensor: str
    detected: int


@dataclass(slots=True)
class Score:
    """What the detections of one type came to."""

    incidents: int = 0
    false: int = 0
    delays_s: list[float] = field(default_factory=list)
    """One for each incident that was found: from its start to the first detection."""

    @property
    def found(self) -> int:
        """Return how many incidents were found."""
        return len(self.delays_s)

    @property
    def probability(self) -> tuple[float, float, float]:
        """Return the share that was found, and its interval of 95 % (Clopper and Pearson, Biometrika 26, 1934)."""
        return (self.found / self.incidents if self.incidents else float("nan"), *interval(self.found, self.incidents))

    def delay_s(self, share: float) -> float:
        """Return the delay that this share of the found incidents did not exceed."""
        return float(np.quantile(self.delays_s, share)) if self.delays_s else float("nan")


def interval(found: int, of: int) -> tuple[float, float]:
    """Return the exact interval of a share that was seen in `of` trials."""
    from scipy.stats import binomtest

    if not of:
        return 0.0, 1.0
    exact = binomtest(found, of).proportion_ci(CONFIDENCE, method="exact")
    return float(exact.low), float(exact.high)


def rate_interval(count: int, exposure: float) -> tuple[float, float]:
    """Return the exact interval of a rate of rare events (Garwood, Biometrika 28, 1936)."""
    from scipy.stats import chi2

    outside = (1 - CONFIDENCE) / 2
    low = chi2.ppf(outside, 2 * count) / 2 if count else 0.0
    return float(low) / exposure, float(chi2.ppf(1 - outside, 2 * count + 2)) / 2 / exposure


def evaluate(made: Iterable[Made], truth: Sequence[Incident], grace_s: float) -> dict[str, Score]:
    """Return the score of each type that happened or was detected."""
    scores: dict[str, Score] = defaultdict(Score)
    by_place: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, incident in enumerate(truth):
        scores[incident.type].incidents += 1
        by_place[incident.type, incident.hub].append(number)
    first: dict[int, float] = {}
    for each in sorted(made, key=lambda one: one.detected):
        matching = [n for n in by_place[each.type, each.hub] if _belongs(each, truth[n], grace_s)]
        if not matching:
            scores[each.type].false += 1
        for n in matching:
            first.setdefault(n, (each.detected - truth[n].start) / SECOND_US)
    for n, delay_s in first.items():
        scores[truth[n].type].delays_s.append(delay_s)
    return dict(sorted(scores.items()))


def _belongs(made: Made, incident: Incident, grace_s: float) -> bool:
    if incident.sensor and incident.sensor != made.sensor:
        return False
    return incident.start <= made.detected <= incident.end + round(grace_s * SECOND_US)


def read_detections(file: Path) -> list[Made]:
    """Read detections as `hubwatch detectors replay` prints them; raises ConfigError with every line that is wrong."""
    return _read(file, _lines(file), _made)


def read_truth(file: Path) -> list[Incident]:
    """Read what happened from CSV: type, hub, start, end and, where it is known, sensor. Raises ConfigError.

    Times are ISO 8601 with a zone, or µs since 1970.
    """
    with file.open(encoding="utf-8-sig", newline="") as text:
        rows = csv.DictReader(text)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise ConfigError([Problem(str(file), "1", f"the column {name} is missing") for name in missing])
        return _read(file, ((rows.line_num, row) for row in rows), _incident)


def _lines(file: Path) -> Iterator[tuple[int, Any]]:
    with file.open(encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            if line.strip():
                yield number, line


def _read(file: Path, rows: Iterable[tuple[int, Any]], take: Any) -> list[Any]:
    taken, problems = [], []
    for number, row in rows:
        try:
            taken.append(take(row))
        except (ValueError, KeyError, TypeError) as error:
            problems.append(Problem(str(file), str(number), _said(error)))
    if problems:
        more = len(problems) - MAX_PROBLEMS
        rest = [Problem(str(file), "", f"and {more} lines more")] if more > 0 else []
        raise ConfigError([*problems[:MAX_PROBLEMS], *rest])
    return taken


def _said(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)[:200]


def _made(line: str) -> Made:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise TypeError("is no detection")
    return Made(str(row["type"]), str(row["hub"]), str(row["sensor"]), _time(row["detected"]))


def _incident(row: Mapping[str, str | None]) -> Incident:
    found = Incident(
        row["type"] or "", row["hub"] or "", row.get("sensor") or "", _time(row["start"]), _time(row["end"])
    )
    if found.end < found.start:
        raise ValueError("the end is before the start")
    return found


def _time(said: object) -> int:
    """Return a time in µs."""
    if isinstance(said, int) or (isinstance(said, str) and said.isdecimal()):
        return int(said)
    moment = datetime.fromisoformat(str(said))
    if moment.tzinfo is None:
        raise ValueError(f"{said} has no time zone")
    return round(moment.astimezone(UTC).timestamp() * SECOND_US)

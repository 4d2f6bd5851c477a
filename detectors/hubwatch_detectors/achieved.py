"""How often detectors really gave false alarms, as far as people have said what their alarms were."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from hubwatch_detectors.evaluation import interval, rate_interval
from hubwatch_store.detections import AlarmsOfType


@dataclass(frozen=True, slots=True)
class Achieved:
    """The alarms of some types at a hub that was watched for so many days."""

    days: float
    alarms: int = 0
    judged: int = 0
    false: int = 0
    innocent: int = 0
    real: int = 0

    @property
    def rate(self) -> tuple[float, float, float] | None:
        """Return false alarms a day and their interval of 95 %; None where there is nothing to say it from.

        What nobody has judged counts in proportion to what was; the interval reaches from none of it to all of it.
        """
        if self.days <= 0 or (self.alarms and not self.judged):
            return None
        low, _ = rate_interval(self.false, self.days)
        _, high = rate_interval(self.false + self.alarms - self.judged, self.days)
        estimate = self.false * self.alarms / self.judged / self.days if self.judged else 0.0
        return estimate, low, high

    def in_words(self) -> str:
        """Return false alarms a day for people: no data is said as such, and never as 0."""
        if self.days <= 0:
            return "no data: not watched"
        if self.rate is None:
            return f"not known: none of {self.alarms} judged"
        estimate, low, high = self.rate
        return f"{estimate:.2g} ({low:.2g} … {high:.2g})"

    def judged_in_words(self) -> str:
        """Return how many alarms were false, of those that were judged."""
        return f"{self.false} of {self.judged} of {self.alarms}" if self.alarms else "no alarms"

    def figures(self) -> dict[str, Any]:
        """Return the same for programs; without data `rate` is null."""
        rate = self.rate
        told: dict[str, Any] = {
            "watched_days": round(self.days, 4), "alarms": self.alarms, "judged": self.judged, "false": self.false,
            "innocent": self.innocent, "real": self.real,
            "rate": None if rate is None else {"per_day": rate[0], "low": rate[1], "high": rate[2]},
        }  # fmt: skip
        if self.judged:
            low, high = interval(self.false, self.judged)
            told["false_share"] = {"share": self.false / self.judged, "low": low, "high": high}
        return told


def achieved_by(rows: Iterable[AlarmsOfType], days: float, detector: str, types: Collection[str]) -> Achieved:
    """Return what the alarms of some types of a detector came to."""
    return _sum([each for each in rows if each.detector == detector and each.type in types], days)


def achieved_by_all(rows: Iterable[AlarmsOfType], days: float) -> Achieved:
    """Return what all alarms came to."""
    return _sum(list(rows), days)


def _sum(rows: list[AlarmsOfType], days: float) -> Achieved:
    return Achieved(
        days,
        sum(each.alarms for each in rows),
        sum(each.judged for each in rows),
        sum(each.false for each in rows),
        sum(each.innocent for each in rows),
        sum(each.real for each in rows),
    )

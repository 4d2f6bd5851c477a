"""What other rates of false alarms would have given: one detector, judged over stored history with each of them.

All are judged in one pass over the history, by the code that judges live. The first hours are spent on learning, as
after a first start; so each is compared with the rate in force, judged over the same history.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import LATEST_US, Birth, Detection, Frame
from hubwatch_detectors.budget import Budget
from hubwatch_detectors.contract import Site, Spec
from hubwatch_detectors.engine import Engine, Rules
from hubwatch_detectors.replay import Ended, judge
from hubwatch_store.detections import JudgedDetection

FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
NEAR_US = 60 * SECOND_US
"""Detections that lie so close are of the same thing: another threshold moves begin and end."""


class _Found(NamedTuple):
    """As much of a detection as tells whether another one is of the same thing."""

    type: str
    sensor: str
    subject: str | None
    start: int
    end: int


@dataclass(slots=True)
class Trial:
    """The detector with its rates times a factor."""

    factor: float
    budget: Budget
    engine: Engine
    ended: Ended = field(default_factory=Ended)
    found: list[_Found] = field(default_factory=list)
    peaks: dict[str, list[float]] = field(default_factory=dict)
    """By type: the highest score of each detection."""

    def take(self, message: Birth | Frame) -> None:
        """Judge one message."""
        self._note(self.ended.add(judge(self.engine, message)))

    def finish(self) -> None:
        """Take what has not ended as well."""
        self._note(self.ended.rest())

    def _note(self, detections: Iterable[Detection]) -> None:
        for each in detections:
            end = each.detected if each.end is None else each.end
            self.found.append(_Found(each.type, each.sensor, each.subject, each.start, end))
            self.peaks.setdefault(each.type, []).append(each.score)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial gave of one type, held against the rate in force and against what people have judged."""

    factor: float
    type: str
    field: str
    value: float
    detections: int
    gained: int
    """Found with this rate and not with the one in force."""
    lost: int
    """Found with the rate in force and not with this one."""
    peak: float | None
    """The highest score; None without a detection."""
    real: tuple[int, int]
    """Of the real ones that people have judged: found, all."""
    false: tuple[int, int]
    """The same of the false ones."""


def trials(rules: Rules, spec: Spec[Any], budget: Budget, hub: str, factors: Sequence[float] = FACTORS) -> list[Trial]:
    """Return a trial for each factor; `rules` are those in force, with the hub's site."""
    found = []
    for factor in factors:
        scaled = budget if factor == 1 else budget.scaled(spec.name, factor)
        site = Site(rules.site.neighbours, rules.site.hubs, rules.site.people, rules.site.levels, {hub: scaled})
        engine = Engine(Rules((spec,), {spec.name: rules.configs[spec.name]}, rules.engine, site))
        found.append(Trial(factor, scaled, engine))
    return found


def outcomes(spec: Spec[Any], done: Sequence[Trial], judged: Sequence[JudgedDetection]) -> list[Outcome]:
    """Return what each trial gave of each type that a rate decides on; one of them has the factor 1."""
    (base,) = (each for each in done if each.factor == 1)
    told = [(_Found(*each[:5]), each.verdict) for each in judged]
    found: list[Outcome] = []
    for trial in done:
        allowances = [each for each in trial.budget.allowances if each.detector == spec.name]
        for each in allowances:
            found += [_outcome(trial, base, told, kind, each.rate.field, each.value) for kind in each.rate.types]
    return found


def _outcome(
    trial: Trial, base: Trial, told: Sequence[tuple[_Found, str]], kind: str, field_: str, value: float
) -> Outcome:
    mine, before = _of(kind, trial.found), _of(kind, base.found)
    real = _of(kind, (each for each, verdict in told if verdict in {"real", "tamper"}))
    false = _of(kind, (each for each, verdict in told if verdict == "false"))
    return Outcome(
        trial.factor, kind, field_, value, len(mine),
        gained=len(mine) - _also_in(mine, before), lost=len(before) - _also_in(before, mine),
        peak=max(trial.peaks.get(kind, ()), default=None),
        real=(_also_in(real, mine), len(real)), false=(_also_in(false, mine), len(false)),
    )  # fmt: skip


def _of(kind: str, found: Iterable[_Found]) -> list[_Found]:
    return [each for each in found if each.type == kind]


def _also_in(some: Sequence[_Found], others: Sequence[_Found]) -> int:
    """Return how many of some are of the same thing as one of the others."""
    spans: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for each in others:
        spans.setdefault(each[:3], []).append((each.start, each.end))
    ordered = {place: sorted(known) for place, known in spans.items()}
    latest = {place: list(accumulate((end for _, end in known), max)) for place, known in ordered.items()}

    def is_there(each: _Found) -> bool:
        before = bisect_right(ordered.get(each[:3], []), (each.end + NEAR_US, LATEST_US))
        return before > 0 and latest[each[:3]][before - 1] >= each.start - NEAR_US

    return sum(map(is_there, some))

"""What an exercise makes up: scenarios as data, checked when they are read, and placed at the sensors of a hub."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Annotated

import msgspec

from hubwatch_alarms.priorities import Priorities
from hubwatch_core.clock import SECOND_US
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_store.alarms import DrillSensor, DrillStep

MAX_DRILL_S = 4 * 3600.0
"""No exercise lasts longer: half a shift, so that whoever began it is there when it ends."""
AGENT = "agent"
ANY = "any"

Seconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_DRILL_S)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class ScenarioStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One detection of a scenario."""

    type: str
    at: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=10)]
    why: Text
    after_s: Seconds = 0.0
    lasts_s: Annotated[float, msgspec.Meta(gt=0, le=MAX_DRILL_S)] | None = None
    score: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 8.0
    subject: Text | None = None


class DrillScenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens in an exercise; `for_s` is how long one takes if nobody says otherwise."""

    title: Text
    about: Text
    for_s: Annotated[float, msgspec.Meta(gt=0, le=MAX_DRILL_S)]
    steps: Annotated[tuple[ScenarioStep, ...], msgspec.Meta(min_length=1, max_length=50)]

    def __post_init__(self) -> None:
        """Refuse what people or the priority table could not read."""
        known = _priorities()
        for step in self.steps:
            if step.type not in known:
                raise ValueError(f"{step.type} is no type of the priority table")
            if step.after_s >= self.for_s:
                raise ValueError(f"{step.type} would come when the exercise is over")
        texts = [self.title, self.about, *(step.why for step in self.steps)]
        if not all(text.isprintable() for text in texts):
            raise ValueError("texts must be lines of printable characters")


@cache
def scenarios() -> Mapping[str, DrillScenario]:
    """Return every scenario by its name."""
    text = resources.files("hubwatch_alarms").joinpath("scenarios.toml").read_text(encoding="utf-8")
    return parse_scenarios(text)


def parse_scenarios(text: str) -> dict[str, DrillScenario]:
    """Read scenarios; raises ValueError for a mistake in them."""
    return msgspec.convert(tomllib.loads(text), dict[str, DrillScenario])


def scenario_of(name: str) -> DrillScenario:
    """Return the scenario of that name; raises BadCall when there is none."""
    found = scenarios().get(name)
    if found is None:
        raise BadCall(f"{name!r} is no scenario: there are {', '.join(scenarios())}")
    return found


def placed(scenario: DrillScenario, there: Sequence[DrillSensor], place: str) -> list[DrillStep]:
    """Return the steps of a scenario at the sensors of a place, those of one zone as far as it has them.

    Raises Permanent when the place has no sensor of a kind that a step needs.
    """
    zone: str | None = None
    steps = []
    for step in scenario.steps:
        sensor = _chosen(step, there, zone)
        if sensor is None:
            raise Permanent(f"{place} has nothing of the kind {' or '.join(step.at)}, which {step.type} needs")
        zone = zone or sensor.zone
        until = None if step.lasts_s is None else _us(step.after_s + step.lasts_s)
        priority = _priorities()[step.type]
        steps.append(
            DrillStep(_us(step.after_s), until, step.type, sensor.name, step.subject, priority, step.score, step.why)
        )
    return steps


def _chosen(step: ScenarioStep, there: Sequence[DrillSensor], zone: str | None) -> DrillSensor | None:
    for kind in step.at:
        fitting = [each for each in there if each.kind == kind or (kind == ANY and each.kind != AGENT)]
        near = [each for each in fitting if each.zone == zone]
        if fitting:
            return (near or fitting)[0]
    return None


@cache
def _priorities() -> Mapping[str, int]:
    return {each.type: int(each.priority) for each in Priorities.load().ranked()}


def _us(seconds: float) -> int:
    return round(seconds * SECOND_US)

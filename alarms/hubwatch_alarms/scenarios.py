"""What an exercise makes up: scenarios as data, the packaged ones and those of the hub, checked when they are read, and
placed at the sensors of a hub.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec

from hubwatch_alarms.priorities import Priorities
from hubwatch_core.clock import SECOND_US
from hubwatch_core.errors import BadCall, ConfigError, Permanent, Problem
from hubwatch_core.plain_text import quoted
from hubwatch_store.alarms import DrillSensor, DrillStep

MAX_DRILL_S = 4 * 3600.0
"""No exercise lasts longer: half a shift, so that whoever began it is there when it ends."""
MAX_BYTES = 1 << 20
MOST_SCENARIOS = 200
NAME = re.compile(r"(?!(?:report|end)$)[a-z0-9][a-z0-9-]{0,62}")
"""What a scenario may be called: `report` and `end` are words of the command."""
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
def packaged() -> Mapping[str, DrillScenario]:
    """Return the scenarios that come with hubwatch, by name."""
    text = resources.files("hubwatch_alarms").joinpath("scenarios.toml").read_text(encoding="utf-8")
    return parse_scenarios(text)


def load_scenarios(own: Path | None = None) -> Mapping[str, DrillScenario]:
    """Return the packaged scenarios, and over them the hub's `own`, by name; raises ConfigError with every mistake."""
    return packaged() if own is None else {**packaged(), **_read(own)}


def parse_scenarios(text: str) -> dict[str, DrillScenario]:
    """Read scenarios; raises ValueError with every scenario that has a mistake."""
    tree = tomllib.loads(text)
    if len(tree) > MOST_SCENARIOS:
        raise ValueError(f"has more than {MOST_SCENARIOS} scenarios")
    found: dict[str, DrillScenario] = {}
    wrong: list[str] = []
    for name, table in tree.items():
        try:
            if not NAME.fullmatch(name):
                raise ValueError("must be called by small letters, digits and hyphens, and neither report nor end")
            found[name] = msgspec.convert(table, DrillScenario)
        except ValueError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise ValueError("; ".join(wrong))
    return found


def scenario_of(name: str, known: Mapping[str, DrillScenario]) -> DrillScenario:
    """Return the scenario of that name; raises BadCall when there is none."""
    found = known.get(name)
    if found is None:
        raise BadCall(f"{quoted(name)} is no scenario: there are {', '.join(known)}")
    return found


def _read(file: Path) -> dict[str, DrillScenario]:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError([Problem(str(file), "", f"is longer than {MAX_BYTES >> 20} MiB")])
        return parse_scenarios(data.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError([Problem(str(file), "", f"cannot be read: {error.strerror or error}")]) from None
    except (ValueError, RecursionError) as error:  # beside syntax: no UTF-8, endless nesting or digits
        raise ConfigError([Problem(str(file), "", str(error))]) from None


def facts_of_scenarios(known: Mapping[str, DrillScenario]) -> dict[str, dict[str, object]]:
    """Return scenarios as JSON values, by name; `own` are those that do not come with hubwatch as they are."""
    return {
        name: {"title": each.title, "about": each.about, "for_s": each.for_s, "own": packaged().get(name) != each}
        for name, each in known.items()
    }


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

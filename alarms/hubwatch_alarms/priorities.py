"""How urgent an alarm is: the table of consequence × time to respond, the zone it is in, and the security level.

A detector grades its own findings within a type: a container of tiles is no bomb. The table moves a type as a whole, by
as many steps as the hub's own row is apart from the packaged one, whose priority is that of the gravest finding.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from hubwatch_alarms.triggers import PLAIN, TypeRules
from hubwatch_core.alarm import never_folded
from hubwatch_core.clock import SECOND_US
from hubwatch_core.config import ConfigId, Conflict, Section, in_file_order, key_of, validate
from hubwatch_core.errors import ConfigError, Problem
from hubwatch_core.words import Priority

MAX_BYTES = 1 << 20
MAX_DELAY_S = 3600.0
MAX_REALARM_S = 4 * 3600.0
"""Half a shift: what nobody has taken for so long has been forgotten."""

Steps = Annotated[int, Field(strict=True, ge=0, le=3)]
Rank = Annotated[int, Field(strict=True, ge=1, le=4)]


class Consequence(StrEnum):
    """What happens if nobody acts."""

    SEVERE = "severe"
    """People may die, or the hub is blind without knowing it."""
    MAJOR = "major"
    """Somebody gets in or through, or a guard of the hub is gone."""
    MODERATE = "moderate"
    """The hub sees less than it should, or a rule is broken."""
    MINOR = "minor"
    """Nothing is lost soon."""


class Respond(StrEnum):
    """How long somebody has to act."""

    AT_ONCE = "at_once"
    """5 minutes."""
    PROMPT = "prompt"
    """30 minutes."""
    SOON = "soon"
    """A shift."""


class MatrixRow(Section):
    """The priority of a consequence for each time to respond."""

    at_once: Rank
    prompt: Rank
    soon: Rank


class Matrix(Section):
    """Consequence × time to respond."""

    severe: MatrixRow
    major: MatrixRow
    moderate: MatrixRow
    minor: MatrixRow

    def priority(self, row: TypeRow) -> Priority:
        """Return the priority of a row."""
        times: MatrixRow = getattr(self, row.consequence)
        return Priority(getattr(times, row.respond))


class ZoneSteps(Section):
    """By how many steps alarms of a zone are more urgent, for each criticality of the site."""

    ordinary: Steps
    important: Steps
    vital: Steps

    def of(self, criticality: int) -> int:
        """Return the steps for a criticality of 1 to 3."""
        return (self.ordinary, self.important, self.vital)[criticality - 1]


class TypeRow(Section):
    """What is said of one type of detection."""

    consequence: Consequence
    respond: Respond
    zone_counts: bool = True
    """Whether the zone makes it more urgent; false where the detector counts it already, or it is no threat."""
    on_delay_s: Annotated[float, Field(ge=0, le=MAX_DELAY_S)] = 0.0
    """For how long a condition must last before it makes an alarm."""
    off_delay_s: Annotated[float, Field(ge=0, le=MAX_DELAY_S)] = 0.0
    """For how long it must have gone before its alarm returns."""
    latching: bool = False
    """Whether an alarm whose condition has gone stays until somebody has reset it."""
    realarm_s: Annotated[float, Field(ge=0, le=MAX_REALARM_S)] = 0.0
    """After how long without anybody it is told again; 0 is never."""

    @property
    def rules(self) -> TypeRules:
        """Return what of the lifecycle it decides."""
        return TypeRules(_us(self.off_delay_s), self.latching, _us(self.realarm_s))


class DesignRule(Section):
    """What is suppressed by design: alarms of some types, while a zone is in maintenance or a cause is there.

    What is of priority 1, duress and tampering never is.
    """

    name: ConfigId
    types: Annotated[tuple[ConfigId, ...], Field(min_length=1)]
    hub: ConfigId | None = None
    zones: tuple[ConfigId, ...] = ()
    sensors: tuple[ConfigId, ...] = ()
    while_maintenance: bool = False
    """While the alarm's zone is in maintenance."""
    while_open: tuple[ConfigId, ...] = ()
    """While there is an alarm of one of these types."""
    within: Literal["zone", "hub"] = "zone"
    """Where that alarm must be."""

    def conflicts(self) -> Iterator[Conflict]:
        """A rule without a condition would blind for ever."""
        if self.while_maintenance == bool(self.while_open):
            yield ("while_open",), "give one of while_maintenance and while_open: a rule needs its condition"
        if set(self.types) & set(self.while_open):
            yield ("while_open",), "a type cannot be the cause of its own suppression"


class PriorityTable(Section):
    """The whole table."""

    matrix: Matrix
    zones: ZoneSteps
    types: dict[str, TypeRow]
    design: tuple[DesignRule, ...] = ()

    def conflicts(self) -> Iterator[Conflict]:
        """What is grave is never delayed, and a rule is known by its name."""
        for name, row in self.types.items():
            if row.on_delay_s and never_folded(name, self.matrix.priority(row)):
                yield ("types", name, "on_delay_s"), "priority 1, duress and tampering are never delayed"
        names = [rule.name for rule in self.design]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield ("design", index, "name"), f"rules need different names, but there are several called {name}"


@dataclass(frozen=True, slots=True)
class RankedType:
    """One row as people see it: with what follows from it, and whether it is the hub's own."""

    type: str
    row: TypeRow
    priority: Priority
    own: bool


class Priorities:
    """Says how urgent a finding is: from the packaged table, and over it that of the hub."""

    def __init__(self, packaged: PriorityTable, own: PriorityTable) -> None:
        self.zones = own.zones
        self._packaged, self._own = packaged, own
        self._moved = {
            name: own.matrix.priority(row) - packaged.matrix.priority(packaged.types[name])
            for name, row in own.types.items()
        }

    @classmethod
    def load(cls, own: Path | None = None) -> Priorities:
        """Read the packaged table, and over it the hub's `own`; raises ConfigError with every mistake in that."""
        tree = _packaged_tree()
        packaged = _parsed(tree, "priority.toml")
        return cls(packaged, packaged if own is None else _over(tree, _read(own), str(own)))

    def of(self, type_: str, graded: int, criticality: int = 1, level_steps: int = 0) -> int:
        """Return the priority of an alarm whose detector graded it so, in a zone of that criticality.

        A type that the table does not know, of a detector of another distribution, keeps its detector's grade.
        """
        row = self._own.types.get(type_)
        zone_steps = self.zones.of(criticality) if row is None or row.zone_counts else 0
        wanted = graded + self._moved.get(type_, 0) - zone_steps - level_steps
        return min(max(wanted, Priority.CRITICAL), Priority.LOW)

    def rules(self, type_: str) -> TypeRules:
        """Return what of the lifecycle is of a type."""
        row = self._own.types.get(type_)
        return PLAIN if row is None else row.rules

    def on_delay_us(self, type_: str, priority: int) -> int:
        """Return for how long a condition must last before it makes an alarm."""
        row = self._own.types.get(type_)
        return 0 if row is None or never_folded(type_, priority) else _us(row.on_delay_s)

    @property
    def design(self) -> tuple[DesignRule, ...]:
        """Return what is suppressed by design."""
        return self._own.design

    def ranked(self) -> Iterator[RankedType]:
        """Yield every type, the most urgent first."""
        rows = [
            RankedType(name, row, self._own.matrix.priority(row), row != self._packaged.types[name])
            for name, row in self._own.types.items()
        ]
        yield from sorted(rows, key=lambda each: (each.priority, each.type))


def _us(seconds: float) -> int:
    return round(seconds * SECOND_US)


def _packaged_tree() -> dict[str, Any]:
    return tomllib.loads(resources.files("hubwatch_alarms").joinpath("priority.toml").read_text(encoding="utf-8"))


def _over(packaged: Mapping[str, Any], own: Mapping[str, Any], where: str) -> PriorityTable:
    """Return the packaged table with a hub's own over it, key by key."""
    types = own.get("types")
    known = set(packaged["types"])
    unknown = [name for name in types if name not in known] if isinstance(types, Mapping) else []
    problems = [
        Problem(where, key_of(("types", name)), "is no type that a detector of hubwatch has") for name in unknown
    ]
    return _parsed(_merged(packaged, own), where, own, problems)


def _parsed(
    tree: Mapping[str, Any], where: str, own: Mapping[str, Any] | None = None, before: list[Problem] | None = None
) -> PriorityTable:
    part, mistakes = validate(PriorityTable, tree)
    told = {problem.key for problem in before or []}
    problems = (before or []) + [
        Problem(where, key_of(each.path), each.message)
        for each in mistakes
        if not any(key_of(each.path).startswith(key) for key in told)
    ]
    if problems or part.valid is None:
        raise ConfigError(in_file_order(problems, tree if own is None else own))
    return part.valid


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree with another over it; what is a table in one and no table in the other is the other's."""
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError([Problem(str(path), "", f"is longer than {MAX_BYTES >> 20} MiB")])
        return tomllib.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read: {error.strerror or error}")]) from None
    except (ValueError, RecursionError) as error:  # beside syntax: no UTF-8, endless nesting or digits
        raise ConfigError([Problem(str(path), "", f"is not valid TOML: {error}")]) from None

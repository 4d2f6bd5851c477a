"""Fixtures of device profiles: what a device would answer or publish, and what must come of it (see cases/profiles)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hubwatch_core.words import Quality

FOLDER = Path(__file__).parents[1] / "cases" / "profiles"

SPACES = {"coils": 1, "discrete": 2, "holding": 3, "input": 4}
"""Names of the address spaces in a fixture, with the function that reads each."""


@dataclass(frozen=True)
class Expected:
    """One reading: value (None where there is none), quality and reason."""

    x: float | None
    quality: Quality = Quality.GOOD
    reason: str | None = None
    device: int | None = None


@dataclass(frozen=True)
class ExpectedEvent:
    """One event; `device` (µs) is compared only where the fixture states it."""

    type: str
    subject: str | None = None
    attrs: dict[str, Any] = field(default_factory=dict)
    device: int | None = None
    late: bool = False


@dataclass(frozen=True)
class Publication:
    """One message of an MQTT device."""

    topic: str
    payload: bytes


@dataclass(frozen=True)
class Answer:
    """What an MQTT device publishes when it is asked on a topic, with what stands at paths of the request."""

    asked: str
    where: dict[str, Any]
    token: str
    """Path at which a request has its mark; `<token>` in the payload becomes it."""
    topic: str
    payload: str


@dataclass(frozen=True)
class Step:
    """What the device does at one moment, and what must come of it."""

    at_s: float
    values: dict[int, dict[int, int]]
    messages: tuple[Publication, ...]
    answers: tuple[Answer, ...]
    before_connecting: bool
    readings: dict[str, Expected]
    events: list[ExpectedEvent]


@dataclass(frozen=True)
class Case:
    """One fixture."""

    profile: str
    name: str
    about: str
    parameters: dict[str, Any]
    unit: int | None
    most: int
    refuses: bool
    """The device lacks something the profile reads; without it, being refused anything is a fault of the plan."""
    period_ms: int | None
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{self.profile}/{self.name}"


def profiles() -> list[str]:
    """Return the profiles that have a fixture."""
    return sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir() and any(folder.glob("*.toml")))


def cases() -> list[Case]:
    """Read every fixture."""
    return [load(file) for profile in profiles() for file in sorted((FOLDER / profile).glob("*.toml"))]


def load(file: Path) -> Case:
    """Read one fixture; raises KeyError or ValueError for one that is not as the README says."""
    tree = tomllib.loads(file.read_text(encoding="utf-8"))
    known = {"about", "parameters", "unit", "most", "refuses", "period_ms", "steps"}
    if unknown := set(tree) - known:
        raise ValueError(f"{file}: unknown {', '.join(sorted(unknown))}")
    return Case(
        profile=file.parent.name,
        name=file.stem,
        about=tree["about"],
        parameters=tree.get("parameters", {}),
        unit=tree.get("unit"),
        most=tree.get("most", 125),
        refuses=tree.get("refuses", False),
        period_ms=tree.get("period_ms"),
        steps=tuple(_step(index, step, file) for index, step in enumerate(tree["steps"])),
    )


def _step(index: int, tree: Mapping[str, Any], file: Path) -> Step:
    known = {"at_s", "messages", "answers", "before_connecting", "readings", "events", *SPACES}
    if unknown := set(tree) - known:
        raise ValueError(f"{file}: step {index}: unknown {', '.join(sorted(unknown))}")
    return Step(
        at_s=tree.get("at_s", float(index)),
        values={function: dict(_addresses(tree.get(space, {}))) for space, function in SPACES.items()},
        messages=tuple(Publication(each["topic"], _payload(each)) for each in tree.get("messages", ())),
        answers=tuple(Answer(**{"where": {}, **each}) for each in tree.get("answers", ())),
        before_connecting=tree.get("before_connecting", False),
        readings={name: _reading(value) for name, value in tree.get("readings", {}).items()},
        events=[_event(each) for each in tree.get("events", ())],
    )


def _payload(tree: Mapping[str, str]) -> bytes:
    return bytes.fromhex(tree["hex"]) if "hex" in tree else tree["payload"].encode()


def _addresses(tree: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    for key, value in tree.items():
        first = int(key, 0)
        for offset, each in enumerate(value if isinstance(value, list) else [value]):
            yield first + offset, each


def _reading(value: float | Mapping[str, Any]) -> Expected:
    if isinstance(value, int | float):
        return Expected(float(value))
    x = value.get("x")
    return Expected(
        None if x is None else float(x),
        Quality[value.get("quality", "good").upper()],
        value.get("reason"),
        _micros(value.get("device")),
    )


def _event(tree: Mapping[str, Any]) -> ExpectedEvent:
    device = _micros(tree.get("device"))
    return ExpectedEvent(tree["type"], tree.get("subject"), tree.get("attrs", {}), device, tree.get("late", False))


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1_000_000)

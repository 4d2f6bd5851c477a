"""Fault devices as data: what the device is and does, step by step, and what must come of it (cases/agents_faults)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubwatch_core.words import Quality
from support.agents_modbus_device import Line, Unit
from support.agents_rig import Heard

FOLDER = Path(__file__).parents[1] / "cases" / "agents_faults"
MODBUS = sorted((FOLDER / "modbus").glob("*.toml"))
PROBE_VALUES = {("a", 10), ("b", 20), ("c", 50)}
"""What the profile `probe` reads from a device that is well."""
OWN = "it"
"""Name of the profile a case brings along."""
_HEAD = f"""id = "{OWN}"
title = "Device of one case"
kind = "process"
protocol = "modbus"
source = ["made for tests"]
confidence = "generic"
period_ms = 100
"""


@dataclass(frozen=True)
class Step:
    """What the device does next, and what is to be seen then."""

    does: dict[str, Any]
    expect: list[dict[str, Any]] = field(default_factory=list)
    events: list[str] | None = None
    attrs: dict[str, Any] = field(default_factory=dict)

    def do(self, line: Line, unit: Unit) -> None:
        """Change the device."""
        for name in ("fault", "number", "times"):
            setattr(unit, name, self.does.get(name, getattr(unit, name)))
        unit.registers.update(_numbered(self.does.get("registers", {})))
        for function, values in self.does.get("spaces", {}).items():
            unit.spaces.setdefault(int(function), {}).update(_numbered(values))
        if self.does.get("cut"):
            line.cut()

    def seen(self, heard: Heard) -> bool:
        """Return whether everything that is expected has come."""
        told = [event.type for event in heard.events]
        return all(_as_expected(heard, each) for each in self.expect) and self.events in (None, told)


@dataclass(frozen=True)
class Case:
    """One fault device."""

    name: str
    tree: dict[str, Any]

    @property
    def refused(self) -> str | None:
        """What the checks say to it, where it must not even start."""
        text: str | None = self.tree.get("refused")
        return text

    @property
    def rtu(self) -> bool:
        """Whether it speaks RTU over TCP."""
        return bool(self.tree["transport"] == "rtu_over_tcp")

    def unit(self) -> Unit:
        """Make the device."""
        unit = Unit(fault=self.tree.get("fault", "healthy"), number=self.tree.get("number", 0))
        unit.times = self.tree.get("times", unit.times)
        for name, value in self.tree.get("unit", {}).items():
            assert hasattr(unit, name), name
            setattr(unit, name, value)
        if "registers" in self.tree:
            unit.registers = _numbered(self.tree["registers"])
        unit.spaces = {int(function): _numbered(has) for function, has in self.tree.get("spaces", {}).items()}
        return unit

    def line(self, unit: Unit) -> Line:
        """Make the line, with a neighbour that is well."""
        line = Line({1: unit, 2: Unit()})
        for name, value in self.tree.get("line", {}).items():
            assert hasattr(line, name), name
            setattr(line, name, value)
        return line

    def devices(self) -> list[dict[str, Any]]:
        """Return the names of the faulty device and its neighbour as a configuration does."""
        profile = OWN if "profile" in self.tree else "probe"
        faulty = {"sensor": "faulty", "profile": profile, "unit": 1, **self.tree.get("device", {})}
        return [faulty, {"sensor": "neighbour", "profile": "probe", "unit": 2}]

    def steps(self) -> list[Step]:
        """Return what happens; a case without steps has one, that changes nothing."""
        whole = [{name: self.tree[name] for name in ("expect", "events") if name in self.tree}]
        return [
            Step(each, each.get("expect", []), each.get("events"), each.get("attrs", {}))
            for each in self.tree.get("step", whole)
        ]

    def true_values(self) -> set[tuple[str, float]]:
        """Return every good value the device may ever be read with."""
        if "profile" not in self.tree:
            return set(PROBE_VALUES)
        expected = [each for step in self.steps() for each in step.expect if each["quality"] == "good"]
        also = [(name, x) for name, values in self.tree.get("also_good", {}).items() for x in values]
        return {(each["channel"], each["value"]) for each in expected} | set(also)

    def write_profile(self, folder: Path) -> None:
        """Write the profile it brings along."""
        if "profile" in self.tree:
            self.write_profile_as(folder, OWN)

    def write_profile_as(self, folder: Path, name: str) -> None:
        """Write the profile it brings along under another name."""
        folder.mkdir(parents=True, exist_ok=True)
        head = _HEAD.replace(f'id = "{OWN}"', f'id = "{name}"')
        (folder / f"{name}.toml").write_text(head + self.tree["profile"], encoding="utf-8")


def load(path: Path) -> Case:
    """Read one case."""
    return Case(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))


def _as_expected(heard: Heard, expected: dict[str, Any]) -> bool:
    last = heard.last("faulty", expected["channel"])
    return (
        last is not None
        and last.quality is Quality[expected["quality"].upper()]
        and last.x == expected.get("value")
        and expected.get("reason", "") in (last.reason or "")
        and expected.get("device_us", last.device) == last.device
    )


def _numbered(values: dict[str, int]) -> dict[int, int]:
    return {int(wire): value for wire, value in values.items()}

"""Measures what the detectors of integrity find in a mixed hub, and how often they are wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hubwatch_core.wire import Detection
from hubwatch_detectors.contract import Detector, Site, Spec
from hubwatch_detectors.integrity import frozen, replayed, spoofed
from hubwatch_detectors.registry import TABLE
from support import mixed_hub
from support.detectors_engine import EngineBench, series
from support.detectors_hub import HUB
from support.mixed_hub import Columns, Simulated

SPECS: dict[str, Spec[Any]] = {
    "integrity.value_frozen": frozen.SPEC,
    "integrity.replayed": replayed.SPEC,
    "integrity.spoofed": spoofed.SPEC,
}


@dataclass
class Rates:
    """What came of a simulation."""

    found: Counter[str] = field(default_factory=Counter)
    missed: dict[str, list[str]] = field(default_factory=dict)
    false: list[str] = field(default_factory=list)
    days: int = 0


def build(simulated: Simulated) -> dict[str, Detector[Any]]:
    """Make the detectors of one sensor."""
    return {
        kind: spec.build(spec.config(), HUB, simulated.sensor.sensor, Site(), late=False)
        for kind, spec in SPECS.items()
    }


def fed(detectors: dict[str, Detector[Any]], simulated: Simulated, columns: Columns) -> list[Detection]:
    """Return what the detectors find in one day."""
    found = [
        each
        for chunk in mixed_hub.chunks(simulated.sensor, columns)
        for detector in detectors.values()
        for each in detector.update(chunk)
    ]
    return [each for each in found if isinstance(each, Detection)]


def measure(sensors: Sequence[Simulated], *, days: int, learned: int = 10, seed: int = 1) -> Rates:
    """Let each sensor live for `days`; after `learned` days each attack is tried once beside the life that goes on."""
    rates = Rates()
    for simulated in sensors:
        detectors = build(simulated)
        for day in range(days):
            columns = mixed_hub.one_day(simulated, day, seed)
            if day == learned:
                _attacks(rates, simulated, detectors, columns, seed)
            for each in fed(detectors, simulated, columns):
                rates.false.append(f"{each.type} {simulated.sensor.sensor}/{each.subject} day {day}: {each.why}")
        rates.days += days
    return rates


def _attacks(rates: Rates, simulated: Simulated, living: dict[str, Detector[Any]], columns: Columns, seed: int) -> None:
    day = (next(iter(columns.values()))[0][0] - mixed_hub.MIDNIGHT) // 86_400_000_000
    copied = [
        mixed_hub.replayed(
            mixed_hub.one_day(simulated, now, seed), mixed_hub.one_day(simulated, now - 2, seed), whole=now > day
        )
        for now in (int(day), int(day) + 1)
    ]
    done = {
        "integrity.value_frozen": [mixed_hub.frozen(columns), mixed_hub.frozen(_moved(mixed_hub.frozen(columns), 1))],
        "integrity.replayed": copied,
        "integrity.spoofed": [mixed_hub.spoofed(simulated, columns, seed)],
    }
    for kind, attacked in done.items():
        twins = build(simulated)
        for name, twin in twins.items():
            twin.restore(living[name].state())
        found = {each.type for part in attacked for each in fed(twins, simulated, part)}
        if kind in found:
            rates.found[kind] += 1
        else:
            rates.missed.setdefault(kind, []).append(simulated.sensor.sensor)


def _moved(columns: Columns, days: int) -> Columns:
    return {name: (t + days * 86_400_000_000, x) for name, (t, x) in columns.items()}


def presence_found(sensors: Sequence[Simulated], kind: str) -> Rates:
    """Stop each sensor, or set its clock wrong, in an hour of frames, and see whether it is called what it is.

    Both an hour behind and two ahead must be called a wrong clock, and not silence.
    """
    rates = Rates()
    offsets = [None] if kind == "integrity.sensor_silent" else [-3600.0, 7200.0]
    for simulated in sensors:
        found = {each for offset in offsets for each in _hour(sensors, simulated, offset)}
        rates.false += [
            f"{type_} {sensor}" for type_, sensor in found if (type_, sensor) != (kind, simulated.sensor.sensor)
        ]
        if (kind, simulated.sensor.sensor) in found:
            rates.found[kind] += 1
        else:
            rates.missed.setdefault(kind, []).append(simulated.sensor.sensor)
    return rates


def _hour(sensors: Sequence[Simulated], wrong: Simulated, offset: float | None) -> set[tuple[str, str]]:
    """Return what is found in an hour in which one sensor says nothing more, or the time with an offset."""
    off = {spec.name: {"enabled": False} for spec in TABLE if spec.name != "presence"}
    bench = EngineBench(**off)
    bench.birth(inventory=tuple(each.sensor for each in sensors))
    for minute in range(60):
        said = []
        for each in sensors:
            t = minute * 60.0
            if each is wrong and minute >= 30:
                if offset is None:
                    continue
                t += offset
            said.append(series(each.sensor.sensor, each.sensor.channels[0].name, t, 1.0))
        for part in range(6):
            bench.send(minute * 60.0 + 1 + 10 * part, *(said if part == 0 else []))
    return {(each.type, each.sensor) for each in bench.found if isinstance(each, Detection)}

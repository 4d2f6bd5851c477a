"""Every Modbus pitfall as a fault device: the channel it hits is bad and says why, the neighbour is not hurt."""

from __future__ import annotations

import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hubwatch_core.words import Quality
from support.agents_modbus_device import Line, Unit
from support.agents_rig import Heard, driving

CASES = sorted((Path(__file__).parents[1] / "cases" / "agents_faults" / "modbus").glob("*.toml"))
WARM_UP = 3
"""Readings of the neighbour after which the case is judged: the breaker has opened, splits are done."""

TRUE_VALUES = {("a", 10), ("b", 20), ("c", 50)}


def case_of(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def as_expected(heard: Heard, expected: dict[str, Any]) -> bool:
    last = heard.last("faulty", expected["channel"])
    return (
        last is not None
        and last.quality is Quality[expected["quality"].upper()]
        and last.x == expected.get("value")
        and expected.get("reason", "") in (last.reason or "")
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
async def test_fault_is_told_and_hurts_nobody_else(path: Path) -> None:
    case = case_of(path)
    faulty = Unit(fault=case["fault"], number=case["number"], times=case.get("times", 1_000_000))
    line = Line({1: faulty, 2: Unit()})
    connection = {"name": "line", "transport": case["transport"], "host": "127.0.0.1", "flush_ms": 50}
    devices = [
        {"sensor": "faulty", "profile": "probe", "unit": 1},
        {"sensor": "neighbour", "profile": "probe", "unit": 2},
    ]
    async with line.over_tcp(rtu=case["transport"] == "rtu_over_tcp"):
        connection["port"] = line.port
        async with driving(connection, devices) as (heard, _):
            for expected in case["expect"]:
                await heard.until(partial(as_expected, expected=expected), 6)
            seen = len([r for r in heard.of("neighbour", "a") if r.quality is Quality.GOOD])
            await heard.until(lambda h: good_readings(h) >= seen + WARM_UP, 6)
            assert {r.x for r in heard.of("neighbour", "a") if r.x is not None} == {10}
            assert {(r.channel, r.x) for r in heard.of("faulty") if r.quality is Quality.GOOD} <= TRUE_VALUES
            assert all(r.x is not None or r.quality is not Quality.GOOD for r in heard.readings)


def good_readings(heard: Heard) -> int:
    return len([r for r in heard.of("neighbour", "a") if r.quality is Quality.GOOD])


def test_every_fault_of_the_device_has_a_case() -> None:
    told = {case_of(path)["fault"] for path in CASES}
    assert told >= {"exception", "short", "other_function", "other_unit", "silent", "late", "half", "garbage"}
    assert all(case_of(path)["source"] for path in CASES)

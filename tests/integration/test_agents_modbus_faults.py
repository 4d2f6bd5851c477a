"""Every Modbus pitfall as a fault device: the channel it hits is bad and says why, the neighbour is not hurt."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubwatch_agents.config.load import read
from hubwatch_core.clock import now_us
from hubwatch_core.errors import ConfigError
from hubwatch_core.words import Quality
from support import agents_fault_cases
from support.agents_fault_cases import MODBUS, Case
from support.agents_modbus_device import Line, Unit
from support.agents_rig import MAPS, Heard, driving

WARM_UP = 3
"""Readings of the neighbour after which the case is judged: the breaker has opened, splits are done."""
PATIENCE_S = 60.0

CASES = [agents_fault_cases.load(path) for path in MODBUS]
LIVE = pytest.mark.parametrize("case", [case for case in CASES if case.refused is None], ids=lambda case: case.name)
REFUSED = pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=lambda case: case.name)


@LIVE
async def test_fault_is_told_and_hurts_nobody_else(case: Case, tmp_path: Path) -> None:
    case.write_profile(tmp_path)
    faulty = case.unit()
    line = case.line(faulty)
    connection = {"name": "line", "host": "127.0.0.1", "flush_ms": 50, "max_reconnect_s": 0.3}
    began = now_us()
    async with line.over_tcp(rtu=case.rtu):
        connection |= {"transport": case.tree["transport"], "port": line.port, **case.tree.get("connection", {})}
        async with driving(connection, case.devices(), folders=(MAPS, tmp_path)) as (heard, _):
            for step in case.steps():
                step.do(line, faulty)
                await heard.until(step.seen, PATIENCE_S)
                assert step.attrs.items() <= (heard.events[-1].attrs if heard.events else {}).items()
            seen = good_readings(heard)
            await heard.until(lambda h: good_readings(h) >= seen + WARM_UP, PATIENCE_S)
            assert case.steps()[-1].seen(heard), "and it stays so"
    assert_nothing_false(heard, case, began)
    assert_the_device_saw_what_it_should(case, line, faulty)


def assert_nothing_false(heard: Heard, case: Case, began: int) -> None:
    assert {r.x for r in heard.of("neighbour", "a") if r.x is not None} == {10}
    assert {(r.channel, r.x) for r in heard.of("faulty") if r.quality is Quality.GOOD} <= case.true_values()
    assert all(r.x is not None or r.quality is not Quality.GOOD for r in heard.readings)
    assert all(began <= r.t <= now_us() for r in heard.readings), "a device's clock never stamps a reading"


def assert_the_device_saw_what_it_should(case: Case, line: Line, faulty: Unit) -> None:
    saw = case.tree.get("saw", {})
    assert line.most_open == saw.get("sessions", 1)
    assert line.connections >= saw.get("connects", 1)
    if "refused" in saw:
        assert faulty.refused == saw["refused"]
    for function, values in saw.get("spaces", {}).items():
        assert values.items() <= {str(wire): x for wire, x in faulty.spaces[int(function)].items()}.items()


def good_readings(heard: Heard) -> int:
    return len([r for r in heard.of("neighbour", "a") if r.quality is Quality.GOOD])


@REFUSED
def test_mistake_is_refused_before_anything_is_connected(case: Case, tmp_path: Path) -> None:
    case.write_profile(tmp_path)
    path = tmp_path / "agent" / "agent.toml"
    path.parent.mkdir()
    path.write_text(case.tree.get("config", ONE_DEVICE).replace("FOLDER", str(tmp_path)), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read(path)
    assert case.refused is not None
    assert any(case.refused in str(problem) for problem in refused.value.problems), refused.value.problems


ONE_DEVICE = """
hub = "h"
agent = "a"
profile_folders = ["FOLDER"]
[[connections]]
name = "line"
transport = "tcp"
host = "127.0.0.1"
[[devices]]
sensor = "faulty"
zone = "z"
profile = "it"
connection = "line"
"""

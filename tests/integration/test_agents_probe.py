"""`hubwatch agent probe`: who is behind an address, told by their registers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hubwatch_agents.cli.app import app
from support.agents_modbus_device import Line, Unit


async def probe(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["probe", "127.0.0.1", *arguments])


async def test_units_are_found_and_known_by_their_registers() -> None:
    portal = Unit(registers=dict.fromkeys(range(130), 0) | {3: 100})
    line = Line({2: portal, 5: Unit(), 6: Unit(registers={}), 7: Unit(fault="silent")})
    async with line.over_tcp():
        result = await probe("--port", str(line.port), "--last", "8", "--timeout-ms", "100")
    assert result.exit_code == 0, result.output
    said = result.output.splitlines()
    assert len(said) == 3
    assert said[0].startswith("unit 2: ")
    assert "aspect-rpm" in said[0]
    assert said[1] == "unit 5: no profile knows it by its registers (holding register 0 is 0)"
    assert said[2].startswith("unit 6: ")
    assert "exception 2" in said[2]


@pytest.mark.parametrize("code", [10, 11])
async def test_unit_that_the_gateway_says_is_not_there_is_counted_and_not_listed(code: int) -> None:
    line = Line({unit: Unit(fault="exception", number=code) for unit in range(1, 9)} | {3: Unit()})
    async with line.over_tcp():
        result = await probe("--port", str(line.port), "--last", "8")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "unit 3: no profile knows it by its registers (holding register 0 is 0)",
        "7 units: nobody there, says the gateway (exception 10 or 11)",
    ]


async def test_gateway_with_nobody_behind_it_ends_with_1() -> None:
    line = Line({1: Unit(fault="exception", number=11)})
    async with line.over_tcp():
        result = await probe("--port", str(line.port), "--last", "1")
    assert result.exit_code == 1
    assert result.output.splitlines()[0] == "1 unit: nobody there, says the gateway (exception 10 or 11)"


@pytest.mark.parametrize("fault", [{}, {"fault": "exception", "number": 1}])
async def test_device_that_answers_for_every_unit_is_said_to_be_one(fault: dict[str, Any]) -> None:
    line = Line({unit: Unit(**fault) for unit in range(1, 5)})
    async with line.over_tcp():
        result = await probe("--port", str(line.port), "--last", "4")
    assert result.exit_code == 0, result.output
    assert "every unit from 1 to 4 gives the same answer" in result.output


async def test_device_that_closes_after_each_answer_is_found() -> None:
    line = Line({unit: Unit(closes=True) for unit in (1, 2)} | {3: Unit(fault="silent")})
    async with line.over_tcp():
        result = await probe("--port", str(line.port), "--last", "3", "--timeout-ms", "100")
    assert [said.split(":")[0] for said in result.output.splitlines()] == ["unit 1", "unit 2"]


async def test_nobody_there_ends_with_1() -> None:
    line = Line({})
    async with line.over_tcp():
        result = await probe("--port", str(line.port), "--last", "2", "--timeout-ms", "50")
    assert result.exit_code == 1
    assert "no unit from 1 to 2 answers" in result.output


async def test_address_that_cannot_be_reached_is_one_line() -> None:
    result = await probe("--port", "9")
    assert result.exit_code == 1
    assert "cannot connect" in result.output
    assert "Traceback" not in result.output

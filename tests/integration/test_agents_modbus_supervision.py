"""An error nobody foresaw costs its own channel or device a reading, is logged once, and is tried again."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from hubwatch_agents.drivers.modbus.client import ModbusClient
from hubwatch_agents.drivers.modbus.decode import Decoder
from hubwatch_agents.drivers.modbus.driver import ModbusDriver
from hubwatch_agents.drivers.modbus.jobs import Job
from hubwatch_agents.drivers.modbus.plan import ReadRequest
from hubwatch_core.words import Quality
from support.agents_modbus_device import Line, Unit
from support.agents_rig import Heard, driving

DEVICES = [{"sensor": name, "profile": "probe", "unit": unit} for unit, name in enumerate(("faulty", "well"), 1)]


def count(heard: Heard, sensor: str, channel: str, quality: Quality) -> int:
    return len([r for r in heard.of(sensor, channel) if r.quality is quality])


def job_of(driver: Any, sensor: str) -> Job:
    assert isinstance(driver, ModbusDriver)
    return next(job for job in driver.poller.jobs if sensor in job.unit.sensors)


def connection(line: Line) -> dict[str, Any]:
    return {"name": "line", "transport": "tcp", "host": "127.0.0.1", "port": line.port}


async def test_error_of_one_channel_costs_no_other_channel_a_reading() -> None:
    line = Line({1: Unit(), 2: Unit()})
    async with line.over_tcp():
        with capture_logs() as logged:
            async with driving(connection(line), DEVICES) as (heard, driver):
                channel = job_of(driver, "faulty").decoders[0]._channels[0]
                channel.take = lambda image: image.words[99]  # type: ignore[assignment,return-value]  # a KeyError
                await heard.until(lambda h: count(h, "faulty", "a", Quality.BAD) >= 3)
                assert driver.figures()["device_failures"] >= 3
    assert heard.of("faulty", "a")[-1].reason == "unexpected KeyError in the agent: see its log"
    assert count(heard, "faulty", "b", Quality.BAD) == 0
    assert count(heard, "well", "a", Quality.BAD) == 0
    assert len([each for each in logged if each["log_level"] == "error"]) == 1


async def test_error_of_one_sensor_costs_no_other_sensor_of_the_same_unit_a_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = Line({1: Unit()})
    true_decode, broken = Decoder.decode, True

    def decode(self: Decoder, image: Any, t: int) -> Any:
        if self.sensor == "faulty" and broken:
            raise ZeroDivisionError
        return true_decode(self, image, t)

    monkeypatch.setattr(Decoder, "decode", decode)
    async with line.over_tcp():
        with capture_logs() as logged:
            async with driving(connection(line), [{**each, "unit": 1} for each in DEVICES]) as (heard, _):
                await heard.until(lambda h: count(h, "faulty", "a", Quality.BAD) >= 3)
                await heard.until(lambda h: count(h, "well", "a", Quality.GOOD) >= 5)
                broken = False
                await heard.until(lambda h: count(h, "faulty", "a", Quality.GOOD) >= 2)
    assert "unexpected ZeroDivisionError in the agent" in (heard.of("faulty", "a")[0].reason or "")
    assert count(heard, "well", "a", Quality.BAD) == 0
    assert len([each for each in logged if each["log_level"] == "error"]) == 1


async def test_error_while_reading_one_device_costs_no_other_device_a_reading_and_is_tried_again_more_and_more_slowly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = Line({1: Unit(), 2: Unit()})
    true_read, tries, broken = ModbusClient.read, 0, True

    async def read(self: ModbusClient, request: ReadRequest, unit: int, timeout_s: float) -> list[int]:
        nonlocal tries
        if unit == 1 and broken:
            tries += 1
            raise IndexError("a mistake of our own")
        return await true_read(self, request, unit, timeout_s)

    monkeypatch.setattr(ModbusClient, "read", read)
    async with line.over_tcp():
        with capture_logs() as logged:
            async with driving(connection(line), DEVICES) as (heard, driver):
                await heard.until(lambda h: count(h, "well", "a", Quality.GOOD) >= 15)
                assert tries <= 8, "15 turns of 0.2 s"
                broken = False
                await heard.until(lambda h: count(h, "faulty", "a", Quality.GOOD) >= 2)
                assert driver.figures()["device_failures"] == tries
    assert count(heard, "well", "a", Quality.BAD) == 0
    assert "unexpected IndexError in the agent" in (heard.of("faulty", "a")[0].reason or "")
    assert len([each for each in logged if each["log_level"] == "error"]) == 1


async def test_turns_that_are_skipped_are_counted() -> None:
    line = Line({1: Unit(delay_s=0.3), 2: Unit()})
    devices = [{**each, "timeout_ms": 1000} for each in DEVICES]
    async with line.over_tcp(), driving(connection(line), devices) as (heard, driver):
        await heard.until(lambda h: count(h, "well", "a", Quality.GOOD) >= 4)
        figures = driver.figures()
    assert figures["polls_overrun"] >= 2
    assert figures["modbus_reads"] >= 4

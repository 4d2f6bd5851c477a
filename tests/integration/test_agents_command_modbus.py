"""Commands on a Modbus connection: one write each, between reads, and an honest word on what became of it."""

from __future__ import annotations

import asyncio
import time

import pytest

from hubwatch_agents.commands.protocol import CommandResult
from support.agents_command_device import Talker
from support.agents_command_rig import commanded
from support.eventually import eventually


async def read_again(device: Talker) -> None:
    """Wait until the device was read three times more: what was to be written before would be written then."""
    reads = device.reads
    await eventually(lambda: device.reads >= reads + 3)


async def test_command_is_written_once_with_exactly_the_values_of_the_profile() -> None:
    async with Talker().running() as device, commanded(device.port) as rig:
        await rig.until_read()
        outcome = await rig.give("reset")
        assert outcome == (CommandResult.DONE, "the device has taken it")
        assert (await rig.give("lamp")).result is CommandResult.DONE
        await read_again(device)
        assert device.writes == [(16, 20, (0x15E, 0x3626)), (5, 4, (0xFF00,))]
        assert device.coils == {4: 1}


async def test_what_is_read_back_confirms_a_command() -> None:
    async with Talker().running() as device, commanded(device.port) as rig:
        await rig.until_read()
        outcome = await rig.give("inhibit")
        assert outcome == (CommandResult.DONE, "the device has taken it; address 0 reads back 2, as it should")


async def test_command_that_has_no_effect_has_failed() -> None:
    async with Talker().running() as device, commanded(device.port) as rig:
        await rig.until_read()
        outcome = await rig.give("stubborn")
        assert outcome == (
            CommandResult.FAILED,
            "the device has taken it, but address 1 reads back 0 instead of 5",
        )


@pytest.mark.parametrize(("code", "words"), [(1, "illegal function"), (2, "illegal data address"), (6, "busy")])
async def test_refusal_of_the_device_is_a_failure_with_its_reason(code: int, words: str) -> None:
    async with Talker(on_write=str(code)).running() as device, commanded(device.port) as rig:
        await rig.until_read()
        result, text = await rig.give("beep")
        assert result is CommandResult.FAILED
        assert "the device refuses" in text
        assert words in text
        assert len(device.writes) == 1


@pytest.mark.parametrize("on_write", ["silent", "closes", "echoes_other", "4", "5", "11"])
async def test_write_without_a_clear_answer_is_unknown_and_not_sent_again(on_write: str) -> None:
    async with Talker(on_write=on_write).running() as device, commanded(device.port) as rig:
        await rig.until_read()
        result, text = await rig.give("beep")
        assert result is CommandResult.UNKNOWN
        assert text.startswith("unknown whether it took effect: ")
        await read_again(device)
        assert len(device.writes) == 1


async def test_answer_that_comes_too_late_is_taken_neither_for_the_next_command_nor_for_a_reading() -> None:
    async with Talker(on_write="late").running() as device, commanded(device.port) as rig:
        await rig.until_read()
        assert (await rig.give("reset")).result is CommandResult.UNKNOWN
        device.on_write = "answers"
        device.registers[0] = 5
        await rig.heard.until(lambda heard: (last := heard.last("gas-1", "mode")) and last.x == 5)
        assert (await rig.give("beep")).result is CommandResult.DONE
        assert {reading.x for reading in rig.heard.of("gas-1", "mode")} <= {None, 0.0, 5.0}
        assert [wire for _, wire, _ in device.writes] == [20, 22]


async def test_what_is_read_back_after_a_silence_is_told_and_decides_nothing() -> None:
    async with Talker(on_write="silent").running() as device, commanded(device.port) as rig:
        await rig.until_read()
        result, text = await rig.give("inhibit")
        assert result is CommandResult.UNKNOWN
        assert text.endswith("address 0 reads back 2, 2 is what it should")


async def test_nothing_is_sent_to_a_device_that_is_taken_for_silent() -> None:
    async with Talker().running() as device, commanded(device.port) as rig:
        await rig.until_read()
        device.silent = True
        await rig.heard.until(lambda heard: (heard.last("gas-1", "mode") or heard.readings[0]).reason)
        await asyncio.sleep(1.0)
        assert await rig.give("beep") == (CommandResult.FAILED, "not sent: the device is silent")
        device.silent, device.registers[0] = False, 5
        await rig.heard.until(lambda heard: (last := heard.last("gas-1", "mode")) and last.x == 5)
        assert (await rig.give("beep")).result is CommandResult.DONE
        assert len(device.writes) == 1


async def test_nothing_is_sent_to_another_device_than_the_profile_is_for() -> None:
    async with Talker().running() as device, commanded(device.port) as rig:
        device.registers[9] = 78
        await rig.heard.until(lambda heard: heard.readings)
        result, text = await rig.give("beep")
        assert result is CommandResult.FAILED
        assert text.startswith("not sent: another device than A device that can be told things")
        assert device.writes == []


async def test_nothing_is_sent_while_the_connection_is_down() -> None:
    device = Talker()
    async with device.running():
        pass
    async with commanded(device.port) as rig:
        await rig.heard.until(lambda heard: heard.readings)
        assert await rig.give("beep") == (CommandResult.FAILED, "not sent: the connection is down")
        async with device.running():
            await rig.heard.until(lambda heard: (last := heard.last("gas-1", "mode")) and last.x == 0)
            assert (await rig.give("beep")).result is CommandResult.DONE
        assert len(device.writes) == 1


async def test_commands_given_together_are_carried_out_one_after_the_other() -> None:
    async with Talker().running() as device, commanded(device.port) as rig:
        await rig.until_read()
        outcomes = await asyncio.gather(*(rig.give(name) for name in ("beep", "lamp", "reset", "beep")))
        assert [outcome.result for outcome in outcomes] == [CommandResult.DONE] * 4
        assert [(function, wire) for function, wire, _ in device.writes] == [(6, 22), (5, 4), (16, 20), (6, 22)]


async def test_order_that_waits_when_the_agent_stops_is_not_sent() -> None:
    async with Talker(on_write="silent").running() as device:
        async with commanded(device.port) as rig:
            await rig.until_read()
            first = asyncio.create_task(rig.give("beep"))
            second = asyncio.create_task(rig.give("lamp"))
            await eventually(lambda: device.writes)
        assert (await first).result is CommandResult.UNKNOWN
        assert (await second).result in (CommandResult.FAILED, CommandResult.UNKNOWN)
        assert len(device.writes) <= 2


async def test_caller_who_gives_up_before_its_turn_has_nothing_written() -> None:
    async with Talker(on_write="silent").running() as device, commanded(device.port) as rig:
        await rig.until_read()
        first = asyncio.create_task(rig.give("beep"))
        second = asyncio.create_task(rig.give("lamp"))
        await asyncio.sleep(0)
        second.cancel()
        assert (await first).result is CommandResult.UNKNOWN
        await read_again(device)
        assert [function for function, _, _ in device.writes] == [6]


async def test_commands_hold_up_readings_no_longer_than_they_take() -> None:
    async with Talker().running() as device, commanded(device.port) as rig:
        await rig.until_read()
        began = time.monotonic()
        for _ in range(5):
            assert (await rig.give("beep")).result is CommandResult.DONE
        taken_s = time.monotonic() - began
        read = rig.heard.of("gas-1", "mode")
        assert all(reading.reason is None for reading in read)
        assert taken_s < 15

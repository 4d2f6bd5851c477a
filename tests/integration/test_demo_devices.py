"""The demo's devices, read by a real Modbus client over a real socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymodbus.client import AsyncModbusTcpClient

from hubwatch_core.config import MqttSection
from hubwatch_ops.demo.geiger import PERIOD_S, Geiger
from hubwatch_ops.demo.io_module import COUNTERS, INPUT_WORD, IoModule
from hubwatch_ops.demo.link import Relay
from hubwatch_ops.demo.modbus_device import ModbusDevice
from hubwatch_ops.demo.portal import OCCUPIED, SAMPLE_S, STATUS, Portal, Vehicle
from support.eventually import eventually


@asynccontextmanager
async def reading(device: ModbusDevice) -> AsyncIterator[AsyncModbusTcpClient]:
    await device.start()
    client = AsyncModbusTcpClient("127.0.0.1", port=device.port, timeout=30, retries=0)
    try:
        assert await client.connect()
        yield client
    finally:
        client.close()
        await device.stop()


async def status(client: AsyncModbusTcpClient) -> list[int]:
    return list((await client.read_holding_registers(STATUS, count=21)).registers)


async def test_portal_describes_itself_as_the_map_says() -> None:
    async with reading(Portal("rpm-1", 1)) as client:
        assert (await client.read_holding_registers(3, count=1)).registers == [STATUS]


async def test_portal_accounts_for_every_answer_by_its_mark() -> None:
    portal = Portal("rpm-1", 1)
    async with reading(portal) as client:
        marks = []
        for _ in range(5):
            words = await status(client)
            marks.append(words[0] | words[1] << 16)
        await client.read_holding_registers(0, count=8)
    assert len(set(marks)) == 5
    assert portal.served == dict.fromkeys(marks, 1)


async def test_source_in_a_vehicle_raises_the_counts_and_occupies_the_portal() -> None:
    portal = Portal("rpm-1", 1)
    async with reading(portal) as client:
        before = await status(client)
        portal.drive_through(Vehicle(time.time() - 0.5, 1.0, gamma_peak=500))
        during = await status(client)
        await asyncio.sleep(0.5 + 2 * SAMPLE_S)
        after = await status(client)
    assert before[2] & OCCUPIED == after[2] & OCCUPIED == 0
    assert during[2] & OCCUPIED
    assert before[4] < 160 > after[4]
    assert during[17] == before[17] + 1


async def test_frozen_portal_answers_the_same_again_and_says_when_it_hung() -> None:
    portal = Portal("rpm-1", 1)
    async with reading(portal) as client:
        portal.freeze()
        hung = time.time()
        first = await status(client)
        await asyncio.sleep(2 * SAMPLE_S)
        assert await status(client) == first
        portal.thaw()
        assert await status(client) != first
    assert portal.served.most_common(1)[0][1] == 2
    assert portal.was_frozen(hung)
    assert not portal.was_frozen(hung - 10)
    assert not portal.was_frozen(time.time() + 1)


async def test_io_module_shows_inputs_as_bits_word_and_counters() -> None:
    module = IoModule("doors")
    async with reading(module) as client:
        module.set(3, True)
        module.set(3, True)
        assert (await client.read_input_registers(INPUT_WORD, count=1)).registers == [8]
        assert (await client.read_discrete_inputs(0, count=8)).bits[:8] == [False] * 3 + [True] + [False] * 4
        assert (await client.read_input_registers(COUNTERS + 6, count=2)).registers == [0, 1]
        module.set(3, False)
        assert (await client.read_input_registers(INPUT_WORD, count=1)).registers == [0]
    assert module.served == {8: 2, 0: 1}
    assert list(module.changes) == [3]


async def test_undefined_registers_are_refused_as_a_real_device_does() -> None:
    async with reading(IoModule("doors")) as client:
        answer = await client.read_input_registers(300, count=1)
    assert answer.isError()
    assert answer.exception_code == 2


async def test_writing_is_refused() -> None:
    async with reading(Portal("rpm-1", 1)) as client:
        assert (await client.write_register(STATUS, 1)).isError()


async def test_device_that_fell_silent_serves_nothing_more() -> None:
    module = IoModule("doors")
    async with reading(module) as client:
        await client.read_input_registers(INPUT_WORD, count=1)
        module.fall_silent()
        answer = await client.read_input_registers(INPUT_WORD, count=1)
    assert answer.isError()
    assert answer.exception_code == 6
    assert module.served == {0: 1}


async def test_a_dead_device_refuses_and_comes_back_on_its_port() -> None:
    module = IoModule("doors")
    await module.start()
    port = module.port
    await module.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    async with reading(module) as client:
        assert module.port == port
        assert (await client.read_input_registers(INPUT_WORD, count=1)).registers == [0]


async def test_relay_carries_bytes_until_cut_and_again_when_healed() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        relay = Relay("127.0.0.1", server.sockets[0].getsockname()[1])
        await relay.heal()
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        await relay.cut()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", relay.port)
        await relay.heal()
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"again")
        assert await reader.readexactly(5) == b"again"
        writer.close()
        await relay.cut()


async def test_area_monitor_says_again_what_it_said_and_then_goes_on(amqtt_address: tuple[str, int]) -> None:
    host, port = amqtt_address
    geiger = Geiger(MqttSection(host=host, port=port, protocol="3.1.1"), seed=3)

    running = asyncio.create_task(geiger.run())
    await eventually(lambda: len(geiger.published) >= 4)
    before = list(geiger.published)
    geiger.replay(age_s=len(before) * PERIOD_S, seconds=3 * PERIOD_S)
    await eventually(lambda: len(geiger.published) >= len(before) + 4)
    after = geiger.published[len(before) :]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert after[:3] == before[:3]
    assert after[3] not in before

"""Readers that wait until somebody has taken a card: acknowledged where that is allowed, and never stuck."""

from __future__ import annotations

import pytest

from hubwatch_agents.devices import Device
from support import profile_cases
from support.eventually import eventually
from support.profile_cases import Case
from support.profile_replay import Collected, modbus_device, running, served

PATIENCE_S = 60.0
U2 = "inveo-ind-u2"
FLAG, CARD = 1004, 1004
"""Coil that tells of a new card, and the last register of its code."""


def quiet(profile_id: str = U2) -> Case:
    return profile_cases.load(profile_cases.FOLDER / profile_id / "readings.toml")


@pytest.mark.parametrize(("profile_id", "flag", "card"), [(U2, FLAG, CARD), ("inveo-ind-m1", 1016, 1011)])
async def test_reader_that_waits_for_an_acknowledgement_gets_it_and_gives_the_next_card(
    profile_id: str, flag: int, card: int
) -> None:
    case = quiet(profile_id)
    async with served(case) as (server, profile):
        server.writable = {(1, flag)}
        device = modbus_device(case, profile, server.port, period_ms=50)
        section = device.section.model_copy(update={"allow_commands": ("take-card",)})
        sink = Collected()
        async with running(device.connection, [Device(section, profile, device.connection)], sink):
            await eventually(lambda: sink.readings, PATIENCE_S)
            for number in (0x1111, 0x2222):
                server.change({3: {card: number}, 1: {flag: 1}})
                await eventually(lambda: server.values[1][flag] == 0, PATIENCE_S)
        assert [event.subject for event in sink.events] == ["badge:1111", "badge:2222"]


async def test_card_shown_while_nobody_looked_is_acknowledged_without_an_event() -> None:
    """Its time is not known, but a reader that waits for ever would be worse."""
    case = quiet()
    async with served(case) as (server, profile):
        server.writable = {(1, FLAG)}
        server.change({3: {CARD: 0x1111}, 1: {FLAG: 1}})
        device = modbus_device(case, profile, server.port, period_ms=50)
        section = device.section.model_copy(update={"allow_commands": ("take-card",)})
        sink = Collected()
        async with running(device.connection, [Device(section, profile, device.connection)], sink):
            await eventually(lambda: server.values[1][FLAG] == 0, PATIENCE_S)
            assert sink.events == []
            server.change({3: {CARD: 0x2222}, 1: {FLAG: 1}})
            await eventually(lambda: server.values[1][FLAG] == 0, PATIENCE_S)
        assert [event.subject for event in sink.events] == ["badge:2222"]


async def test_acknowledgement_that_was_refused_is_tried_again_and_the_card_is_told_once() -> None:
    case = quiet()
    async with served(case) as (server, profile):
        device = modbus_device(case, profile, server.port, period_ms=50)
        section = device.section.model_copy(update={"allow_commands": ("take-card",)})
        sink = Collected()
        async with running(device.connection, [Device(section, profile, device.connection)], sink):
            await eventually(lambda: sink.readings, PATIENCE_S)
            server.change({3: {CARD: 0x1111}, 1: {FLAG: 1}})
            await eventually(lambda: len(server.refused) > 2, PATIENCE_S)
            server.writable = {(1, FLAG)}
            await eventually(lambda: server.values[1][FLAG] == 0, PATIENCE_S)
        assert [event.subject for event in sink.events] == ["badge:1111"]


async def test_reader_whose_acknowledgement_is_not_allowed_is_never_written_to() -> None:
    case = quiet()
    async with served(case) as (server, profile):
        server.writable = {(1, FLAG)}
        device = modbus_device(case, profile, server.port, period_ms=50)
        sink = Collected()
        async with running(device.connection, [device], sink):
            await eventually(lambda: sink.readings, PATIENCE_S)
            server.change({1: {FLAG: 1}})
            await eventually(lambda: sink.events, PATIENCE_S)
            seen = len(sink.readings)
            await eventually(lambda: len(sink.readings) > seen + 10, PATIENCE_S)
        assert server.values[1][FLAG] == 1

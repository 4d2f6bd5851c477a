"""Who is behind an address? Asks unit ids in turn, and tells by the identity rules of the profiles what answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from hubwatch_agents.connections import ModbusConnection
from hubwatch_agents.modbus.client import Client
from hubwatch_agents.modbus.faults import ExceptionReply, Fault, LinkLost
from hubwatch_agents.modbus.plan import Request, span
from hubwatch_agents.modbus.raw import Image, Unread, reader
from hubwatch_agents.profiles.library import Library
from hubwatch_agents.profiles.modbus_schema import IdentityRule, ModbusProfile
from hubwatch_core.errors import Transient

FIRST_LOOK = Request(3, 0, 1)
"""What a unit is asked that no profile knows: any answer, an exception too, shows that it is there."""


@dataclass
class Found:
    """One unit that answers."""

    unit: int
    profiles: list[str] = field(default_factory=list)
    answer: str = ""


def probe(way: ModbusConnection, units: range, library: Library, timeout_s: float) -> list[Found]:
    """Ask every unit. Raises Transient when nothing can be connected to."""
    known = [profile for profile in _with_identity(library) if way.transport in profile.line.transports]
    return asyncio.run(_probe(Client(way), units, known, timeout_s))


def _with_identity(library: Library) -> Iterator[ModbusProfile]:
    for profile_id in library.ids():
        profile = library.map(profile_id).example()
        if isinstance(profile, ModbusProfile) and profile.identity:
            yield profile


async def _probe(client: Client, units: range, known: list[ModbusProfile], timeout_s: float) -> list[Found]:
    found = []
    try:
        for unit in units:
            if not client.connected:
                await _connect(client)
            answer = await _first_answer(client, unit, timeout_s)
            if answer is None:
                continue
            matching = [profile.id for profile in known if await _is(client, unit, profile, timeout_s)]
            found.append(Found(unit, matching, answer))
    finally:
        client.close()
    return found


async def _connect(client: Client) -> None:
    try:
        await client.connect()
    except LinkLost as lost:
        raise Transient(lost.reason) from None


async def _first_answer(client: Client, unit: int, timeout_s: float) -> str | None:
    """Give what the unit answers to a first look, None when it is silent."""
    try:
        (value,) = await client.read(FIRST_LOOK, unit, timeout_s)
    except ExceptionReply as reply:
        return reply.reason
    except Fault:
        return None
    return f"holding register 0 is {value}"


async def _is(client: Client, unit: int, profile: ModbusProfile, timeout_s: float) -> bool:
    return all([await _holds(client, unit, rule, timeout_s) for rule in profile.identity])


async def _holds(client: Client, unit: int, rule: IdentityRule, timeout_s: float) -> bool:
    request, image = span(rule), Image()
    try:
        image.put(request.function, request.wire, await client.read(request, unit, timeout_s))
        return reader(rule)(image) == rule.equals
    except (Fault, Unread):
        return False

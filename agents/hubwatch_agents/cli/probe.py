"""Who is behind an address? Asks unit ids in turn, and tells by the identity rules of the profiles what answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hubwatch_agents.config.library import Library
from hubwatch_agents.connections import ModbusConnection, place_of
from hubwatch_agents.drivers.modbus.client import ModbusClient
from hubwatch_agents.drivers.modbus.faults import GATEWAY, ExceptionReply, Fault, LinkLost
from hubwatch_agents.drivers.modbus.plan import ReadRequest, span
from hubwatch_agents.drivers.modbus.raw import Image, Unread, equal, reader
from hubwatch_agents.profiles.modbus_schema import IdentityRule, ModbusProfile
from hubwatch_core.errors import Transient

FIRST_LOOK = ReadRequest(3, 0, 1)
"""What a unit is asked that no profile knows: any answer of its own, an exception too, shows that it is there."""


@dataclass(frozen=True)
class ProbeAnswer:
    """One unit that answers."""

    unit: int
    profiles: tuple[str, ...] = ()
    answer: str = ""


@dataclass
class ProbeResult:
    """Who answers at one address, and for how many units a gateway says that nobody does (exceptions 10 and 11)."""

    asked: Sequence[int]
    answers: list[ProbeAnswer] = field(default_factory=list)
    absent: int = 0

    @property
    def all_alike(self) -> bool:
        """Whether every unit gives the same answer: then it is one device, and does not look at the unit id."""
        kinds = {(answer.profiles, answer.answer) for answer in self.answers}
        return len(self.asked) > 1 and len(self.answers) == len(self.asked) and len(kinds) == 1


def probe(connection: ModbusConnection, units: range, library: Library, timeout_s: float) -> ProbeResult:
    """Ask every unit. Raises Transient when nothing can be connected to."""
    known = [profile for profile in _with_identity(library) if connection.transport in profile.line.transports]
    return asyncio.run(_Probe(ModbusClient(connection), known, timeout_s).ask(units))


def lines(result: ProbeResult, connection: ModbusConnection) -> Iterator[str]:
    """Return what was found, line by line."""
    first, last = result.asked[0], result.asked[-1]
    for each in result.answers:
        known = ", ".join(each.profiles) or "no profile knows it by its registers"
        yield f"unit {each.unit}: {known} ({each.answer})"
    if result.all_alike:
        yield (
            f"every unit from {first} to {last} gives the same answer: "
            "this is probably one device that answers whatever unit is asked"
        )
    if result.absent:
        noun = "unit" if result.absent == 1 else "units"
        yield f"{result.absent} {noun}: nobody there, says the gateway (exception 10 or 11)"
    if not result.answers:
        yield f"no unit from {first} to {last} answers at {place_of(connection)}"


def _with_identity(library: Library) -> Iterator[ModbusProfile]:
    for profile_id in library.ids():
        profile = library.map(profile_id).example()
        if isinstance(profile, ModbusProfile) and profile.identity:
            yield profile


class _Probe:
    """One connection over which units are asked."""

    def __init__(self, client: ModbusClient, known: list[ModbusProfile], timeout_s: float) -> None:
        self._client = client
        self._known = known
        self._timeout_s = timeout_s

    async def ask(self, units: range) -> ProbeResult:
        result = ProbeResult(units)
        try:
            for unit in units:
                try:
                    answer = await self._first_answer(unit)
                except ExceptionReply:
                    result.absent += 1
                    continue
                if answer is not None:
                    matching = tuple([profile.id for profile in self._known if await self._is(unit, profile)])
                    result.answers.append(ProbeAnswer(unit, matching, answer))
        finally:
            self._client.close()
        return result

    async def _first_answer(self, unit: int) -> str | None:
        """Return what the unit answers to a first look, None when it is silent. Raises what a gateway says for it."""
        try:
            (value,) = await self._read(FIRST_LOOK, unit)
        except ExceptionReply as reply:
            if reply.code in GATEWAY:
                raise
            return reply.reason
        except Fault:
            return None
        return f"holding register 0 is {value}"

    async def _is(self, unit: int, profile: ModbusProfile) -> bool:
        return all([await self._holds(unit, rule) for rule in profile.identity])

    async def _holds(self, unit: int, rule: IdentityRule) -> bool:
        request, image = span(rule), Image()
        try:
            image.put(request.function, request.address, await self._read(request, unit))
            return equal(reader(rule)(image), rule.equals)
        except (Fault, Unread):
            return False

    async def _read(self, request: ReadRequest, unit: int) -> list[int]:
        """Read over a connection that may have to be made anew: some devices close it after each answer."""
        if self._client.connected:
            try:
                return await self._client.read(request, unit, self._timeout_s)
            except LinkLost:
                pass
        try:
            await self._client.connect()
        except LinkLost as lost:
            raise Transient(lost.reason) from None
        return await self._client.read(request, unit, self._timeout_s)

"""One cycle: everything one job reads from one unit, with what is done about each kind of fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hubwatch_agents.drivers.modbus.client import ModbusReader
from hubwatch_agents.drivers.modbus.faults import (
    BUSY,
    GATEWAY,
    ILLEGAL,
    ExceptionReply,
    GatewaySilent,
    LinkLost,
    NoAnswer,
    WrongReply,
)
from hubwatch_agents.drivers.modbus.jobs import Identity, Job, Unit
from hubwatch_agents.drivers.modbus.plan import ReadRequest, split
from hubwatch_agents.drivers.modbus.raw import Image, Unread, equal
from hubwatch_agents.profiles.modbus_schema import Command
from hubwatch_core.clock import now_us

ILLEGAL_SLEEP_S = 600.0
"""A register the device calls illegal is tried again after this: devices are reconfigured and updated."""
SILENT_SLEEP_S = 60.0
"""Some devices answer nothing at all where they should answer an exception; such a request is left out so long."""


class Busy(Exception):
    """The device asks to be asked again a little later."""


class IdentityMismatch(Exception):
    """Another device than the profile is for; `reason` says what shows it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What a cycle gave, the moment (µs) of its first answer, and the loss of the connection that cut it short."""

    image: Image
    t: int
    lost: LinkLost | None = None


class Cycle:
    """Reads jobs over one connection."""

    def __init__(self, client: ModbusReader, clock: Callable[[], float], connect_pause_s: float = 0.0) -> None:
        self._client = client
        self._clock = clock
        self._connect_pause_s = connect_pause_s
        self._spoken = 0.0
        self._answered = 0
        """The connection, by its number, that has given an answer."""

    async def read(self, job: Job) -> CycleResult:
        """Read everything a job wants. Raises Busy, IdentityMismatch, NoAnswer, WrongReply or LinkLost."""
        if not job.unit.identified:
            await self.identify(job.unit)
        image, t = Image(), 0
        work = self._awake(job, image)
        while work:
            request = work.pop(0)
            try:
                values = await self.ask(request, job.unit)
            except ExceptionReply as fault:
                t = t or now_us()
                work[:0] = self._refused(job, request, fault, image)
            except (NoAnswer, WrongReply) as fault:
                if not t:
                    raise
                self._sleep(job, request, SILENT_SLEEP_S, fault.reason, image)
            except LinkLost as fault:
                if not t:
                    raise
                for left in (request, *work):
                    image.fail(*left, fault.reason)
                return CycleResult(image, t, fault)
            else:
                t = t or now_us()
                image.put(request.function, request.address, values)
        return CycleResult(image, t or now_us())

    def _awake(self, job: Job, image: Image) -> list[ReadRequest]:
        """Return the requests to make now; a probe of a silent unit begins with another one each time."""
        if not job.asleep and not job.probes:
            return list(job.requests)
        now = self._clock()
        for request, (until, reason) in list(job.asleep.items()):
            if now < until:
                image.fail(*request, reason)
                continue
            del job.asleep[request]
            if not job.asleep:
                job.requests = list(job.plan)
        awake = [request for request in job.requests if request not in job.asleep]
        first = job.probes % len(awake) if awake else 0
        return awake[first:] + awake[:first]

    def _refused(self, job: Job, request: ReadRequest, fault: ExceptionReply, image: Image) -> list[ReadRequest]:
        """Deal with an exception reply; gives the requests to make instead."""
        if fault.code in BUSY:
            raise Busy
        if fault.code in GATEWAY:
            raise GatewaySilent(fault.reason)
        if fault.code not in ILLEGAL:
            image.fail(*request, fault.reason)
            return []
        parts = split(request, job.spans)
        if len(parts) == 1:
            self._sleep(job, request, ILLEGAL_SLEEP_S, fault.reason, image)
            return []
        place = job.requests.index(request)
        job.requests[place : place + 1] = parts
        return parts

    def _sleep(self, job: Job, request: ReadRequest, seconds: float, reason: str, image: Image) -> None:
        job.asleep[request] = (self._clock() + seconds, reason)
        image.fail(*request, reason)

    async def identify(self, unit: Unit) -> None:
        """See that a unit is what its profile is for. Raises Busy, IdentityMismatch or a Fault."""
        for identity in unit.identity:
            image = Image()
            try:
                image.put(identity.request.function, identity.request.address, await self.ask(identity.request, unit))
            except ExceptionReply as fault:
                if fault.code in BUSY:
                    raise Busy from None
                if fault.code in GATEWAY:
                    raise GatewaySilent(fault.reason) from None
                raise IdentityMismatch(_mismatch(identity, fault.reason)) from None
            _compare(identity, image)
        unit.identified = True

    async def ask(self, request: ReadRequest, unit: Unit) -> list[int]:
        """Read registers or bits. Raises a Fault.

        Small devices close after each answer. On a connection that has answered, the request is tried once more over a
        new one.
        """
        try:
            return await self._ask(request, unit)
        except LinkLost:
            if self._answered != self._client.connects:
                raise
        await self._connect_again()
        return await self._ask(request, unit)

    async def _ask(self, request: ReadRequest, unit: Unit) -> list[int]:
        if unit.pause_s:
            await self._quiet(unit)
        client = self._client
        try:
            values = await client.read(request, unit.number, unit.timeout_s)
        except (ExceptionReply, WrongReply):
            self._answered = client.connects
            raise
        finally:
            self._spoken = self._clock()
        self._answered = client.connects
        return values

    async def write(self, command: Command, unit: Unit) -> None:
        """Write what a command says, once. Raises a Fault."""
        if not self._client.connected and self._answered == self._client.connects:
            await self._connect_again()
        await self._quiet(unit)
        try:
            await self._client.write(command.function, command.address, command.values, unit.number, unit.timeout_s)
        finally:
            self._spoken = self._clock()

    async def _connect_again(self) -> None:
        await self._client.connect()
        await asyncio.sleep(self._connect_pause_s)

    async def _quiet(self, unit: Unit) -> None:
        """Leave the line quiet for as long as a unit needs it before it listens, whoever spoke last."""
        if unit.pause_s and (left := self._spoken + unit.pause_s - self._clock()) > 0:
            await asyncio.sleep(left)


def _compare(identity: Identity, image: Image) -> None:
    try:
        found = identity.read(image)
    except Unread as unread:
        raise IdentityMismatch(_mismatch(identity, unread.reason)) from None
    if not equal(found, identity.rule.equals):
        raise IdentityMismatch(_mismatch(identity, f"is {found!r} instead of {identity.rule.equals!r}"))


def _mismatch(identity: Identity, what: str) -> str:
    return f"another device than {identity.title}: register {identity.request.address} {what}"
